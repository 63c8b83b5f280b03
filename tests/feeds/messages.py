"""Good messages of the real feeds, and bad ones each with the kind of its dead letter."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from ioc.feeds import FEEDS
from ioc.feeds.feed import Feed
from ioc.feeds.judging import Limits
from ioc.model.known_places import KnownIds
from tests.streams.small_centre import STATEMENTS

NOW: Final = round(datetime(2026, 11, 20, 3, 0, tzinfo=UTC).timestamp() * 1000)
LIMITS: Final = Limits(message_bytes=1_048_576, future=300_000)
KNOWN: Final = KnownIds({"a1": "road_segment", "o1": "office"}, frozenset({"u-top"}))
EVERY_FEED: Final[dict[str, Feed]] = {**FEEDS, "statements": STATEMENTS}

TRAFFIC: Final[dict[str, Any]] = {
    "id": "urn:ngsi-ld:TrafficFlowObserved:1",
    "type": "TrafficFlowObserved",
    "refRoadSegment": "a1",
    "dateObserved": "2026-11-20T09:59:00+07:00/2026-11-20T10:00:00+07:00",
    "laneId": 1,
    "vehicleType": "motorcycle",
    "intensity": 42,
    "averageVehicleSpeed": 31.25,
    "occupancy": 0.18,
    "averageHeadwayTime": 1.5,
    "congested": False,
}
DOSSIER: Final[dict[str, Any]] = {
    "id": "d1",
    "type": "Dossier",
    "office": "o1",
    "procedure": "1.001",
    "field": "đất đai",
    "channel": "online",
    "received": "2026-11-18T08:00:00+07:00",
    "due": "2026-11-30T17:00:00+07:00",
    "finished": None,
    "state": "in_progress",
    "modified": "2026-11-20T09:00:00+07:00",
}
STATEMENT: Final[dict[str, Any]] = {"unit": "u-top", "asOf": "2026-11-19", "value": 5, "source": "sổ"}


def body(message: dict[str, Any], **changed: Any) -> bytes:
    """The message as JSON, with some fields changed; those set to `...` left out."""
    said = {name: value for name, value in (message | changed).items() if value is not ...}
    return json.dumps(said, ensure_ascii=False).encode()


GOOD: Final = {"traffic": body(TRAFFIC), "dossiers": body(DOSSIER), "statements": body(STATEMENT)}


def _raw(name: str, value: str, message: dict[str, Any] = TRAFFIC) -> bytes:
    """The message with the JSON text of one field replaced."""
    return body(message, **{name: "HERE"}).replace(b'"HERE"', value.encode())


def bad_messages() -> Iterator[tuple[str, str, bytes, str]]:
    """(name, feed, body, kind of dead letter)."""
    unreadable, large = "unreadable", b" " * 5_000_000
    for feed, good in GOOD.items():
        yield "empty", feed, b"", unreadable
        yield "cut off", feed, good[:-1], unreadable
        yield "more behind", feed, good + b"{}", unreadable
        yield "not UTF-8", feed, good.replace(b'"', b'\xff"', 1), unreadable
        yield "a list in a list", feed, b"[[" + good + b"]]", unreadable
        yield "null", feed, b"null", unreadable
        yield "a raw U+0000", feed, good.replace(b'":', b'\x00":', 1), unreadable
        yield "5 MB", feed, good[:-1] + large + b"}", "too_large"
        yield "nested deeply", feed, good[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", unreadable
        yield "nested objects", feed, good[:-1] + b', "x": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, unreadable
    for name in ("NaN", "Infinity", "-Infinity", "1e999", "-1", "100001", "true", '"5"', "[]", "{}", "1" * 400):
        yield f"intensity {name[:9]}", "traffic", _raw("intensity", name), unreadable
    for name in ("NaN", "1.01", "-0.1"):
        yield f"occupancy {name}", "traffic", _raw("occupancy", name), unreadable
    for name in ("id", "type", "dateObserved"):
        yield f"without {name}", "traffic", body(TRAFFIC, **{name: ...}), unreadable
    for name in ("id", "type", "office", "received", "modified"):
        yield f"without {name}", "dossiers", body(DOSSIER, **{name: ...}), unreadable
    yield "another type", "traffic", body(TRAFFIC, type="TrafficFlow"), unreadable
    yield "an empty id", "dossiers", body(DOSSIER, id=""), unreadable
    yield "U+0000 in the id", "dossiers", body(DOSSIER, id="d\0"), unreadable
    yield "U+0000 in a text", "dossiers", body(DOSSIER, field="đất\0đai"), unreadable
    yield "U+0000 in a choice", "dossiers", body(DOSSIER, channel="on\0line"), unreadable
    yield "U+0000 in the type", "traffic", body(TRAFFIC, type="\0"), unreadable
    yield "U+0000 in the time", "traffic", body(TRAFFIC, dateObserved="2026-11-20\0"), unreadable
    yield "half a surrogate pair", "dossiers", _raw("field", '"\\ud800"', DOSSIER), unreadable
    yield "a long text", "dossiers", body(DOSSIER, field="x" * 121), unreadable
    yield "no time", "traffic", body(TRAFFIC, dateObserved="soon"), unreadable
    yield (
        "a time of a thousand digits",
        "traffic",
        body(TRAFFIC, dateObserved="2026-11-20T10:00:00." + "1" * 999),
        (unreadable),
    )
    yield "backwards", "traffic", body(TRAFFIC, dateObserved="2026-11-20T03:00:00Z/2026-11-20T02:00:00Z"), unreadable
    yield (
        "two days long",
        "traffic",
        body(TRAFFIC, dateObserved="2026-11-18T02:00:00Z/2026-11-20T02:00:00Z"),
        unreadable,
    )
    yield "a time without zone", "dossiers", body(DOSSIER, modified="2026-11-20T09:00:00"), unreadable
    yield "due in the year 1", "dossiers", body(DOSSIER, due="0001-01-01T00:00:00+14:00"), unreadable
    yield "due in 2100", "dossiers", body(DOSSIER, due="2100-01-01T00:00:00Z"), unreadable
    yield "in 1970", "traffic", body(TRAFFIC, dateObserved="1970-01-01T00:00:00Z"), "too_old"
    yield "in the year 1", "traffic", body(TRAFFIC, dateObserved="0001-01-01T00:00:00+14:00"), "too_old"
    yield "in 2100", "traffic", body(TRAFFIC, dateObserved="2100-01-01T00:00:00Z"), "future"
    yield "six minutes ahead", "traffic", body(TRAFFIC, dateObserved="2026-11-20T10:06:00+07:00"), "future"
    yield "received in 1970", "dossiers", body(DOSSIER, received="1970-01-01T00:00:00Z"), "too_old"
    yield "finished in 2100", "dossiers", body(DOSSIER, finished="2100-01-01T00:00:00Z"), "future"
    yield "modified in 2100", "dossiers", body(DOSSIER, modified="2100-01-01T00:00:00Z"), "future"
    yield "as of 2100", "statements", body(STATEMENT, asOf="2100-01-01"), "future"
    yield "an unknown segment", "traffic", body(TRAFFIC, refRoadSegment="a9"), "unknown_asset"
    yield "an unknown office", "dossiers", body(DOSSIER, office="o9"), "unknown_asset"
    yield "an office on the road", "traffic", body(TRAFFIC, refRoadSegment="o1"), "unknown_asset"
    yield "a segment as an office", "dossiers", body(DOSSIER, office="a1"), "unknown_asset"
    yield "an asset as a unit", "statements", body(STATEMENT, unit="a1"), "unknown_unit"
    yield "an unknown unit", "statements", body(STATEMENT, unit="u-9"), "unknown_unit"


BAD: Final = list(bad_messages())
