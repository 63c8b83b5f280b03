"""The sending systems: what each sent, how late, how much of it could not be used. Counts only, never contents.

The connectors board is for everybody who may read: a silent source concerns every centre.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from ioc.errors import NotFound
from ioc.feeds import FEEDS
from ioc.model.access import Permission, Principal
from ioc.model.origins import Origin
from ioc.model.series import State
from ioc.model.windows import HOUR, MINUTE
from ioc.operations.access import check_permission
from ioc.operations.places import Province, milliseconds, moment_of
from ioc.store.access import Connection
from ioc.store.source_reading import SourceRow, read_dead_letter_counts, read_gaps, read_sources

RECENT_MINUTES: Final = 5
COUNTED_MS: Final = HOUR
DEAD_LETTERS_MS: Final = 24 * HOUR
GAPS_MS: Final = 7 * 24 * HOUR
MOST_GAPS: Final = 100


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One source, feed and origin.

    `accepted`, `rejected`, `duplicates`, `late` and `rejected_share` are of the last hour. `late` of the accepted told
    of the past (a back-fill), and count neither in `per_minute`, which is of the last five minutes, nor in `lag_s`,
    from event to arrival in the newest of these minutes. `dead_letters` by kind are of the last 24 hours. `state`
    judges the age of the last message by the period of the feed's first series.
    """

    source: str
    feed: str
    origin: str
    last_message: datetime | None
    last_event: datetime | None
    lag_s: float | None
    per_minute: float
    accepted: int
    rejected: int
    rejected_share: float | None
    duplicates: int
    late: int
    dead_letters: dict[str, int]
    state: State


@dataclass(frozen=True, slots=True)
class GapEntry:
    """What ingest could not read of a topic: from which offset on, where it went on, and when that was noticed.

    It goes on at a smaller offset where the log was made anew or cut short.
    """

    topic: str
    partition: int
    from_offset: int
    to_offset: int
    noticed: datetime | None


@dataclass(frozen=True, slots=True)
class SourceList:
    """`gaps` are those of the last seven days, newest first, at most a hundred."""

    at: datetime
    sources: tuple[SourceEntry, ...]
    gaps: tuple[GapEntry, ...]


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One declared feed."""

    id: str
    title_vi: str
    title_en: str
    topic: str
    asset_kind: str
    series: tuple[str, ...]
    kpis: tuple[str, ...]
    cases: bool


def sources(principal: Principal, province: Province, *, now: datetime) -> SourceList:
    """All sources, by id, and what the log has lost."""
    check_permission(principal, Permission.READ)
    with province.reading(principal) as (connection, _):
        gaps = read_gaps(connection, since=milliseconds(now) - GAPS_MS, limit=MOST_GAPS)
        entries = tuple(GapEntry(*gap[:4], moment_of(gap.noticed_at)) for gap in gaps)
        return SourceList(now, read_source_entries(connection, now), entries)


def read_source_entries(connection: Connection, now: datetime) -> tuple[SourceEntry, ...]:
    at = milliseconds(now)
    minute = at // MINUTE * MINUTE
    rows = read_sources(connection, since=minute - COUNTED_MS, recent_since=minute - RECENT_MINUTES * MINUTE)
    letters: dict[tuple[str, str], dict[str, int]] = {}
    for one in read_dead_letter_counts(connection, since=at - DEAD_LETTERS_MS):
        letters.setdefault((one.source, one.feed), {})[one.kind] = one.count
    return tuple(_entry(row, letters.get((row.source, row.feed), {}), at) for row in rows)


def _entry(row: SourceRow, letters: dict[str, int], now: int) -> SourceEntry:
    feed = FEEDS.get(row.feed)
    judged = row.accepted + row.rejected
    # The current minute has only begun, so the rate is over the whole minutes before it and what there is of this one.
    minutes = RECENT_MINUTES + now % MINUTE / MINUTE
    return SourceEntry(
        row.source,
        row.feed,
        Origin(row.origin).slug,
        moment_of(row.last_message_at),
        moment_of(row.last_event_at or None),
        None if row.lag is None else round(row.lag / 1000, 1),
        round(row.recent / minutes, 1),
        row.accepted,
        row.rejected,
        round(row.rejected / judged, 4) if judged else None,
        row.duplicate,
        row.late,
        letters,
        feed.series[0].state((now - row.last_message_at) / 1000) if feed else State.SILENT,
    )


def feeds(principal: Principal) -> tuple[FeedEntry, ...]:
    """The declared feeds; also for a source that may only send."""
    _check_reads_or_sends(principal)
    return tuple(
        FeedEntry(
            feed.id,
            feed.title.vi,
            feed.title.en,
            feed.topic,
            feed.asset_kind,
            tuple(series.id for series in feed.series),
            tuple(kpi.id for kpi in feed.kpis),
            feed.case is not None,
        )
        for feed in FEEDS.values()
    )


def feed_schema(principal: Principal, feed_id: str) -> dict[str, Any]:
    """The JSON Schema of one message of a feed."""
    _check_reads_or_sends(principal)
    if feed_id not in FEEDS:
        raise NotFound(f"there is no feed {feed_id!r}: GET /api/v1/feeds lists them")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(FEEDS[feed_id].message)}


def _check_reads_or_sends(principal: Principal) -> None:
    if not principal.may(Permission.SEND):
        check_permission(principal, Permission.READ)
