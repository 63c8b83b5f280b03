"""The pages of the door: sign-in by password, one-time links, sign-out. Plain forms, which work without scripts.

A one-time link is opened by GET, which shows a form and changes nothing, so that a preview of the link does not use it
up; its POST does. The token leaves the request's path before the application server can log it.

Refused: a form from a foreign page (the gate looks), a redirect to another host, and saying which of login and
password was wrong.
"""

from dataclasses import dataclass
from functools import cache
from hmac import compare_digest
from html import escape
from pathlib import Path
from string import Template
from typing import Final, Literal
from urllib.parse import parse_qsl, quote, urlencode

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from ioc.errors import BadRequest, IocError, NotFound, Refused, TooMany
from ioc.model.access import Visit
from ioc.operations import access
from ioc.operations.access import Session, Signed
from ioc.operations.gatekeeping import SignInLimits, decoy_hash, is_local_path
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.identities import Clock, Identities
from ioc.web.refusals import BodyTooLarge, SignInNeeded, answer_to, status_of
from ioc.web.words import WORDS

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
ONCE: Final = "/sign-in/once"
CSRF_COOKIE: Final = "ioc_csrf"
LANGUAGE_COOKIE: Final = "ioc_language"  # set by the pages, when somebody switches
LANGUAGES: Final = ("vi", "en")
_ASSETS: Final = Path(__file__).parent / "assets"
_PANEL_ASSETS: Final = Path(__file__).parent.parent / "panels" / "assets"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".woff2": "font/woff2"}
_MOST_FORM_BYTES: Final = 8192
_MOST_OF_AGENT: Final = 200  # characters; enough to tell one browser of a person from another
# Each argon2 takes a core for tens of milliseconds and 19 MiB: more at once would starve the screens.
_HASHES_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Cookies:
    """The two cookies of a session. Only the CSRF token may be read by scripts; it is worth nothing alone."""

    secure: bool
    life_s: int

    @property
    def session(self) -> str:
        # `__Host-`: browsers keep it only with Secure and Path=/, and no sister domain can set it.
        return "__Host-ioc_session" if self.secure else "ioc_session"

    def session_header(self, token: str) -> str:
        return f"{self.session}={token}; HttpOnly; {self._flags(self.life_s)}"

    def csrf_header(self, csrf: str) -> str:
        return f"{CSRF_COOKIE}={csrf}; {self._flags(self.life_s)}"

    def set_on(self, response: Response, signed: Signed) -> None:
        response.headers.append("set-cookie", self.session_header(signed.token))
        response.headers.append("set-cookie", self.csrf_header(signed.csrf))

    def remove_on(self, response: Response) -> None:
        response.headers.append("set-cookie", f"{self.session}=; HttpOnly; {self._flags(0)}")
        response.headers.append("set-cookie", f"{CSRF_COOKIE}=; {self._flags(0)}")

    def _flags(self, life_s: int) -> str:
        return f"Path=/; Max-Age={life_s}; SameSite=Strict" + ("; Secure" if self.secure else "")


class SignIn:
    """An ASGI application for /sign-in…; the gate calls it, and it calls operations."""

    def __init__(
        self, settings: Settings, store: Store, identities: Identities, cookies: Cookies, clock: Clock
    ) -> None:
        decoy_hash()  # now, so that the first unknown login does not take longer
        self._settings = settings
        self._store = store
        self._identities = identities
        self._cookies = cookies
        self._clock = clock
        self._limits = SignInLimits()
        self._limiter: CapacityLimiter | None = None

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, token: str | None, session: Session | None
    ) -> None:
        """Answer a request; `token` and `session` are those that the browser has already, if any."""
        request = Request(scope, receive)
        response = await self._answer(request, token, session)
        await response(scope, receive, send)

    async def _answer(self, request: Request, token: str | None, session: Session | None) -> Response:
        path, method = request.url.path, request.method
        reads = method in ("GET", "HEAD")
        if path == SIGN_IN and reads:
            if session is not None:
                return RedirectResponse(_wanted(request.query_params.get("next"), "/"), 303)
            return self._form(self._language(request), next_path=request.query_params.get("next", ""))
        if path == SIGN_IN and method == "POST":
            return await self._by_password(request, token)
        if path == ONCE and method == "POST":
            return await self._by_link(request, token)
        if path.startswith(f"{ONCE}/") and reads:
            return self._landing(request, path.removeprefix(f"{ONCE}/"))
        if path.startswith(f"{SIGN_IN}/assets/") and reads:
            return _asset(path.removeprefix(f"{SIGN_IN}/assets/"))
        raise NotFound("There is no such page: go to /sign-in.")

    async def _by_password(self, request: Request, token: str | None) -> Response:
        form = await _read_form(request)
        language = form.get("lang", self._settings.default_language)
        login, next_path = form.get("login", ""), form.get("next", "")

        def open_session() -> Signed:
            return access.sign_in(
                self._store,
                self._limits,
                self._settings,
                login=login,
                password=form.get("password", ""),
                visit=_visit(request, "password"),
                now=self._clock(),
                ended=token,
            )

        try:
            signed = await to_thread.run_sync(open_session, limiter=self._threads())
        except IocError as error:
            return self._form(language, next_path=next_path, login=login, error=error)
        return self._enter(signed, _wanted(next_path, signed.home), token)

    async def _by_link(self, request: Request, token: str | None) -> Response:
        form = await _read_form(request)

        def redeem() -> tuple[Signed, str]:
            return access.redeem(
                self._store,
                self._settings,
                token=form.get("token", "")[:128],
                visit=_visit(request, "link"),
                now=self._clock(),
                ended=token,
            )

        try:
            signed, path = await to_thread.run_sync(redeem, limiter=self._threads())
        except IocError as error:
            return self._form(form.get("lang", self._settings.default_language), error=error, by_link=True)
        return self._enter(signed, path, token)

    async def sign_out(self, scope: Scope, receive: Receive, send: Send, token: str, session: Session) -> None:
        """End the session. The CSRF token comes in the form's `csrf_token` or in the header, for scripts."""
        request = Request(scope, receive)
        if request.method != "POST":
            raise BadRequest("Sign out with POST.")
        sent = request.headers.get("x-csrftoken") or (await _read_form(request)).get("csrf_token", "")
        if not compare_digest(sent.encode(), session.csrf.encode()):
            raise Refused("Signing out needs this session's token: load the page again.")
        await to_thread.run_sync(access.sign_out, self._store, token)
        self._identities.forget(token)
        response = RedirectResponse(SIGN_IN, 303)
        self._cookies.remove_on(response)
        await response(scope, receive, send)

    def _enter(self, signed: Signed, path: str, token: str | None) -> Response:
        if token is not None:
            self._identities.forget(token)
        response = RedirectResponse(path, 303)
        self._cookies.set_on(response, signed)
        return response

    def _form(
        self,
        language: str,
        *,
        next_path: str = "",
        login: str = "",
        error: IocError | None = None,
        by_link: bool = False,
    ) -> Response:
        language = language if language in LANGUAGES else self._settings.default_language
        next_path = _wanted(next_path, "")
        content = _template("form.html").substitute(
            error="" if error is None else _error(error, language, by_link=by_link),
            next=escape(next_path),
            language=language,
            login=escape(login[:64]),
            login_label=_say("login", language),
            password_label=_say("password", language),
            submit=_say("sign_in", language),
            forgotten=_say("forgotten", language),
            focus_login="" if login else " autofocus",
            focus_password=" autofocus" if login else "",
            described="" if error is None else ' aria-describedby="error"',
        )
        other = urlencode({"lang": _other(language), **({"next": next_path} if next_path else {})})
        return _page(content, "sign_in", language, f"{SIGN_IN}?{other}", error)

    def _landing(self, request: Request, token: str) -> Response:
        # What the server logs after this is the path without the token.
        request.scope["path"] = f"{ONCE}/redacted"
        request.scope["raw_path"] = f"{ONCE}/redacted".encode()
        language = self._language(request)
        content = _template("once.html").substitute(
            text=_say("once_text", language),
            token=escape(token[:128]),
            language=language,
            submit=_say("once_enter", language),
        )
        return _page(content, "once_title", language, f"{ONCE}/{quote(token[:128])}?lang={_other(language)}", None)

    def _language(self, request: Request) -> str:
        for asked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
            if asked in LANGUAGES:
                return asked
        return self._settings.default_language

    def _threads(self) -> CapacityLimiter:
        if self._limiter is None:  # made inside the event loop that uses it
            self._limiter = CapacityLimiter(_HASHES_AT_ONCE)
        return self._limiter


def still_signed_in_page(path: str) -> Response:
    """A page that goes on to `path` by itself: what a page of ours asks for, the browser sends its cookie with."""
    return HTMLResponse(_template("continue.html").substitute(path=escape(path)))


def _page(content: str, heading: str, language: str, other_url: str, error: IocError | None) -> Response:
    html = _template("sign-in.html").substitute(
        language=language,
        heading=_say(heading, language),
        product=_say("product", language),
        content=content,
        other_url=escape(other_url),
        other_code=_other(language),
        other_language=_say("other_language", language),
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


def _error(error: IocError, language: str, *, by_link: bool) -> str:
    if isinstance(error, TooMany):
        sentence = _say("too_many", language).format(seconds=max(1, round(error.retry_after_s)))
    elif status_of(error) >= 500:
        sentence = _say("unavailable", language)
    else:
        sentence = _say("link_used" if by_link else "wrong", language)
    return _template("error.html").substitute(sentence=sentence)


def _visit(request: Request, way: Literal["password", "link"]) -> Visit:
    agent = "".join(sign for sign in request.headers.get("user-agent", "") if sign.isprintable())
    return Visit(way, request.client.host if request.client else "?", agent[:_MOST_OF_AGENT])


def _say(word: str, language: str) -> str:
    return escape(WORDS[word].in_language(language))


def _other(language: str) -> str:
    return "vi" if language == "en" else "en"


def _wanted(path: str | None, otherwise: str) -> str:
    return path if path and is_local_path(path) and not path.startswith((SIGN_IN, SIGN_OUT)) else otherwise


async def _read_form(request: Request) -> dict[str, str]:
    """The fields of a plain form; BadRequest for anything else."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise BadRequest("Send the form as application/x-www-form-urlencoded.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_FORM_BYTES:
            raise BodyTooLarge(f"A form has at most {_MOST_FORM_BYTES} bytes.")
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=10, errors="strict"))
    except ValueError:
        raise BadRequest("The form cannot be read: load the page again.") from None


@cache
def _template(name: str) -> Template:
    return Template((_ASSETS / name).read_text(encoding="utf-8").rstrip("\n"))


@cache
def _files() -> dict[str, bytes]:
    """What the sign-in pages load, by name; an exact list, so that no path can reach another file."""
    own = {name: _ASSETS / name for name in ("sign-in.css", "once.js")}
    shared = {name: _PANEL_ASSETS / name for name in ("tokens.css", "fonts.css")}
    fonts = {f"fonts/{path.name}": path for path in (_PANEL_ASSETS / "fonts").glob("*.woff2")}
    return {name: path.read_bytes() for name, path in {**own, **shared, **fonts}.items()}


def _asset(name: str) -> Response:
    content = _files().get(name)
    if content is None:
        raise SignInNeeded("Sign in first.")
    return Response(
        content,
        headers={"Content-Type": _TYPES[Path(name).suffix], "Cache-Control": "public, max-age=300"},
    )
