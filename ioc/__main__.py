"""The command line: `python -m ioc COMMAND`.

Each command imports only the program that it starts, so that `ingest` never loads Dash and `web` never
OpenCV. An error that somebody can do something about is one sentence and exit code 2, never a traceback.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ioc.commands.audit import audit_app
from ioc.commands.beginning import start
from ioc.commands.dead_letters import letters_app
from ioc.commands.keys import key_app
from ioc.commands.people import screen_app, user_app
from ioc.errors import IocError
from ioc.settings import without_password

app = typer.Typer(
    name="ioc",
    help="Intelligent Operations Center. Settings: environment variables IOC_… (docs/settings.md).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _name, _group in (
    ("user", user_app),
    ("screen", screen_app),
    ("key", key_app),
    ("dead-letters", letters_app),
    ("audit", audit_app),
):
    app.add_typer(_group, name=_name)


@app.command()
def run(
    simulators: Annotated[
        bool, typer.Option("--simulators/--no-simulators", help="With the imaginary province, or without.")
    ] = True,
) -> None:
    """Start the whole centre on this machine, and keep it running."""
    settings = start("run")
    from ioc.processes import run as program

    raise typer.Exit(program.main(settings, simulators=simulators))


@app.command()
def web() -> None:
    """Serve screens, the intake and the read API."""
    settings = start("web")
    from ioc.processes import web as program

    raise typer.Exit(program.main(settings))


@app.command()
def ingest() -> None:
    """Turn the broker's messages into windows, cases and figures."""
    settings = start("ingest")
    from ioc.processes import ingest as program

    raise typer.Exit(program.main(settings))


@app.command()
def jobs() -> None:
    """Roll up, watch stocks and forget what is no longer kept."""
    settings = start("jobs")
    from ioc.processes import jobs as program

    raise typer.Exit(program.main(settings))


@app.command()
def setup() -> None:
    """Create or migrate the store and load the province; safe to repeat."""
    settings = start("setup", is_brief=True)
    from ioc.processes import setup as program
    from ioc.processes.data_folder import make_data_folder

    make_data_folder(settings.data)
    program.main(settings)
    typer.echo(f"The store {without_password(settings.store)} is ready, with the province {settings.province}.")


@app.command()
def check() -> None:
    """Say in plain words what is wrong with settings, disk, clock, port, province, store and broker."""
    settings = start("check", is_brief=True)
    from ioc.processes import check as program

    raise typer.Exit(program.main(settings))


@app.command()
def publish(
    feed: Annotated[str, typer.Argument(help="The feed's id, e.g. traffic.")],
    files: Annotated[list[Path], typer.Argument(help="JSON Lines; .gz is unpacked; - is the standard input.")],
    origin: Annotated[str, typer.Option(help="live, manual, simulated, replay or exercise.")] = "live",
) -> None:
    """Send messages from files to a feed, and report by line what is rejected."""
    settings = start("publish", is_brief=True)
    from ioc.processes import publish as program

    raise typer.Exit(program.main(settings, feed, files, origin=origin))


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet or is empty.")],
) -> None:
    """Copy the store and the embedded log into a folder, while the centre runs."""
    settings = start("backup", is_brief=True)
    from ioc.processes import backup as program

    typer.echo(program.told(program.main(settings, folder, now=datetime.now(UTC)), folder))


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move aside the data that stands there already; nothing is deleted.")
    ] = False,
) -> None:
    """Put a backup in the place of the store and the embedded log; the centre must be stopped."""
    settings = start("restore", is_brief=True)
    from ioc.processes import restore as program

    restored = program.main(settings, folder, now=datetime.now(UTC), replace=replace)
    typer.echo(program.told(restored, settings))


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
