"""What `setup` changes in the territory is taken in by the programs that run, without a restart."""

from functools import partial

import pytest
from sqlalchemy import select

from ioc.broker.port import Record
from ioc.errors import StoreError
from ioc.model.places import Asset, Membership
from ioc.model.territory import Territory
from ioc.processes.jobs import jobs_of
from ioc.processes.loaded import LOOK_FOR_CHANGES_MS, KeptCurrent, Loaded
from ioc.settings import Settings
from ioc.store.schema import latest
from ioc.store.territory import ProvinceRow, save_territory
from tests.feeds.messages import GOOD, NOW
from tests.streams.small_centre import ALL_FEEDS, SmallCentre, territory


def changed(centre: SmallCentre, digest: str) -> None:
    """Load the province anew, with one more office."""
    now = territory()
    more = Territory(
        levels=now.levels,
        units=now.units,
        successions=now.successions,
        centres=now.centres,
        coverage=now.coverage,
        assets=[*now.assets, Asset("o9", "office", "o9", "o9", 11.0, 106.6)],
        memberships=[*now.memberships, Membership("o9", "u-same", None, None)],
    )
    with centre.store.writing() as connection:
        save_territory(connection, ProvinceRow("small", "Nhỏ", "Small", "Asia/Ho_Chi_Minh", digest, 0), more)


def offices(loaded: Loaded, _now: int) -> set[str]:
    return {asset for asset, kind in loaded.places.ids.kinds.items() if kind == "office"}


def test_it_is_made_anew_once_the_territory_is_another_one(centre: SmallCentre) -> None:
    current = KeptCurrent(centre.store, offices)
    first = current.at(NOW)
    assert first == {"o1", "o2", "o3"}
    changed(centre, "another")
    assert current.at(NOW + LOOK_FOR_CHANGES_MS) is first, "the store is not asked again at once"
    later = current.at(NOW + LOOK_FOR_CHANGES_MS + 1)
    assert later == {"o1", "o2", "o3", "o9"}
    assert current.at(NOW + 2 * LOOK_FOR_CHANGES_MS + 2) is later, "what has not changed is not made again"
    current.discard()
    assert current.at(NOW + 2 * LOOK_FOR_CHANGES_MS + 3) is not later


def test_what_could_not_be_made_is_tried_again(centre: SmallCentre) -> None:
    def make(loaded: Loaded, now: int, wrong: list[StoreError]) -> set[str]:
        if wrong:
            raise wrong.pop()
        return offices(loaded, now)

    current = KeptCurrent(centre.store, partial(make, wrong=[StoreError("away")]))
    with pytest.raises(StoreError):
        current.at(NOW)
    assert current.at(NOW) == {"o1", "o2", "o3"}


def test_jobs_count_the_stock_of_an_office_that_came_later(centre: SmallCentre) -> None:
    clock = [NOW]
    jobs = jobs_of(Settings(data=centre.folder), centre.store, centre.broker, lambda: clock[0])
    run = {job.id: job.run for job in jobs}
    centre.broker.append(ALL_FEEDS["dossiers"].topic, [Record(b"d1", GOOD["dossiers"], {})], NOW)
    centre.ingest().step(NOW)

    def counted() -> set[int]:
        run["stocks"]()
        with centre.store.reading() as connection:
            open_now = select(latest.c.place).where(latest.c.series == centre.registry.series["dossiers.open"])
            return set(connection.execute(open_now).scalars())

    before = counted()
    assert {centre.registry.places[office] for office in ("o1", "o2", "o3")} <= before
    changed(centre, "another")
    clock[0] += LOOK_FOR_CHANGES_MS + 1
    after = counted()
    del centre.registry
    assert after - before == {centre.registry.places["o9"]}
