"""Which places belong to a centre or a unit, on whatever day: what PostgreSQL's policies judge rows by.

Computed by the database from its own tables, beside the answers of `ioc.model.territory`: a mistake in one of them is
not repeated by the other. A place belongs where units, coverage and membership held together on at least one day.
Whoever changes a territory, a coverage or a membership computes them anew in the same transaction; what is forgotten
here is not seen.
"""

from typing import Final

from sqlalchemy import Connection, delete, text

from ioc.store.schema import reaches

_OVERLAP: Final = "greatest({0}.since, {1}.since) AS since, least({0}.until, {1}.until) AS until"
_HELD_TOGETHER: Final = "greatest({0}.since, {1}.since) < least({0}.until, {1}.until)"


def _dated(columns: str, table: str) -> str:
    return (
        f"SELECT {columns}, coalesce(CAST(valid_from AS date), '-infinity') AS since,"  # noqa: S608 - our own names
        f" coalesce(CAST(valid_to AS date), 'infinity') AS until FROM {table}"
    )


_SAVE: Final = text(f"""
WITH RECURSIVE
unit AS ({_dated("id, parent", "units")}),
covering AS ({_dated("centre, unit", "coverage")}),
member AS ({_dated("asset, unit", "asset_units")}),
below AS (
    SELECT 'unit' AS kind, id AS above, id AS unit, since, until FROM unit
    UNION
    SELECT below.kind, below.above, unit.id, {_OVERLAP.format("below", "unit")}
    FROM below JOIN unit ON unit.parent = below.unit
    WHERE {_HELD_TOGETHER.format("below", "unit")}
),
covered AS (
    SELECT 'centre' AS kind, covering.centre AS above, below.unit, {_OVERLAP.format("covering", "below")}
    FROM covering JOIN below ON below.above = covering.unit
    WHERE {_HELD_TOGETHER.format("covering", "below")}
),
held AS (SELECT * FROM below UNION ALL SELECT * FROM covered),
own AS (
    SELECT 'centre' AS kind, id AS above, id AS key FROM centres
    UNION
    SELECT kind, above, unit FROM held
    UNION
    SELECT held.kind, held.above, member.asset FROM held JOIN member USING (unit)
    WHERE {_HELD_TOGETHER.format("held", "member")}
),
family AS (
    SELECT id AS above, id AS centre FROM centres
    UNION
    SELECT family.above, centres.id FROM family JOIN centres ON centres.parent = family.centre
),
belonging AS (
    SELECT kind, above, key FROM own
    UNION
    SELECT own.kind, family.above, own.key
    FROM family JOIN own ON own.kind = 'centre' AND own.above = family.centre
)
INSERT INTO reaches (kind, above, places)
SELECT belonging.kind, belonging.above, range_agg(int4range(places.id, places.id + 1))
FROM belonging JOIN places ON places.key = belonging.key
GROUP BY belonging.kind, belonging.above
""")  # noqa: S608 - made of the words above only


def save_reaches(connection: Connection) -> None:
    """Compute them anew from the territory as it stands in the store. SQLite has no policies and keeps none."""
    if connection.dialect.name != "sqlite":
        connection.execute(delete(reaches))
        connection.execute(_SAVE)
