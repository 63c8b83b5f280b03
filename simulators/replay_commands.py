"""`python -m simulators replay …`: real data of other places on the places of this province, marked as a
replay.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from simulators import metr_la, service_requests
from simulators.connection import connection
from simulators.errors import SimulatorError
from simulators.intake import Intake
from simulators.places import RoadSegment
from simulators.session import PATIENCE, KeepTimes, KeyFile, Most, Recent, Url, finish, progress_bar, run, say
from simulators.stream import play

KEY_FILE = "replay.key"

replay_app = typer.Typer(no_args_is_help=True, help="Send real data of other places, marked as a replay.")


@replay_app.command("metr-la")
def replay_metr_la(
    folder: Annotated[Path, typer.Argument(help=f"Folder that holds {metr_la.FILE_NAME}.")],
    url: Url = None,
    key_file: KeyFile = None,
    speed: Annotated[float, typer.Option(min=0, help="Times as fast as the world; 0 as fast as the server can.")] = 60,
    keep_times: KeepTimes = False,
    gaps: Annotated[str | None, typer.Option(help="SEED/SHARE of the readings to leave out, as 7/0.05.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Only the first days.")] = None,
    most: Most = None,
    table: Annotated[Path | None, typer.Option(help="Write the table sensor → road segment to this file.")] = None,
) -> None:
    """Real speeds of 207 detectors of Los Angeles (each five minutes, three days) on the province's road
    segments.
    """
    data = metr_la.read_metr_la(folder, days)
    missing = metr_la.gaps(data.speed_mph.shape, *gaps_wanted(gaps)) if gaps else None
    server = connection(url, key_file, KEY_FILE)
    began = time.monotonic()

    async def work(intake: Intake) -> None:
        mapped = metr_la.mapping(data.sensors, (await intake.places()).segments)
        if table is not None:
            write_table(table, mapped)
        if len(mapped) < len(data.sensors):
            left_out = len(data.sensors) - len(mapped)
            say(f"The province has {len(mapped)} road segments: the last {left_out} sensors are left out.")
        rows = len(data.speed_mph)
        shifted = timedelta() if keep_times else metr_la.shift(rows, speed, datetime.now(UTC))
        say(
            f"Replaying {rows} rows of {len(mapped)} sensors, times shifted by {shifted.days} days: "
            f"the first row is of {(metr_la.FIRST_ROW + shifted).astimezone(UTC):%Y-%m-%d %H:%M} UTC."
        )
        there = rows * len(mapped) - (0 if missing is None else int(missing[:, : len(mapped)].sum()))
        timed = metr_la.batches(
            metr_la.rows_to_send(data, mapped, shifted, missing), metr_la.rows_per_request(speed), most
        )
        with progress_bar("Replaying METR-LA") as show:
            await play(intake, timed, speed, lambda done: show(done, min(there, most or there)))

    finish(*run(server, work, PATIENCE), time.monotonic() - began)


@replay_app.command()
def boston(
    file: Annotated[Path, typer.Argument(help="CSV of Boston's 311 service requests.")],
    url: Url = None,
    key_file: KeyFile = None,
    keep_times: KeepTimes = False,
    recent: Recent = False,
    most: Most = None,
) -> None:
    """Real service requests of Boston as dossiers; departments stand for offices."""
    replay_requests(file, service_requests.BOSTON, url, key_file, times_wanted(keep_times, recent), most)


@replay_app.command()
def nyc(
    file: Annotated[Path, typer.Argument(help="CSV of New York's 311 service requests.")],
    url: Url = None,
    key_file: KeyFile = None,
    keep_times: KeepTimes = False,
    recent: Recent = False,
    most: Most = None,
) -> None:
    """Real service requests of New York as dossiers; agencies stand for offices."""
    replay_requests(file, service_requests.NEW_YORK, url, key_file, times_wanted(keep_times, recent), most)


def replay_requests(
    file: Path,
    form: service_requests.ServiceFile,
    url: str | None,
    key_file: Path | None,
    times: service_requests.Times,
    most: int | None,
) -> None:
    server = connection(url, key_file, KEY_FILE)
    began = time.monotonic()

    async def work(intake: Intake) -> None:
        offices = (await intake.places()).offices
        found = service_requests.replayed(file, form, offices, datetime.now(UTC), times=times, most=most)
        say(f"{len(found.dossiers):,} cases of {form.name}, times shifted by {found.shifted.days // 7} weeks.")
        for reason, count in found.left_out.items():
            say(f"  {count:,} rows left out: {reason}")
        for request in found.requests():
            await intake.send(request)

    finish(*run(server, work, PATIENCE), time.monotonic() - began)


def times_wanted(keep_times: bool, recent: bool) -> service_requests.Times:
    if keep_times and recent:
        raise SimulatorError("--keep-times and --recent exclude each other: take one of them.")
    if keep_times:
        return service_requests.Times.KEPT
    return service_requests.Times.RECENT if recent else service_requests.Times.PAST


def gaps_wanted(text: str) -> tuple[int, float]:
    """Reads SEED/SHARE."""
    seed, _, share = text.partition("/")
    try:
        wanted = int(seed), float(share)
    except ValueError:
        wanted = -1, -1.0
    if wanted[0] < 0 or not 0 <= wanted[1] <= 1:
        raise SimulatorError(f"--gaps takes SEED/SHARE with a share from 0 to 1, as 7/0.05, not {text!r}.")
    return wanted


def write_table(path: Path, mapped: Sequence[tuple[str, RoadSegment]]) -> None:
    rows = "".join(f"{sensor},{segment.id}\n" for sensor, segment in mapped)
    path.write_text("sensor,asset\n" + rows, encoding="utf-8")
