"""Messages that could not be used: kept whole up to a cap per source, kind and hour, beyond it only counted."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from ioc.model.windows import HOUR
from ioc.store.schema import dead_letter_counts, dead_letters
from ioc.store.statements import insert_into, larger, smaller


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused message. Without topic and offset it was refused at the intake.

    `key` is the one that it had in the log, where that and its headers are known; `element` its place, from 0, where
    the record there is an array of messages.
    """

    feed: str
    source: str
    origin: int
    at: int
    kind: str
    reason: str
    body: bytes
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    key: bytes | None = None
    element: int | None = None


@lru_cache
def _counting(dialect: str) -> Any:
    """Counts a group; RETURNING how many were kept before, and from here on nobody else keeps of the same group."""
    counts = dead_letter_counts
    statement = insert_into(counts, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(counts.primary_key),
        set_={
            "count": counts.c["count"] + new["count"],
            "first_offset": smaller(
                dialect,
                func.coalesce(counts.c.first_offset, new.first_offset),
                func.coalesce(new.first_offset, counts.c.first_offset),
            ),
            "last_offset": larger(
                dialect,
                func.coalesce(counts.c.last_offset, new.last_offset),
                func.coalesce(new.last_offset, counts.c.last_offset),
            ),
        },
    ).returning(counts.c.kept)


MOST_FULL: Final = 30
"""As many groups of a feed and hour may be full; when they are, only the first letter of each other one is kept."""


def add_dead_letters(connection: Connection, letters: Sequence[DeadLetter], cap: int, body_bytes: int) -> None:
    """Keep the first `cap` letters of each (feed, source, kind, hour), `body_bytes` of each; count them all."""
    left: dict[tuple[str, int], int] = {}
    grouped: dict[tuple[str, str, str, int], list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        grouped[letter.feed, letter.source, letter.kind, letter.at // HOUR * HOUR].append(letter)
    for (feed, source, kind, hour), group in sorted(grouped.items()):
        offsets = [letter.offset for letter in group if letter.offset is not None]
        key = {"feed": feed, "source": source, "kind": kind, "hour": hour}
        first_and_last = {"first_offset": min(offsets, default=None), "last_offset": max(offsets, default=None)}
        counted = {"count": len(group), "kept": 0, **first_and_last}
        kept = connection.execute(_counting(connection.dialect.name), key | counted).scalar_one()
        if (feed, hour) not in left:
            left[feed, hour] = max(0, MOST_FULL * cap - _kept_in(connection, feed, hour))
        keep = group[: max(min(1, cap) - kept, min(cap - kept, left[feed, hour]), 0)]
        left[feed, hour] = max(0, left[feed, hour] - len(keep))
        if keep:
            connection.execute(insert(dead_letters), [_row(letter, body_bytes) for letter in keep])
            connection.execute(
                update(dead_letter_counts)
                .where(*(dead_letter_counts.c[name] == value for name, value in key.items()))
                .values(kept=kept + len(keep))
            )


def _kept_in(connection: Connection, feed: str, hour: int) -> int:
    counts = dead_letter_counts
    total = select(func.sum(counts.c.kept)).where(counts.c.feed == feed, counts.c.hour == hour)
    return int(connection.execute(total).scalar() or 0)


def _row(letter: DeadLetter, body_bytes: int) -> dict[str, Any]:
    return {
        "feed": letter.feed,
        "source": letter.source,
        "origin": letter.origin,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "at": letter.at,
        "kind": letter.kind,
        "reason": letter.reason[:500],
        "body": letter.body[:body_bytes],
        "key": letter.key,
        "size": len(letter.body),
        "element": letter.element,
    }


def forget_dead_letters(connection: Connection, before: int) -> int:
    """Drop letters older than `before`: their bytes may be personal data."""
    return connection.execute(delete(dead_letters).where(dead_letters.c.at < before)).rowcount


def forget_counts(connection: Connection, before: int) -> int:
    return connection.execute(delete(dead_letter_counts).where(dead_letter_counts.c.hour < before)).rowcount
