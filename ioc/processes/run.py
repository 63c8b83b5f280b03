"""`python -m ioc run`: the whole centre on one machine, with the embedded defaults and the imagined province.

Checks before it changes anything; then sets up the store, starts web, ingest and jobs, waits until the centre
says that it is ready, lets the simulators send their history on the first start, and keeps everything running
until it is told to stop.

Refused: a second `run` on the same data folder, and a port that another program uses. Sign-in links go to a
terminal, or to a file that only its owner can read, never to a log.
"""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from ioc import logs
from ioc.processes.children import Children, Program
from ioc.processes.data_folder import make_data_folder, only_run, write_private
from ioc.processes.port import check_port, url_on_this_machine, why_not_ready
from ioc.settings import PROJECT, Settings

PROGRAMS: Final = ("web", "ingest", "jobs")
HISTORY_DONE: Final = "simulators.history-done"
SIGN_IN_FILE: Final = "sign-in.txt"
READY_EVERY_S: Final = 0.2
SAY_WHY_EVERY: Final = 50  # looks at /readyz: ten seconds


def main(settings: Settings, *, simulators: bool = True, out: TextIO = sys.stdout) -> int:
    """Run until told to stop; 0 after an ordered stop. Raises IocError when the centre cannot start."""
    make_data_folder(settings.data)
    with only_run(settings.data), _spoken(settings, out) as spoken:
        check_port(settings.host, settings.port)
        set_up(settings)
        if simulators and not settings.allow_simulated:
            spoken.say("This is a production centre: the simulators stay off.")
            simulators = False
        if simulators:
            make_keys(settings)
        with Children(settings.data / "logs", spoken.say, environ=_environ(settings), folder=PROJECT) as children:
            _run(settings, children, spoken, simulators=simulators)
            spoken.say("Stopping …")
        spoken.say("Stopped; the data stays in " + str(settings.data))
    return 0


class _Spoken:
    """What a person at the terminal reads, kept in the log as well; secrets on the terminal only."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self._log = logs.get_logger("ioc.run")

    def say(self, sentence: str) -> None:
        self.out.write(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {sentence}\n")
        self.out.flush()
        self._log.info(sentence)

    def show(self, text: str) -> None:
        self.out.write(text + "\n")
        self.out.flush()


@contextmanager
def _spoken(settings: Settings, out: TextIO) -> Iterator[_Spoken]:
    log = settings.data / "logs" / "run.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        logs.configure("run", level=settings.log_level, form="json", stream=stream)
        yield _Spoken(out)


def _run(settings: Settings, children: Children, spoken: _Spoken, *, simulators: bool) -> None:
    for name in PROGRAMS:
        children.start(Program(name, (sys.executable, "-m", "ioc", name)))
    if not _wait_until_ready(settings, children, spoken):
        return
    children.never_give_up()
    if simulators and not _send_history(settings, children, spoken):
        return
    if simulators:
        children.start(Program("simulators", (sys.executable, "-m", "simulators", "live")))
    _welcome(settings, spoken, simulators=simulators)
    children.wait_for_stop()


def _environ(settings: Settings) -> dict[str, str]:
    """What the programs get: exactly these settings, and the simulators this centre and the keys made for it."""
    outside = {name: text for name, text in os.environ.items() if name not in ("IOC_CONFIG", "IOC_KEY")}
    return {
        **outside,
        **settings.environ(),
        "IOC_INSTANCE": settings.instance or "run",  # its one ingest goes on at once after a restart
        "IOC_URL": url_on_this_machine(settings.host, settings.port),
        "PYTHONUNBUFFERED": "1",
    }


def set_up(settings: Settings) -> None:
    """Create or migrate the store and load the province; safe to repeat."""
    from ioc.processes import setup

    setup.main(settings)


def make_keys(settings: Settings) -> None:
    """Make sure that the simulators' key files hold keys that this store knows, for all feeds and centres."""
    from ioc.feeds import FEEDS
    from ioc.model.access import Permission, system_principal
    from ioc.model.origins import Origin
    from ioc.operations.keys import NewKey, add_key, principal_of_key
    from ioc.store.access import centre_ids
    from ioc.store.engine import Store

    store = Store.open(settings.store)
    try:
        with store.reading() as connection:
            centres = frozenset(centre_ids(connection))
        for name, origin in (("simulators", Origin.SIMULATED), ("replay", Origin.REPLAY)):
            path = settings.data / f"{name}.key"
            kept = path.read_text(encoding="ascii").strip() if path.exists() else ""
            known = principal_of_key(store, kept, settings) if kept else None
            if known is not None and (known.feeds, known.centres) == (frozenset(FEEDS), centres):
                continue
            may = frozenset({Permission.SEND, Permission.READ})
            key = NewKey(name, origin, may, feeds=frozenset(FEEDS), centres=centres)
            now = datetime.now(UTC)
            token = add_key(system_principal("run"), store, settings, key, now=now, replace_existing=True)
            write_private(path, token + "\n")
    finally:
        store.close()


def _wait_until_ready(settings: Settings, children: Children, spoken: _Spoken) -> bool:
    looks = 0

    def is_ready() -> bool:
        nonlocal looks
        why = why_not_ready(settings.host, settings.port)
        looks += 1
        if why is not None and looks % SAY_WHY_EVERY == 0:
            spoken.say(f"Not ready yet: {why}; programs' logs are in {settings.data / 'logs'}")
        return why is None

    spoken.say(f"Starting {', '.join(PROGRAMS)} …")
    return children.wait_until(is_ready, check_every_s=READY_EVERY_S)


def _send_history(settings: Settings, children: Children, spoken: _Spoken) -> bool:
    """On the first start, the imagined past. Killed half-way it is sent again; nothing counts twice."""
    done = settings.data / HISTORY_DONE
    if done.exists():
        return True
    spoken.say("First start: the imaginary province sends its past.")
    code = children.run_to_end(Program("history", (sys.executable, "-m", "simulators", "history")))
    if code is None:
        return False
    if code == 0:
        done.write_text(datetime.now(UTC).isoformat() + "\n", encoding="ascii")
    else:
        spoken.say(f"The past was not sent whole (exit code {code}); the next start tries again.")
    return True


def _welcome(settings: Settings, spoken: _Spoken, *, simulators: bool) -> None:
    from ioc.processes import accounts

    links = accounts.make_first_links(settings)
    text = "\n".join(f"  {title}\n    {url}" for title, url in links)
    spoken.say(f"The centre is ready: {settings.public_url}")
    if spoken.out.isatty():
        spoken.show(f"\nSign in (each link works once):\n{text}\n")
    else:
        path = settings.data / SIGN_IN_FILE
        write_private(path, text + "\n")
        spoken.say(f"One-time sign-in links are in {path}")
    if simulators:
        spoken.show(f"Try: {scenario_command(settings)}")
    spoken.show("Stop: Ctrl-C")


def scenario_command(settings: Settings) -> str:
    """A command for another terminal, which knows none of this centre's settings: it works as it stands."""
    defaults = Settings()
    url, usual = (url_on_this_machine(one.host, one.port) for one in (settings, defaults))
    told = {"IOC_URL": url} if url != usual else {}
    if settings.data != defaults.data:
        told["IOC_DATA"] = str(settings.data)
    before = "".join(f"{name}={shlex.quote(value)} " for name, value in told.items())
    return f"{before}{_python()} -m simulators scenario accident"


def _python() -> str:
    """This interpreter as one would type it in the project's folder."""
    path = Path(sys.executable)
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)
