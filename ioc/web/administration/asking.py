"""What a page is asked with, and what it answers. A page is a plain function from one to the other, and may block.

Refused: reaching the store past operations: a page is handed the province for them, and the principal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from ioc.errors import BadRequest, IocError, Refused, UnknownPlace
from ioc.model.access import Principal
from ioc.operations.places import Province
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.administration.markup import Html
from ioc.web.administration.reading import Reader
from ioc.web.forms import Form
from ioc.web.refusals import status_of

HOME = "/administration"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a page. `form` is what was sent with POST, else empty; `csrf` goes into every form."""

    principal: Principal
    csrf: str = field(repr=False)
    province: Province
    now: datetime
    reader: Reader
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    form: Form = field(repr=False)
    sends: bool

    @property
    def store(self) -> Store:
        return self.province.store

    @property
    def settings(self) -> Settings:
        return self.province.settings

    def here(self, **changed: str) -> str:
        """The address of this page with other parameters; an empty one is left out."""
        query = {name: value for name, value in {**self.query, **changed}.items() if value and name != "done"}
        return f"{self.path}?{urlencode(query)}" if query else self.path


@dataclass(frozen=True, slots=True)
class Page:
    """What stands in the frame: the section that is marked in the navigation, the heading, the content."""

    section: str
    heading: str
    content: Html
    status: int = 200


@dataclass(frozen=True, slots=True)
class Go:
    """On to another page, after a change; `done` is the word that it says about it."""

    path: str
    done: str = ""

    @property
    def address(self) -> str:
        return f"{self.path}?done={self.done}" if self.done else self.path


Answer = Page | Go

_FIELD_OF: dict[str, str] = {
    "login_form": "login",
    "login_taken": "login",
    "person_name": "name",
    "centres_needed": "centres",
    "centres_foreign": "centres",
    "role": "role",
    "language": "language",
    "key_form": "name",
    "key_taken": "name",
    "key_may": "may",
    "key_feeds": "feeds",
    "key_units": "units",
    "key_origin": "origin",
    "screen_form": "name",
    "screen_taken": "name",
    "screen_centre": "centre",
    "screen_page": "page",
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a form: the words beside its fields, those above it, and the status of the answer."""

    fields: Mapping[str, str] = field(default_factory=dict)
    above: str = ""
    status: int = 200

    def at(self, name: str) -> str:
        return self.fields.get(name, "")


NOTHING_WRONG = Wrong()


def wrong(error: IocError, reader: Reader) -> Wrong:
    """The error of an operation in the words of the form that led to it; raised again if no form can mend it."""
    if isinstance(error, BadRequest) and error.rule:
        sentence = reader.say(f"error_{error.rule}")
        at = _FIELD_OF.get(error.rule)
        if at is None:
            return Wrong(above=sentence, status=status_of(error))
        return Wrong({at: sentence}, reader.say("form_wrong"), status_of(error))
    if isinstance(error, UnknownPlace):
        return Wrong({"units": reader.say("error_key_units")}, reader.say("form_wrong"), status_of(BadRequest("")))
    if isinstance(error, Refused):
        foreign = reader.say("error_centres_foreign")
        return Wrong({"centres": foreign, "centre": foreign}, reader.say("form_wrong"), status_of(error))
    raise error
