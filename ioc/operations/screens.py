"""Wall screens: each signs in for itself, for one view, and for nothing else.

An administrator adds a screen and gets a pairing link. Whoever opens it on the screen's browser gives that browser a
token of its own, which lasts as long as it is used; nobody's session stands on the wall. The shell acts everywhere.

Refused: a pairing link used twice, a screen of a centre that is not the administrator's, and another view.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from ioc import logs
from ioc.errors import BadRequest, NotFound, Refused
from ioc.model.access import Kind, Permission, Principal
from ioc.model.audit import Act
from ioc.operations.access import administers, as_ms, check_administers, check_centres, check_permission
from ioc.operations.gatekeeping import new_token, token_hash
from ioc.operations.trail import changing
from ioc.operations.views import Page, View
from ioc.settings import Settings
from ioc.store import screens as rows
from ioc.store.access import Connection
from ioc.store.engine import Store
from ioc.store.screens import ScreenRow

PAGES: Final = (Page.WALL,)
"""The pages that a screen may show: those that nobody touches."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")

_log = logs.get_logger("ioc.access")


@dataclass(frozen=True, slots=True)
class ScreenSession:
    """A paired screen: who it is, the one page that it shows, and what its calls must carry (`csrf`)."""

    principal: Principal
    path: str
    csrf: str = field(repr=False)
    seen_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Paired:
    """A browser that has just been paired. The token is nowhere else: it goes into the cookie."""

    token: str = field(repr=False)
    csrf: str = field(repr=False)
    path: str


def add_screen(
    principal: Principal, store: Store, settings: Settings, *, name: str, centre: str, page: str, now: datetime
) -> str:
    """Add a screen of one page of one centre: its pairing token, which can be read this one time."""
    check_administers(principal, frozenset({centre}))
    if not _NAME.fullmatch(name):
        raise BadRequest(
            "A screen's name has 2 to 64 small letters, digits, dots, dashes or underscores.", rule="screen_form"
        )
    if page not in PAGES:
        raise BadRequest(f"A screen cannot show the page {page[:40]}: choose one of {', '.join(PAGES)}.")
    token = new_token()
    screen = ScreenRow(
        id=f"d-{new_token()[:12]}",
        name=name,
        centre=centre,
        page=page,
        csrf=new_token(),
        created_at=as_ms(now),
        ends_at=as_ms(now),
        pairing_ends_at=as_ms(now) + settings.link_life * 1000,
    )
    with changing(store, now) as (connection, trail):
        check_centres(connection, frozenset({centre}))
        if rows.screen_by_name(connection, name) is not None:
            raise BadRequest(f"A screen named {name} exists already: choose another name.", rule="screen_taken")
        rows.insert_screen(connection, screen, token_hash(token))
        trail.say(principal, Act.SCREEN_ADDED, "screen", screen.id, centres=[centre], details={"page": page})
    _log.info("screen added", screen=screen.id, centre=centre, page=page, by=principal.id)
    return token


def list_screens(principal: Principal, store: Store) -> tuple[ScreenRow, ...]:
    """The screens that the principal administers."""
    check_permission(principal, Permission.ADMINISTER)
    with store.reading() as connection:
        found = rows.all_screens(connection)
    return tuple(one for one in found if administers(principal, frozenset({one.centre})))


def renew_screen(principal: Principal, store: Store, settings: Settings, *, name: str, now: datetime) -> str:
    """Another pairing token, for a new browser; the one before goes on until then. A revoked screen opens again."""
    token = new_token()
    with changing(store, now) as (connection, trail):
        screen = _administered(principal, connection, name)
        rows.offer_pairing(connection, screen.id, token_hash(token), ends_at=as_ms(now) + settings.link_life * 1000)
        trail.say(principal, Act.SCREEN_RENEWED, "screen", screen.id, centres=[screen.centre])
    _log.info("screen renewed", screen=screen.id, by=principal.id)
    return token


def revoke_screen(principal: Principal, store: Store, *, name: str, now: datetime) -> None:
    """The screen and its pairing link are worth nothing any more; what it shows ends within seconds."""
    with changing(store, now) as (connection, trail):
        screen = _administered(principal, connection, name)
        rows.revoke_screen(connection, screen.id, as_ms(now))
        trail.say(principal, Act.SCREEN_REVOKED, "screen", screen.id, centres=[screen.centre])
    _log.info("screen revoked", screen=screen.id, by=principal.id)


def state_of(screen: ScreenRow, now: datetime) -> Literal["revoked", "paired", "waiting", "ended"]:
    """Whether a screen shows its page, waits for its browser, or must be renewed."""
    if screen.revoked_at is not None:
        return "revoked"
    if screen.is_paired and as_ms(now) < screen.ends_at:
        return "paired"
    return "waiting" if as_ms(now) < (screen.pairing_ends_at or 0) else "ended"


# --- what the gate asks: there is no principal yet ---------------------------------------------------------------


def pair_screen(store: Store, settings: Settings, *, token: str, now: datetime) -> Paired:
    """Use a pairing token, once: what the browser keeps. Refused if it was used, has ended or never was."""
    refused = Refused("This link of a screen was used already or has ended: ask for a new one.")
    hashed, own, csrf = token_hash(token), new_token(), new_token()
    with store.reading() as connection:
        # Guesses by strangers must not queue up for the lock that ingest writes under.
        if not rows.pairing_exists(connection, hashed):
            raise refused
    with changing(store, now) as (connection, trail):
        ends_at = as_ms(now) + settings.screen_life * 1000
        screen = rows.use_pairing(connection, hashed, token_hash(own), csrf, now=as_ms(now), ends_at=ends_at)
        if screen is None:
            raise refused
        trail.say(_principal(screen), Act.SCREEN_PAIRED, "screen", screen.id, centres=[screen.centre])
    _log.info("screen paired", screen=screen.id)
    return Paired(own, csrf, _path(screen))


def find_screen(store: Store, token: str, now: datetime) -> ScreenSession | None:
    """The paired screen of a token, or None: unknown, revoked, or not used for too long."""
    with store.reading() as connection:
        screen = rows.screen_by_hash(connection, token_hash(token))
    if screen is None or screen.revoked_at is not None or as_ms(now) >= screen.ends_at:
        return None
    return ScreenSession(_principal(screen), _path(screen), screen.csrf, screen.seen_at or 0, screen.ends_at)


def mark_screen_seen(store: Store, settings: Settings, token: str, now: datetime, *, ends_at: int) -> None:
    """Note that a screen is in use; with less than half of its life left it begins a new one. It writes."""
    life = settings.screen_life * 1000
    renewed = as_ms(now) + life if ends_at - as_ms(now) < life // 2 else ends_at
    with store.writing() as connection:
        rows.mark_screen_seen(connection, token_hash(token), at=as_ms(now), ends_at=renewed)


def _principal(screen: ScreenRow) -> Principal:
    return Principal(
        Kind.SCREEN,
        screen.id,
        screen.name,
        frozenset({Permission.READ}),
        frozenset({screen.centre}),
        view=View(Page(screen.page), screen.centre).id,
    )


def _path(screen: ScreenRow) -> str:
    return f"/{screen.page}/{screen.centre}"


def _administered(principal: Principal, connection: Connection, name: str) -> ScreenRow:
    check_permission(principal, Permission.ADMINISTER)
    screen = rows.screen_by_name(connection, name)
    if screen is None:
        raise NotFound(f"There is no screen named {name}: `screen list` shows those that exist.")
    check_administers(principal, frozenset({screen.centre}))
    return screen
