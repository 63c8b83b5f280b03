"""The command line: `python -m ioc COMMAND`.

Each command imports only the program that it starts, so that `ingest` never loads Dash and `web` never
OpenCV. An error that somebody can do something about is one sentence and exit code 2, never a traceback.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ioc import logs
from ioc.errors import IocError
from ioc.settings import Settings

app = typer.Typer(
    name="ioc",
    help="Intelligent Operations Center. Settings: environment variables IOC_… (docs/settings.md).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _start(program: str) -> Settings:
    """Read the settings first: what is wrong with them shows before anything heavy is loaded."""
    settings = Settings.load()
    logs.configure(program, level=settings.log_level, form=settings.log_format)
    return settings


@app.command()
def run(
    simulators: Annotated[
        bool, typer.Option("--simulators/--no-simulators", help="With the imaginary province, or without.")
    ] = True,
) -> None:
    """Start the whole centre on this machine, and keep it running."""
    settings = _start("run")
    from ioc.processes import run as program

    raise typer.Exit(program.main(settings, simulators=simulators))


@app.command()
def web() -> None:
    """Serve screens, the intake and the read API."""
    settings = _start("web")
    from ioc.processes import web as program

    raise typer.Exit(program.main(settings))


@app.command()
def ingest() -> None:
    """Turn the broker's messages into windows, cases and figures."""
    settings = _start("ingest")
    from ioc.processes import ingest as program

    raise typer.Exit(program.main(settings))


@app.command()
def jobs() -> None:
    """Roll up, watch stocks and forget what is no longer kept."""
    settings = _start("jobs")
    from ioc.processes import jobs as program

    raise typer.Exit(program.main(settings))


@app.command()
def setup() -> None:
    """Create or migrate the store and load the province; safe to repeat."""
    settings = _start("setup")
    from ioc.processes import setup as program

    raise typer.Exit(program.main(settings))


@app.command()
def check() -> None:
    """Say in plain words what is wrong with settings, disk, clock, port, province, store and broker."""
    settings = _start("check")
    from ioc.processes import check as program

    raise typer.Exit(program.main(settings))


@app.command()
def publish(
    feed: Annotated[str, typer.Argument(help="The feed's id, e.g. traffic.")],
    files: Annotated[list[Path], typer.Argument(help="JSON Lines; .gz is unpacked; - is the standard input.")],
) -> None:
    """Send messages from files to a feed, and report by line what is rejected."""
    settings = _start("publish")
    from ioc.processes import publish as program

    raise typer.Exit(program.main(settings, feed, files))


def main() -> None:
    """Entry of `python -m ioc`."""
    try:
        app()
    except IocError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
