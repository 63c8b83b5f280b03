"""Who sees which place: by the centres' coverage, on the day that is asked for; everything else is refused."""

from datetime import date

import pytest

from ioc.errors import BadRequest, NotFound, Refused
from ioc.model.access import Kind, Permission, Principal, system_principal
from ioc.operations import places, series, snapshots
from ioc.operations.places import UNSEEN, Asked
from tests.operations.rows import NOW, Rows, moment, reader, sender
from tests.streams.small_centre import MIDNIGHT

BEFORE = date(2025, 6, 30)


def seen(rows: Rows, principal: Principal, day: date | None = None) -> set[str]:
    found = places.list_units(principal, rows.province, at=day, after=None, limit=1000, now=NOW)
    return {unit.id for unit in found.units}


def seen_centres(rows: Rows, principal: Principal) -> set[str]:
    return {centre.id for centre in places.list_centres(principal, rows.province, now=NOW)}


def test_units_are_seen_through_centres_as_of_the_day(rows: Rows) -> None:
    assert seen(rows, reader("c-all")) == {"u-top", "u-m1", "u-m2", "u-same"}
    assert seen(rows, reader("c-d1")) == {"u-m1"}
    assert seen(rows, reader("c-d1"), BEFORE) == {"u-d1", "u-l1", "u-l2"}
    assert seen(rows, reader("c-d2")) == set()
    assert seen(rows, reader("c-d2"), BEFORE) == {"u-d2", "u-l3"}
    assert seen(rows, system_principal("test")) == {"u-top", "u-m1", "u-m2", "u-same"}


def test_a_centre_is_seen_from_itself_and_from_above(rows: Rows) -> None:
    assert seen_centres(rows, reader("c-all")) == {"c-all", "c-d1"}
    assert seen_centres(rows, reader("c-d1")) == {"c-d1"}
    assert seen_centres(rows, reader("c-d2")) == {"c-d2"}


def test_units_of_a_key_narrow_what_its_centres_show(rows: Rows) -> None:
    narrowed = reader("c-all", units=frozenset({"u-m2"}))
    assert seen(rows, narrowed) == {"u-m2"}
    assert seen_centres(rows, narrowed) == set(), "a centre's sum speaks of all its units"
    assert seen(rows, reader("c-d1", units=frozenset({"u-m2"}))) == set()
    assert seen_centres(rows, reader("c-all", units=frozenset({"u-top"}))) == {"c-all", "c-d1"}


def test_nobody_sees_anything_without_a_centre_or_the_permission(rows: Rows) -> None:
    assert seen(rows, reader()) == set()
    assert seen(rows, reader("no-such-centre")) == set()
    with pytest.raises(Refused):
        places.list_units(sender("traffic"), rows.province, at=None, after=None, limit=10, now=NOW)
    with pytest.raises(Refused):
        snapshots.snapshot(Principal(Kind.PERSON, "p", "p"), rows.province, Asked(unit="u-m1"), now=NOW)


def test_assets_are_seen_through_their_unit_of_the_day(rows: Rows) -> None:
    def assets(principal: Principal, day: date | None = None) -> list[str]:
        found = places.list_assets(
            principal, rows.province, kind="road_segment", at=day, after=None, limit=1000, now=NOW
        )
        return [asset.id for asset in found.assets]

    assert assets(reader("c-d1")) == ["a1"]
    assert assets(reader("c-d1"), BEFORE) == ["a1", "a2"]
    assert assets(reader("c-d2")) == []
    found = places.list_assets(reader("c-d1"), rows.province, kind=None, at=None, after=None, limit=10, now=NOW)
    assert [(one.id, one.unit, one.centres) for one in found.assets] == [
        ("a1", "u-m1", ("c-d1",)),
        ("o1", "u-m1", ("c-d1",)),
    ], "centres that the principal does not see are not named"


@pytest.mark.parametrize(
    "asked",
    [Asked(unit="u-m2"), Asked(unit="u-nowhere"), Asked(centre="c-all"), Asked(centre="nowhere"), Asked(asset="a4"),
     Asked(asset="nowhere"), Asked(unit="a1"), Asked(unit="u-l1")],
)  # fmt: skip
def test_unseen_and_unknown_places_answer_alike(rows: Rows, asked: Asked) -> None:
    with pytest.raises(NotFound) as unseen:
        snapshots.snapshot(reader("c-d2"), rows.province, asked, now=NOW)
    assert str(unseen.value) == UNSEEN


def test_exactly_one_place_must_be_named(rows: Rows) -> None:
    for asked in (Asked(), Asked(unit="u-m1", centre="c-d1")):
        with pytest.raises(BadRequest):
            snapshots.snapshot(reader("c-all"), rows.province, asked, now=NOW)


def test_a_bare_code_means_the_unit_that_carries_it_on_the_asked_day(rows: Rows) -> None:
    assert snapshots.snapshot(reader("c-d1"), rows.province, Asked(unit="m1"), now=NOW).unit == "u-m1"
    with pytest.raises(NotFound):
        snapshots.snapshot(reader("c-all"), rows.province, Asked(unit="l1"), now=NOW)


def test_history_is_seen_for_the_days_on_which_the_centre_covered_it(rows: Rows) -> None:
    day = 24 * 3_600_000
    for start in (MIDNIGHT - 2 * day, MIDNIGHT - day, MIDNIGHT, MIDNIGHT + day):
        rows.window("1d", "traffic.mean_speed", "a2", start, total=3000)

    def days(principal: Principal) -> list[int]:
        asked = series.series(
            principal, rows.province, "traffic.mean_speed", Asked(asset="a2"), now=NOW,
            start=moment(MIDNIGHT - 2 * day), end=moment(MIDNIGHT + 2 * day), step="1d",
        )  # fmt: skip
        return [places.milliseconds(point.start) - MIDNIGHT for point in asked.points]

    assert days(reader("c-all")) == [-2 * day, -day, 0, day]
    assert days(reader("c-all", units=frozenset({"u-m2"}))) == [0, day]
    with pytest.raises(NotFound):
        days(reader("c-d1"))  # a2 left its unit at the reform, and the asked time ends after it
    before = series.series(
        reader("c-d1"), rows.province, "traffic.mean_speed", Asked(asset="a2"), now=NOW,
        start=moment(MIDNIGHT - 2 * day), end=moment(MIDNIGHT), step="1d",
    )  # fmt: skip
    assert len(before.points) == 2


def test_a_unit_that_has_ended_is_seen_by_whoever_covered_it_last(rows: Rows) -> None:
    hour = 3_600_000
    rows.window("1h", "traffic.mean_speed", "u-l3", MIDNIGHT - hour, total=3000)
    asked = Asked(unit="u-l3")
    for principal, points in ((reader("c-d2"), 1), (reader("c-all"), 1)):
        answer = series.series(
            principal, rows.province, "traffic.mean_speed", asked, now=NOW,
            start=moment(MIDNIGHT - 5 * hour), end=moment(MIDNIGHT + 5 * hour), step="1h",
        )  # fmt: skip
        assert len(answer.points) == points
    with pytest.raises(NotFound):
        snapshots.snapshot(reader("c-d1"), rows.province, asked, now=NOW)


def test_lists_are_paged_by_the_last_id(rows: Rows) -> None:
    first = places.list_units(reader("c-all"), rows.province, at=None, after=None, limit=3, now=NOW)
    rest = places.list_units(reader("c-all"), rows.province, at=None, after=first.next, limit=3, now=NOW)
    assert [unit.id for unit in (*first.units, *rest.units)] == ["u-m1", "u-m2", "u-same", "u-top"]
    assert rest.next is None
    with pytest.raises(BadRequest):
        places.list_units(reader("c-all"), rows.province, at=None, after=None, limit=1001, now=NOW)


def test_a_territory_that_is_loaded_anew_is_taken_in(rows: Rows) -> None:
    assert seen(rows, reader("c-d1")) == {"u-m1"}
    with rows.small.store.writing() as connection:
        connection.exec_driver_sql("UPDATE coverage SET unit = 'u-m2' WHERE unit = 'u-m1'")
    assert seen(rows, reader("c-d1")) == {"u-m1"}, "the digest says whether to look again"
    with rows.small.store.writing() as connection:
        connection.exec_driver_sql("UPDATE provinces SET digest = 'another'")
    assert seen(rows, reader("c-d1")) == {"u-m2"}


def test_permissions_are_not_invented(rows: Rows) -> None:
    administrator = Principal(Kind.PERSON, "p", "p", frozenset({Permission.ADMINISTER}), frozenset({"c-all"}))
    with pytest.raises(Refused):
        seen(rows, administrator)
