import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simulators.accidents import accident_on, hand_over
from simulators.errors import ServerAway, SimulatorError
from simulators.intake import Intake
from simulators.places import Territory, find_segment
from simulators.position import Position, is_running, only_simulator, read_position, write_position
from simulators.province import Province, Span
from simulators.stream import Pace, live, tell, without_stale_traffic
from simulators.working_time import DAY
from tests.simulators.peer import KEY, Bad, Peer

NOW = 1_795_240_800
BEGIN = Position(seed=1, period=60, traffic_from=NOW - 1200, dossiers_from=NOW - 5 * DAY, through=NOW - 5 * DAY)


def talk(peer: Peer, work: Callable[[Intake], Awaitable[object]], patience: float | None = 20) -> None:
    async def whole() -> None:
        async with Intake(peer.url, KEY, lambda text: None, patience) as intake:
            await work(intake)

    asyncio.run(whole())


@pytest.mark.parametrize("connections", [1, 3])
def test_a_span_is_told_whole_and_the_position_moves(
    peer: Peer, places: Territory, tmp_path: Path, connections: int
) -> None:
    province = Province(1, 60, places)
    shown: list[tuple[int, int]] = []
    talk(
        peer,
        lambda intake: tell(
            intake, province, BEGIN, NOW, tmp_path, batch=500, connections=connections,
            progress=lambda done, total: shown.append((done, total)),
        ),
    )  # fmt: skip
    expected = list(province.requests(Span(BEGIN.through, NOW, NOW - 1200, NOW - 5 * DAY), (), 500))
    assert sorted(batch.body for batch in peer.taken) == sorted(request.body for request in expected)
    assert read_position(tmp_path) == replace(BEGIN, through=NOW)
    assert [done for done, _ in shown] == sorted(done for done, _ in shown)


@pytest.mark.slow
def test_stopped_anywhere_it_goes_on_without_telling_anything_twice(
    peer: Peer, places: Territory, tmp_path: Path
) -> None:
    whole = list(Province(1, 60, places).requests(Span(BEGIN.through, NOW, NOW - 1200, NOW - 5 * DAY), (), 500))
    position = BEGIN

    def go_on(until: int, patience: float) -> None:
        talk(peer, lambda intake: tell(intake, Province(1, 60, places), position, until, tmp_path, batch=500), patience)

    for answered in (0, 2, 3):  # then a batch is taken without an answer, and the server stays away
        peer.bad.extend([*([None] * answered), Bad(lost=True, taken=True), *([Bad(503)] * 20)])
        with pytest.raises(ServerAway):
            go_on(NOW, patience=0.6)
        peer.bad.clear()
        position = read_position(tmp_path) or BEGIN
        assert position.sending == NOW
    assert position.answered == 5
    go_on(NOW + 99, patience=20)
    assert len(peer.taken) == len(whole) + 3  # what was taken without an answer was sent again …
    by_key = {batch.headers["idempotency-key"]: batch.body for batch in peer.taken}
    assert sorted(by_key.values()) == sorted(request.body for request in whole)  # … and is known by its key
    assert read_position(tmp_path) == replace(BEGIN, through=NOW)  # what was begun, not the later wish


def run_live(peer: Peer, places: Territory, folder: Path, position: Position, speed: float, enough: int) -> None:
    """Runs `live` until it has told up to a moment, then cancels it as a signal does."""

    async def work(intake: Intake) -> None:
        province = Province(1, 60, places)
        pace = Pace(time.time(), position.through, speed)
        task = asyncio.create_task(live(intake, province, position, pace, folder, lambda text: None))
        async with asyncio.timeout(20):
            while (read_position(folder) or position).through < enough:
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    talk(peer, work, None)


@pytest.mark.slow
def test_live_tells_each_message_once_at_any_speed_and_after_a_restart(
    peer: Peer, places: Territory, tmp_path: Path
) -> None:
    begin = int(time.time()) - 1200
    position = replace(BEGIN, traffic_from=begin - 60, dossiers_from=begin - DAY, through=begin)
    run_live(peer, places, tmp_path, position, speed=400, enough=begin + 500)
    first = read_position(tmp_path)
    assert first is not None
    assert first.through < time.time() - 100
    run_live(peer, places, tmp_path, first, speed=1e6, enough=begin + 1200)
    told = [line for batch in peer.taken if batch.feed == "traffic" for line in batch.body.decode().split("\n")]
    end = read_position(tmp_path)
    assert end is not None
    assert told == Province(1, 60, places).traffic.lines(begin, end.through)


def test_live_tells_an_accident_that_was_handed_over(peer: Peer, places: Territory, tmp_path: Path) -> None:
    begin = int(time.time()) - 600
    position = replace(BEGIN, traffic_from=begin - 60, dossiers_from=begin, through=begin)
    segment = find_segment(places, None, "QL13")
    crash = accident_on(segment, places.road_of(segment), begin + 60, 5)
    hand_over(crash, tmp_path)
    with (tmp_path / "scenarios.jsonl").open("a", encoding="utf-8") as file:
        file.write("not an accident\n")
    run_live(peer, places, tmp_path, position, speed=1e6, enough=begin + 590)
    slow = [m for m in peer.stored("traffic") if m["refRoadSegment"] == crash.asset and m["congested"]]
    assert len(slow) >= 20


def test_after_a_long_pause_old_traffic_is_left_out_but_no_dossier() -> None:
    later = NOW + 3 * DAY
    waiting = replace(BEGIN, through=NOW)
    assert without_stale_traffic(waiting, later) == replace(waiting, traffic_from=later - DAY)
    assert without_stale_traffic(waiting, NOW + 3600) == waiting
    assert without_stale_traffic(replace(waiting, sending=NOW + 5), later).traffic_from == waiting.traffic_from


def test_the_provinces_time_never_runs_ahead() -> None:
    pace = Pace(began=1000, province_began=400, speed=60)
    assert [pace.now(at) for at in (1000, 1005, 1010, 1020, 5000)] == [400, 700, 1000, 1020, 5000]


def test_one_simulator_for_a_folder(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    with only_simulator(tmp_path):
        assert is_running(tmp_path)
        with pytest.raises(SimulatorError, match="stop it first"), only_simulator(tmp_path):
            pass
    assert not is_running(tmp_path)


def test_a_broken_position_says_what_to_do(tmp_path: Path) -> None:
    write_position(tmp_path, BEGIN)
    assert read_position(tmp_path) == BEGIN
    (tmp_path / "simulators-position.json").write_text("{", encoding="utf-8")
    with pytest.raises(SimulatorError, match="Remove it"):
        read_position(tmp_path)
