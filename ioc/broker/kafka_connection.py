"""How this centre connects to Kafka, what a topic of its own is like, and Kafka's errors as sentences.

Refused: waiting for ever. Every limit below is short enough for a request of the intake to be answered, and for
ingest to notice that Kafka is back.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from kafka import errors
from kafka.net.compat import KafkaNetClient

from ioc.errors import BrokerError
from ioc.settings import Settings

CONNECT_MS: Final = 5_000
REQUEST_MS: Final = 5_000
LONGEST_RECONNECT_PAUSE_MS: Final = 500
"""kafka-python's 30 s would keep the centre waiting long after Kafka is back."""

HEADROOM_BYTES: Final = 65_536
"""What key, headers and framing may add to a message."""

Client = TypeVar("Client")

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

_SILENT: Final = (
    errors.KafkaTimeoutError,
    errors.KafkaConnectionError,
    errors.NodeNotReadyError,
    errors.UnknownBrokerIdError,
    errors.StaleMetadata,
    errors.RequestTimedOutError,
)
_REFUSING: Final = (errors.AuthorizationError, errors.SaslAuthenticationFailedError)


# It warns whenever something took a tenth of a second, as on any busy machine, that other connections would wait; each
# client here has one.
logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """What the settings say of Kafka."""

    servers: tuple[str, ...]
    security_protocol: str
    sasl_mechanism: str
    username: str
    password: str
    ca_file: str
    replication: int
    keep_ms: int
    max_message_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> "KafkaOptions":
        return cls(
            servers=tuple(settings.broker.removeprefix("kafka://").split(",")),
            security_protocol=settings.kafka_security_protocol,
            sasl_mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            ca_file=settings.kafka_ca_file,
            replication=settings.kafka_replication,
            keep_ms=settings.kafka_keep * _HOUR_MS,
            max_message_bytes=settings.max_message_bytes,
        )

    def __repr__(self) -> str:
        return f"KafkaOptions({','.join(self.servers)})"

    def client(self, role: str) -> dict[str, Any]:
        """What producer, consumer and administrator have in common; `role` is seen in Kafka's own logs."""
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "client_id": f"ioc-{role}",
            "bootstrap_timeout_ms": CONNECT_MS,
            "request_timeout_ms": REQUEST_MS,
            "reconnect_backoff_max_ms": LONGEST_RECONNECT_PAUSE_MS,
            "security_protocol": self.security_protocol,
        }
        if self.ca_file:
            options["ssl_cafile"] = self.ca_file
        if self.security_protocol.startswith("SASL_"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    def topic(self, keep_ms: int | None = None) -> dict[str, str]:
        """The settings of each topic: kept by time, never by a leader that lacks acknowledged records."""
        kept = {"retention.ms": str(keep_ms or self.keep_ms)}
        if keep_ms is not None:  # Kafka drops whole segments only, and by itself it begins one a week
            kept["segment.ms"] = str(min(keep_ms, _DAY_MS))
        return {
            **kept,
            # Whoever writes dates the record. What is counted by minute must not be of any minute there ever was.
            "message.timestamp.before.max.ms": kept["retention.ms"],
            "message.timestamp.after.max.ms": str(_HOUR_MS),
            "cleanup.policy": "delete",
            "max.message.bytes": str(self.max_message_bytes + HEADROOM_BYTES),
            "min.insync.replicas": str(2 if self.replication > 2 else 1),
            "unclean.leader.election.enable": "false",
        }


def connected(make: Callable[..., Client], **options: Any) -> Client:
    """What `make` makes with these options; where it cannot connect, its network thread is ended.

    kafka-python 3.0.12 leaves that thread and its sockets behind: one of each for every try, while Kafka is away.
    """
    made: list[Any] = []

    def client(**configs: Any) -> Any:
        made.append(KafkaNetClient(**configs))
        return made[-1]

    try:
        return make(kafka_client=client, **options)
    except BaseException:
        for one in made:
            one.close()
        raise


@contextmanager
def as_broker_error(options: KafkaOptions, what: str) -> Iterator[None]:
    """Turn what kafka-python raises while doing `what` into a BrokerError that says what to do."""
    try:
        yield
    # RuntimeError: a client whose network thread has ended; OSError: a certificate that cannot be read.
    except (errors.KafkaError, RuntimeError, OSError) as error:
        raise broker_error(options, what, error) from error


def broker_error(options: KafkaOptions, what: str, error: Exception) -> BrokerError:
    where = ",".join(options.servers)
    if isinstance(error, _SILENT):
        # kafka-python says the same of a server that is away and of one that refuses a password or a certificate.
        is_open = options.security_protocol == "PLAINTEXT"
        return BrokerError(
            f"Kafka at {where} does not answer{'' if is_open else ' or refuses this centre'} ({what}):"
            " see that it runs and that IOC_BROKER names it"
            + ("" if is_open else ", and check IOC_KAFKA_USERNAME, IOC_KAFKA_PASSWORD and IOC_KAFKA_CA_FILE")
        )
    if isinstance(error, _REFUSING):
        return BrokerError(
            f"Kafka at {where} refuses this centre ({what}, {_kind(error)}): check IOC_KAFKA_USERNAME,"
            " IOC_KAFKA_PASSWORD and the access lists of its topics"
        )
    if isinstance(error, errors.UnknownTopicOrPartitionError):
        return BrokerError(f"Kafka at {where} does not have the topic ({what}): run `python -m ioc setup` to make it")
    return BrokerError(f"Kafka at {where} failed ({what}): {_kind(error)} {error}".rstrip())


def _kind(error: Exception) -> str:
    return type(error).__name__
