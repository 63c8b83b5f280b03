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
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from ioc.broker.kafka_refusals import why_not
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
_REFUSING: Final = errors.AuthorizationError


# It warns whenever something took a tenth of a second, as on any busy machine, that other connections would wait; each
# client here has one.
logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
# These tell each try of each connection, twenty lines in five seconds; what came of them is raised.
for chatty in ("net.manager", "net.connection", "net.transport", "cluster"):
    logging.getLogger(f"kafka.{chatty}").setLevel(logging.CRITICAL)


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

    @property
    def signs_in(self) -> bool:
        return self.security_protocol.startswith("SASL_")

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
        if self.signs_in:
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


class _Connections(KafkaConnectionManager):  # type: ignore[misc] # kafka-python has no types
    """kafka-python's connections, which give up at once where Kafka refuses who is to sign in.

    kafka-python 3.0.12 means to, but forgets at once that it was refused, and throws away what comes together with the
    end of a connection: it tries on, and does not tell why in vain. Only while the client is made: later Kafka may
    refuse for a moment, while it starts.
    """

    refusal: Exception | None = None

    def get_connection(self, node_id: Any, *arguments: Any, **options: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        connection = super().get_connection(node_id, *arguments, **options)
        if not self.cluster.brokers() and not connection.init_future.is_done:
            connection.init_future.add_errback(self._note_refusal)
        return connection

    async def _build_transport(self, *arguments: Any, **options: Any) -> Any:
        transport = await super()._build_transport(*arguments, **options)
        if not self.cluster.brokers():
            transport._sock_recv = _data_before_end(transport._sock_recv)  # noqa: SLF001 - no option names it
        return transport

    def _note_refusal(self, error: Exception) -> None:
        if isinstance(error, errors.SaslAuthenticationFailedError | errors.UnsupportedSaslMechanismError):
            self.refusal = error


def _data_before_end(receive: Callable[[], tuple[bytes, Exception | None]]) -> Callable[[], Any]:
    """Give away what was received first, and how the connection ended when more is asked for."""
    ended: Exception | None = None

    def receive_in_order() -> tuple[bytes, Exception | None]:
        nonlocal ended
        if ended is not None:
            return b"", ended
        data, ended = receive()
        return data, None if data else ended

    return receive_in_order


def connected(make: Callable[..., Client], **options: Any) -> Client:
    """What `make` makes with these options; where it cannot connect, its network thread is ended.

    kafka-python 3.0.12 leaves that thread and its sockets behind: one of each for every try, while Kafka is away.
    """
    made: list[Any] = []

    def client(**configs: Any) -> Any:
        net = NetworkSelector(**configs)
        made.append(KafkaNetClient(net, _Connections(net, **configs), **configs))
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
        # kafka-python says the same of a server that is away and of one with which it cannot speak.
        if seen := why_not(options.servers, options.security_protocol, options.ca_file):
            return BrokerError(f"no connection to Kafka comes about ({what}): {seen}")
        user = " and IOC_KAFKA_USERNAME, IOC_KAFKA_PASSWORD" if options.signs_in else ""
        return BrokerError(
            f"Kafka at {where} does not answer ({what}): see that it runs and that IOC_BROKER names it, and check"
            f" IOC_KAFKA_SECURITY_PROTOCOL={options.security_protocol}{user}"
        )
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return BrokerError(
            f"Kafka at {where} does not take {options.sasl_mechanism} ({what}): set IOC_KAFKA_SASL_MECHANISM to one"
            " that its listener has"
        )
    if isinstance(error, errors.SaslAuthenticationFailedError):
        return BrokerError(
            f"Kafka at {where} does not know the user {options.username} with this password ({what}): check"
            " IOC_KAFKA_USERNAME, IOC_KAFKA_PASSWORD and IOC_KAFKA_SASL_MECHANISM"
        )
    if isinstance(error, _REFUSING):
        return BrokerError(
            f"Kafka at {where} refuses this centre ({what}, {_kind(error)}): check IOC_KAFKA_USERNAME"
            " and the access lists of its topics"
        )
    if isinstance(error, errors.UnknownTopicOrPartitionError):
        return BrokerError(f"Kafka at {where} does not have the topic ({what}): run `python -m ioc setup` to make it")
    return BrokerError(f"Kafka at {where} failed ({what}): {_kind(error)} {error}".rstrip())


def _kind(error: Exception) -> str:
    return type(error).__name__
