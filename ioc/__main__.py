"""The command line: `python -m ioc COMMAND`.

Each command imports only the program that it starts, so that `ingest` never loads Dash and `web` never
OpenCV. An error that somebody can do something about is one sentence and exit code 2, never a traceback.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ioc import logs
from ioc.errors import BadRequest, IocError
from ioc.settings import Settings, without_password

app = typer.Typer(
    name="ioc",
    help="Intelligent Operations Center. Settings: environment variables IOC_… (docs/settings.md).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _start(program: str, *, is_brief: bool = False) -> Settings:
    """Read the settings first: what is wrong with them shows before anything heavy is loaded.

    A brief command says itself what it did; of its log only what is wrong is shown.
    """
    settings = Settings.load()
    level = "warning" if is_brief and settings.log_level == "info" else settings.log_level
    logs.configure(program, level=level, form=settings.log_format)
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
    settings = _start("setup", is_brief=True)
    from ioc.processes import setup as program
    from ioc.processes.data_folder import make_data_folder

    make_data_folder(settings.data)
    program.main(settings)
    typer.echo(f"The store {without_password(settings.store)} is ready, with the province {settings.province}.")


@app.command()
def check() -> None:
    """Say in plain words what is wrong with settings, disk, clock, port, province, store and broker."""
    settings = _start("check", is_brief=True)
    from ioc.processes import check as program

    raise typer.Exit(program.main(settings))


@app.command()
def publish(
    feed: Annotated[str, typer.Argument(help="The feed's id, e.g. traffic.")],
    files: Annotated[list[Path], typer.Argument(help="JSON Lines; .gz is unpacked; - is the standard input.")],
    origin: Annotated[str, typer.Option(help="live, manual, simulated, replay or exercise.")] = "live",
) -> None:
    """Send messages from files to a feed, and report by line what is rejected."""
    settings = _start("publish", is_brief=True)
    from ioc.processes import publish as program

    raise typer.Exit(program.main(settings, feed, files, origin=origin))


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet or is empty.")],
) -> None:
    """Copy the store and the embedded log into a folder, while the centre runs."""
    settings = _start("backup", is_brief=True)
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
    settings = _start("restore", is_brief=True)
    from ioc.processes import restore as program

    restored = program.main(settings, folder, now=datetime.now(UTC), replace=replace)
    typer.echo(program.told(restored, settings))


user_app = typer.Typer(help="People who may sign in.", no_args_is_help=True)
screen_app = typer.Typer(help="Wall screens, which sign in for themselves.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of source systems.", no_args_is_help=True)
app.add_typer(user_app, name="user")
app.add_typer(screen_app, name="screen")
app.add_typer(key_app, name="key")


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
    settings = _start("user", is_brief=True)
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
    settings = _start("user", is_brief=True)
    from ioc.processes import accounts

    for person in accounts.user_list(settings):
        state = "  (must change the password)" if person.must_change_password else ""
        state = state if person.disabled_at is None else "  (disabled)"
        typer.echo(f"{person.login}  {person.name}  {person.role}  {','.join(sorted(person.centres))}{state}")


@user_app.command("disable")
def user_disable(login: str) -> None:
    """End a person's sessions and links; they cannot sign in any more."""
    settings = _start("user", is_brief=True)
    from ioc.processes import accounts

    accounts.user_disable(settings, login)
    typer.echo(f"{login} is disabled.")


@user_app.command("password")
def user_password(login: str, password_stays: PasswordStays = False) -> None:
    """Give a person another password; it is asked for, or read from the standard input."""
    settings = _start("user", is_brief=True)
    from ioc.processes import accounts

    accounts.user_password(settings, login, _ask_password(), password_stays=password_stays)
    typer.echo(f"The password of {login} is changed; their open sessions have ended.")


@user_app.command("link")
def user_link(
    login: str,
    path: Annotated[str | None, typer.Option(help="The page that it opens; default: that of the role.")] = None,
) -> None:
    """Print a link that signs a person in, once."""
    settings = _start("user", is_brief=True)
    from ioc.processes import accounts

    typer.echo(accounts.user_link(settings, login, path))


@user_app.command("sessions")
def user_sessions(login: str) -> None:
    """Where a person is signed in: since when, last seen, how, from which address and browser."""
    settings = _start("user", is_brief=True)
    from ioc.processes import accounts

    for one in accounts.user_sessions(settings, login):
        times = f"{_local_time(one.began_at)}  {_local_time(one.seen_at)}"
        typer.echo(f"{one.id}  {times}  {one.way}  {one.address}  {one.agent}")


@user_app.command("end-sessions")
def user_end_sessions(login: str) -> None:
    """Sign a person out everywhere; they can sign in again."""
    settings = _start("user", is_brief=True)
    from ioc.processes import accounts

    typer.echo(f"Sessions of {login} that have ended: {accounts.user_end_sessions(settings, login)}.")


@user_app.command("unlink")
def user_unlink(login: str) -> None:
    """Forget which account of the OpenID provider is this person; the next one of that name is linked anew."""
    settings = _start("user", is_brief=True)
    from ioc.processes import accounts

    typer.echo(f"Accounts that are no longer {login}: {accounts.user_unlink(settings, login)}.")


@screen_app.command("add")
def screen_add(
    name: str,
    centre: Annotated[str, typer.Option(help="The centre that it shows, e.g. binh-duong.")],
    page: Annotated[str, typer.Option(help="The page that it shows.")] = "wall",
) -> None:
    """Add a wall screen and print the link that pairs its browser, once."""
    settings = _start("screen", is_brief=True)
    from ioc.processes import accounts

    _show_pairing_link(settings, name, accounts.screen_add(settings, name, centre=centre, page=page))


@screen_app.command("list")
def screen_list() -> None:
    """All screens, and how each stands."""
    settings = _start("screen", is_brief=True)
    from ioc.processes import accounts

    for one, state in accounts.screen_list(settings):
        seen = "" if one.seen_at is None else f"  {_local_time(one.seen_at)}"
        typer.echo(f"{one.name}  {one.page}:{one.centre}  {state}{seen}")


@screen_app.command("renew")
def screen_renew(name: str) -> None:
    """Print a new pairing link; the browser of before goes on until another is paired."""
    settings = _start("screen", is_brief=True)
    from ioc.processes import accounts

    _show_pairing_link(settings, name, accounts.screen_renew(settings, name))


@screen_app.command("revoke")
def screen_revoke(name: str) -> None:
    """Sign a screen out; what it shows ends within seconds."""
    settings = _start("screen", is_brief=True)
    from ioc.processes import accounts

    accounts.screen_revoke(settings, name)
    typer.echo(f"The screen {name} is revoked.")


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
    settings = _start("key", is_brief=True)
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
    settings = _start("key", is_brief=True)
    from ioc.processes import accounts

    for key in accounts.key_list(settings):
        may = "+".join(word for word, given in (("send", key.may_send), ("read", key.may_read)) if given)
        state = "" if key.revoked_at is None else "  (revoked)"
        typer.echo(f"{key.name}  {key.origin.slug}  {may}  {','.join(sorted(key.feeds))}{state}")


@key_app.command("revoke")
def key_revoke(name: str) -> None:
    """Make a key worth nothing; what it sent stays."""
    settings = _start("key", is_brief=True)
    from ioc.processes import accounts

    accounts.key_revoke(settings, name)
    typer.echo(f"The key {name} is revoked.")


letters_app = typer.Typer(help="Messages that could not be used.", no_args_is_help=True)
app.add_typer(letters_app, name="dead-letters")

OfFeed = Annotated[str | None, typer.Option("--feed", help="Of this feed only.")]
OfSource = Annotated[str | None, typer.Option("--source", help="Of this source only.")]
OfKind = Annotated[str | None, typer.Option("--kind", help="Of this kind only, e.g. unknown_asset.")]
Since = Annotated[str | None, typer.Option("--since", help="From this time on, or how long ago: 90m, 24h, 7d.")]


@letters_app.command("list")
def letters_list(
    feed: OfFeed = None,
    source: OfSource = None,
    kind: OfKind = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """The newest dead letters, without what they hold, and the hours of which more came than are kept."""
    settings = _start("dead-letters", is_brief=True)
    from ioc.processes import dead_letters as program

    raise typer.Exit(program.list_letters(settings, program.Filter(feed, source, kind, since), limit))


@letters_app.command("show")
def letters_show(letter: Annotated[int, typer.Argument(help="Its id, from `list`.")]) -> None:
    """All about one dead letter, with its bytes, which may name persons: it is logged who looks."""
    settings = _start("dead-letters", is_brief=True)
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
    settings = _start("dead-letters", is_brief=True)
    from ioc.operations.dead_letters import Choices
    from ioc.processes import dead_letters as program

    chosen = program.Filter(feed, source, kind, since)
    if not every and chosen != program.Filter():
        raise BadRequest("The filters say what --all sends: add --all, or name letters by their ids only.")
    choices = Choices(dry_run, again, clock_was_behind)
    raise typer.Exit(program.replay(settings, letters or [], chosen if every else None, choices))


audit_app = typer.Typer(help="Who did what: the audit trail.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


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
    settings = _start("audit", is_brief=True)
    from ioc.processes import audit as program

    raise typer.Exit(program.list_entries(settings, program.Filter(who, act, on, address, since), limit))


@audit_app.command("verify")
def audit_verify(
    heads: Annotated[
        list[Path] | None, typer.Option(help="A copy of audit-heads.jsonl from elsewhere; may be repeated.")
    ] = None,
) -> None:
    """Read the whole trail and name the first entry at which it does not hold; ends with 1 if there is one."""
    settings = _start("audit", is_brief=True)
    from ioc.processes import audit as program

    raise typer.Exit(program.verify_trail(settings, heads or []))


@audit_app.command("hold")
def audit_hold(
    name: Annotated[str | None, typer.Argument(help="Of the hold; without it all holds are listed.")] = None,
    reason: Annotated[str, typer.Option(help="Why entries must be kept.")] = "",
    start: Annotated[str | None, typer.Option("--from", help="Keep what is from then on; default: all.")] = None,
) -> None:
    """Keep entries beyond their time, until the hold is released."""
    settings = _start("audit", is_brief=True)
    from ioc.processes import audit as program

    if name is None:
        raise typer.Exit(program.list_holds(settings))
    raise typer.Exit(program.hold(settings, name, reason, start))


@audit_app.command("release")
def audit_release(name: str) -> None:
    """End a hold."""
    settings = _start("audit", is_brief=True)
    from ioc.processes import audit as program

    raise typer.Exit(program.release(settings, name))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


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
