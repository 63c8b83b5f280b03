"""An imaginary day of a province, and replays of real ones: what `python -m simulators` sends.

Stands beside the product, not in it: it imports nothing of `ioc` and knows it only by its HTTP interface, as
any source system does. What it sends is marked by its API key (origin simulated or replay), never by the
message itself.

- `places` learns the assets, `roads`, `working_time` and `urbanity` say how busy each place is at which hour
- `traffic` and `dossiers` are pure functions of (seed, asset, local date); `province` joins them into steps
  of time
- `stream` sends the steps (`history` the past, `live` the present) and remembers in `position` how far it
  came
- `accidents` bends the present; `metr_la` and `service_requests` replay real data; `intake` is the one HTTP
  client
"""
