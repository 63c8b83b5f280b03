"""Messages spoilt in every way that is cheap to make: bytes, pieces, types, depth, size, encodings, headers."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from ioc.broker.port import BATCH, INDEX, ORIGIN, SOURCE
from tests.feeds.messages import BAD, DOSSIER, STATEMENT, TRAFFIC

MESSAGES: Final = {
    "traffic": TRAFFIC,
    "dossiers": DOSSIER,
    "statements": STATEMENT,
    "air": {"id": "a1", "at": "2026-11-20", "dust": 1.5, "noise": 60},
}
OTHER_VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**63, 10**30, 1.5, 1e308, "", "x" * 300, "a1", "0", "\u0000", "đ", [], {}, [1], {"a": None},
    "2026-11-20", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-20/2026-11-21", "/", "20261120T10",
    "2026-W01-1", "24:00", "1970-01-01T00:00:00Z", "online", "Dossier", "TrafficFlowObserved", -0.0, 5e-324, -(2**63),
    2**53 + 1, "\ud800", "\udfff\ud800", "a1\u0000", "\u202e", "2026-11-20T09:59:60Z", "2026-02-30", "1e5",
    "y" * 20_000,
)  # fmt: skip
TOKENS: Final = (
    b"NaN", b"-Infinity", b"1e999", b"-0", b"1" * 400, b"\\ud800", b"\\u0000", b"\x00", b"\xff", b"[[[[", b'{"',
    b"\xf0\x9f", b"-", b"0x1", b"//", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\x", b",", b"}", b"[" * 5_000,
    b'{"a":' * 2_000, b" " * 3_000, b'"' + b"z" * 20_000, b"\n", b"'", b"null", b"1.7976931348623159e308",
)  # fmt: skip
HEADERS: Final = (
    "", "0", "1", "2", "9", "-1", "1.5", "9" * 18, "9" * 19, "9" * 5_000, "٣", "²", "s1", "\u0000", "a\u0000b",
    "\ufffd", "x" * 201, "x" * 100_000, "đ", "\n", " ", "None", "system:test",
)  # fmt: skip

Mutation = Callable[[Random, bytes], bytes]


def _flipped(random: Random, message: bytes) -> bytes:
    changed = bytearray(message)
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _cut(random: Random, message: bytes) -> bytes:
    at = random.randrange(len(message) + 1)
    return message[:at] if random.random() < 0.5 else message[at:]


def _spliced(random: Random, message: bytes) -> bytes:
    one, other = sorted(random.randrange(len(message) + 1) for _ in range(2))
    return message[:one] + random.choice([random.choice(TOKENS), message[one:other] * 2, b""]) + message[other:]


def _exchanged(random: Random, message: bytes) -> bytes:
    """Values of other types, fields left out, fields of other names."""
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return _flipped(random, message)
    for _ in range(random.randint(1, 3)):
        name = random.choice(list(said) or ["id"])
        match random.randint(0, 3):
            case 0:
                said.pop(name, None)
            case 1:
                said[random.choice(["due", "occupancy", "numerator", "finished", "x"])] = random.choice(OTHER_VALUES)
            case _:
                said[name] = random.choice(OTHER_VALUES)
    return json.dumps(said, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _said_twice(random: Random, message: bytes) -> bytes:
    """A field again, with another value."""
    name = random.choice([b"id", b"dateObserved", b"office", b"intensity", b"value", b"at", b"modified", b"x"])
    value = json.dumps(random.choice(OTHER_VALUES)).encode()
    return message[:1] + b'"' + name + b'": ' + value + b", " + message[1:]


def _in_an_array(random: Random, message: bytes) -> bytes:
    """Several messages in one record, or nearly."""
    parts = [
        random.choice([message, message, _cut(random, message), b"[]", b"null"]) for _ in range(random.randint(0, 3))
    ]
    return b"[" + b",".join(parts) + b"]"


WAYS: Final[Sequence[Mutation]] = (
    *(_exchanged,) * 6, *(_flipped,) * 3, *(_cut,) * 3, *(_spliced,) * 4, *(_said_twice,) * 2, _in_an_array,
)  # fmt: skip


def seeds_of(feed: str) -> list[bytes]:
    """A good message, then bad ones of which each is bad in its own way."""
    bad = [message for _, of, message, _ in BAD if of == feed]
    return [json.dumps(MESSAGES[feed]).encode(), *(message for message in bad if 0 < len(message) < 2_000)]


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    message = random.choice(seeds) if random.random() < 0.3 else seeds[0]
    for _ in range(random.randint(1, 2)):
        message = random.choice(WAYS)(random, message) or message
    return message


def mutated_headers(random: Random) -> dict[str, str]:
    """Headers that say something, nothing, or too much."""
    names = (SOURCE, ORIGIN, BATCH, INDEX)
    good = {SOURCE: "s1", ORIGIN: "0"}
    return good | {name: random.choice(HEADERS) for name in names if random.random() < 0.3}
