"""What tells of the past when it arrives is counted apart: the delay of a source is that of its messages of now."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from ioc.broker.port import SOURCE, Record
from ioc.feeds import FEEDS
from ioc.model.windows import DAY, HOUR, MINUTE, SECOND
from ioc.store.schema import source_counts
from tests.feeds.messages import NOW, TRAFFIC, body
from tests.streams.small_centre import SmallCentre


@pytest.mark.parametrize(("feed", "late_after"), [("traffic", 15 * MINUTE), ("dossiers", DAY + 600 * SECOND)])
def test_what_a_feed_sends_in_its_own_rhythm_is_never_late(feed: str, late_after: int) -> None:
    assert FEEDS[feed].late_after == late_after


def test_a_back_fill_is_counted_and_its_age_is_not(centre: SmallCentre) -> None:
    def traffic(age: int) -> Record:
        end = datetime.fromtimestamp((NOW - age) / 1000, UTC)
        observed = f"{(end - timedelta(minutes=1)).isoformat()}/{end.isoformat()}"
        return Record(b"a1", body(TRAFFIC, dateObserved=observed), {SOURCE: "s"})

    ages = (2 * SECOND, 4 * SECOND, 15 * MINUTE, 15 * MINUTE + SECOND, 20 * HOUR)
    centre.broker.append("ioc.traffic", [traffic(age) for age in ages], NOW)
    ingest = centre.ingest()
    while ingest.step(NOW):
        pass
    with centre.store.reading() as connection:
        table = source_counts
        rows = connection.execute(select(table.c.accepted, table.c.late, table.c.lag)).all()
    assert [tuple(row) for row in rows] == [(5, 2, 15 * MINUTE + 6 * SECOND)]
