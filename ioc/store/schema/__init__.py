"""The tables of the store. All times are UTC milliseconds; local days stand as ISO text (`2025-07-01`).

One set of tables for both databases: SQLite (embedded) and PostgreSQL (production). Migrations under
`ioc/store/migrations` build them; a test compares both.
"""

from ioc.store.schema.access import (
    api_keys,
    external_identities,
    one_time_links,
    people,
    people_centres,
    screens,
    sessions,
)
from ioc.store.schema.audit import audit_anchor, audit_entries, audit_head, audit_holds
from ioc.store.schema.metadata import metadata
from ioc.store.schema.streams import (
    batches,
    cases,
    dead_letter_counts,
    dead_letters,
    figures,
    gaps,
    idempotency,
    positions,
    source_counts,
    sources,
)
from ioc.store.schema.territory import (
    asset_units,
    assets,
    centres,
    coverage,
    levels,
    places,
    provinces,
    reaches,
    series,
    successions,
    units,
)
from ioc.store.schema.windows import changes, kept_from, latest, marks, members, turns, windows, writers

__all__ = [
    "api_keys",
    "asset_units",
    "assets",
    "audit_anchor",
    "audit_entries",
    "audit_head",
    "audit_holds",
    "batches",
    "cases",
    "centres",
    "changes",
    "coverage",
    "dead_letter_counts",
    "dead_letters",
    "external_identities",
    "figures",
    "gaps",
    "idempotency",
    "kept_from",
    "latest",
    "levels",
    "marks",
    "members",
    "metadata",
    "one_time_links",
    "people",
    "people_centres",
    "places",
    "positions",
    "provinces",
    "reaches",
    "screens",
    "series",
    "sessions",
    "source_counts",
    "sources",
    "successions",
    "turns",
    "units",
    "windows",
    "writers",
]
