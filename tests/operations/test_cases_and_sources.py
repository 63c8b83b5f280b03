"""Cases page by page, and the board of sending systems."""

import pytest

from ioc.errors import BadRequest, NotFound
from ioc.model.access import Principal
from ioc.model.origins import Origin
from ioc.model.series import State
from ioc.operations.cases import CasePage, cases
from ioc.operations.places import Asked, milliseconds
from ioc.operations.sources import SourceList, feed_schema, feeds, sources
from ioc.store import schema
from tests.operations.rows import NOW, Rows, at, reader, sender

WHO = reader("c-all")


def ask(rows: Rows, asked: Asked, who: Principal = WHO, **more: object) -> CasePage:
    return cases(who, rows.province, "dossiers", asked, now=NOW, **more)  # type: ignore[arg-type]


def ids(page: CasePage) -> list[str]:
    return [one.id for one in page.cases]


@pytest.fixture
def some_cases(rows: Rows) -> Rows:
    rows.case("H1", "o1", opened=at(1), due=at(7), channel="online")
    rows.case("H2", "o1", opened=at(1), due=at(9))
    rows.case("H3", "o1", opened=at(1), due=at(3), closed=at(5))
    rows.case("H4", "o2", opened=at(1))
    rows.case("H5", "o1", opened=at(1), origin=Origin.SIMULATED)
    rows.newest("dossiers.opened", "c-all", at(8))
    rows.newest("dossiers.opened", "u-m1", at(8))
    return rows


def test_cases_are_those_of_the_offices_in_the_place(some_cases: Rows) -> None:
    assert ids(ask(some_cases, Asked(centre="c-all"))) == ["H1", "H2", "H3", "H4"]
    assert ids(ask(some_cases, Asked(unit="u-m1"))) == ["H1", "H2", "H3"]
    assert ids(ask(some_cases, Asked(asset="o2"))) == ["H4"]
    assert ids(ask(some_cases, Asked(unit="u-m1"), origin=Origin.SIMULATED)) == ["H5"]
    with pytest.raises(NotFound):
        ask(some_cases, Asked(unit="u-m2"), reader("c-d1"))


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("open", ["H1", "H2", "H4"]),
        ("overdue", ["H1"]),
        ("closed", ["H3"]),
        (None, ["H1", "H2", "H3", "H4"]),
    ],
)
def test_cases_are_asked_by_where_they_stand(some_cases: Rows, state: str | None, found: list[str]) -> None:
    assert ids(ask(some_cases, Asked(centre="c-all"), state=state)) == found


def test_a_case_says_where_it_stands_and_what_is_known(some_cases: Rows) -> None:
    first = ask(some_cases, Asked(centre="c-all")).cases[0]
    assert (first.state, first.asset, first.unit) == ("overdue", "o1", "u-m1")
    assert first.due is not None
    assert milliseconds(first.due) == at(7)
    assert first.fields["channel"] == "online"
    assert str(first.fields["received"]) == "2026-11-21T01:00:00+00:00", "times are shown as times"
    assert [one.state for one in ask(some_cases, Asked(centre="c-all")).cases] == ["overdue", "open", "closed", "open"]


def test_pages_follow_each_other_without_a_gap(some_cases: Rows) -> None:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = ask(some_cases, Asked(centre="c-all"), cursor=cursor, limit=1)
        found += ids(page)
        cursor = page.next
        if cursor is None:
            break
    assert found == ["H1", "H2", "H3", "H4"]


def test_questions_that_make_no_sense_are_refused(some_cases: Rows) -> None:
    for more in ({"limit": 0}, {"limit": 201}, {"state": "lost"}, {"cursor": "???"}, {"cursor": "AAAA"}):
        with pytest.raises(BadRequest):
            ask(some_cases, Asked(centre="c-all"), **more)
    with pytest.raises(NotFound, match="dossiers"):
        cases(WHO, some_cases.province, "traffic", Asked(centre="c-all"), now=NOW)


# --- sources ---------------------------------------------------------------------------------------------------


def test_a_source_is_known_by_what_it_sent(rows: Rows) -> None:
    key = {"source": "cam", "feed": "traffic", "origin": 0}
    rows.insert(schema.sources, **key, last_message_at=at(8, 0, 20), last_event_at=at(8))
    rows.insert(schema.source_counts, **key, minute=at(7, 58), accepted=55, rejected=5, duplicate=2, lag=55 * 2_000)
    rows.insert(schema.source_counts, **key, minute=at(7, 10), accepted=100, rejected=40, duplicate=1, lag=1)
    rows.insert(schema.source_counts, **key, minute=at(6), accepted=999, rejected=999, duplicate=999, lag=1)
    rows.insert(schema.dead_letter_counts, feed="traffic", source="cam", kind="future", hour=at(5), count=45, kept=10)
    rows.insert(
        schema.dead_letter_counts, feed="traffic", source="cam", kind="future", hour=at(5, days=-2), count=9, kept=9
    )
    (one,) = sources(WHO, rows.province, now=NOW).sources
    assert (one.source, one.feed, one.origin, one.state) == ("cam", "traffic", "live", State.ON_TIME)
    assert (one.accepted, one.rejected, one.duplicates, one.rejected_share) == (155, 45, 3, 0.225)
    assert (one.lag_s, one.per_minute) == (2.0, 10.0)
    assert one.dead_letters == {"future": 45}


def test_what_the_log_lost_is_told_for_seven_days_newest_first(rows: Rows) -> None:
    gap = {"topic": "ioc.traffic", "partition": 1, "to_offset": 0}
    for days, from_offset in ((-8, 3), (-6, 5), (0, 7)):
        rows.insert(schema.gaps, **gap, from_offset=from_offset, noticed_at=at(8, days=days))
    assert [(one.topic, one.partition, one.from_offset, one.to_offset) for one in _told(rows).gaps] == [
        ("ioc.traffic", 1, 7, 0),
        ("ioc.traffic", 1, 5, 0),
    ]
    for number in range(120):
        rows.insert(schema.gaps, **gap, from_offset=number, noticed_at=at(8))
    assert [one.from_offset for one in _told(rows).gaps] == list(range(119, 19, -1))


def _told(rows: Rows) -> SourceList:
    return sources(WHO, rows.province, now=NOW)


def test_a_back_fill_counts_neither_in_the_rate_nor_in_the_delay(rows: Rows) -> None:
    key = {"source": "cam", "feed": "traffic", "origin": 0}
    rows.insert(schema.sources, **key, last_message_at=at(8, 0, 20), last_event_at=at(8))
    more = {"rejected": 0, "duplicate": 0}
    rows.insert(schema.source_counts, **key, minute=at(7, 57), accepted=90_000, late=90_000, lag=0, **more)
    rows.insert(schema.source_counts, **key, minute=at(7, 58), accepted=9_020, late=9_000, lag=20 * 600_000, **more)
    rows.insert(schema.source_counts, **key, minute=at(7, 59), accepted=35, late=0, lag=35 * 1_000, **more)
    rows.insert(schema.source_counts, **key, minute=at(8), accepted=7, late=7, lag=0, **more)
    (one,) = sources(WHO, rows.province, now=NOW).sources
    assert (one.accepted, one.late) == (99_062, 99_007)
    assert (one.per_minute, one.lag_s) == (10.0, 1.0)


def test_a_source_that_fell_silent_is_silent(rows: Rows) -> None:
    rows.insert(schema.sources, source="cam", feed="traffic", origin=0, last_message_at=at(7), last_event_at=0)
    (one,) = sources(WHO, rows.province, now=NOW).sources
    assert (one.state, one.per_minute, one.lag_s, one.rejected_share) == (State.SILENT, 0, None, None)
    assert one.last_event is None


def test_senders_may_ask_for_feeds_and_schemas_too() -> None:
    assert [feed.id for feed in feeds(sender("traffic"))] == ["traffic", "dossiers"]
    found = feed_schema(sender("traffic"), "traffic")
    assert found["$defs"]["TrafficFlowObserved"]["required"] == ["id", "type", "dateObserved"]
    with pytest.raises(NotFound):
        feed_schema(WHO, "weather")
