"""`setup`: from nothing to a store with its province; done twice it changes nothing."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from ioc.errors import IocError, StoreVersionError
from ioc.feeds import FEEDS, SERIES
from ioc.processes import setup
from ioc.settings import Settings
from ioc.store import migrations
from ioc.store.engine import Store
from ioc.store.registry import load_registry
from ioc.store.rolling import load_kept_from
from ioc.store.territory import load_territory

PROVINCES = Path(__file__).resolve().parents[2] / "provinces"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A folder of one province that the test may change."""
    shutil.copytree(PROVINCES / "binh_phuoc", tmp_path / "provinces" / "binh_phuoc")
    return Settings(data=tmp_path / "data", province_dir=tmp_path / "provinces", province="binh_phuoc")


def _dump(settings: Settings) -> dict[str, list[str]]:
    found = {}
    for path in sorted(settings.data.glob("*.db")):
        connection = sqlite3.connect(path)
        found[path.name] = list(connection.iterdump())
        connection.close()
    return found


def test_from_nothing_to_a_store_that_the_programs_take(settings: Settings) -> None:
    assert setup.main(settings) == 0
    store = Store.open(settings.store)
    migrations.require_current(store)
    with store.reading() as connection:
        registry = load_registry(connection)
        assert registry.series.keys() == SERIES.keys()
        assert all(unit.id in registry.places for unit in load_territory(connection).units)
        assert len(load_kept_from(connection)) == 4
    store.close()


def test_done_twice_it_changes_nothing(settings: Settings) -> None:
    setup.main(settings)
    before = _dump(settings)
    assert before.keys() == {"ioc.db", "log.db"}
    assert setup.main(settings) == 0
    assert _dump(settings) == before


def test_a_changed_folder_is_loaded_again_and_windows_keep_what_they_had(settings: Settings) -> None:
    setup.main(settings)
    store = Store.open(settings.store)
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE kept_from SET start = start + 1")
        kept = load_kept_from(connection)
        before = load_registry(connection)
    toml = settings.province_dir / "binh_phuoc" / "province.toml"
    toml.write_text(
        toml.read_text(encoding="utf-8").replace('title_en = "', 'title_en = "Former ', 1), encoding="utf-8"
    )
    setup.main(settings)
    with store.reading() as connection:
        assert load_kept_from(connection) == kept
        assert load_registry(connection) == before
        (title,) = connection.exec_driver_sql("SELECT title_en FROM provinces").one()
    assert title.startswith("Former ")
    store.close()


def test_a_province_that_is_wrong_changes_nothing(settings: Settings) -> None:
    setup.main(settings)
    before = _dump(settings)
    (settings.province_dir / "binh_phuoc" / "units.csv").write_text("id,code\n")
    with pytest.raises(IocError):
        setup.main(settings)
    assert _dump(settings) == before


def test_a_store_of_a_newer_version_is_refused_and_untouched(settings: Settings) -> None:
    setup.main(settings)
    store = Store.open(settings.store)
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    before = _dump(settings)
    with pytest.raises(StoreVersionError, match="9999"):
        setup.main(settings)
    assert _dump(settings) == before


def test_the_topics_of_all_feeds_are_made(settings: Settings) -> None:
    setup.main(settings)
    connection = sqlite3.connect(settings.data / "log.db")
    topics = {topic for (topic,) in connection.execute("SELECT DISTINCT topic FROM partitions")}
    connection.close()
    assert topics == {topic for feed in FEEDS.values() for topic in (feed.topic, feed.dead_letter_topic)}
