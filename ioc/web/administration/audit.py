"""The page that searches the audit trail: what was done, by whom, to what. To be read only; looking is entered too."""

from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from ioc.errors import BadRequest
from ioc.model.audit import Entry, read_details
from ioc.operations import access, audit, screens
from ioc.panels.formats import ZONE
from ioc.store.audit import Wanted
from ioc.web.administration.asking import HOME, Answer, Asked, Page
from ioc.web.administration.markup import Content, Html, element
from ioc.web.administration.own_centres import OwnCentres
from ioc.web.administration.pieces import alarm, heading, stacked, table, whole

AUDIT = f"{HOME}/audit"
PER_PAGE = 100
_FILTERS = ("who", "act", "since", "until")


def trail(asked: Asked) -> Answer:
    say = asked.reader.say
    asked_for = {name: asked.query.get(name, "").strip()[:100] for name in _FILTERS}
    try:
        since, until = _midnight(asked_for["since"]), _midnight(asked_for["until"], after=timedelta(days=1))
    except ValueError:
        return _page(asked, _Names(asked), asked_for, (), None, say("error_day"))
    act = asked_for["act"] or None
    if act is not None and act not in audit.ACTS:
        raise BadRequest("The audit knows no such act: choose one of the list.")
    names = _Names(asked)
    if asked_for["who"] and asked_for["who"] not in names.choices:
        raise BadRequest("There is nobody of that id to ask for: choose one of the list.")
    wanted = Wanted(who=asked_for["who"] or None, act=act, since=since, until=until)
    before = asked.query.get("before", "")
    found = audit.search(
        asked.principal,
        asked.province,
        wanted,
        now=asked.now,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None,
        limit=PER_PAGE,
    )
    return _page(asked, names, asked_for, found.entries, found.next_before, "")


class _Names:
    """What ids of people and screens are called, for those that the reader administers; read once for a page."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    @cached_property
    def people(self) -> dict[str, str]:
        return {one.id: one.name for one in access.list_people(self._asked.principal, self._asked.store)}

    @cached_property
    def screens(self) -> dict[str, str]:
        return {one.id: one.name for one in screens.list_screens(self._asked.principal, self._asked.store)}

    @cached_property
    def choices(self) -> dict[str, str]:
        """Whose entries can be asked for. Others are refused, so that a search says nothing of foreign people."""
        return {**self.people, **self.screens}

    def of(self, id_: str) -> Content:
        """The name, with the id to be read by pointing at it; the id where there is no name."""
        name = self.choices.get(id_)
        return element("span", name, title=id_) if name else id_


def _page(
    asked: Asked,
    names: "_Names",
    asked_for: dict[str, str],
    entries: tuple[Entry, ...],
    following: int | None,
    problem: str,
) -> Page:
    say = asked.reader.say
    own = OwnCentres(asked)
    heads = [say(word) for word in ("audit_at", "audit_who", "audit_act", "audit_what", "centres", "audit_details")]
    older = element("a", say("audit_older"), href=asked.here(before=str(following))) if following else None
    newest = element("a", say("audit_newest"), href=asked.here(before="")) if asked.query.get("before") else None
    content = stacked(
        heading(say("audit"), asked.reader.count("audit_count", len(entries)), note=say("audit_note")),
        _search(asked, asked_for, names),
        alarm(problem),
        table(heads, (_row(asked, names, own, entry) for entry in entries), say("audit_empty")),
        element("nav", newest, older, css="pages") if newest or older else None,
    )
    return Page("audit", say("audit"), content, 400 if problem else 200)


def _row(asked: Asked, names: _Names, own: OwnCentres, entry: Entry) -> tuple[Content, ...]:
    say = asked.reader.say
    details = (f"{name}: {_plain(value)}" for name, value in read_details(entry).items())
    known = [centre for centre in entry.centres.split(",") if centre]
    return (
        element("span", whole(asked.reader.moment(entry.at)), element("small", f"{entry.n}")),
        element("span", names.of(entry.who), element("small", entry.address) if entry.address else None),
        _act(asked, entry.act),
        element(
            "span",
            say(f"kind_{entry.kind}") if entry.kind in _KINDS else entry.kind,
            element("small", names.of(entry.id)),
        )
        if entry.kind
        else None,
        own.named(known),
        element("small", "; ".join(details), css="details"),
    )


_KINDS = frozenset({"person", "session", "key", "screen", "hold", "audit", "store"})


def _search(asked: Asked, asked_for: dict[str, str], names: _Names) -> Html:
    say = asked.reader.say
    acts = sorted((say(f"act_{act.value}"), act.value) for act in audit.ACTS)
    options = [element("option", say("audit_every_act"), value="")]
    options += [element("option", title, value=value, selected=value == asked_for["act"]) for title, value in acts]
    people = [element("option", say("audit_everybody"), value="")]
    people += [
        element("option", name, value=id_, selected=id_ == asked_for["who"])
        for id_, name in sorted(names.choices.items(), key=lambda one: one[1])
    ]
    is_narrowed = any(asked_for.values())
    return element(
        "form",
        _labelled("act", say("audit_act"), element("select", *options, id="act", name="act")),
        _labelled("who", say("audit_who"), element("select", *people, id="who", name="who")),
        *(
            _labelled(
                name, say(f"audit_{name}"), element("input", type="date", id=name, name=name, value=asked_for[name])
            )
            for name in ("since", "until")
        ),
        element("button", say("search"), type="submit", css="button"),
        element("a", say("search_clear"), href=AUDIT) if is_narrowed else None,
        method="get",
        action=AUDIT,
        role="search",
        css="search filters",
    )


def _labelled(name: str, label: str, box: Html) -> Html:
    return element("div", element("label", label, for_=name), box, css="field")


def _act(asked: Asked, act: str) -> str:
    """The act in words; one that this program does not know, as it stands in the entry."""
    return asked.reader.say(f"act_{act}") if act in audit.ACTS else act


def _plain(value: object) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _midnight(text: str, after: timedelta = timedelta()) -> int | None:
    """The UTC millisecond at which that local day begins, or ends; ValueError for what is no day."""
    if not text:
        return None
    day = date.fromisoformat(text)
    if not 2000 <= day.year < 2200:
        raise ValueError("no entry can be of that year")
    begins = datetime(day.year, day.month, day.day, tzinfo=ZONE) + after
    return int(begins.astimezone(UTC).timestamp() * 1000)
