"""When the disk counts as low, and what becomes of the ballast: a table of what is found and what follows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc.broker.open import open_broker
from ioc.errors import SettingsError
from ioc.model.room import MB, Ballast, Found, RoomRules, room
from ioc.operations.disk import LOW, Disk
from ioc.processes import check
from ioc.settings import Settings
from ioc.store.engine import Store

RULES = RoomRules(reserve=500, ballast=64)


def found(free: int, *, reusable: int = 0, ballast: int = 64, was_low: bool = False) -> Found:
    return Found(free, reusable, ballast, was_low)


@pytest.mark.parametrize(
    ("what", "is_low"),
    [
        (found(500), False),
        (found(499), True),
        (found(500, was_low=True), True),
        (found(624, was_low=True), True),
        (found(625, was_low=True), False),
        (found(400, reusable=100), False),
        (found(400, reusable=99), True),
        # What a file can take inside itself is worth nothing where there is no room to write the change down first.
        (found(100, reusable=10_000), True),
        (found(125, reusable=10_000), False),
        (found(0, reusable=10_000), True),
        # A ballast that was given up, or never made, is no room.
        (found(563, ballast=0), True),
        (found(564, ballast=0), False),
        (found(531, ballast=32), True),
    ],
    ids=str,
)
def test_low_is_what_leaves_less_than_the_reserve(what: Found, is_low: bool) -> None:
    assert room(what, RULES).is_low is is_low


@pytest.mark.parametrize(
    ("what", "rules", "ballast"),
    [
        (found(64), RULES, Ballast.KEEP),
        (found(63), RULES, Ballast.GIVE_UP),
        (found(63, ballast=0), RULES, Ballast.KEEP),
        (found(688, ballast=0), RULES, Ballast.KEEP),
        (found(689, ballast=0), RULES, Ballast.MAKE),
        (found(9_999), RULES, Ballast.KEEP),
        (found(9_999, ballast=100), RULES, Ballast.MAKE),
        (found(0), RoomRules(500, 0), Ballast.GIVE_UP),
        (found(9_999), RoomRules(500, 0), Ballast.GIVE_UP),
        (found(0, ballast=0), RoomRules(500, 0), Ballast.KEEP),
    ],
    ids=str,
)
def test_the_ballast_goes_when_the_disk_is_full_and_comes_back_when_there_is_room(
    what: Found, rules: RoomRules, ballast: Ballast
) -> None:
    assert room(what, rules).ballast is ballast


@given(st.integers(0, 2_000), st.integers(0, 2_000), st.booleans())
def test_giving_the_ballast_up_never_looks_like_room(free: int, reusable: int, was_low: bool) -> None:
    with_it = room(Found(free, 0, 64, was_low), RULES)
    without = room(Found(free + 64, 0, 0, was_low), RULES)
    assert without.is_low == with_it.is_low
    assert without.usable == with_it.usable


@given(st.integers(0, 2_000), st.integers(0, 2_000), st.sampled_from([0, 64]))
def test_a_made_ballast_is_not_given_up_at_once(free: int, reusable: int, ballast: int) -> None:
    before = Found(free, reusable, ballast, False)
    if room(before, RULES).ballast is Ballast.MAKE:
        made = Found(free - 64 + ballast, reusable, 64, False)
        assert room(made, RULES).ballast is Ballast.KEEP
        assert not room(made, RULES).is_low


def test_a_ballast_larger_than_the_reserve_is_refused() -> None:
    with pytest.raises(SettingsError, match="ballast=200 must not be larger than disk_reserve=100"):
        Settings.load({"IOC_DISK_RESERVE": "100", "IOC_BALLAST": "200"})
    assert Settings.load({}).disk_reserve * MB > Settings.load({}).ballast * MB


def test_where_log_and_store_stand_elsewhere_the_disk_stops_nothing(tmp_path: Path) -> None:
    stated = {
        "IOC_BROKER": "kafka://127.0.0.1:1",
        "IOC_STORE": "postgresql://127.0.0.1:1/ioc",
        "IOC_DATA": str(tmp_path),
    }
    for reserve, is_low in (("1000000", True), ("8", False)):
        settings = Settings.load({**stated, "IOC_DISK_RESERVE": reserve, "IOC_BALLAST": "8"})
        disk = Disk(settings, Store.open(settings.store), open_broker(settings))
        assert disk.keep_ballast().is_low is is_low
        assert not disk.stops_ingest
        assert not disk.stops_intake
        disk.check_room()
        assert list(tmp_path.iterdir()) == []
        (tmp_path / LOW).touch()  # of a time when they stood here
    disk.look()
    assert list(tmp_path.iterdir()) == []


def test_check_speaks_of_messages_only_where_they_would_be_written_here(tmp_path: Path) -> None:
    here = Settings.load({"IOC_DISK_RESERVE": "1000000", "IOC_DATA": str(tmp_path)})
    elsewhere = here.model_copy(
        update={"broker": "kafka://127.0.0.1:1", "store": "postgresql+psycopg://127.0.0.1:1/ioc"}
    )
    said = [found for settings in (here, elsewhere) for found in check.disk_space(settings, datetime.now(UTC))]
    assert [found.is_fine for found in said] == [False, False]
    assert ["nothing is taken in" in found.words for found in said] == [True, False]
