"""The way in for source systems: each message judged for its sender, and what is accepted made durable.

Accepted means: in the broker's log, which survives the death of any program. What is refused is answered by index and
kept as a dead letter. Personal fields that the feed declares are taken out before anything is written.

A request sent again under its idempotency key is judged by the clock of its first arrival, gets the same batch id, and
ingest drops what it has applied before. Refused: anything while the disk is low, the same key with another body, a
feed that the key is not for, assets outside the units of the key, simulated data where the settings forbid it.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE, Broker, Record
from ioc.errors import BadRequest, NotFound, Refused
from ioc.feeds import FEEDS
from ioc.feeds.feed import Feed
from ioc.feeds.judging import Limits, Reason, Unusable, judged
from ioc.model.access import Principal
from ioc.model.facts import OFFICE, CaseReport, Fact, Measurement
from ioc.model.origins import Origin
from ioc.model.windows import MINUTE, SECOND
from ioc.operations.access import check_may_send
from ioc.operations.disk import Disk
from ioc.operations.places import Atlas, Province, milliseconds
from ioc.store.dead_letters import DeadLetter, add_dead_letters
from ioc.store.idempotency import Claim, claim, read_claim
from ioc.store.streams import Heartbeat, add_heartbeats

LONGEST_KEY: Final = 200
MOST_MESSAGES: Final = 50_000
"""Of one request: what takes a few seconds to judge."""

MOST_COMMAS: Final = 40 * MOST_MESSAGES
MOST_LINES: Final = 4 * MOST_MESSAGES
"""Of one body, before it is cut up: a comma is four bytes to send and a hundred to hold."""


class KeyReused(BadRequest):
    """An idempotency key came again with another body."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """`index` counts the messages of the request from 0."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class IntakeAnswer:
    accepted: int
    rejected: tuple[Rejection, ...]


class Intake:
    """The broker that takes messages in, and the province that knows what they may speak of."""

    def __init__(self, province: Province, broker: Broker) -> None:
        self.province = province
        self.broker = broker
        self.disk = Disk(province.settings, province.store, broker)
        self.limits = Limits(province.settings.max_message_bytes, province.settings.future_tolerance * SECOND)


def accept(
    principal: Principal,
    intake: Intake,
    feed_id: str,
    messages: Sequence[bytes],
    *,
    now: datetime,
    key: str | None = None,
    body_hash: bytes | None = None,
    origin: Origin | None = None,
) -> IntakeAnswer:
    """Take in the messages of one request; all that is accepted is durable when this returns.

    `key` is the request's idempotency key, `body_hash` a SHA-256 of its body (default: of the messages). `origin`
    is for the centre's own shell only: a key has its own.
    """
    check_may_send(principal, feed_id)
    if feed_id not in FEEDS:
        raise NotFound(f"there is no feed {feed_id!r}: GET /api/v1/feeds lists them")
    intake.disk.check_room()
    feed, origin = FEEDS[feed_id], _origin(principal, origin, intake)
    _check_request(messages, key)
    hashed = body_hash or hashlib.sha256(b"\n".join(messages)).digest()
    arrived = milliseconds(now)
    with intake.province.reading_own() as (connection, atlas):
        horizon = arrived - intake.province.settings.idempotency_horizon * SECOND
        known = read_claim(connection, principal.id, key, since=horizon) if key else None
    if known is not None and known.body_hash[: len(hashed)] != hashed:
        raise _reused(key)
    judged_at = known.seen_at if known is not None else arrived
    usable, unusable = judge(principal, feed, messages, judged_at, atlas, intake.limits)
    letters = [
        DeadLetter(
            feed.id,
            principal.id,
            int(origin),
            arrived,
            one.kind,
            one.rule,
            without_personal_fields(feed, messages[index]),
        )
        for index, one in unusable
    ]
    wanted = Claim(hashed + _hash_of(index for index, _ in unusable), judged_at) if key else None
    stands = _write_down(intake, principal, feed, origin, arrived, horizon, key, wanted, letters)
    if stands is not None and wanted is not None and stands.body_hash != wanted.body_hash:
        raise _reused(key)
    intake.broker.append(feed.topic, _records(principal, origin, feed, messages, usable, key, stands), arrived)
    return IntakeAnswer(len(usable), tuple(Rejection(index, str(one)) for index, one in unusable))


def _origin(principal: Principal, stated: Origin | None, intake: Intake) -> Origin:
    if stated is not None and not principal.everything:
        raise Refused("the origin belongs to the key and cannot be stated: use a key of that origin")
    origin = stated if stated is not None else principal.origin
    if origin is None:
        raise Refused(f"{principal.name} sends with no origin: send with an API key")
    if origin is Origin.SIMULATED and not intake.province.settings.allow_simulated:
        raise Refused("this centre takes no simulated data: send with a key of another origin")
    return origin


def _check_request(messages: Sequence[bytes], key: str | None) -> None:
    if not messages:
        raise BadRequest("the request holds no message: send a JSON array or one message per line")
    _check_count(len(messages))
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise BadRequest(f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters")


def _check_count(messages: int) -> None:
    if messages > MOST_MESSAGES:
        raise BadRequest(f"the request holds {messages:,} messages: send at most {MOST_MESSAGES:,} at once")


def _reused(key: str | None) -> KeyReused:
    return KeyReused(
        f"Idempotency-Key {key!r} was used for another request, or the list of assets has changed since:"
        " send this one under a new key"
    )


# --- judging ---------------------------------------------------------------------------------------------------


def judge(
    principal: Principal, feed: Feed, messages: Sequence[bytes], now: int, atlas: Atlas, limits: Limits
) -> tuple[list[tuple[int, bytes]], list[tuple[int, Unusable]]]:
    """(index, key in the log) of what can be used, (index, why not) of the rest."""
    usable: list[tuple[int, bytes]] = []
    unusable: list[tuple[int, Unusable]] = []
    key_of, is_bounded = feed.key, bool(principal.units)
    for index, message in enumerate(messages):
        try:
            fact = judged(feed, message, now, atlas.ids, limits)
            if is_bounded:
                _check_units(principal, fact, atlas)
        except Unusable as error:
            unusable.append((index, error))
        else:
            usable.append((index, key_of(fact).encode()))
    return usable, unusable


def _check_units(principal: Principal, fact: Fact, atlas: Atlas) -> None:
    """Unusable unless the fact speaks of the units of the key, as of its own time."""
    if isinstance(fact, Measurement):
        above = atlas.territory.places_above(fact.asset, atlas.day(fact.at))
    elif isinstance(fact, CaseReport):
        above = atlas.territory.places_above(str(fact.fields[OFFICE]), atlas.day(fact.modified))
    else:
        above = atlas.territory.ancestors(fact.unit, atlas.day(fact.as_of))
    if not principal.units.intersection(above):
        raise Unusable(Reason.UNKNOWN_ASSET, "the asset stands in no unit of this key: ask for the list of assets")


# --- what is written -------------------------------------------------------------------------------------------


def _write_down(
    intake: Intake,
    principal: Principal,
    feed: Feed,
    origin: Origin,
    now: int,
    horizon: int,
    key: str | None,
    wanted: Claim | None,
    letters: Sequence[DeadLetter],
) -> Claim | None:
    """Claim the key and keep what was refused, once; the claim that stands."""
    if wanted is None and not letters:
        return None
    settings = intake.province.settings
    with intake.province.store.writing() as connection:
        is_repeated = False
        stands = wanted
        if key is not None and wanted is not None:
            is_repeated = read_claim(connection, principal.id, key, since=horizon) is not None
            stands = claim(connection, principal.id, key, wanted, since=horizon)
        if letters and not is_repeated:
            add_dead_letters(connection, letters, settings.dead_letter_cap, settings.dead_letter_bytes)
            minute = now // MINUTE * MINUTE
            add_heartbeats(
                connection,
                [Heartbeat(principal.id, feed.id, int(origin), minute, 0, len(letters), 0, 0, now, 0)],
            )
    return stands


def _records(
    principal: Principal,
    origin: Origin,
    feed: Feed,
    messages: Sequence[bytes],
    usable: Sequence[tuple[int, bytes]],
    key: str | None,
    stands: Claim | None,
) -> list[Record]:
    shared = {SOURCE: principal.id, ORIGIN: str(int(origin))}
    if key is None or stands is None:
        return [Record(log_key, without_personal_fields(feed, messages[index]), shared) for index, log_key in usable]
    # The first arrival is part of the batch id: a key may be used again once the horizon has passed.
    named = f"{principal.id}\0{key}\0{stands.seen_at}".encode()
    shared[BATCH] = hashlib.sha256(named + stands.body_hash).hexdigest()[:32]
    return [
        Record(log_key, without_personal_fields(feed, messages[index]), {**shared, INDEX: str(index)})
        for index, log_key in usable
    ]


def _hash_of(indexes: Iterable[int]) -> bytes:
    """Which messages were refused is part of a claim: an index must mean the same when a request comes again."""
    return hashlib.sha256(",".join(map(str, indexes)).encode()).digest()


def without_personal_fields(feed: Feed, message: bytes) -> bytes:
    """The message without the feed's personal fields, at any depth; as it is where it has none."""
    personal = feed.personal_fields
    if not personal or not (b"\\" in message or any(name.encode() in message for name in personal)):
        return message
    try:
        return msgspec.json.encode(_stripped(msgspec.json.decode(message), personal))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return b""  # not JSON, and it may name a person: its reason must do


def _stripped(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(inner, names) for name, inner in value.items() if name not in names}
    if isinstance(value, list):
        return [_stripped(inner, names) for inner in value]
    return value


# --- the body of a request -------------------------------------------------------------------------------------

_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_SPACE: Final = b" \t\r\n"
_STRUCTURE: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},"]', re.DOTALL)


def split_array(body: bytes) -> list[bytes]:
    """The elements of a JSON array (or the one object that stands alone), unparsed.

    An element that is no JSON by itself (NaN, too deep) is one bad message among good ones; BadRequest, with the
    position, only where it cannot be told where one message ends and the next begins.
    """
    if body.lstrip(_SPACE)[:1] == b"{":
        return [body]
    _check_density(body, b",", MOST_COMMAS)
    try:
        elements = _array.decode(body)
        _check_count(len(elements))
        return [bytes(raw) for raw in elements]
    except RecursionError:
        reason = "it is nested too deeply"
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = str(error)
    parts = _split_at_commas(body)
    if parts is None:
        raise BadRequest(f"the body is not a JSON array of messages: {reason}")
    _check_count(len(parts))
    return parts


def _check_density(body: bytes, separator: bytes, most: int) -> None:
    """BadRequest before a body of nothing but separators becomes as many objects."""
    if (found := body.count(separator)) > most:
        raise BadRequest(
            f"the body has {found:,} times {separator.decode()!r}, more than {MOST_MESSAGES:,} messages need: send less"
        )


def _split_at_commas(body: bytes) -> list[bytes] | None:
    """What stands between the outermost commas of an array; None if its brackets do not close."""
    depth, begin, parts = 0, 0, list[bytes]()
    for match in _STRUCTURE.finditer(body):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth == 1:
                if token != b"[" or body[: match.start()].strip(_SPACE):
                    return None
                begin = match.end()
        elif token in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                is_whole = token == b"]" and not body[match.end() :].strip(_SPACE)
                return [*parts, body[begin : match.start()].strip(_SPACE)] if is_whole else None
        elif token == b"," and depth == 1:
            parts.append(body[begin : match.start()].strip(_SPACE))
            begin = match.end()
        elif token == b'"':  # a text that does not end
            return None
    return None


def split_lines(body: bytes) -> list[bytes]:
    """The lines of newline-delimited JSON, unparsed; empty ones do not count."""
    _check_density(body, b"\n", MOST_LINES)
    return [line for line in body.split(b"\n") if line.strip(_SPACE)]
