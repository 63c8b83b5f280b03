"""Command `key`: API keys of source systems."""

from typing import Annotated

import typer

from ioc.commands.beginning import start

key_app = typer.Typer(help="API keys of source systems.", no_args_is_help=True)


@key_app.command("add")
def key_add(
    name: str,
    may: Annotated[list[str], typer.Option(help="send or read; may be repeated, or both with a comma.")],
    feeds: Annotated[str, typer.Option(help="Feeds that it may send to, with commas.")] = "",
    units: Annotated[str, typer.Option(help="Units that bound it, with commas.")] = "",
    centres: Annotated[str, typer.Option(help="Centres that it may read, with commas.")] = "",
    origin: Annotated[str, typer.Option(help="live, manual, simulated, replay or exercise.")] = "live",
) -> None:
    """Make an API key and print it, once."""
    settings = start("key", is_brief=True)
    from ioc.processes import accounts

    key = accounts.key_add(
        settings,
        name,
        may=_words(",".join(may)),
        feeds=_words(feeds),
        units=_words(units),
        centres=_words(centres),
        origin=origin,
    )
    typer.echo(key)


@key_app.command("list")
def key_list() -> None:
    """All keys, without the keys."""
    settings = start("key", is_brief=True)
    from ioc.processes import accounts

    for key in accounts.key_list(settings):
        may = "+".join(word for word, given in (("send", key.may_send), ("read", key.may_read)) if given)
        state = "" if key.revoked_at is None else "  (revoked)"
        typer.echo(f"{key.name}  {key.origin.slug}  {may}  {','.join(sorted(key.feeds))}{state}")


@key_app.command("revoke")
def key_revoke(name: str) -> None:
    """Make a key worth nothing; what it sent stays."""
    settings = start("key", is_brief=True)
    from ioc.processes import accounts

    accounts.key_revoke(settings, name)
    typer.echo(f"The key {name} is revoked.")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
