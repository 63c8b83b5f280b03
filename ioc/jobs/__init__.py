"""What runs by the clock: roll-ups, stocks, newest values, forgetting. APScheduler's only home."""
