"""The door of wall screens: the page that pairs a browser, and what a paired browser may ask for.

The pairing link is opened by GET, which shows one button and changes nothing; its POST uses the link up. The token
leaves the request's path before the application server can log it.

Refused: everything but the screen's own page and what that page asks for.
"""

from html import escape
from typing import Final
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from ioc.errors import IocError, NotFound, Refused
from ioc.operations import access, screens
from ioc.operations.screens import Paired, ScreenSession
from ioc.panels.requests import PAGE_FILES, PAGE_REQUESTS
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.cookies import Cookies
from ioc.web.identities import Clock, Identities
from ioc.web.plain_pages import (
    LANGUAGES,
    SCREEN,
    error_note,
    language_of,
    other_language,
    page,
    read_form,
    redact,
    say,
    template,
)

_NOT_FOR_SCREENS: Final = "This browser is paired as a wall screen, which shows one page only: sign in for others."


def check_screen_request(screen: ScreenSession, method: str, path: str) -> None:
    """Refused unless the screen's page, or a browser that shows it, asks for this."""
    method = "GET" if method == "HEAD" else method
    if method == "GET" and (path == screen.path or path.startswith(PAGE_FILES)):
        return
    if (method, path) not in PAGE_REQUESTS:
        raise Refused(_NOT_FOR_SCREENS)


class ScreenDoor:
    """An ASGI application for SCREEN…, open to strangers: the pairing token is what lets a browser in."""

    def __init__(
        self, settings: Settings, store: Store, identities: Identities, cookies: Cookies, clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._identities = identities
        self._cookies = cookies
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send, session_token: str | None) -> None:
        """Answer a request; `session_token` is of whoever is signed in on the screen's browser."""
        request = Request(scope, receive)
        path = request.url.path
        if path.startswith(f"{SCREEN}/") and request.method in ("GET", "HEAD"):
            response = self._landing(request, path.removeprefix(f"{SCREEN}/")[:128])
        elif path == SCREEN and request.method == "POST":
            response = await self._pair(request, session_token)
        else:
            raise NotFound("There is no such page: open the pairing link of a screen.")
        await response(scope, receive, send)

    def _landing(self, request: Request, token: str) -> Response:
        redact(request, SCREEN)
        return self._page(language_of(request, self._settings), token)

    async def _pair(self, request: Request, session_token: str | None) -> Response:
        form = await read_form(request)
        token = form.get("token", "")[:128]

        def pair() -> Paired:
            paired = screens.pair_screen(self._store, self._settings, token=token, now=self._clock())
            if session_token is not None:
                access.sign_out(self._store, session_token, self._clock())  # nobody stays signed in on a wall
            return paired

        try:
            paired = await to_thread.run_sync(pair)
        except IocError as error:
            return self._page(form.get("lang", ""), token, error)
        response = RedirectResponse(paired.path, 303)
        if session_token is not None:
            self._identities.forget(session_token)
            self._cookies.remove_on(response)
        for header in self._cookies.screen_headers(paired.token, paired.csrf):
            response.headers.append("set-cookie", header)
        return response

    def _page(self, language: str, token: str, error: IocError | None = None) -> Response:
        language = language if language in LANGUAGES else self._settings.default_language
        content = template("screen.html").substitute(
            error="" if error is None else error_note(error, language, "screen_used"),
            text=say("screen_text", language),
            token=escape(token),
            language=language,
            submit=say("screen_pair", language),
            disabled="" if error is None else " disabled",
        )
        other_url = f"{SCREEN}/{quote(token, safe='')}?lang={other_language(language)}"
        return page(content, "screen_title", language, other_url, error)
