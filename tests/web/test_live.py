"""Live views: a whole view first, then changes in order, whoever falls behind begins again, and all ends in time."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from ioc.model.origins import Origin
from ioc.model.windows import FINEST
from ioc.operations.places import Place, PlaceKind
from ioc.operations.views import Page, View
from ioc.store import writing
from ioc.web import live as live_module
from ioc.web.live import MOST_WAITING, Live, Subscription
from tests.operations.rows import NOW, Rows, at
from tests.web.conftest import Web

WALL = View(Page.WALL, "c-all")
SPEED = "traffic.mean_speed"


@pytest.fixture
def rows(web: Web) -> Rows:
    return web.rows


def told(event: bytes) -> tuple[str, int | None, dict[str, Any]]:
    """Name, number and data of an event."""
    fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    return fields["event"], int(fields["id"]) if "id" in fields else None, json.loads(fields["data"])


class Looking:
    """Live views that run, and somebody who commits."""

    def __init__(self, rows: Rows, live: Live) -> None:
        self.rows = rows
        self.live = live
        self.second = 0

    async def look(self, view: View = WALL) -> "Screen":
        place = Place(PlaceKind.CENTRE, view.centre, self.rows.place(view.centre))
        return Screen(await self.live.subscribe(view, place))

    def commit(self, kmh: float, *places: str, writer: str = "ingest") -> None:
        """A new speed at these places, as ingest would commit it."""
        self.second += 10
        start = at(7, 55) + self.second * 1000
        small = self.rows.small
        series, value = self.rows.series(SPEED), round(kmh * 100)
        table = [
            [series, self.rows.place(place), int(Origin.LIVE), start, 1, 1, value, value, value, start, 0]
            for place in places
        ]
        newest = [[*row[:3], start, start + 10_000, 0] for row in table]
        with small.store.writing() as connection:
            writing.add_windows(connection, FINEST, np.array(table, np.int64).T)
            writing.upsert_latest(connection, np.array(newest, np.int64))
            writing.append_change(connection, writer, start, np.array([row[:3] for row in table], np.int64))


class Screen:
    """What a browser hears."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self._events = subscription.events()

    async def hear(self, name: str) -> tuple[int | None, dict[str, Any]]:
        """The next event, which must be of that name (ticks are passed over unless asked for)."""
        while True:
            event, n, data = told(await asyncio.wait_for(anext(self._events), 10))
            if event == name:
                return n, data
            assert event == "tick", (event, data)

    async def has_ended(self) -> bool:
        try:
            await asyncio.wait_for(anext(self._events), 5)
        except StopAsyncIteration:
            return True
        return False


@asynccontextmanager
async def looking(rows: Rows) -> AsyncIterator[Looking]:
    live = Live(rows.province, lambda: NOW)
    live.start()
    try:
        yield Looking(rows, live)
    finally:
        await live.stop()


def run(rows: Rows, test: Callable[[Looking], Awaitable[None]]) -> None:
    async def running() -> None:
        async with looking(rows) as one:
            await asyncio.wait_for(test(one), 30)

    asyncio.run(running())


def speed_of(data: dict[str, Any]) -> float | None:
    (card,) = [card for card in data["cards"] if card["id"] == "traffic.speed"]
    value: float | None = card["value"]
    return value


def test_a_screen_hears_a_whole_view_and_then_each_change_in_order(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        one.commit(10, "a1", "c-all")
        screen = await one.look()
        first, whole = await screen.hear("snapshot")
        assert (whole["view"], whole["n"], speed_of(whole)) == ("wall:c-all", first, 10)
        assert first is not None
        for number, kmh in enumerate((30, 50, 70), start=1):
            one.commit(kmh, "a1", "c-all")
            n, change = await screen.hear("change")
            assert n == change["n"] == first + number, "no number is left out"
            assert speed_of(change) == 10 + 10 * number
            assert [segment["asset"] for segment in change["segments"]] == ["a1"]

    run(rows, test)


def test_whoever_comes_later_begins_where_the_others_are(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        early = await one.look()
        await early.hear("snapshot")
        one.commit(30, "c-all")
        n, _ = await early.hear("change")
        late = await one.look()
        assert (await late.hear("snapshot"))[0] == n
        one.commit(50, "c-all")
        assert (await early.hear("change")) == (await late.hear("change"))

    run(rows, test)


def test_two_writers_are_both_heard(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        one.commit(10, "c-all", writer="jobs")
        screen = await one.look()
        await screen.hear("snapshot")
        one.commit(30, "c-all", writer="ingest")
        assert speed_of((await screen.hear("change"))[1]) == 20
        one.commit(80, "c-all", writer="jobs")
        assert speed_of((await screen.hear("change"))[1]) == 40

    run(rows, test)


def test_a_centre_hears_nothing_of_another(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        lower = await one.look(View(Page.CENTRE, "c-d1"))
        upper = await one.look()
        await lower.hear("snapshot")
        await upper.hear("snapshot")
        one.commit(30, "a2", "u-m2", "c-all")
        await upper.hear("change")
        one.commit(50, "a1", "u-m1", "c-d1", "c-all")
        _, change = await lower.hear("change")
        assert speed_of(change) == 50, "the first thing that the lower centre hears is its own"

    run(rows, test)


def test_a_gap_in_the_changes_is_made_up_by_computing_everything_anew(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        screen = await one.look()
        await screen.hear("snapshot")
        with rows.small.store.writing() as connection:  # changes that were dropped before they could be read
            connection.exec_driver_sql("INSERT INTO writers (writer, n) VALUES ('ingest', 7)")
        one.commit(30, "c-all")
        _, change = await screen.hear("change")
        assert speed_of(change) == 30

    run(rows, test)


def test_a_screen_that_cannot_keep_up_is_cut_off_and_the_others_are_not(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        slow, quick = await one.look(), await one.look()
        await quick.hear("snapshot")
        for _ in range(MOST_WAITING + 1):
            slow.subscription.put(b"event: tick\ndata: {}\n\n")
        assert not slow.subscription.is_open
        assert await slow.has_ended(), "what waited is thrown away: it begins again with a whole view"
        one.commit(30, "c-all")
        await quick.hear("change")

    run(rows, test)


def test_ticks_say_that_the_stream_lives(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "TICK_EVERY_S", 0.05)

    async def test(one: Looking) -> None:
        screen = await one.look()
        await screen.hear("snapshot")
        n, data = await screen.hear("tick")
        assert n is None
        assert datetime.fromisoformat(data["at"]) == NOW

    run(rows, test)


def test_streams_end_when_the_program_stops(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        screens = [await one.look() for _ in range(3)]
        for screen in screens:
            await screen.hear("snapshot")
        await one.live.stop()
        for screen in screens:
            assert await screen.has_ended()
        assert not (await one.look()).subscription.is_open, "nobody gets in any more"

    run(rows, test)


def test_whoever_goes_is_forgotten(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        screen, other = await one.look(), await one.look()
        assert one.live.subscribers == 2
        one.live.unsubscribe(WALL, screen.subscription)
        one.live.unsubscribe(View(Page.WALL, "nowhere"), other.subscription)
        assert one.live.subscribers == 1

    run(rows, test)


def test_a_view_that_was_left_is_computed_anew_for_whoever_comes_next(rows: Rows) -> None:
    async def test(one: Looking) -> None:
        screen = await one.look()
        n, _ = await screen.hear("snapshot")
        one.live.unsubscribe(WALL, screen.subscription)
        one.commit(30, "c-all")
        following, whole = await (await one.look()).hear("snapshot")
        assert speed_of(whole) == 30
        assert n is not None
        assert following is not None
        assert following > n

    run(rows, test)
