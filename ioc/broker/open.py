"""Opening the broker that the settings name."""

from pathlib import Path

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import Broker
from ioc.errors import SettingsError


def open_broker(address: str, data: Path) -> Broker:
    """The broker at `address`: `embedded` keeps its log in `data`."""
    if address == "embedded":
        data.mkdir(parents=True, exist_ok=True)
        return EmbeddedBroker(data / "log.db")
    raise SettingsError(f"IOC_BROKER is {address!r}: this version knows `embedded`")
