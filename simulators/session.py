"""What every command does alike: its options, its words on the terminal, its connection, its end."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulators.connection import Connection
from simulators.intake import Intake, Tally

PATIENCE = 120.0
INTERRUPTED = 130
PLAIN_LINE_EVERY = 5.0

Url = Annotated[
    str | None, typer.Option("--url", help="The server; default IOC_URL, or this machine at IOC_PORT (8050).")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="File with the API key; default IOC_KEY, or the data folder's key.")
]
Seed = Annotated[int, typer.Option(min=0, help="Another seed is another province.")]
Rate = Annotated[float, typer.Option(help="Messages a minute of each road segment; 60 ÷ rate must divide an hour.")]
Batch = Annotated[int, typer.Option(min=1, max=10_000, help="Messages in one request.")]
Patience = Annotated[float, typer.Option(min=0, help="Seconds to wait for a server that is away.")]
KeepTimes = Annotated[bool, typer.Option("--keep-times", help="Keep the times of the file.")]
Recent = Annotated[
    bool, typer.Option("--recent", help="Move openings up to now; what was closed later is told as open.")
]
Most = Annotated[int | None, typer.Option("--max", min=1, help="Stop after so many messages.")]

Work = Callable[[Intake], Awaitable[None]]
Show = Callable[[int, int], None]  # done, in all


def say(text: str) -> None:
    print(text, flush=True)


def run(server: Connection, work: Work, patience: float | None) -> tuple[Tally, bool]:
    """Works with a connection until done, or at once until SIGINT or SIGTERM; tells whether these ended it."""
    intake = Intake(server.url, server.key, say, patience)

    async def whole() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio.run always runs its coroutine in a task
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        async with intake:
            await work(intake)

    try:
        asyncio.run(whole())
    except asyncio.CancelledError:
        return intake.tally, True
    return intake.tally, False


def finish(tally: Tally, stopped: bool, seconds: float) -> None:
    """Says what came of it and ends the program with the exit code that fits."""
    say(f"{tally.sentence()}\n{'Stopped' if stopped else 'Done'} after {seconds:.1f} s.")
    sys.exit(INTERRUPTED if stopped else 1 if tally.all_refused else 0)


@contextmanager
def progress_bar(title: str) -> Iterator[Show]:
    """A bar on a terminal; elsewhere a plain line every few seconds."""
    console = Console()
    if not console.is_terminal:
        yield _plain_lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain_lines(title: str) -> Show:
    said = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal said
        if done >= total or time.monotonic() - said >= PLAIN_LINE_EVERY:
            said = time.monotonic()
            say(f"{title}: {done:,} of {total:,}")

    return show
