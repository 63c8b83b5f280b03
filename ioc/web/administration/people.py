"""Pages of people: the list, adding one, one person's rights, and what ends their access."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from ioc.errors import BadRequest, IocError
from ioc.model.access import Role
from ioc.operations import access, people_changes, sessions
from ioc.store.access import Person
from ioc.web.administration.asking import HOME, NOTHING_WRONG, Answer, Asked, Go, Page, Wrong, wrong
from ioc.web.administration.markup import Content, Html, element
from ioc.web.administration.own_centres import OwnCentres
from ioc.web.administration.pieces import (
    Choice,
    alarm,
    beside,
    button_link,
    choice_field,
    confirmation,
    form,
    heading,
    page_of,
    panel,
    secret,
    select_field,
    stacked,
    state,
    submit,
    table,
    text_field,
    whole,
)
from ioc.web.administration.reading import LANGUAGES
from ioc.web.sign_in import ONCE

PEOPLE = f"{HOME}/people"


@dataclass(frozen=True, slots=True)
class Described:
    """A person as a form states them."""

    login: str = ""
    name: str = ""
    role: str = Role.VIEWER.value
    language: str = LANGUAGES[0]
    centres: Collection[str] = ()


def people(asked: Asked) -> Answer:
    say = asked.reader.say
    text = asked.query.get("q", "").strip()[:100]
    everybody = people_changes.find_people(asked.principal, asked.store)
    found = people_changes.find_people(asked.principal, asked.store, text) if text else everybody
    shown, pages = page_of(asked, found)
    own = OwnCentres(asked)
    count = (
        say("people_found", n=len(found), all=len(everybody))
        if text
        else asked.reader.count("people_count", len(found))
    )
    rows = (
        (
            element("a", one.name, element("small", one.login), href=f"{PEOPLE}/{one.id}", css="main-link"),
            whole(say(f"role_{one.role.value}")),
            own.named(one.centres),
            _state(asked, one),
            whole(asked.reader.moment(one.created_at)),
        )
        for one in shown
    )
    heads = [say(word) for word in ("name", "role", "centres", "state", "added_at")]
    content = stacked(
        heading(say("people"), count, button_link(say("person_add"), f"{PEOPLE}/new", kind="primary")),
        _search(asked, text),
        table(heads, rows, say("people_unfound" if text else "people_empty")),
        pages,
    )
    return Page("people", say("people"), content)


def new_person(asked: Asked) -> Answer:
    return _new_person(asked, Described(language=asked.reader.language), NOTHING_WRONG)


def add_person(asked: Asked) -> Answer:
    """The person, and at once the link by which they come in and set a password of their own."""
    stated = _described(asked)
    try:
        person = access.add_person(
            asked.principal,
            asked.store,
            login=stated.login,
            name=stated.name,
            role=_role(stated.role),
            centres=_chosen_centres(stated),
            language=_language(stated.language),
            now=asked.now,
        )
    except IocError as error:
        return _new_person(asked, stated, wrong(error, asked.reader))
    return _link_page(asked, person, asked.reader.say("person_added", name=person.name))


def person(asked: Asked) -> Answer:
    one = _person(asked)
    stated = Described(one.login, one.name, one.role.value, one.language, one.centres)
    return _person_page(asked, one, stated, NOTHING_WRONG)


def change_person(asked: Asked) -> Answer:
    one = _person(asked)
    stated = _described(asked)
    try:
        people_changes.change_person(
            asked.principal,
            asked.store,
            login=one.login,
            name=stated.name,
            role=_role(stated.role),
            centres=_chosen_centres(stated),
            language=_language(stated.language),
            now=asked.now,
        )
    except IocError as error:
        return _person_page(asked, one, stated, wrong(error, asked.reader))
    return Go(_address(one), "person_changed")


def ask_disable(asked: Asked) -> Answer:
    return _ask_disable(asked, _person(asked), NOTHING_WRONG)


def disable(asked: Asked) -> Answer:
    one = _person(asked)
    try:
        access.disable_person(asked.principal, asked.store, login=one.login, now=asked.now)
    except BadRequest as error:
        return _ask_disable(asked, one, wrong(error, asked.reader))
    return Go(_address(one), "person_disabled_done")


def ask_reset(asked: Asked) -> Answer:
    one, say = _person(asked), asked.reader.say
    question = say("reset_ask", name=one.name)
    return Page("people", question, confirmation(asked, question, say("reset_note"), say("reset"), _address(one)))


def reset(asked: Asked) -> Answer:
    one = _person(asked)
    return _link_page(asked, one, asked.reader.say("reset_done", name=one.name))


def ask_end_session(asked: Asked) -> Answer:
    return _ask_end(asked, "session_end")


def end_session(asked: Asked) -> Answer:
    one, session = _person(asked), asked.parts["session"]
    open_now = sessions.sessions_of(asked.principal, asked.store, asked.settings, login=one.login, now=asked.now)
    if session in {each.id for each in open_now}:  # else it has ended meanwhile, which is what was wanted
        sessions.end_session(asked.principal, asked.store, id_=session, now=asked.now)
    return Go(_address(one), "session_end_done")


def ask_end_sessions(asked: Asked) -> Answer:
    return _ask_end(asked, "sessions_end")


def end_sessions(asked: Asked) -> Answer:
    one = _person(asked)
    sessions.end_sessions_of(asked.principal, asked.store, login=one.login, now=asked.now)
    return Go(_address(one), "session_end_done")


# --- parts of the pages ----------------------------------------------------------------------------------------


def _search(asked: Asked, text: str) -> Html:
    say = asked.reader.say
    box = element("input", type="search", name="q", id="q", value=text, placeholder=say("people_search"), maxlength=100)
    return element(
        "form",
        element("label", say("people_search"), for_="q", css="heard"),
        box,
        element("button", say("search"), type="submit", css="button"),
        element("a", say("search_clear"), href=PEOPLE) if text else None,
        method="get",
        action=PEOPLE,
        role="search",
        css="search",
    )


def _new_person(asked: Asked, stated: Described, problems: Wrong) -> Page:
    say = asked.reader.say
    login = text_field("login", say("login"), stated.login, problems, hint=say("login_hint"), longest=64, spelled=False)
    buttons = element("div", submit(say("person_add")), button_link(say("cancel"), PEOPLE), css="buttons")
    content = form(asked, alarm(problems.above), *_name_and_rights(asked, stated, problems, login), buttons)
    return Page(
        "people", say("person_add"), element("section", element("h1", say("person_add")), content, css="panel wide"),
        problems.status,
    )  # fmt: skip


def _name_and_rights(asked: Asked, stated: Described, problems: Wrong, login: Content = None) -> tuple[Content, ...]:
    say = asked.reader.say
    roles = [Choice(role.value, say(f"role_{role.value}"), say(f"role_{role.value}_note")) for role in Role]
    languages = [Choice(one, say(f"language_{one}")) for one in LANGUAGES]
    return (
        element(
            "div",
            text_field("name", say("name"), stated.name, problems),
            login,
            select_field("language", say("language"), languages, stated.language, problems),
            css="row",
        ),
        choice_field("role", say("role"), roles, {stated.role}, problems, several=False, css="columns"),
        OwnCentres(asked).field(stated.centres, problems),
    )


def _person_page(asked: Asked, one: Person, stated: Described, problems: Wrong) -> Page:
    say = asked.reader.say
    rights = form(
        asked,
        alarm(problems.above),
        *_name_and_rights(asked, stated, problems),
        element("div", submit(say("save")), css="buttons"),
    )
    top = heading(one.name, "", _state(asked, one), note=one.login)
    content = stacked(
        element("a", say("people"), href=PEOPLE, css="back"),
        top,
        beside(panel(say("person_rights"), rights), _sign_in(asked, one), _sessions(asked, one)),
    )
    return Page("people", one.name, content, problems.status)


def _sign_in(asked: Asked, one: Person) -> Html:
    say = asked.reader.say
    if one.disabled_at is not None:
        note = say("person_disabled_note", when=asked.reader.moment(one.disabled_at))
        return panel(say("person_sign_in"), element("p", note))
    buttons = element(
        "div",
        button_link(say("reset"), f"{_address(one)}/reset"),
        button_link(say("disable"), f"{_address(one)}/disable", kind="danger-link"),
        css="buttons",
    )
    note = say("password_unset" if one.password_hash is None else "password_set")
    return panel(say("person_sign_in"), element("p", note), buttons)


def _sessions(asked: Asked, one: Person) -> Html:
    say, moment = asked.reader.say, asked.reader.moment
    found = sessions.sessions_of(asked.principal, asked.store, asked.settings, login=one.login, now=asked.now)
    title, count = say("sessions"), asked.reader.count("sessions_count", len(found))
    if not found:
        return panel(title, element("p", say("sessions_empty"), css="empty"))
    entries = (
        element(
            "li",
            element("b", say(f"way_{open_one.way}")),
            element("span", f"{open_one.address} · {open_one.agent}" if open_one.agent else open_one.address),
            element("small", say("session_seen", when=moment(open_one.seen_at))),
            element("a", say("session_end"), href=f"{_address(one)}/sessions/{open_one.id}/end", css="end"),
        )
        for open_one in found
    )
    every = button_link(say("sessions_end"), f"{_address(one)}/sessions/end")
    return panel(title, element("ul", *entries, css="entries"), element("div", every, css="buttons"), count=count)


def _ask_disable(asked: Asked, one: Person, problems: Wrong) -> Page:
    say = asked.reader.say
    question = say("disable_ask", name=one.name)
    content = confirmation(asked, question, say("disable_note"), say("disable"), _address(one), problems.above)
    return Page("people", question, content, problems.status)


def _ask_end(asked: Asked, word: str) -> Page:
    one, say = _person(asked), asked.reader.say
    question = say(f"{word}_ask", name=one.name)
    return Page("people", question, confirmation(asked, question, say("session_end_note"), say(word), _address(one)))


def _link_page(asked: Asked, one: Person, title: str) -> Page:
    """A new password must be set: the link for it, which is on this page and nowhere else."""
    say = asked.reader.say
    token = people_changes.reset_password(asked.principal, asked.store, asked.settings, login=one.login, now=asked.now)
    ends = asked.now + timedelta(seconds=asked.settings.link_life)
    note = say("link_note", until=asked.reader.moment(access.as_ms(ends)))
    back = button_link(say("to_person", name=one.name), _address(one))
    link = f"{asked.settings.public_url}{ONCE}/{token}"
    return Page("people", title, secret(asked, title, say("link_label"), link, note, back))


# --- small things ----------------------------------------------------------------------------------------------


def _person(asked: Asked) -> Person:
    return people_changes.administered_person(asked.principal, asked.store, asked.parts["person"])


def _address(one: Person) -> str:
    return f"{PEOPLE}/{one.id}"


def _state(asked: Asked, one: Person) -> Html:
    off = one.disabled_at is not None
    return state(asked.reader.say("person_disabled" if off else "person_active"), off=off)


def _described(asked: Asked) -> Described:
    sent = asked.form
    return Described(sent.one("login"), sent.one("name"), sent.one("role"), sent.one("language"), sent.many("centres"))


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise BadRequest("There is no such role: choose one of the list.", rule="role") from None


def _language(text: str) -> str:
    if text not in LANGUAGES:
        raise BadRequest("There is no such language: choose one of the list.", rule="language")
    return text


def _chosen_centres(stated: Described) -> Collection[str]:
    if not stated.centres:
        raise BadRequest("A person needs at least one centre: choose it.", rule="centres_needed")
    return stated.centres
