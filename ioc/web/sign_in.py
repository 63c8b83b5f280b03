"""The pages of the door: sign-in by password, one-time links, sign-out. Plain forms, which work without scripts.

A one-time link is opened by GET, which shows a form and changes nothing, so that a preview of the link does not use it
up; its POST does. The token leaves the request's path before the application server can log it.

Refused: a form from a foreign page (the gate looks), a redirect to another host, and saying which of login and
password was wrong.
"""

from html import escape
from typing import Final
from urllib.parse import quote, urlencode

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from ioc.errors import BadRequest, IocError, NotFound
from ioc.operations import access
from ioc.operations.access import Session, Signed
from ioc.operations.gatekeeping import SignInLimits, decoy_hash
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.cookies import Cookies
from ioc.web.identities import Clock, Identities
from ioc.web.openid import CALLBACK, OPENID, OpenIdSignIn
from ioc.web.own_account import OwnAccount
from ioc.web.plain_pages import (
    LANGUAGES,
    SIGN_IN,
    Threads,
    asset,
    error_note,
    language_of,
    other_language,
    page,
    read_form,
    redact,
    say,
    template,
    visit_of,
    wanted_path,
)

ONCE: Final = "/sign-in/once"
_HASHES_AT_ONCE: Final = 2


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
        self._threads = Threads(_HASHES_AT_ONCE)
        self.own_account = OwnAccount(settings, store, identities, cookies, self._limits, self._threads, clock)
        self._openid = (
            OpenIdSignIn(settings, store, identities, cookies, clock, self._form) if settings.openid_issuer else None
        )

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
                return RedirectResponse(wanted_path(request.query_params.get("next"), "/"), 303)
            return self._form(language_of(request, self._settings), next_path=request.query_params.get("next", ""))
        if path == SIGN_IN and method == "POST":
            return await self._by_password(request, token)
        if path == ONCE and method == "POST":
            return await self._by_link(request, token)
        if path.startswith(f"{ONCE}/") and reads:
            return self._landing(request, path.removeprefix(f"{ONCE}/"))
        if path.startswith(f"{SIGN_IN}/assets/") and reads:
            return asset(path.removeprefix(f"{SIGN_IN}/assets/"))
        if self._openid is not None and path in (OPENID, CALLBACK) and method == "GET":
            return await self._openid.answer(request, token, session)
        raise NotFound("There is no such page: go to /sign-in.")

    async def _by_password(self, request: Request, token: str | None) -> Response:
        form = await read_form(request)
        language = form.get("lang", self._settings.default_language)
        login, next_path = form.get("login", ""), form.get("next", "")

        def open_session() -> Signed:
            return access.sign_in(
                self._store,
                self._limits,
                self._settings,
                login=login,
                password=form.get("password", ""),
                visit=visit_of(request, "password"),
                now=self._clock(),
                ended=token,
            )

        try:
            signed = await to_thread.run_sync(open_session, limiter=self._threads())
        except IocError as error:
            return self._form(language, next_path=next_path, login=login, error=error)
        return self._enter(signed, wanted_path(next_path, signed.home), token)

    async def _by_link(self, request: Request, token: str | None) -> Response:
        form = await read_form(request)

        def redeem() -> tuple[Signed, str]:
            return access.redeem(
                self._store,
                self._settings,
                token=form.get("token", "")[:128],
                visit=visit_of(request, "link"),
                now=self._clock(),
                ended=token,
            )

        try:
            signed, path = await to_thread.run_sync(redeem, limiter=self._threads())
        except IocError as error:
            return self._form(form.get("lang", self._settings.default_language), error=error, by_link=True)
        return self._enter(signed, path, token)

    async def sign_out(self, scope: Scope, receive: Receive, send: Send, token: str) -> None:
        """End the session; the gate has checked that a page of it asks for that."""
        if scope["method"] != "POST":
            raise BadRequest("Sign out with POST.")
        await to_thread.run_sync(access.sign_out, self._store, token, self._clock())
        self._identities.forget(token)
        response = RedirectResponse(SIGN_IN, 303)
        self._cookies.remove_on(response)
        await response(scope, receive, send)

    def _enter(self, signed: Signed, path: str, token: str | None) -> Response:
        if token is not None:
            self._identities.forget(token)
        response = RedirectResponse(path, 303)
        self._cookies.set_on(response, signed.token, signed.csrf)
        return response

    def _form(
        self,
        language: str,
        *,
        next_path: str = "",
        login: str = "",
        error: IocError | None = None,
        by_link: bool = False,
        note: str = "",
    ) -> Response:
        language = language if language in LANGUAGES else self._settings.default_language
        next_path = wanted_path(next_path, "")
        content = template("form.html").substitute(
            error=note if error is None else error_note(error, language, "link_used" if by_link else "wrong"),
            next=escape(next_path),
            language=language,
            login=escape(login[:64]),
            login_label=say("login", language),
            password_label=say("password", language),
            submit=say("sign_in", language),
            forgotten=say("forgotten", language),
            focus_login="" if login else " autofocus",
            focus_password=" autofocus" if login else "",
            described=' aria-describedby="error"' if error or note else "",
            openid="" if self._openid is None else self._openid.button(language, next_path),
        )
        other = urlencode({"lang": other_language(language), **({"next": next_path} if next_path else {})})
        return page(content, "sign_in", language, f"{SIGN_IN}?{other}", error)

    def _landing(self, request: Request, token: str) -> Response:
        redact(request, ONCE)
        language = language_of(request, self._settings)
        content = template("once.html").substitute(
            text=say("once_text", language),
            token=escape(token[:128]),
            language=language,
            submit=say("once_enter", language),
        )
        return page(
            content, "once_title", language, f"{ONCE}/{quote(token[:128])}?lang={other_language(language)}", None
        )
