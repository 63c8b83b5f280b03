"""The territory as of a day: a small invented land whose one commune is divided and whose codes come back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc.errors import UnknownPlace
from ioc.model.territory import (
    Asset,
    Centre,
    Coverage,
    InvalidTerritory,
    Level,
    Membership,
    Stretch,
    Succession,
    Territory,
    Unit,
)

REFORM = date(2025, 7, 1)
BEFORE, AFTER = date(2025, 6, 30), REFORM


def unit(unit_id: str, code: str, level: str, parent: str | None, *, old: bool) -> Unit:
    start, end = (None, REFORM) if old else (REFORM, None)
    return Unit(unit_id, code, f"unit {unit_id}", level, parent, start, end, 11.0, 106.6)


RECORDS: dict[str, tuple[Any, ...]] = {
    "levels": (Level("top", "", "", 0), Level("middle", "", "", 1), Level("low", "", "", 2)),
    "units": (
        unit("old-top", "74", "top", None, old=True),
        unit("old-west", "718", "middle", "old-top", old=True),
        unit("old-east", "719", "middle", "old-top", old=True),
        unit("old-a", "100", "low", "old-west", old=True),
        unit("old-b", "101", "low", "old-west", old=True),
        unit("old-c", "102", "low", "old-east", old=True),
        unit("new-top", "79", "top", None, old=False),
        unit("new-a", "100", "low", "new-top", old=False),
        unit("new-b", "102", "low", "new-top", old=False),
    ),
    "successions": (
        Succession("old-a", "new-a", "whole", 1.0, "source", True),
        Succession("old-b", "new-a", "divided", 0.25, "schematic_overlap", False),
        Succession("old-b", "new-b", "divided", 0.75, "schematic_overlap", True),
        Succession("old-c", "new-b", "whole", 1.0, "source", True),
    ),
    "centres": (Centre("all", "", ""), Centre("west", "", "", "all"), Centre("east", "", "", "all")),
    "coverage": (
        Coverage("all", "old-top", None, REFORM),
        Coverage("west", "old-west", None, REFORM),
        Coverage("east", "old-east", None, REFORM),
        Coverage("all", "new-a", REFORM, None),
        Coverage("all", "new-b", REFORM, None),
        Coverage("west", "new-a", REFORM, None),
        Coverage("west", "new-b", REFORM, None),
        Coverage("east", "new-b", REFORM, None),
    ),
    "assets": (
        Asset("road-1", "road_segment", "", "", 11.0, 106.6),
        Asset("office-1", "office", "", "", 11.0, 106.6, None, REFORM, None),
        Asset("stray", "camera", "", "", 11.0, 106.6),
    ),
    "memberships": (
        Membership("road-1", "old-b", None, REFORM),
        Membership("road-1", "new-b", REFORM, None),
        Membership("office-1", "new-a", REFORM, None),
    ),
}


@pytest.fixture(scope="module")
def land() -> Territory:
    return Territory(**RECORDS)


def changed(table: str, row: int, **values: object) -> Territory:
    records = list(RECORDS[table])
    records[row] = replace(records[row], **values)
    return Territory(**{**RECORDS, table: tuple(records)})


def test_tree_of_a_day_is_the_one_that_held_on_it(land: Territory) -> None:
    assert [one.id for one in land.roots(BEFORE)] == ["old-top"]
    assert [one.id for one in land.children("old-top", BEFORE)] == ["old-west", "old-east"]
    assert land.descendants("old-top", BEFORE) == ("old-top", "old-west", "old-a", "old-b", "old-east", "old-c")
    assert land.ancestors("old-c", BEFORE) == ("old-c", "old-east", "old-top")
    assert [one.id for one in land.roots(AFTER)] == ["new-top"]
    assert land.ancestors("old-c", AFTER) == ()
    assert land.descendants("new-top", BEFORE) == ()


def test_code_means_the_unit_that_carries_it_on_that_day(land: Territory) -> None:
    assert land.resolve_unit("102", BEFORE).id == "old-c"
    assert land.resolve_unit("102", AFTER).id == "new-b"
    assert land.resolve_unit("old-c", AFTER).id == "old-c"
    with pytest.raises(UnknownPlace, match=r"on 2025-07-01, the code '718'"):
        land.resolve_unit("718", AFTER)


def test_asset_changes_places_at_local_midnight(land: Territory) -> None:
    assert land.places_above("road-1", BEFORE) == ("old-b", "old-west", "old-top", "all", "west")
    assert land.places_above("road-1", AFTER) == ("new-b", "new-top", "all", "west", "east")
    assert land.unit_of("road-1", BEFORE) == "old-b"
    assert land.memberships_intervals("road-1") == (
        (None, REFORM, ("old-b", "old-west", "old-top", "all", "west")),
        (REFORM, None, ("new-b", "new-top", "all", "west", "east")),
    )


def test_asset_has_no_places_before_it_begins_or_without_a_unit(land: Territory) -> None:
    assert land.places_above("office-1", BEFORE) == ()
    assert land.unit_of("office-1", BEFORE) is None
    assert land.memberships_intervals("stray") == ()


def test_coverage_that_changes_divides_an_interval() -> None:
    later = date(2026, 1, 1)
    land = changed("coverage", 7, valid_from=later)
    assert [(start, end, places[-1]) for start, end, places in land.memberships_intervals("road-1")] == [
        (None, REFORM, "west"),
        (REFORM, later, "west"),
        (later, None, "east"),
    ]


def test_coverage_of_others_does_not_divide_an_interval() -> None:
    land = changed("coverage", 5, valid_from=date(2026, 1, 1))
    assert len(land.memberships_intervals("road-1")) == 2


@given(st.integers(-40, 400))
def test_intervals_say_the_same_as_the_tree(days: int) -> None:
    land = Territory(**RECORDS)
    day = REFORM + timedelta(days=days)
    for asset in land.assets:
        home = land.unit_of(asset.id, day)
        expected = () if home is None else (*land.ancestors(home, day), *land.centres_of_unit(home, day))
        assert land.places_above(asset.id, day) == expected


def test_centre_covers_everything_below_its_units(land: Territory) -> None:
    assert land.centres_of_unit("old-b", BEFORE) == ("all", "west")
    assert land.units_of_centre("all", BEFORE) == ("old-top",)
    assert land.all_units_of_centre("west", BEFORE) == ("old-west", "old-a", "old-b")
    assert land.units_of_centre("west", AFTER) == ("new-a", "new-b")


def test_assets_of_a_unit_or_a_centre(land: Territory) -> None:
    assert [one.id for one in land.assets_of("old-top", BEFORE)] == ["road-1"]
    assert [one.id for one in land.assets_of("all", AFTER)] == ["road-1", "office-1"]
    assert [one.id for one in land.assets_of("all", AFTER, "office")] == ["office-1"]
    with pytest.raises(UnknownPlace, match="'nowhere'"):
        land.assets_of("nowhere", AFTER)


def test_history_restated_on_a_unit_of_today_breaks_at_the_reform(land: Territory) -> None:
    june, august = date(2025, 6, 1), date(2025, 8, 1)
    assert land.restated("new-b", june, august) == (
        Stretch(june, REFORM, (("old-b", 0.75), ("old-c", 1.0))),
        Stretch(REFORM, august, (("new-b", 1.0),)),
    )
    assert land.restated("new-top", june, REFORM)[0].parts == (("old-a", 1.0), ("old-b", 1.0), ("old-c", 1.0))
    assert land.restated("old-c", REFORM, august) == ()


def test_successors_and_predecessors_carry_shares(land: Territory) -> None:
    assert [(one.to_unit, one.share) for one in land.successors_of("old-b")] == [("new-a", 0.25), ("new-b", 0.75)]
    assert [one.from_unit for one in land.predecessors_of("new-b")] == ["old-b", "old-c"]


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: changed("units", 4, code="100"), "units, record 5, valid_from: code '100' has two records from an"),
        (lambda: changed("units", 7, valid_from=date(2025, 6, 1)), "has two records on 2025-06-01"),
        (lambda: changed("units", 3, parent="nobody"), "units, record 4, parent: 'nobody' is not in units; add it"),
        (lambda: changed("units", 3, level="hamlet"), "'hamlet' is no level of this province; declare it in"),
        (lambda: changed("units", 3, parent="old-b"), "level 'low' does not stand below 'low'"),
        (lambda: changed("units", 0, parent="old-west"), "'old-top' stands above itself; correct the parent"),
        (lambda: changed("units", 3, valid_to=None), "'old-a' is valid an unknown start to now, but its parent"),
        (lambda: changed("units", 8, id="west"), "'west' is already used in units, record 9"),
        (lambda: changed("units", 8, valid_to=REFORM), "the period ends on 2025-07-01, not after its first day"),
        (lambda: changed("coverage", 3, unit="nobody"), "coverage, record 4, unit: 'nobody' is not in units"),
        (lambda: changed("coverage", 3, centre="nobody"), "coverage, record 4, centre: 'nobody' is not in centres"),
        (lambda: changed("coverage", 3, valid_from=None), "goes beyond that of 'new-a', 2025-07-01 to now; shorten it"),
        (
            lambda: changed("coverage", 5, unit="new-b"),
            "centre 'west' and unit 'new-b' has two records from 2025-07-01",
        ),
        (lambda: changed("centres", 1, parent="nobody"), "centres, record 2, parent: 'nobody' is not in centres"),
        (lambda: changed("centres", 0, parent="west"), "'all' stands above itself"),
        (lambda: changed("memberships", 2, asset="road-1"), "asset 'road-1' has two records from 2025-07-01"),
        (lambda: changed("memberships", 0, unit="nobody"), "asset_units, record 1, unit: 'nobody' is not in units"),
        (lambda: changed("memberships", 0, asset="nobody"), "asset_units, record 1, asset: 'nobody' is not in assets"),
        (
            lambda: changed("assets", 1, valid_from=date(2026, 1, 1)),
            "goes beyond that of 'office-1', 2026-01-01 to now",
        ),
        (lambda: changed("successions", 1, share=0.3), "the shares of 'old-b' add up to 1.0500; make them add up to 1"),
        (lambda: changed("successions", 1, share=0.0), "0.0 is no share; write a number above 0, at most 1"),
        (lambda: changed("successions", 1, is_default=True), "'old-b' has 2 default successors; mark one"),
        (
            lambda: changed("successions", 0, to_unit="nobody"),
            "successions, record 1, to_unit: 'nobody' is not in units",
        ),
        (lambda: changed("successions", 0, to_unit="old-b"), "'old-b' begins on None, but 'old-a' ends on 2025-07-01"),
    ],
)
def test_contradiction_is_refused_with_one_clear_sentence(build: Callable[[], Territory], sentence: str) -> None:
    with pytest.raises(InvalidTerritory) as caught:
        build()
    assert any(sentence in str(problem) for problem in caught.value.problems), caught.value.problems


def test_every_problem_is_told_at_once() -> None:
    units = (replace(RECORDS["units"][0], level="x"), replace(RECORDS["units"][1], level="y"), *RECORDS["units"][2:])
    with pytest.raises(InvalidTerritory) as caught:
        Territory(**{**RECORDS, "units": units})
    assert {problem.row for problem in caught.value.problems if problem.column == "level"} == {0, 1}
