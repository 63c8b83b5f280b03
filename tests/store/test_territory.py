"""The territory in the store: what goes in comes out, and the numbers of places stay."""

from dataclasses import replace
from pathlib import Path

import pytest

from ioc.errors import StoreError
from ioc.model.places import Asset
from ioc.model.province_files import read_province
from ioc.model.territory import Territory
from ioc.store import migrations
from ioc.store.engine import Store
from ioc.store.registry import load_registry, register_series
from ioc.store.territory import ProvinceRow, load_territory, loaded_provinces, local_offset, save_territory
from tests.streams.small_centre import MIDNIGHT, territory

PROVINCES = Path(__file__).resolve().parents[2] / "provinces"
SMALL = ProvinceRow("small", "Nhỏ", "Small", "Asia/Ho_Chi_Minh", "digest", 1)


@pytest.fixture
def tables(store: Store) -> Store:
    migrations.upgrade(store)
    return store


def _save(store: Store, row: ProvinceRow, known: Territory) -> None:
    with store.writing() as connection:
        save_territory(connection, row, known)


def _load(store: Store) -> Territory:
    with store.reading() as connection:
        return load_territory(connection)


def _assert_same(found: Territory, wanted: Territory) -> None:
    for name in ("levels", "units", "successions", "centres", "coverage", "assets", "memberships"):
        ours, theirs = getattr(found, name), getattr(wanted, name)
        assert len(ours) == len(theirs)
        assert set(ours) == set(theirs), name


def test_the_small_territory_comes_back(tables: Store) -> None:
    _save(tables, SMALL, territory())
    _assert_same(_load(tables), territory())


@pytest.mark.parametrize("name", sorted(path.name for path in PROVINCES.iterdir() if path.is_dir()))
def test_a_province_of_ours_comes_back(tables: Store, name: str) -> None:
    province = read_province(PROVINCES / name)
    row = ProvinceRow(province.id, province.title_vi, province.title_en, province.timezone.key, "digest", 1)
    _save(tables, row, province.territory)
    found = _load(tables)
    _assert_same(found, province.territory)
    for asset in province.territory.assets:
        assert _above(found, asset.id) == _above(province.territory, asset.id)


def _above(known: Territory, asset: str) -> list[tuple[object, ...]]:
    """What an asset folds into by period; the order of the places is the store's own."""
    return [(start, end, set(places)) for start, end, places in known.memberships_intervals(asset)]


def test_loaded_again_it_replaces_itself_and_places_keep_their_numbers(tables: Store) -> None:
    _save(tables, SMALL, territory())
    with tables.reading() as connection:
        before = load_registry(connection).places
    known = territory()
    more = Asset("a0", "road_segment", "a0", "a0", 11.0, 106.6)
    changed = Territory(
        levels=known.levels, units=known.units, assets=[more, *known.assets[1:]], centres=known.centres,
    )  # fmt: skip
    _save(tables, replace(SMALL, digest="another"), changed)
    _assert_same(_load(tables), changed)
    with tables.reading() as connection:
        after = load_registry(connection).places
        assert [row.digest for row in loaded_provinces(connection)] == ["another"]
    assert after == before | {"a0": after["a0"]}
    assert after["a0"] not in before.values()


def test_two_provinces_stand_side_by_side(tables: Store) -> None:
    provinces = [read_province(PROVINCES / name) for name in ("binh_duong", "binh_phuoc")]
    for province in provinces:
        row = ProvinceRow(province.id, "", "", province.timezone.key, "digest", 1)
        _save(tables, row, province.territory)
    found = _load(tables)
    assert len(found.units) == sum(len(province.territory.units) for province in provinces)
    for province in provinces:
        assert {unit.id for unit in province.territory.units} <= {unit.id for unit in found.units}


def test_a_store_without_a_province_says_what_to_do(tables: Store) -> None:
    with pytest.raises(StoreError, match="setup"):
        _load(tables)


def test_local_days_begin_where_the_province_lies(tables: Store) -> None:
    _save(tables, SMALL, territory())
    with tables.reading() as connection:
        assert local_offset(connection, MIDNIGHT) == 7 * 3_600_000
    with tables.writing() as connection:
        connection.exec_driver_sql("INSERT INTO provinces VALUES ('far', '', '', 'Europe/Paris', '', 0)")
    with tables.reading() as connection, pytest.raises(StoreError, match="one time zone"):
        local_offset(connection, MIDNIGHT)


def test_series_keep_their_numbers_when_others_come(tables: Store) -> None:
    with tables.writing() as connection:
        register_series(connection, ["b.one", "a.one"])
        before = load_registry(connection).series
        register_series(connection, ["a.two", "b.one"])
        after = load_registry(connection).series
    assert after == before | {"a.two": 3}


def test_a_series_that_came_after_the_last_setup_is_named(tables: Store) -> None:
    with tables.writing() as connection:
        register_series(connection, ["traffic.intensity"])
        registry = load_registry(connection)
    registry.require_series(["traffic.intensity"])
    with pytest.raises(StoreError, match=r"traffic\.dust yet: run `python -m ioc setup`"):
        registry.require_series(["traffic.intensity", "traffic.dust"])
