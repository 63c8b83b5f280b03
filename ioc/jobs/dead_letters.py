"""Telling others of dead letters: each one, and each hour of them that is over, in the topic `<topic>.dlq`.

What is told is who sent it, where it stands, which rule it broke, and the names of its fields; never bytes or values.
A name of a field is told only where it looks like one: a producer may have put a person's name there. An hour's counts
and offsets (of whichever partition) say what is not kept letter by letter; counted again later, as ingest may lie
behind, the hour is told again.

At least once, by id: what was told is marked after the append. A reader knows a repetition by its `letter` and `at`.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ioc.broker.port import Broker, Record
from ioc.feeds import FEEDS
from ioc.feeds.feed import Feed
from ioc.model.origins import Origin
from ioc.model.windows import HOUR
from ioc.store import dead_letter_reading as rows
from ioc.store.dead_letter_reading import CountRow, KeptLetter
from ioc.store.engine import Store

AT_ONCE: Final = 500
"""Letters of one append."""

MOST_FIELDS: Final = 50
_FIELD: Final = re.compile(r"[A-Za-z_@$][A-Za-z0-9_.:@$-]{0,63}")


def publish_dead_letters(store: Store, broker: Broker, keep: int, now: int) -> int:
    """Tell the next of all feeds that were not told yet; how many. `keep` is how long letters are kept, in ms.

    No lock is held while the broker works: ingest writes meanwhile.
    """
    return sum(_letters(store, broker, feed, now) + _hours(store, broker, feed, keep, now) for feed in FEEDS.values())


def _letters(store: Store, broker: Broker, feed: Feed, now: int) -> int:
    with store.reading() as connection:
        letters = rows.unpublished_letters(connection, feed.id, AT_ONCE)
    if letters:
        _append(broker, feed, map(letter_as_told, letters), now)
        with store.writing() as connection:
            rows.mark_published(connection, [letter.row.id for letter in letters], now)
    return len(letters)


def _hours(store: Store, broker: Broker, feed: Feed, keep: int, now: int) -> int:
    this_hour = now // HOUR * HOUR
    with store.reading() as connection:
        hours = rows.unpublished_hours(connection, feed.id, since=this_hour - keep, before=this_hour, limit=AT_ONCE)
    if hours:
        _append(broker, feed, map(hour_as_told, hours), now)
        with store.writing() as connection:
            rows.mark_hours_published(connection, hours)
    return len(hours)


def _append(broker: Broker, feed: Feed, told: Iterable[dict[str, Any]], now: int) -> None:
    records = [Record(one["source"].encode(), msgspec.json.encode(one), {}) for one in told]
    broker.append(feed.dead_letter_topic, records, now)


def letter_as_told(letter: KeptLetter) -> dict[str, Any]:
    """One letter without content."""
    row = letter.row
    return {
        "letter": row.id,
        "feed": row.feed,
        "source": row.source,
        "origin": Origin(row.origin).slug,
        "kind": row.kind,
        "reason": row.reason,
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.offset,
        "at": _time(row.at),
        "size": row.size,
        **_names(letter),
    }


def hour_as_told(hour: CountRow) -> dict[str, Any]:
    """All letters of one source and kind in one hour; of these, `kept` were told one by one."""
    return {
        "hour": _time(hour.hour),
        "feed": hour.feed,
        "source": hour.source,
        "kind": hour.kind,
        "count": hour.count,
        "kept": hour.kept,
        "first_offset": hour.first_offset,
        "last_offset": hour.last_offset,
    }


def _names(letter: KeptLetter) -> dict[str, Any]:
    """`fields` of a message that is a JSON object, and how many more there are; None where it cannot be told."""
    try:
        message = msgspec.json.decode(letter.body, type=dict[str, msgspec.Raw]) if letter.row.is_whole else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        message = None
    if message is None:
        return {"fields": None, "other_fields": None}
    told = [name for name in message if _FIELD.fullmatch(name)][:MOST_FIELDS]
    return {"fields": told, "other_fields": len(message) - len(told)}


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()
