"""The command `scripts/services`: get, start, stop and look at the real parts.

    scripts/services [get|start|stop|status] [kafka|postgres|chromium|openid …]      default: get, all parts

A part that cannot be had is named, with what to do, and is no failure of `get`: tests that need it are skipped.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.parts import FOLDER, PROJECT, PartError, debian, kafka, openid, postgres
from scripts.parts.server import LOOK_EVERY_S, STOP_S, Server

STATED: Final = {
    "kafka": ("IOC_TEST_KAFKA", "host:port of a Kafka broker"),
    "postgres": ("IOC_TEST_POSTGRES", "postgresql://user:password@host:port, a user who may create databases"),
    "chromium": ("IOC_TEST_CHROMIUM", "path of the program"),
    "openid": (openid.PACKAGES_VARIABLE, "folder whose node_modules has oidc-provider"),
}


def get_chromium() -> Path:
    names = ("chromium", "chromium-browser", "google-chrome")
    if not any(map(shutil.which, names)):
        debian.install("chromium")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        raise PartError("chromium was installed, but is not among the programs")
    return Path(found)


def _postgres_folder() -> Path:
    if os.geteuid() != 0:
        return FOLDER / "postgres"
    return Path("/var/tmp") / f"ioc-postgres-{hashlib.sha256(bytes(PROJECT)).hexdigest()[:12]}"  # noqa: S108


@dataclass(frozen=True, slots=True)
class Part:
    """How a part is got, and the server that `start` starts, if it is one."""

    get: Callable[[], Path]
    server: Callable[[], Server] | None = None


PARTS: Final = {
    "kafka": Part(kafka.get, lambda: kafka.Kafka(FOLDER / "kafka" / "server", kafka.PORT)),
    "postgres": Part(postgres.get, lambda: postgres.Postgres(_postgres_folder(), postgres.PORT)),
    "chromium": Part(get_chromium),
    "openid": Part(openid.get, lambda: openid.OpenId(FOLDER / "openid" / "server", openid.PORT, accounts=openid.TRIAL)),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/services", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="get|start|stop|status and parts", help=", ".join(PARTS))
    words = parser.parse_args().words
    verb = words.pop(0) if words and words[0] in VERBS else "get"
    if unknown := sorted(set(words) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; the parts are: {', '.join(PARTS)}")
    failed = False
    for name in words or PARTS:
        try:
            print(f"{name}: {VERBS[verb](name)}")  # noqa: T201 - a command
        except PartError as error:
            variable, value = STATED[name]
            print(f"{name}: not there: {error}\n  or set {variable} ({value})")  # noqa: T201
            failed = verb == "start"
    return int(failed)


def get(name: str) -> str:
    variable, _ = STATED[name]
    if stated := os.environ.get(variable):
        return f"{variable} names {stated}"
    return f"there ({PARTS[name].get()})"


def start(name: str) -> str:
    make = PARTS[name].server
    if make is None:
        return get(name)
    if (pid := _running(name)) is not None:
        return f"runs already, as process {pid}"
    server = make()
    seconds = server.start()
    _state(name).write_text(json.dumps({"pid": server.pid}), encoding="utf-8")
    return f"runs at {_url(server)} after {seconds:.1f} s; its log: {server.log}"


def stop(name: str) -> str:
    pid = _running(name)
    if pid is None:
        return "does not run"
    os.killpg(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while _running(name) is not None:
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            deadline += STOP_S
        time.sleep(LOOK_EVERY_S)
    _state(name).unlink()
    return "stopped"


def status(name: str) -> str:
    make = PARTS[name].server
    if make is None:
        return get(name)
    pid = _running(name)
    if pid is None:
        return "does not run"
    server = make()
    return f"runs at {_url(server)}, process {pid}{'' if server.is_healthy() else ', but does not answer'}"


VERBS: Final = {"get": get, "start": start, "stop": stop, "status": status}


def _url(server: Server) -> str:
    if isinstance(server, openid.OpenId):
        return f"{server.issuer} (client {server.client}, its secret is in {server.settings_file})"
    return server.url if isinstance(server, postgres.Postgres) else f"kafka://{server.address}"


def _state(name: str) -> Path:
    FOLDER.mkdir(exist_ok=True)
    return FOLDER / f"{name}.json"


def _running(name: str) -> int | None:
    """The process that `start` started, if it still is that process."""
    try:
        pid = int(json.loads(_state(name).read_text(encoding="utf-8"))["pid"])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return None
    folder = _postgres_folder() if name == "postgres" else FOLDER / name
    return pid if bytes(folder) in command else None


if __name__ == "__main__":
    sys.exit(main())
