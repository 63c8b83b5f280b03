"""Command `dead-letters`: messages that could not be used."""

from typing import Annotated

import typer

from ioc.commands.beginning import start
from ioc.commands.options import Since
from ioc.errors import BadRequest

letters_app = typer.Typer(help="Messages that could not be used.", no_args_is_help=True)

OfFeed = Annotated[str | None, typer.Option("--feed", help="Of this feed only.")]
OfSource = Annotated[str | None, typer.Option("--source", help="Of this source only.")]
OfKind = Annotated[str | None, typer.Option("--kind", help="Of this kind only, e.g. unknown_asset.")]


@letters_app.command("list")
def letters_list(
    feed: OfFeed = None,
    source: OfSource = None,
    kind: OfKind = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """The newest dead letters, without what they hold, and the hours of which more came than are kept."""
    settings = start("dead-letters", is_brief=True)
    from ioc.processes import dead_letters as program

    raise typer.Exit(program.list_letters(settings, program.Filter(feed, source, kind, since), limit))


@letters_app.command("show")
def letters_show(letter: Annotated[int, typer.Argument(help="Its id, from `list`.")]) -> None:
    """All about one dead letter, with its bytes, which may name persons: it is logged who looks."""
    settings = start("dead-letters", is_brief=True)
    from ioc.processes import dead_letters as program

    raise typer.Exit(program.show_letter(settings, letter))


@letters_app.command("replay")
def letters_replay(
    letters: Annotated[list[int] | None, typer.Argument(help="Ids, from `list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the filters find and were not sent again.")] = False,
    feed: OfFeed = None,
    source: OfSource = None,
    kind: OfKind = None,
    since: Since = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also what an earlier replay may have sent: it may count twice.")
    ] = False,
    clock_was_behind: Annotated[
        bool, typer.Option("--clock-was-behind", help="Also what was dated ahead: this centre's clock was wrong.")
    ] = False,
) -> None:
    """Send dead letters again, after what was wrong is repaired."""
    settings = start("dead-letters", is_brief=True)
    from ioc.operations.dead_letters import Choices
    from ioc.processes import dead_letters as program

    chosen = program.Filter(feed, source, kind, since)
    if not every and chosen != program.Filter():
        raise BadRequest("The filters say what --all sends: add --all, or name letters by their ids only.")
    choices = Choices(dry_run, again, clock_was_behind)
    raise typer.Exit(program.replay(settings, letters or [], chosen if every else None, choices))
