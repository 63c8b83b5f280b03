"""Whatever bytes come in, a feed gives a fact that can be kept, or an InvalidMessage; nothing else comes out."""

import json
import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from ioc.errors import InvalidMessage
from ioc.feeds.judging import judged
from ioc.model.facts import CaseReport, Fact, Figure, Measurement
from tests.feeds.messages import BAD, DOSSIER, EVERY_FEED, KNOWN, LIMITS, NOW, STATEMENT, TRAFFIC
from tests.streams.small_centre import AIR

FEEDS = {**EVERY_FEED, "air": AIR}
MESSAGES = {"traffic": TRAFFIC, "dossiers": DOSSIER, "statements": STATEMENT, "air": {"id": "a1", "at": "2026-11-20"}}
MUTATIONS = 500_000 if os.environ.get("IOC_PROVE") else 24_000
OTHER_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 10**30, 1.5, 1e308, "", "x" * 300, "a1", "0", "\u0000", "đ", [], {}, [1], {"a": None},
    "2026-11-20", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-20/2026-11-21", "/", "20261120T10",
    "2026-W01-1", "24:00", "1970-01-01T00:00:00Z", "online", "Dossier", "TrafficFlowObserved",
)  # fmt: skip
TOKENS = (b"NaN", b"1e999", b"\\ud800", b"\\u0000", b"\x00", b"\xff", b"[[[[", b'{"', b"\xf0\x9f", b"-", b"0x1", b"//")


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
    except ValueError:
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


WAYS: tuple[Callable[[Random, bytes], bytes], ...] = (_flipped, _cut, _spliced, _exchanged, _exchanged)


def _assert_can_be_kept(fact: Fact) -> None:
    """Integers of 64 bits, and texts that any database keeps."""
    values: list[object]
    if isinstance(fact, Measurement):
        values = [fact.asset, fact.at, fact.as_of, *(number for _, *numbers in fact.readings for number in numbers)]
    elif isinstance(fact, CaseReport):
        values = [fact.case, fact.modified, *fact.happened, *fact.fields, *fact.fields.values()]
    else:
        assert isinstance(fact, Figure)
        numbers = (fact.as_of, fact.value, fact.numerator, fact.denominator)
        values = [fact.unit, *numbers, fact.qualifier, fact.source]
    for value in values:
        assert value is None or isinstance(value, int | str)
        if isinstance(value, int):
            assert abs(value) < 2**62
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()


@pytest.mark.parametrize("name", FEEDS)
def test_mutated_messages_come_to_a_fact_or_to_a_sentence(name: str) -> None:
    feed, random = FEEDS[name], Random(f"{name} 1")
    seeds = [json.dumps(MESSAGES[name]).encode(), *(message for _, of, message, _ in BAD if of == name)]
    seeds = [seed for seed in seeds if 0 < len(seed) < 2_000]
    taken = 0
    for _ in range(MUTATIONS // len(FEEDS)):
        message = random.choice(seeds) if random.random() < 0.3 else seeds[0]
        for _ in range(random.randint(1, 2)):
            message = random.choice(WAYS)(random, message) or message
        try:
            fact = feed.decode(message)
            taken += 1
            _assert_can_be_kept(fact)
            judged(feed, message, NOW, KNOWN, LIMITS)
        except InvalidMessage as refused:
            sentence = str(refused)
            assert sentence
            assert "\0" not in sentence
            sentence.encode()
    assert taken > MUTATIONS // len(FEEDS) // 50  # some are still good, or nothing but the parser was tried
