"""PostgreSQL repeats who sees what: whatever an operation forgets, no row of a foreign place is read for anybody."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Final

import numpy as np
import pytest
from sqlalchemy import insert, select, text

from ioc.errors import StoreError
from ioc.model.access import Principal, system_principal
from ioc.model.windows import LEVELS
from ioc.operations import cases, kpis, series, snapshots
from ioc.operations.places import Asked, Atlas, Place, PlaceKind, bounds_of
from ioc.store import schema
from ioc.store.bounds import Bounds, DatabaseRole
from ioc.store.days import days_of, make_days
from ioc.store.engine import Store
from ioc.store.rights import PLACED
from ioc.store.territory import loaded_provinces, save_territory
from tests.operations.rows import NOW, Rows, at, reader
from tests.streams.small_centre import STORE_URL, territory

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database", ["postgres"], indirect=True, scope="session"),
]

CENTRES: Final = ("c-all", "c-d1", "c-d2")
UNITS: Final = ("u-top", "u-d1", "u-d2", "u-l1", "u-l2", "u-l3", "u-m1", "u-m2", "u-same")
NUMBERS: Final = {"count": 1, "weight": 1, "sum": 1, "min": 1, "max": 1, "last_at": 0, "last": 1}


@pytest.fixture
def full(rows: Rows) -> Rows:
    """A row of every place in every table of rows of places."""
    numbers = sorted(rows.small.registry.places.values())
    speed = rows.series("traffic.mean_speed")
    start = at(8)
    with rows.small.store.writing() as connection:
        for level in LEVELS:
            make_days(connection, level, np.array([start]))
            of_level = [{"series": speed, "place": one, "origin": 0, "start": start, **NUMBERS} for one in numbers]
            connection.execute(insert(schema.windows[level.number]), of_level)
        newest = {"series": speed, "origin": 0, "at": start, "as_of": start + 10_000, "value": 5}
        connection.execute(insert(schema.latest), [{**newest, "place": one} for one in numbers])
        stated = {"series": speed, "origin": 0, "as_of": start, "value": 5, "qualifier": "", "source": "s"}
        connection.execute(insert(schema.figures), [{**stated, "place": one} for one in numbers])
        case = {"feed": "dossiers", "origin": 0, "modified_at": start, "fields": "{}", "stamps": "{}"}
        connection.execute(insert(schema.cases), [{**case, "case": str(one), "asset": one} for one in numbers])
    return rows


@pytest.fixture
def web_store(full: Rows) -> Iterator[Store]:
    """The store as the web program opens it."""
    made = Store.open((full.small.folder / STORE_URL).read_text(), DatabaseRole.WEB)
    yield made
    made.close()


def seen(rows: Rows, bounds: Bounds, store: Store | None = None) -> set[str]:
    """The places of the rows that are seen; the same in every table."""
    keys = {number: key for key, number in rows.small.registry.places.items()}
    with (store or rows.small.store).reading_for(bounds) as connection:
        found = {
            table: frozenset(connection.scalars(text(f"SELECT {column} FROM {table}")))
            for table, column in PLACED.items()
        }
    assert len(set(found.values())) == 1, found
    return {keys[number] for number in next(iter(found.values()))}


def ever_seen(atlas: Atlas, who: Principal) -> set[str]:
    """What operations let somebody see, on all days together."""
    days = {date(2020, 1, 1)} | set(atlas.territory.change_days)
    days |= {day for one in atlas.territory.memberships for day in (one.valid_from, one.valid_to) if day}
    found: set[str] = set()
    for day in sorted(days | {day - timedelta(days=1) for day in days}):
        scope = atlas.scope(who, day)
        assets = [one.id for one in atlas.territory.assets if atlas.sees(scope, PlaceKind.ASSET, one.id, day)]
        found |= {*scope.units, *scope.centres, *assets}
    return found


def groups(of: Iterable[str], most: int) -> list[tuple[str, ...]]:
    known = sorted(of)
    return [group for size in range(1, most + 1) for group in combinations(known, size)]


def test_without_bounds_nothing_is_seen(full: Rows, web_store: Store) -> None:
    assert seen(full, Bounds()) == set()
    assert seen(full, Bounds(), web_store) == set()
    assert seen(full, bounds_of(reader())) == set()
    assert seen(full, Bounds(frozenset({"no-such-centre", "u-top", "*", "", "{c-all}"}))) == set()
    assert seen(full, Bounds(units=frozenset({"u-top"}))) == set()


def test_the_programs_see_everything(full: Rows) -> None:
    assert seen(full, bounds_of(system_principal("test"))) == full.small.registry.places.keys()


@pytest.mark.parametrize("centres", groups(CENTRES, 3), ids="+".join)
def test_exactly_the_places_are_seen_that_operations_show_on_some_day(full: Rows, centres: tuple[str, ...]) -> None:
    who = reader(*centres)
    with full.province.reading(who) as (_, atlas):
        assert seen(full, bounds_of(who)) == ever_seen(atlas, who)


def test_a_centre_sees_what_it_covered_once_and_what_stands_below_it(full: Rows) -> None:
    assert seen(full, Bounds(frozenset({"c-d2"}))) == {"c-d2", "u-d2", "u-l3", "a3", "o2"}
    of_one = {"c-d1", "u-d1", "u-l1", "u-l2", "u-m1", "a1", "a2", "o1"}
    assert seen(full, Bounds(frozenset({"c-d1"}))) == of_one
    assert of_one < seen(full, Bounds(frozenset({"c-all"})))
    assert "c-d2" not in seen(full, Bounds(frozenset({"c-all"}))), "it does not stand below it"


@pytest.mark.parametrize("units", groups(UNITS, 2), ids="+".join)
def test_units_narrow_what_centres_show(full: Rows, units: tuple[str, ...]) -> None:
    for centre in CENTRES:
        who = reader(centre, units=frozenset(units))
        keys = {number: key for key, number in full.small.registry.places.items()}
        with full.province.reading(who) as (connection, atlas):
            found = {keys[number] for number in connection.scalars(select(schema.latest.c.place))}
            assert ever_seen(atlas, who) <= found
        of_units = set().union(*(ever_seen(atlas, reader("c-all", units=frozenset({one}))) for one in units))
        whole = {one for one in found if one in CENTRES}
        assert found <= seen(full, Bounds(frozenset({centre})))
        assert found - whole <= of_units
        assert whole == {one for one in ever_seen(atlas, who) if one in CENTRES}


def test_a_centre_that_loses_a_unit_does_not_see_it_any_more(full: Rows) -> None:
    known = territory()
    known.coverage = tuple(one for one in known.coverage if (one.centre, one.unit) != ("c-d1", "u-m1"))
    with full.small.store.writing() as connection:
        (row,) = loaded_provinces(connection)
        save_territory(connection, row, known)
    assert seen(full, Bounds(frozenset({"c-d1"}))) == {"c-d1", "u-d1", "u-l1", "u-l2", "a1", "a2", "o1"}
    assert "u-m1" in seen(full, Bounds(frozenset({"c-all"})))


def test_an_operation_that_forgets_its_filter_still_shows_no_foreign_row(full: Rows, web_store: Store) -> None:
    who = reader("c-d2")
    own = {full.place(key) for key in ("c-d2", "u-d2", "u-l3", "a3", "o2")}
    with full.province.reading(who) as (connection, _):
        assert set(connection.scalars(text("SELECT place FROM latest"))) == own
        assert connection.scalar(text("SELECT count(*) FROM windows_1d")) == len(own)
        joined = "SELECT count(*) FROM windows_10s JOIN latest USING (series, place, origin)"
        assert connection.scalar(text(joined)) == len(own)
    for table in PLACED:  # and one that forgets for whom it reads
        with pytest.raises(StoreError, match="permission denied"), web_store.reading() as connection:
            connection.execute(text(f"SELECT * FROM {table}"))


def test_operations_that_take_every_place_for_seen_show_nothing(full: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a scope that lets everything pass."""
    foreign, who = Asked(unit="u-m2"), reader("c-d1")
    monkeypatch.setattr(Atlas, "sees", lambda *_: True)
    for principal, shown in ((reader("c-all"), True), (who, False)):
        now = snapshots.snapshot(principal, full.province, foreign, now=NOW)
        assert any(one.last_value is not None for one in now.values) is shown
        assert any(one.reporting for one in now.values) is shown
        day = datetime.fromtimestamp(at(0) / 1000, UTC)
        went = series.series(principal, full.province, "traffic.mean_speed", foreign, now=NOW, start=day)
        assert bool(went.points) is shown
        rate = kpis.kpi(principal, full.province, "traffic.speed", foreign, now=NOW)
        assert (rate.as_of is not None) is shown
        page = cases.cases(principal, full.province, "dossiers", foreign, now=NOW)
        assert bool(page.cases) is shown


def test_bounds_end_with_their_transaction(full: Rows, web_store: Store) -> None:
    for _ in range(3):  # of a pool, the same connection
        assert seen(full, Bounds(frozenset({"c-d1"}), frozenset({"u-m1"})), web_store)
        assert seen(full, Bounds(), web_store) == set()
        with pytest.raises(StoreError, match="permission denied"), web_store.reading() as connection:
            connection.execute(select(schema.latest))


def test_a_day_is_read_through_its_table_only(full: Rows) -> None:
    with full.small.store.reading() as connection:
        (day,) = days_of(connection, LEVELS[0])
    name = f"windows_10s_{date(1970, 1, 1) + timedelta(days=day):%Y%m%d}"
    with full.small.store.reading() as connection:
        assert connection.scalar(text(f"SELECT count(*) FROM {name}"))
    for bounds in (Bounds(), Bounds(frozenset({"c-all"}))):
        with (
            pytest.raises(StoreError, match=f"permission denied for table {name}"),
            full.small.store.reading_for(bounds) as connection,
        ):
            connection.execute(text(f"SELECT count(*) FROM {name}"))


@pytest.mark.parametrize(
    "table", ["people", "sessions", "api_keys", "one_time_links", "dead_letters", "idempotency", "marks", "changes"]
)
def test_what_is_read_for_somebody_reaches_no_table_of_the_programs(full: Rows, table: str) -> None:
    with (
        pytest.raises(StoreError, match=f"permission denied for table {table}"),
        full.province.reading(reader("c-all")) as (connection, _),
    ):
        connection.execute(text(f"SELECT * FROM {table}"))


@pytest.mark.parametrize("table", PLACED)
def test_who_reads_for_somebody_cannot_write(full: Rows, table: str) -> None:
    with full.small.store.engine.connect() as connection:
        connection.execute(text(f"SELECT set_config('role', '{DatabaseRole.READER}', true)"))
        with pytest.raises(Exception, match="permission denied"):
            connection.execute(text(f"DELETE FROM {table}"))


def test_a_view_is_bounded_by_its_centre(full: Rows) -> None:
    centre = Place(PlaceKind.CENTRE, "c-d2", full.place("c-d2"))
    with full.province.reading_centre(centre) as (connection, _):
        assert connection.scalar(text("SELECT count(*) FROM latest")) == 5
