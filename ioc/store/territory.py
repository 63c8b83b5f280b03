"""The territory in the store: put there by `setup` from a province's folder, read by every program at its start.

The store keeps the whole of it because access rules and reports need it beside the figures. Days stand as ISO
text. A province that is loaded again replaces its own rows; the short numbers of its places stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, TypeVar, get_type_hints
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, delete, insert, select

from ioc.errors import StoreError
from ioc.model.places import Asset, Centre, Coverage, Level, Membership, Succession, Unit
from ioc.model.territory import Territory
from ioc.store import schema
from ioc.store.reaches import save_reaches
from ioc.store.registry import register_places

Record = TypeVar("Record", Unit, Succession, Centre, Coverage, Asset, Membership, Level)


@dataclass(frozen=True, slots=True)
class ProvinceRow:
    """What the store knows of a loaded province; `digest` changes whenever its folder does."""

    id: str
    title_vi: str
    title_en: str
    timezone: str
    digest: str
    loaded_at: int


def loaded_provinces(connection: Connection) -> tuple[ProvinceRow, ...]:
    rows = connection.execute(select(schema.provinces).order_by(schema.provinces.c.id)).mappings()
    return tuple(ProvinceRow(**row) for row in rows)


def save_territory(connection: Connection, province: ProvinceRow, territory: Territory) -> None:
    """Put a province into the store in place of what was there of it, and number its places."""
    _forget(connection, province.id)
    connection.execute(insert(schema.provinces).values(**{f.name: getattr(province, f.name) for f in fields(province)}))
    known = {row.id for row in connection.execute(select(schema.levels.c.id))}
    _insert(connection, schema.levels, [level for level in territory.levels if level.id not in known])
    _insert(connection, schema.units, territory.units, province=province.id)
    _insert(connection, schema.successions, territory.successions)
    _insert(connection, schema.centres, territory.centres, province=province.id)
    _insert(connection, schema.coverage, territory.coverage)
    _insert(connection, schema.assets, territory.assets, province=province.id)
    _insert(connection, schema.asset_units, territory.memberships)
    register_places(connection, "unit", [unit.id for unit in territory.units])
    register_places(connection, "centre", [centre.id for centre in territory.centres])
    register_places(connection, "asset", [asset.id for asset in territory.assets])
    save_reaches(connection)


def load_territory(connection: Connection) -> Territory:
    """The territory of all loaded provinces; StoreError if there is none yet."""
    if not loaded_provinces(connection):
        raise StoreError("the store holds no province yet: run `python -m ioc setup`")
    return Territory(
        levels=_load(connection, schema.levels, Level),
        units=_load(connection, schema.units, Unit),
        successions=_load(connection, schema.successions, Succession),
        centres=_load(connection, schema.centres, Centre),
        coverage=_load(connection, schema.coverage, Coverage),
        assets=_load(connection, schema.assets, Asset),
        memberships=_load(connection, schema.asset_units, Membership),
    )


def local_offset(connection: Connection, now: int) -> int:
    """Local time minus UTC in milliseconds; StoreError where provinces of two offsets are loaded."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    offsets = {ZoneInfo(province.timezone).utcoffset(moment) for province in loaded_provinces(connection)}
    if len(offsets) != 1:
        raise StoreError("load provinces of one time zone only: their local days must begin together")
    (offset,) = offsets
    return round(offset.total_seconds() * 1000) if offset else 0


def _forget(connection: Connection, province: str) -> None:
    own_units = select(schema.units.c.id).where(schema.units.c.province == province)
    own_assets = select(schema.assets.c.id).where(schema.assets.c.province == province)
    connection.execute(delete(schema.asset_units).where(schema.asset_units.c.asset.in_(own_assets)))
    connection.execute(delete(schema.coverage).where(schema.coverage.c.unit.in_(own_units)))
    connection.execute(delete(schema.successions).where(schema.successions.c.from_unit.in_(own_units)))
    for table in (schema.assets, schema.centres, schema.units):
        connection.execute(delete(table).where(table.c.province == province))
    connection.execute(delete(schema.provinces).where(schema.provinces.c.id == province))


def _insert(connection: Connection, table: Table, records: Sequence[Any], **more: str) -> None:
    rows = [
        {name: _stored(getattr(record, name)) for name in (field.name for field in fields(record))} | more
        for record in records
    ]
    if rows:
        connection.execute(insert(table), rows)


def _load(connection: Connection, table: Table, record: type[Record]) -> list[Record]:
    names = [field.name for field in fields(record)]
    dated = {name for name, kind in get_type_hints(record).items() if kind == date | None}
    statement = select(*(table.c[name] for name in names)).order_by(*table.primary_key)
    records: list[Record] = []
    for row in connection.execute(statement):
        values: dict[str, Any] = dict(zip(names, row, strict=True))
        records.append(record(**values | {name: _loaded(values[name]) for name in dated}))
    return records


def _stored(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _loaded(value: str | None) -> date | None:
    return None if value is None else date.fromisoformat(value)
