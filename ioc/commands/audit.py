"""Command `audit`: who did what."""

from pathlib import Path
from typing import Annotated

import typer

from ioc.commands.beginning import start
from ioc.commands.options import Since

audit_app = typer.Typer(help="Who did what: the audit trail.", no_args_is_help=True)


@audit_app.command("list")
def audit_list(
    who: Annotated[str | None, typer.Option(help="Done by this id, e.g. p-… or system:shell.")] = None,
    act: Annotated[str | None, typer.Option(help="Of this kind only, e.g. sign-in-refused.")] = None,
    on: Annotated[str | None, typer.Option(help="Done to this id, e.g. p-…, s-… or a key's name.")] = None,
    address: Annotated[str | None, typer.Option(help="From this address only.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
) -> None:
    """The newest entries; that somebody looked is entered too."""
    settings = start("audit", is_brief=True)
    from ioc.processes import audit as program

    raise typer.Exit(program.list_entries(settings, program.Filter(who, act, on, address, since), limit))


@audit_app.command("verify")
def audit_verify(
    heads: Annotated[
        list[Path] | None, typer.Option(help="A copy of audit-heads.jsonl from elsewhere; may be repeated.")
    ] = None,
) -> None:
    """Read the whole trail and name the first entry at which it does not hold; ends with 1 if there is one."""
    settings = start("audit", is_brief=True)
    from ioc.processes import audit as program

    raise typer.Exit(program.verify_trail(settings, heads or []))


@audit_app.command("hold")
def audit_hold(
    name: Annotated[str | None, typer.Argument(help="Of the hold; without it all holds are listed.")] = None,
    reason: Annotated[str, typer.Option(help="Why entries must be kept.")] = "",
    begins: Annotated[str | None, typer.Option("--from", help="Keep what is from then on; default: all.")] = None,
) -> None:
    """Keep entries beyond their time, until the hold is released."""
    settings = start("audit", is_brief=True)
    from ioc.processes import audit as program

    if name is None:
        raise typer.Exit(program.list_holds(settings))
    raise typer.Exit(program.hold(settings, name, reason, begins))


@audit_app.command("release")
def audit_release(name: str) -> None:
    """End a hold."""
    settings = start("audit", is_brief=True)
    from ioc.processes import audit as program

    raise typer.Exit(program.release(settings, name))
