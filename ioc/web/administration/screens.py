"""Pages of wall screens: the list, adding one, another pairing link, and revoking one. Each link is shown once."""

from dataclasses import dataclass
from datetime import timedelta

from ioc.errors import BadRequest, IocError, NotFound
from ioc.operations import screens as operations
from ioc.operations.access import as_ms
from ioc.store.screens import ScreenRow
from ioc.web.administration.asking import HOME, NOTHING_WRONG, Answer, Asked, Go, Page, Wrong, wrong
from ioc.web.administration.markup import Content, Html, element, together
from ioc.web.administration.own_centres import OwnCentres
from ioc.web.administration.pieces import (
    Choice,
    alarm,
    button_link,
    choice_field,
    confirmation,
    form,
    heading,
    page_of,
    secret,
    stacked,
    state,
    submit,
    table,
    text_field,
    whole,
)
from ioc.web.plain_pages import SCREEN

SCREENS = f"{HOME}/screens"


@dataclass(frozen=True, slots=True)
class Described:
    """A screen as a form states it."""

    name: str = ""
    centre: str = ""
    page: str = operations.PAGES[0].value


def screens(asked: Asked) -> Answer:
    say = asked.reader.say
    own, found = OwnCentres(asked), operations.list_screens(asked.principal, asked.store)
    shown, pages = page_of(asked, found)
    heads = [say(word) for word in ("screen_name", "centre", "screen_page", "state", "screen_seen", "added_at")] + [""]
    content = stacked(
        heading(
            say("screens"),
            asked.reader.count("screens_count", len(found)),
            button_link(say("screen_add"), f"{SCREENS}/new", kind="primary"),
            note=say("screens_note"),
        ),
        table(
            heads,
            (_row(asked, own, one) for one in shown),
            say("screens_empty"),
        ),
        pages,
    )
    return Page("screens", say("screens"), content)


def new_screen(asked: Asked) -> Answer:
    return _new_screen(asked, Described(), NOTHING_WRONG)


def add_screen(asked: Asked) -> Answer:
    sent = asked.form
    stated = Described(sent.one("name"), sent.one("centre"), sent.one("page"))
    try:
        if not stated.centre:
            raise BadRequest("A screen needs a centre: choose it.", rule="screen_centre")
        if stated.page not in operations.PAGES:
            raise BadRequest("There is no such page: choose one of the list.", rule="screen_page")
        token = operations.add_screen(
            asked.principal,
            asked.store,
            asked.settings,
            name=stated.name,
            centre=stated.centre,
            page=stated.page,
            now=asked.now,
        )
    except IocError as error:
        return _new_screen(asked, stated, wrong(error, asked.reader))
    return _link_page(asked, token, asked.reader.say("screen_added", name=stated.name))


def ask_renew(asked: Asked) -> Answer:
    return _ask(asked, "screen_renew")


def renew(asked: Asked) -> Answer:
    name = _screen(asked).name
    token = operations.renew_screen(asked.principal, asked.store, asked.settings, name=name, now=asked.now)
    return _link_page(asked, token, asked.reader.say("screen_renewed", name=name))


def ask_revoke(asked: Asked) -> Answer:
    return _ask(asked, "screen_revoke")


def revoke(asked: Asked) -> Answer:
    operations.revoke_screen(asked.principal, asked.store, name=_screen(asked).name, now=asked.now)
    return Go(SCREENS, "screen_revoke_done")


def _row(asked: Asked, own: OwnCentres, one: ScreenRow) -> tuple[Content, ...]:
    say = asked.reader.say
    address = f"{SCREENS}/{one.name}"
    renew_link = element("a", say("screen_renew"), href=f"{address}/renew")
    revoke_link = element("a", say("screen_revoke"), href=f"{address}/revoke")
    return (
        whole(element("b", one.name)),
        own.title(one.centre),
        whole(say(f"page_{one.page}")),
        _state(asked, one),
        whole(asked.reader.moment(one.seen_at)),
        whole(asked.reader.moment(one.created_at)),
        element("span", together(renew_link, None if one.revoked_at is not None else revoke_link), css="links"),
    )


def _state(asked: Asked, one: ScreenRow) -> Html:
    say, now = asked.reader.say, as_ms(asked.now)
    if one.revoked_at is not None:
        return state(say("screen_revoked"), off=True)
    if one.is_paired and now < one.ends_at:
        return state(say("screen_paired"))
    waits = one.pairing_ends_at is not None and now < one.pairing_ends_at
    return state(say("screen_waiting" if waits else "screen_ended"), off=True)


def _new_screen(asked: Asked, stated: Described, problems: Wrong) -> Page:
    say = asked.reader.say
    page_choices = [Choice(page.value, say(f"page_{page.value}")) for page in operations.PAGES]
    content = form(
        asked,
        alarm(problems.above),
        text_field(
            "name", say("screen_name"), stated.name, problems, hint=say("screen_name_hint"), longest=64, spelled=False
        ),
        choice_field(
            "centre", say("centre"), OwnCentres(asked).choices, {stated.centre}, problems, several=False, css="columns"
        ),
        choice_field("page", say("screen_page"), page_choices, {stated.page}, problems, several=False, css="columns"),
        element("div", submit(say("screen_add")), button_link(say("cancel"), SCREENS), css="buttons"),
    )
    page = element("section", element("h1", say("screen_add")), content, css="panel wide")
    return Page("screens", say("screen_add"), page, problems.status)


def _ask(asked: Asked, word: str) -> Page:
    name, say = _screen(asked).name, asked.reader.say
    question = say(f"{word}_ask", name=name)
    return Page("screens", question, confirmation(asked, question, say(f"{word}_note"), say(word), SCREENS))


def _link_page(asked: Asked, token: str, title: str) -> Page:
    """The pairing link, which is on this page and nowhere else."""
    say = asked.reader.say
    ends = asked.now + timedelta(seconds=asked.settings.link_life)
    note = say("screen_link_note", until=asked.reader.moment(as_ms(ends)))
    link = f"{asked.settings.public_url}{SCREEN}/{token}"
    back = button_link(say("screens"), SCREENS)
    return Page("screens", title, secret(asked, title, say("screen_link"), link, note, back))


def _screen(asked: Asked) -> ScreenRow:
    name = asked.parts["screen"]
    found = next((one for one in operations.list_screens(asked.principal, asked.store) if one.name == name), None)
    if found is None:
        raise NotFound("There is no such screen, or it is not yours to administer: look at the list of screens.")
    return found
