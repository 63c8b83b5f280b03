"""`python -m simulators …`: live, history, scenario, replay.

Exit codes: 0 done (or `live` stopped as asked), 1 an error told in one sentence or every message refused,
130 a back-fill or replay stopped before its end.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, timezone
from typing import Annotated

import typer

from simulators.accidents import accident_on, hand_over
from simulators.connection import connection, data_folder
from simulators.errors import SimulatorError
from simulators.intake import Intake
from simulators.places import find_segment
from simulators.position import Position, check_same_province, is_running, only_simulator, read_position
from simulators.province import BATCH, Province, Request
from simulators.replay_commands import replay_app
from simulators.session import (
    PATIENCE,
    Batch,
    KeyFile,
    Patience,
    Rate,
    Seed,
    Url,
    finish,
    progress_bar,
    run,
    say,
)
from simulators.stream import Pace, live, tell, tell_accident, without_stale_traffic
from simulators.traffic import Traffic
from simulators.working_time import DAY, LOCAL_OFFSET, local_date, midnight

KEY_FILE = "simulators.key"
PATIENCE_OF_A_PERSON = 10.0
"""Seconds: who starts a scenario looks at the terminal, and a wrong address must not look like a slow server."""
FINE_HOURS = 2
"""Of the past traffic, this much is told minute by minute, the rest in intervals of five minutes: a first start
must not take longer than a minute, and nobody looks at the minutes of yesterday's imaginary traffic.
"""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
scenario_app = typer.Typer(no_args_is_help=True, help="Let something happen in the imaginary province.")
app.add_typer(scenario_app, name="scenario")
app.add_typer(replay_app, name="replay")


def main() -> None:
    try:
        app()
    except SimulatorError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)


@app.command("live")
def live_command(
    url: Url = None,
    key_file: KeyFile = None,
    seed: Seed = 1,
    rate: Rate = 1.0,
    speed: Annotated[float, typer.Option(min=1, help="Play what is missing so many times as fast as the world.")] = 1.0,
    batch: Batch = BATCH,
) -> None:
    """Send the imaginary province as it happens, until stopped; what was missed while it was off comes first.

    With --speed and an empty data folder it begins 24 hours ago, runs that much faster, and goes on live
    when it reaches the present.
    """
    period = period_of(rate)
    server = connection(url, key_file, KEY_FILE)
    folder = data_folder()

    async def work(intake: Intake) -> None:
        now = int(time.time())
        begin = now - DAY if speed > 1 else now
        position = read_position(folder) or Position(
            seed=seed, period=period, traffic_from=begin, dossiers_from=begin, through=begin
        )
        check_same_province(position, seed, period, folder)
        places = await intake.places()
        say(
            f"Simulating {len(places.segments)} road segments and {len(places.offices)} offices, "
            f"from {_local(position.through)} on."
        )
        pace = Pace(time.time(), position.through if speed > 1 else time.time(), speed)
        await live(intake, Province(seed, period, places), position, pace, folder, say, batch=batch)

    with only_simulator(folder):
        tally, _ = run(server, work, None)
    say(f"Stopped. {tally.sentence()}")
    sys.exit(1 if tally.all_refused else 0)


@app.command()
def history(
    url: Url = None,
    key_file: KeyFile = None,
    traffic_hours: Annotated[float, typer.Option(min=0, help="Hours of traffic up to now.")] = 24,
    dossier_days: Annotated[float, typer.Option(min=0, help="Days of dossiers up to now.")] = 90,
    seed: Seed = 1,
    rate: Rate = 1.0,
    batch: Batch = BATCH,
    connections: Annotated[int, typer.Option(min=1, max=3, help="Requests under way at the same time.")] = 2,
    patience: Patience = PATIENCE,
) -> None:
    """Send the imaginary province's past up to now, whence `live` goes on. Done again, it sends only what is new."""
    period = period_of(rate)
    server = connection(url, key_file, KEY_FILE)
    folder = data_folder()

    async def work(intake: Intake) -> None:
        now = int(time.time())
        traffic_from = now - round(traffic_hours * 3600)
        dossiers_from = midnight(local_date(now - round(dossier_days * DAY)))
        position = read_position(folder)
        if position is None:
            begin = min(traffic_from, dossiers_from)
            position = Position(
                seed=seed,
                period=period,
                traffic_from=traffic_from,
                dossiers_from=dossiers_from,
                through=begin,
                fine_from=now - FINE_HOURS * 3600,
            )
        else:
            check_same_province(position, seed, period, folder)
            position = without_stale_traffic(position, now)
            if position.sending is None:
                say(f"The past was told up to {_local(position.through)} before; going on from there.")
            else:
                say(f"The past was sent in part before ({position.answered} requests); going on from there.")
        province = Province(seed, period, await intake.places())
        with progress_bar("Sending the past") as show:
            if position.sending is not None:  # a back-fill that was stopped: its end first, then what came since
                position = await tell(
                    intake, province, position, now, folder, batch=batch, connections=connections, progress=show
                )
            await tell(intake, province, position, now, folder, batch=batch, connections=connections, progress=show)

    began = time.monotonic()
    with only_simulator(folder):
        tally, stopped = run(server, work, patience)
    finish(tally, stopped, time.monotonic() - began)


@scenario_app.command()
def accident(
    url: Url = None,
    key_file: KeyFile = None,
    asset: Annotated[str | None, typer.Option(help="Id of the road segment.")] = None,
    place: Annotated[str | None, typer.Option(help='A road or a place on it, as "QL13".')] = None,
    minutes: Annotated[float, typer.Option(min=1, max=24 * 60, help="How long until the road is clear again.")] = 20,
) -> None:
    """An accident on a road: its traffic collapses within seconds and queues upstream, until its time is over."""
    server = connection(url, key_file, KEY_FILE)
    folder = data_folder()

    async def work(intake: Intake) -> None:
        places = await intake.places()
        segment = find_segment(places, asset, place)
        known = read_position(folder)
        seed, period = (known.seed, known.period) if known else (1, 60)
        event = accident_on(segment, places.road_of(segment), int(time.time()), minutes)
        affected = [s for s in places.segments if event.effect_on(s.id)]
        traffic = Traffic(seed, period, affected)
        handed_over = is_running(folder)
        if handed_over:
            hand_over(event, folder)
        lines = traffic.first_lines(event)
        await intake.send(Request("traffic", "\n".join(lines).encode(), len(lines)))
        say(f"Accident on {segment.title} ({segment.road}) for {minutes:g} minutes, until {_local(event.ends)}.")
        roles = {0: "here: nearly standing", 1: "just upstream: slow", 2: "further upstream: slower than usual"}
        for effect in event.effects:
            title = next(s.title for s in affected if s.id == effect.asset)
            say(f"  {title}: {roles.get(effect.segments_upstream, 'downstream: fewer vehicles')}")
        say(f"Look at {server.url}: mean speed falls and congestion appears there within seconds.")
        if intake.tally.all_refused:
            return
        if handed_over:
            say("The running simulator keeps it up until its end.")
        else:
            say("No simulator is running in this data folder, so this command keeps it up itself; Ctrl-C ends it.")
            await tell_accident(intake, traffic, event, say)

    tally, _ = run(server, work, PATIENCE_OF_A_PERSON)
    sys.exit(1 if tally.all_refused else 0)


def period_of(rate: float) -> int:
    """Seconds between two messages of a segment."""
    period = 60 / rate if rate > 0 else 0
    if period < 1 or period % 1 or 3600 % period:
        raise SimulatorError(f"--rate {rate:g} does not fit: 60 ÷ rate must be whole seconds that divide an hour.")
    return int(period)


def _local(at: int) -> str:
    here = timezone(timedelta(seconds=LOCAL_OFFSET))
    return f"{datetime.fromtimestamp(at, here):%H:%M:%S on %Y-%m-%d}"
