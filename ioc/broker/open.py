"""Opening the broker that the settings name."""

from ioc.broker.embedded import EmbeddedBroker
from ioc.broker.port import Broker
from ioc.settings import Settings


def open_broker(settings: Settings) -> Broker:
    """The broker of the settings: `embedded` keeps its log in the data folder, Kafka is somewhere else.

    Kafka is not connected before it is needed, so a program starts while it is away.
    """
    if settings.broker == "embedded":
        settings.data.mkdir(parents=True, exist_ok=True)
        return EmbeddedBroker(settings.data / "log.db")
    # Only here: a centre with the embedded log never loads kafka-python.
    from ioc.broker.kafka import KafkaBroker
    from ioc.broker.kafka_connection import KafkaOptions

    return KafkaBroker(KafkaOptions.of(settings), settings.data)
