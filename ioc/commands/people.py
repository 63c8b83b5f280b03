"""Commands `user` and `screen`: who and what may sign in.

A password and a link are shown to a terminal only; they are never an argument, which others can see.
"""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from ioc.commands.beginning import start
from ioc.settings import Settings

user_app = typer.Typer(help="People who may sign in.", no_args_is_help=True)
screen_app = typer.Typer(help="Wall screens, which sign in for themselves.", no_args_is_help=True)


PasswordStays = Annotated[
    bool, typer.Option("--password-stays", help="It is the person's own: they need not change it at first sign-in.")
]


@user_app.command("add")
def user_add(
    login: str,
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Annotated[str, typer.Option(help="viewer, leader, operator, supervisor or administrator.")],
    centre: Annotated[list[str], typer.Option(help="What they may see, e.g. ben-cat; may be repeated.")],
    language: Annotated[str | None, typer.Option(help="vi or en.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a password; else by links only.")] = False,
    password_stays: PasswordStays = False,
) -> None:
    """Add somebody who may sign in; a password is changed at the first sign-in."""
    settings = start("user", is_brief=True)
    from ioc.processes import accounts

    secret = _ask_password() if password else None
    accounts.user_add(
        settings,
        login,
        name=name,
        role=role,
        centres=centre,
        password=secret,
        password_stays=password_stays,
        language=language,
    )
    typer.echo(f"{login} is added; `python -m ioc user link {login}` makes a link to sign in with.")


@user_app.command("list")
def user_list() -> None:
    """Everybody who may sign in, or could."""
    settings = start("user", is_brief=True)
    from ioc.processes import accounts

    for person in accounts.user_list(settings):
        state = "  (must change the password)" if person.must_change_password else ""
        state = state if person.disabled_at is None else "  (disabled)"
        typer.echo(f"{person.login}  {person.name}  {person.role}  {','.join(sorted(person.centres))}{state}")


@user_app.command("disable")
def user_disable(login: str) -> None:
    """End a person's sessions and links; they cannot sign in any more."""
    settings = start("user", is_brief=True)
    from ioc.processes import accounts

    accounts.user_disable(settings, login)
    typer.echo(f"{login} is disabled.")


@user_app.command("password")
def user_password(login: str, password_stays: PasswordStays = False) -> None:
    """Give a person another password; it is asked for, or read from the standard input."""
    settings = start("user", is_brief=True)
    from ioc.processes import accounts

    accounts.user_password(settings, login, _ask_password(), password_stays=password_stays)
    typer.echo(f"The password of {login} is changed; their open sessions have ended.")


@user_app.command("link")
def user_link(
    login: str,
    path: Annotated[str | None, typer.Option(help="The page that it opens; default: that of the role.")] = None,
) -> None:
    """Print a link that signs a person in, once."""
    settings = start("user", is_brief=True)
    from ioc.processes import accounts

    typer.echo(accounts.user_link(settings, login, path))


@user_app.command("sessions")
def user_sessions(login: str) -> None:
    """Where a person is signed in: since when, last seen, how, from which address and browser."""
    settings = start("user", is_brief=True)
    from ioc.processes import accounts

    for one in accounts.user_sessions(settings, login):
        times = f"{_local_time(one.began_at)}  {_local_time(one.seen_at)}"
        typer.echo(f"{one.id}  {times}  {one.way}  {one.address}  {one.agent}")


@user_app.command("end-sessions")
def user_end_sessions(login: str) -> None:
    """Sign a person out everywhere; they can sign in again."""
    settings = start("user", is_brief=True)
    from ioc.processes import accounts

    typer.echo(f"Sessions of {login} that have ended: {accounts.user_end_sessions(settings, login)}.")


@user_app.command("unlink")
def user_unlink(login: str) -> None:
    """Forget which account of the OpenID provider is this person; the next one of that name is linked anew."""
    settings = start("user", is_brief=True)
    from ioc.processes import accounts

    typer.echo(f"Accounts that are no longer {login}: {accounts.user_unlink(settings, login)}.")


@screen_app.command("add")
def screen_add(
    name: str,
    centre: Annotated[str, typer.Option(help="The centre that it shows, e.g. binh-duong.")],
    page: Annotated[str, typer.Option(help="The page that it shows.")] = "wall",
) -> None:
    """Add a wall screen and print the link that pairs its browser, once."""
    settings = start("screen", is_brief=True)
    from ioc.processes import accounts

    _show_pairing_link(settings, name, accounts.screen_add(settings, name, centre=centre, page=page))


@screen_app.command("list")
def screen_list() -> None:
    """All screens, and how each stands."""
    settings = start("screen", is_brief=True)
    from ioc.processes import accounts

    for one, state in accounts.screen_list(settings):
        seen = "" if one.seen_at is None else f"  {_local_time(one.seen_at)}"
        typer.echo(f"{one.name}  {one.page}:{one.centre}  {state}{seen}")


@screen_app.command("renew")
def screen_renew(name: str) -> None:
    """Print a new pairing link; the browser of before goes on until another is paired."""
    settings = start("screen", is_brief=True)
    from ioc.processes import accounts

    _show_pairing_link(settings, name, accounts.screen_renew(settings, name))


@screen_app.command("revoke")
def screen_revoke(name: str) -> None:
    """Sign a screen out; what it shows ends within seconds."""
    settings = start("screen", is_brief=True)
    from ioc.processes import accounts

    accounts.screen_revoke(settings, name)
    typer.echo(f"The screen {name} is revoked.")


def _show_pairing_link(settings: Settings, name: str, url: str) -> None:
    """On a terminal only: elsewhere the output is a log, which others read."""
    if sys.stdout.isatty():
        typer.echo(f"Open this on the screen's browser (it works once):\n  {url}")
        return
    from ioc.processes.data_folder import write_private

    path = settings.data / f"screen-{name}.txt"
    write_private(path, url + "\n")
    typer.echo(f"The pairing link of {name}, which works once, is in {path}")


def _local_time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().isoformat(sep=" ", timespec="minutes")


def _ask_password() -> str:
    """Typed twice without being shown, or one line of the standard input; never an argument, which others can see."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
