"""Pages of API keys: the list, making one, which is shown once, and revoking one."""

from collections.abc import Collection
from dataclasses import dataclass

from ioc.errors import BadRequest, IocError, NotFound
from ioc.feeds import FEEDS
from ioc.model.access import Permission
from ioc.model.origins import Origin
from ioc.operations import keys as operations
from ioc.store.access import KeyRow
from ioc.web.administration.asking import HOME, NOTHING_WRONG, Answer, Asked, Go, Page, Wrong, wrong
from ioc.web.administration.markup import Content, element
from ioc.web.administration.own_centres import OwnCentres
from ioc.web.administration.pieces import (
    Choice,
    alarm,
    button_link,
    choice_field,
    confirmation,
    form,
    heading,
    long_text_field,
    page_of,
    secret,
    select_field,
    stacked,
    state,
    submit,
    table,
    text_field,
    whole,
)

KEYS = f"{HOME}/keys"
_MAY = {Permission.SEND.value: "key_send", Permission.READ.value: "key_read"}


@dataclass(frozen=True, slots=True)
class Described:
    """A key as a form states it."""

    name: str = ""
    origin: str = Origin.LIVE.slug
    may: Collection[str] = ()
    feeds: Collection[str] = ()
    centres: Collection[str] = ()
    units: str = ""


def keys(asked: Asked) -> Answer:
    say = asked.reader.say
    own, found = OwnCentres(asked), operations.list_keys(asked.principal, asked.store)
    shown, pages = page_of(asked, found)
    revoked = sum(one.revoked_at is not None for one in found)
    heads = [say(word) for word in ("key_name", "key_origin", "key_may", "centres", "state", "added_at")] + [""]
    content = stacked(
        heading(
            say("keys"),
            say("keys_count", n=len(found), revoked=revoked),
            button_link(say("key_add"), f"{KEYS}/new", kind="primary"),
            note=say("keys_note"),
        ),
        table(
            heads,
            (_row(asked, own, one) for one in shown),
            say("keys_empty"),
        ),
        pages,
    )
    return Page("keys", say("keys"), content)


def new_key(asked: Asked) -> Answer:
    return _new_key(asked, Described(), NOTHING_WRONG)


def add_key(asked: Asked) -> Answer:
    sent, say = asked.form, asked.reader.say
    stated = Described(
        sent.one("name"),
        sent.one("origin"),
        sent.many("may"),
        sent.many("feeds"),
        sent.many("centres"),
        sent.one("units"),
    )
    try:
        new = operations.NewKey(
            stated.name,
            _origin(stated.origin),
            frozenset(_permission(one) for one in stated.may),
            frozenset(stated.feeds),
            frozenset(stated.units.replace(",", " ").split()),
            frozenset(stated.centres),
        )
        if not new.centres:
            raise BadRequest("A key needs at least one centre: choose it.", rule="centres_needed")
        token = operations.add_key(asked.principal, asked.store, asked.settings, new, now=asked.now)
    except IocError as error:
        return _new_key(asked, stated, wrong(error, asked.reader))
    title = say("key_made", name=new.name)
    back = button_link(say("keys"), KEYS)
    return Page("keys", title, secret(asked, title, say("key_label"), token, say("key_once_note"), back))


def ask_revoke(asked: Asked) -> Answer:
    name, say = _key(asked).name, asked.reader.say
    question = say("key_revoke_ask", name=name)
    return Page("keys", question, confirmation(asked, question, say("key_revoke_note"), say("key_revoke"), KEYS))


def revoke(asked: Asked) -> Answer:
    operations.revoke_key(asked.principal, asked.store, name=_key(asked).name, now=asked.now)
    return Go(KEYS, "key_revoke_done")


def _row(asked: Asked, own: OwnCentres, one: KeyRow) -> tuple[Content, ...]:
    say = asked.reader.say
    off = one.revoked_at is not None
    feeds = ", ".join(asked.reader.text(FEEDS[feed].title) if feed in FEEDS else feed for feed in sorted(one.feeds))
    rights = [f"{say('key_send')} ({feeds})"] * one.may_send + [say("key_read")] * one.may_read
    where = own.named(one.centres)
    units = asked.reader.count("units_count", len(one.units)) if one.units else ""
    return (
        whole(element("b", one.name)),
        say(f"origin_{one.origin.slug}"),
        ", ".join(rights),
        element("span", where, element("small", units) if units else None),
        state(say("key_revoked" if off else "key_active"), off=off),
        whole(asked.reader.moment(one.created_at)),
        None if off else element("a", say("key_revoke"), href=f"{KEYS}/{one.name}/revoke"),
    )


def _new_key(asked: Asked, stated: Described, problems: Wrong) -> Page:
    say, reader = asked.reader.say, asked.reader
    allowed = [one for one in Origin if one is not Origin.SIMULATED or asked.settings.allow_simulated]
    origins = [Choice(one.slug, say(f"origin_{one.slug}")) for one in allowed]
    feeds = [Choice(one.id, reader.text(one.title), one.id) for one in FEEDS.values()]
    may = [Choice(value, say(word)) for value, word in _MAY.items()]
    content = form(
        asked,
        alarm(problems.above),
        element(
            "div",
            text_field(
                "name", say("key_name"), stated.name, problems, hint=say("key_name_hint"), longest=64, spelled=False
            ),
            select_field("origin", say("key_origin"), origins, stated.origin, problems),
            css="row",
        ),
        choice_field("may", say("key_may"), may, stated.may, problems, several=True, css="columns"),
        choice_field("feeds", say("key_feeds"), feeds, stated.feeds, problems, several=True, css="columns"),
        OwnCentres(asked).field(stated.centres, problems),
        long_text_field("units", say("key_units"), stated.units, problems, hint=say("key_units_hint")),
        element("div", submit(say("key_add")), button_link(say("cancel"), KEYS), css="buttons"),
    )
    page = element("section", element("h1", say("key_add")), content, css="panel wide")
    return Page("keys", say("key_add"), page, problems.status)


def _key(asked: Asked) -> KeyRow:
    name = asked.parts["key"]
    found = next((one for one in operations.list_keys(asked.principal, asked.store) if one.name == name), None)
    if found is None:
        raise NotFound("There is no such key, or it is not yours to administer: look at the list of keys.")
    return found


def _origin(text: str) -> Origin:
    try:
        return Origin.from_slug(text)
    except ValueError:
        raise BadRequest("There is no such origin: choose one of the list.", rule="key_origin") from None


def _permission(text: str) -> Permission:
    if text not in _MAY:
        raise BadRequest("A key may send, read, or both.", rule="key_may")
    return Permission(text)
