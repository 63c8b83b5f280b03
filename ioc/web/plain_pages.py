"""What the plain pages of the door are made of: template, words, form, files, the language they are read in.

They work without scripts and load nothing but what stands here. Refused: a form that is none, or larger than any of
ours, and a file that no page of the door names.
"""

from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Final, Literal

from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ioc.errors import IocError, TooMany
from ioc.model.access import Visit
from ioc.operations.gatekeeping import is_local_path
from ioc.settings import Settings
from ioc.web import forms
from ioc.web.refusals import SignInNeeded, answer_to, status_of
from ioc.web.words import WORDS

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
CHANGE_PASSWORD: Final = "/sign-in/password"  # noqa: S105 - a path
SESSIONS: Final = "/sign-in/sessions"
SCREEN: Final = "/sign-in/screen"
LANGUAGE_COOKIE: Final = "ioc_language"  # set by the pages, when somebody switches
LANGUAGES: Final = ("vi", "en")
_ASSETS: Final = Path(__file__).parent / "assets"
_PANEL_ASSETS: Final = Path(__file__).parent.parent / "panels" / "assets"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".woff2": "font/woff2"}
_MOST_FORM_BYTES: Final = 8192
_MOST_OF_AGENT: Final = 200  # characters; enough to tell one browser of a person from another
Way = Literal["password", "link", "openid"]


def page(
    content: str, heading: str, language: str, other_url: str, error: IocError | None, *, css: str = ""
) -> Response:
    """A whole page around its content; the status is that of the error, if there is one."""
    html = template("sign-in.html").substitute(
        language=language,
        css=f' class="{css}"' if css else "",
        heading=say(heading, language),
        product=say("product", language),
        content=content,
        other_url=escape(other_url),
        other_code=other_language(language),
        other_language=say("other_language", language),
    )
    response = HTMLResponse(html)
    if error is not None:
        unknown = answer_to(error)  # for its status, its Retry-After and its line in the log
        response.status_code = unknown.status_code
        if "retry-after" in unknown.headers:
            response.headers["Retry-After"] = unknown.headers["retry-after"]
    # Under no-referrer a form's POST says `Origin: null`; old browsers and plain HTTP have nothing else to go by.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def redact(request: Request, path: str) -> None:
    """Take a token out of the request's path: what the application server logs after this is `path`."""
    request.scope["path"] = f"{path}/redacted"
    request.scope["raw_path"] = f"{path}/redacted".encode()


def error_note(error: IocError, language: str, otherwise: str) -> str:
    """What a page says of an error; `otherwise` is the word for what is the visitor's own to put right."""
    if isinstance(error, TooMany):
        sentence = say("too_many", language).format(seconds=max(1, round(error.retry_after_s)))
    elif status_of(error) >= 500:
        sentence = say("unavailable", language)
    else:
        sentence = say(otherwise, language)
    return template("error.html").substitute(sentence=sentence)


def say(word: str, language: str) -> str:
    return escape(WORDS[word].in_language(language))


def other_language(language: str) -> str:
    return "vi" if language == "en" else "en"


def language_of(request: Request, settings: Settings, *, of_person: str = "") -> str:
    """The language that the address asks for, else the one that was chosen before, else that of the person."""
    for asked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return asked
    return of_person or settings.default_language


def visit_of(request: Request, way: Way) -> Visit:
    agent = "".join(sign for sign in request.headers.get("user-agent", "") if sign.isprintable())
    return Visit(way, request.client.host if request.client else "?", agent[:_MOST_OF_AGENT])


def still_signed_in_page(path: str) -> Response:
    """A page that goes on to `path` by itself: what a page of ours asks for, the browser sends its cookie with."""
    return HTMLResponse(template("continue.html").substitute(path=escape(path)))


class Threads:
    """How many threads may hash passwords at once; the limiter is made inside the event loop that uses it.

    Each argon2 takes a core for tens of milliseconds and 19 MiB: more at once would starve the screens.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limiter: CapacityLimiter | None = None

    def __call__(self) -> CapacityLimiter:
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._most)
        return self._limiter


def wanted_path(path: str | None, otherwise: str) -> str:
    """Where to go on after sign-in: a page of ours that is not itself one of the way in or out."""
    if not path or not is_local_path(path):
        return otherwise
    bare = path.partition("?")[0]
    return otherwise if path.startswith((SIGN_IN, SIGN_OUT)) and bare not in (CHANGE_PASSWORD, SESSIONS) else path


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form of the door, each as it was typed: a password may begin or end with a blank."""
    form = await forms.read_form(request, most_bytes=_MOST_FORM_BYTES)
    return {name: values[-1] for name, values in form.fields.items()}


@cache
def template(name: str) -> Template:
    return Template((_ASSETS / name).read_text(encoding="utf-8").rstrip("\n"))


@cache
def _files() -> dict[str, bytes]:
    """What the sign-in pages load, by name; an exact list, so that no path can reach another file."""
    own = {name: _ASSETS / name for name in ("sign-in.css", "once.js")}
    shared = {name: _PANEL_ASSETS / name for name in ("tokens.css", "fonts.css")}
    fonts = {f"fonts/{path.name}": path for path in (_PANEL_ASSETS / "fonts").glob("*.woff2")}
    return {name: path.read_bytes() for name, path in {**own, **shared, **fonts}.items()}


def asset(name: str) -> Response:
    content = _files().get(name)
    if content is None:
        raise SignInNeeded("Sign in first.")
    return Response(
        content,
        headers={"Content-Type": _TYPES[Path(name).suffix], "Cache-Control": "public, max-age=300"},
    )
