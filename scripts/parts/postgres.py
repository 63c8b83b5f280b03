"""PostgreSQL from Debian: a cluster of its own, made by initdb, run by a user without rights.

PostgreSQL refuses to run as root; root's clusters belong to `postgres` and stand where that user can reach them.
"""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from scripts.parts import PartError, debian
from scripts.parts.server import Server, free_port

PORT: Final = 15432
USER: Final = "ioc"
DATABASE: Final = "ioc"
LEAST_VERSION: Final = 15


def find() -> Path | None:
    """The folder of PostgreSQL's programs (its newest version)."""
    homes = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").is_file()]
    new = [path for path in homes if path.parent.name.isdigit() and int(path.parent.name) >= LEAST_VERSION]
    if new:
        return max(new, key=lambda path: int(path.parent.name))
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def get() -> Path:
    """The folder of PostgreSQL's programs, installed if it is not there."""
    if find() is None:
        debian.install("postgresql")
    found = find()
    if found is None:
        raise PartError(f"PostgreSQL {LEAST_VERSION} or newer is not there: install it")
    return found


class Postgres(Server):
    """One cluster, with one database; `options` are settings of the server (`name=value`)."""

    name = "postgres"

    def __init__(self, folder: Path, port: int = 0, *, options: Sequence[str] = ()) -> None:
        super().__init__(folder, port or free_port())
        self._programs = get()
        self._options = options

    @property
    def url(self) -> str:
        """For the setting IOC_STORE."""
        return f"postgresql://{USER}@{self.address}/{DATABASE}"

    def process_options(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        owner = _unprivileged()
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": self.folder}

    def prepare(self) -> None:
        data = self.folder / "data"
        if (data / "PG_VERSION").is_file():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            owner = _unprivileged()
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", str(data), "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")

    def command(self) -> Sequence[str]:
        options = [f"unix_socket_directories={self.folder}", "listen_addresses=127.0.0.1", *self._options]
        flags = [word for option in options for word in ("-c", option)]
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *flags]

    def is_healthy(self) -> bool:
        asked = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        ready = subprocess.run([self._programs / "pg_isready", "-q", *asked], check=False)
        return ready.returncode == 0

    def start(self) -> float:
        seconds = super().start()
        self.make_database(DATABASE)
        return seconds

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:  # SIGTERM would wait for clients to leave
        super().stop(sign)

    def make_database(self, name: str) -> str:
        """Make a database unless it is there; its URL."""
        known = self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'")  # noqa: S608 - our own names
        if not known:
            self.sql(f'CREATE DATABASE "{name}"')
        return f"postgresql://{USER}@{self.address}/{name}"

    def sql(self, statement: str) -> str:
        """Run one statement in the database `postgres`; what it answers, unadorned."""
        asked = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", "postgres"]
        return self._run("psql", *asked, "-XAtqc", statement).strip()

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._programs / program), *arguments]
        answer = subprocess.run(command, capture_output=True, check=False, **self.process_options())
        if answer.returncode:
            raise PartError(f"{program} failed: {(answer.stderr or answer.stdout).decode().strip()[-600:]}")
        return str(answer.stdout, "utf-8")


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PartError("PostgreSQL does not run as root, and there is no user postgres: install postgresql")
