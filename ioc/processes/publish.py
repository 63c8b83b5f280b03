"""`python -m ioc publish FEED FILE…`: sends JSON Lines to a feed, and says by file and line what was refused.

The messages go through the same intake as those of source systems, in batches that keep memory flat however large a
file is. Each batch carries an id made from what it says and where it stands, so that a run that was broken off can
simply be repeated within the idempotency horizon: nothing counts twice.

Refused before anything is sent: files that cannot be opened, an unknown origin or feed, simulated data where the
settings forbid it. A damaged `.gz` ends the run with one sentence; the whole batches before the damage stay sent.
"""

import codecs
import gzip
import hashlib
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ioc.broker.open import open_broker
from ioc.errors import BadRequest, IocError
from ioc.feeds import FEEDS
from ioc.model.access import system_principal
from ioc.model.origins import Origin
from ioc.operations.intake import Intake, KeyReused, accept
from ioc.operations.places import Province
from ioc.settings import Settings
from ioc.store import migrations
from ioc.store.engine import Store

BATCH_LINES: Final = 2_000
BATCH_BYTES: Final = 8 * 1024 * 1024
SHOWN: Final = 20
STDIN: Final = Path("-")

_PUBLISHER: Final = system_principal("publish")


@dataclass(frozen=True, slots=True)
class Lines:
    """Messages that stand together in a file: their line numbers, from 1, and their bytes."""

    numbers: tuple[int, ...]
    messages: tuple[bytes, ...]


@dataclass(slots=True)
class Tally:
    """What came of the lines so far; `shown` are the sentences for the first refused ones."""

    accepted: int = 0
    rejected: int = 0
    shown: list[str] = field(default_factory=list)

    def reject(self, file: Path, line: int, reason: str) -> None:
        self.rejected += 1
        if len(self.shown) < SHOWN:
            self.shown.append(f"{_name(file)}, line {line}: {reason}")

    def report(self) -> str:
        hidden = self.rejected - len(self.shown)
        more = [f"… and {hidden:,} more"] if hidden else []
        return "\n".join([*self.shown, *more, f"Accepted: {self.accepted:,}, rejected: {self.rejected:,}."])


def main(settings: Settings, feed: str, files: list[Path], *, origin: str = "live", out: TextIO = sys.stdout) -> int:
    """Send the files; 0 if every message was accepted, 1 if some were rejected. IocError where it cannot go on."""
    known_origin = _origin(settings, origin)
    if feed not in FEEDS:
        raise BadRequest(f"There is no feed {feed}: use one of {', '.join(FEEDS)}.")
    tally = Tally()
    with ExitStack() as held:
        opened = [(file, held.enter_context(_opened(file))) for file in files]
        store = Store.open(settings.store)
        held.callback(store.close)
        migrations.require_current(store)
        broker = open_broker(settings)
        held.callback(broker.close)
        intake = Intake(Province(store, settings), broker)
        try:
            with _progress() as show:
                for file, raw in opened:
                    _publish(intake, feed, known_origin, file, raw, tally, show)
        finally:
            out.write(tally.report() + "\n")
    return 1 if tally.rejected else 0


def _origin(settings: Settings, text: str) -> Origin:
    try:
        origin = Origin.from_slug(text)
    except ValueError as error:
        raise BadRequest(f"{error}.") from None
    if origin is Origin.SIMULATED and not settings.allow_simulated:
        raise BadRequest("This centre takes no simulated data: choose another --origin.")
    return origin


def _publish(
    intake: Intake,
    feed: str,
    origin: Origin,
    file: Path,
    raw: BinaryIO,
    tally: Tally,
    show: Callable[[Path, BinaryIO], None],
) -> None:
    """Send one file, batch by batch."""
    for lines in batches(file, raw, intake.limits.message_bytes):
        digest = hashlib.sha256(b"\n".join(lines.messages))
        try:
            answer = accept(
                _PUBLISHER,
                intake,
                feed,
                lines.messages,
                now=datetime.now(UTC),
                key=f"{feed} {origin.slug} from line {lines.numbers[0]}: {digest.hexdigest()}",
                body_hash=digest.digest(),
                origin=origin,
            )
        except KeyReused:
            raise BadRequest(
                f"{_name(file)}, lines {lines.numbers[0]} to {lines.numbers[-1]} were published not long ago, when"
                " other lines of them were rejected: publish only those, in a file of their own."
            ) from None
        tally.accepted += answer.accepted
        for rejection in answer.rejected:
            tally.reject(file, lines.numbers[rejection.index], rejection.reason)
        show(file, raw)


def batches(file: Path, raw: BinaryIO, longest: int) -> Iterator[Lines]:
    """The lines that hold something, in batches. A line of more than `longest` bytes is cut, so that it is refused."""
    numbers: list[int] = []
    messages: list[bytes] = []
    size = 0
    for number, line in enumerate(_lines(file, raw, longest), start=1):
        text = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).rstrip(b"\r\n")
        if not text.strip():
            continue
        numbers.append(number)
        messages.append(text)
        size += len(text)
        if len(numbers) == BATCH_LINES or size >= BATCH_BYTES:
            yield Lines(tuple(numbers), tuple(messages))
            numbers, messages, size = [], [], 0
    if numbers:
        yield Lines(tuple(numbers), tuple(messages))


def _lines(file: Path, raw: BinaryIO, longest: int) -> Iterator[bytes]:
    """Every line, none of them read farther than a little over `longest` bytes at a time."""
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if file.suffix == ".gz" else raw
    number = 0
    try:
        while line := stream.readline(longest + 2):
            number += 1
            piece = line
            while not piece.endswith(b"\n") and (piece := stream.readline(longest + 2)):
                pass
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IocError(
            f"{_name(file)} is damaged after line {number} ({error}): get a whole copy and publish it again; what was"
            " accepted does not count twice."
        ) from None
    except OSError as error:
        raise IocError(f"{_name(file)} cannot be read after line {number}: {error.strerror}.") from None


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file's bytes as they stand on the disk."""
    if file == STDIN:
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise BadRequest(f"{file} cannot be opened: {error.strerror}.") from None
    with stream:
        yield stream


@contextmanager
def _progress() -> Iterator[Callable[[Path, BinaryIO], None]]:
    """A bar for each file, on a terminal only: how many of its bytes are sent. Standard input has no end to show."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    tasks = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def show(file: Path, raw: BinaryIO) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(_name(file), total=None if file == STDIN else file.stat().st_size)
            if file != STDIN:
                progress.update(tasks[file], completed=raw.tell())

        yield show


def _name(file: Path) -> str:
    return "standard input" if file == STDIN else str(file)
