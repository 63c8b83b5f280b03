"""Commands of the centre, each in a process of its own that begins with the libraries loaded.

The same as `python -m ioc …` in a new process (environment, standard streams, exit code), without most of a second for
imports: a fork server has loaded what the commands use, once. What a fresh interpreter loads, `test_architecture` asks.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ioc.settings import PROJECT

PRELOADED: Final = ["ioc.__main__", "ioc.processes.accounts", "ioc.processes.setup", "ioc.processes.publish"]
LONGEST_S: Final = 60.0


def run_ioc(
    *arguments: str, environ: Mapping[str, str], typed: str = "", folder: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    """Run `python -m ioc ARGUMENTS` to its end, with these settings and no others from outside."""
    outside = {name: text for name, text in os.environ.items() if not name.startswith("IOC_")}
    servers = multiprocessing.get_context("forkserver")
    servers.set_forkserver_preload(PRELOADED)
    with TemporaryDirectory() as streams:
        paths = [str(Path(streams) / name) for name in ("in", "out", "err")]
        Path(paths[0]).write_text(typed, encoding="utf-8")
        command = servers.Process(target=_be_ioc, args=(arguments, {**outside, **environ}, paths, str(folder)))
        command.start()
        command.join(LONGEST_S)
        if command.exitcode is None:
            command.kill()
            command.join()
            raise TimeoutError(f"ioc {' '.join(arguments)} goes on after {LONGEST_S:g} s")
        said = [Path(path).read_text(encoding="utf-8") for path in paths[1:]]
        return subprocess.CompletedProcess(["ioc", *arguments], command.exitcode, *said)


def _be_ioc(arguments: Sequence[str], environ: Mapping[str, str], paths: Sequence[str], folder: str) -> None:
    """In the new process: take on the streams, the settings and the arguments, and run."""
    ways = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (path, way) in enumerate(zip(paths, ways, strict=True)):
        os.dup2(os.open(path, way, 0o600), number)
    sys.stdin = os.fdopen(0, "r", encoding="utf-8")
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = ["ioc", *arguments]
    from ioc.__main__ import main

    main()
