"""Messages that could not be used: kept whole up to a cap per source, kind and hour, beyond it only counted."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select

from ioc.model.windows import HOUR
from ioc.store.schema import dead_letter_counts, dead_letters
from ioc.store.statements import execute_rows, insert_into, larger, smaller


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused message. Without topic and offset it was refused at the intake."""

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


@lru_cache
def _counting(dialect: str) -> Any:
    counts = dead_letter_counts
    statement = insert_into(counts, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(counts.primary_key),
        set_={
            "count": counts.c["count"] + new["count"],
            "kept": counts.c["kept"] + new["kept"],
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
    )


def add_dead_letters(connection: Connection, letters: Sequence[DeadLetter], cap: int, body_bytes: int) -> None:
    """Keep the first `cap` letters of each (feed, source, kind, hour), `body_bytes` of each; count them all."""
    grouped: dict[tuple[str, str, str, int], list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        grouped[letter.feed, letter.source, letter.kind, letter.at // HOUR * HOUR].append(letter)
    counts: list[tuple[Any, ...]] = []
    for (feed, source, kind, hour), group in sorted(grouped.items()):
        table = dead_letter_counts
        kept = connection.execute(
            select(table.c.kept).where(
                and_(table.c.feed == feed, table.c.source == source, table.c.kind == kind, table.c.hour == hour)
            )
        ).scalar()
        keep = group[: max(0, cap - (kept or 0))]
        if keep:
            connection.execute(insert(dead_letters), [_row(letter, body_bytes) for letter in keep])
        offsets = [letter.offset for letter in group if letter.offset is not None]
        counts.append(
            (feed, source, kind, hour, len(group), len(keep), min(offsets, default=None), max(offsets, default=None))
        )
    names = ("feed", "source", "kind", "hour", "count", "kept", "first_offset", "last_offset")
    execute_rows(connection, _counting(connection.dialect.name), names, counts)


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
    }


def forget_dead_letters(connection: Connection, before: int) -> int:
    """Drop letters older than `before`: their bytes may be personal data."""
    return connection.execute(delete(dead_letters).where(dead_letters.c.at < before)).rowcount
