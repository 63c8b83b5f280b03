"""What stands around every administration page: the way to the sections, language and colours, the way out."""

from typing import Final

from ioc.web.administration.asking import HOME, Asked, Page
from ioc.web.administration.markup import Html, element, whole_page
from ioc.web.administration.pieces import notice
from ioc.web.administration.words import WORDS
from ioc.web.forms import CSRF_FIELD
from ioc.web.plain_pages import SIGN_OUT

STYLE: Final = f"{HOME}/administration.css"
SECTIONS: Final = ("people", "centres", "keys", "screens", "audit")
DONE: Final = frozenset(
    {"person_changed", "person_disabled_done", "key_revoke_done", "session_end_done", "screen_revoke_done"}
)
"""What an address may make a page say; anything else in it says nothing."""

_SHEETS: Final = ("/sign-in/assets/fonts.css", "/sign-in/assets/tokens.css", STYLE)


def document(asked: Asked, page: Page) -> Html:
    reader, say = asked.reader, asked.reader.say
    done = asked.query.get("done", "")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="robots", content="noindex"),
        element("title", f"{page.heading} · {say('title')}"),
        element("link", rel="icon", href="data:,"),
        *(element("link", rel="stylesheet", href=sheet) for sheet in _SHEETS),
    )
    body = element(
        "body",
        element("a", say("skip"), href="#content", css="skip"),
        _header(asked, page),
        element(
            "main",
            notice(say(done)) if done in DONE and done in WORDS else None,
            page.content,
            id="content",
            tabindex=-1,
        ),
    )
    return whole_page(element("html", head, body, lang=reader.language, data_theme=reader.theme))


def _header(asked: Asked, page: Page) -> Html:
    say = asked.reader.say
    links = (
        element("a", say(name), href=f"{HOME}/{name}", aria_current="page" if name == page.section else None)
        for name in SECTIONS
    )
    return element(
        "header",
        element("a", say("title"), href=HOME, css="title"),
        element("nav", *links, css="sections", aria_label=say("sections")),
        element("nav", *_switches(asked), element("a", say("all_pages"), href="/"), css="switches"),
        _sign_out(asked),
    )


def _switches(asked: Asked) -> tuple[Html, ...]:
    """Language and colours; not on the answer to a form, which a link would lose."""
    if asked.sends:
        return ()
    reader, say = asked.reader, asked.reader.say
    other = "vi" if reader.language == "en" else "en"
    theme = "dark" if reader.theme == "light" else "light"
    hint = say("other_theme_hint")
    return (
        element("a", say("other_language"), href=asked.here(lang=other), lang=other, title=say("other_language_hint")),
        element(
            "a",
            element("i", css="theme", aria_hidden="true"),
            href=asked.here(theme=theme),
            title=hint,
            aria_label=hint,
        ),
    )


def _sign_out(asked: Asked) -> Html:
    token = element("input", type="hidden", name=CSRF_FIELD, value=asked.csrf)
    button = element("button", asked.reader.say("sign_out"), type="submit", css="plain")
    return element("form", token, button, method="post", action=SIGN_OUT, css="out")
