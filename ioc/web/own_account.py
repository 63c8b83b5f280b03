"""The pages of one's own account: another password, and the list of one's own sessions. Plain forms, without scripts.

The gate calls them for somebody who is signed in, after it has checked where a form comes from and its token. They
stand under /sign-in because they must work for a session that is good for nothing else yet.

Refused: a session or a password of somebody else, whatever the form says.
"""

import re
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import urlencode

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from ioc.errors import BadRequest, IocError, NotFound
from ioc.operations import sessions
from ioc.operations.access import Session, Signed
from ioc.operations.gatekeeping import SignInLimits
from ioc.operations.sessions import OpenSession
from ioc.panels.formats import ZONE
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.cookies import Cookies
from ioc.web.forms import CSRF_FIELD
from ioc.web.identities import Clock, Identities
from ioc.web.plain_pages import (
    CHANGE_PASSWORD,
    SESSIONS,
    SIGN_IN,
    Threads,
    error_note,
    language_of,
    other_language,
    page,
    read_form,
    say,
    template,
    visit_of,
    wanted_path,
)

_BROWSERS: Final = tuple(  # the first that fits: each later one is also named by some before it
    (re.compile(mark), name)
    for mark, name in (
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("coc_coc_browser", "Cốc Cốc"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
)
_SYSTEMS: Final = tuple(
    (re.compile(mark), name)
    for mark, name in (
        ("Android", "Android"),
        ("iPhone|iPad", "iOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    )
)


class OwnAccount:
    """An ASGI application for CHANGE_PASSWORD and SESSIONS."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        identities: Identities,
        cookies: Cookies,
        limits: SignInLimits,
        threads: Threads,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._identities = identities
        self._cookies = cookies
        self._limits = limits
        self._threads = threads
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send, token: str, session: Session) -> None:
        request = Request(scope, receive)
        answers = {
            (CHANGE_PASSWORD, "GET"): self._password_form,
            (CHANGE_PASSWORD, "POST"): self._change_password,
            (SESSIONS, "GET"): self._list,
            (SESSIONS, "POST"): self._end,
        }
        answer = answers.get((request.url.path, "GET" if request.method == "HEAD" else request.method))
        if answer is None:
            raise NotFound("There is no such page: go to /sign-in.")
        response = await answer(request, token, session)
        await response(scope, receive, send)

    # --- password

    async def _password_form(self, request: Request, token: str, session: Session) -> Response:
        language = language_of(request, self._settings, of_person=session.language)
        return await self._password_page(request.query_params.get("next", ""), language, token, session)

    async def _password_page(
        self, next_path: str, language: str, token: str, session: Session, error: IocError | None = None
    ) -> Response:
        needs_old = await to_thread.run_sync(
            lambda: sessions.needs_old_password(session.principal, self._store, token=token),
            limiter=self._threads(),
        )
        next_path = wanted_path(next_path, "")
        word = (error.rule if isinstance(error, BadRequest) else "") or "password_wrong"
        described = "" if error is None else ' aria-describedby="error"'
        content = template("password.html").substitute(
            error="" if error is None else error_note(error, language, word),
            why=say("password_must" if session.must_change_password else "password_ends_others", language),
            csrf_field=CSRF_FIELD,
            csrf=escape(session.csrf),
            next=escape(next_path),
            language=language,
            old=template("old-password.html").substitute(label=say("password_old", language), described=described)
            if needs_old
            else "",
            new_label=say("password_new", language),
            rules=say("password_rules", language),
            again_label=say("password_repeat", language),
            submit=say("password_change", language),
            leave=_leave(session, language),
            described=described,
        )
        other = {"lang": other_language(language), **({"next": next_path} if next_path else {})}
        return page(content, "password_change", language, f"{CHANGE_PASSWORD}?{urlencode(other)}", error)

    async def _change_password(self, request: Request, token: str, session: Session) -> Response:
        form = await read_form(request)

        def change() -> Signed:
            if form.get("new", "") != form.get("again", ""):
                raise BadRequest("The two new passwords differ: type the same one twice.", rule="password_again")
            return sessions.change_own_password(
                session.principal,
                self._store,
                self._limits,
                self._settings,
                token=token,
                old=form.get("old", ""),
                new=form.get("new", ""),
                visit=visit_of(request, "password"),
                now=self._clock(),
            )

        try:
            signed = await to_thread.run_sync(change, limiter=self._threads())
        except IocError as error:
            language = form.get("lang", session.language)
            return await self._password_page(form.get("next", ""), language, token, session, error)
        self._identities.forget_person(session.principal.id)
        response = RedirectResponse(wanted_path(form.get("next"), signed.home), 303)
        self._cookies.set_on(response, signed.token, signed.csrf)
        return response

    # --- sessions

    async def _list(self, request: Request, _token: str, session: Session) -> Response:
        language = language_of(request, self._settings, of_person=session.language)
        found = await to_thread.run_sync(
            lambda: sessions.sessions_of(session.principal, self._store, self._settings, now=self._clock())
        )
        content = template("sessions.html").substitute(
            text=say("sessions_text", language),
            rows="\n".join(self._row(one, session, language) for one in found),
            csrf_field=CSRF_FIELD,
            csrf=escape(session.csrf),
            others=say("sessions_end_others", language),
            alone=" disabled" if len(found) < 2 else "",
            password_path=CHANGE_PASSWORD,
            password=say("password_change", language),
            home=say("go_back", language),
        )
        return page(content, "sessions", language, f"{SESSIONS}?lang={other_language(language)}", None, css="wide")

    def _row(self, one: OpenSession, session: Session, language: str) -> str:
        is_this = one.id == session.id
        return template("session.html").substitute(
            browser=escape(browser_of(one.agent)) or say("browser_unknown", language),
            address=escape(one.address),
            since=say("session_since", language).format(at=_at(one.began_at)),
            seen=say("session_now", language) if is_this else say("session_seen", language).format(at=_at(one.seen_at)),
            way=say(f"session_by_{one.way}", language),
            csrf_field=CSRF_FIELD,
            csrf=escape(session.csrf),
            id=escape(one.id),
            submit=say("sign_out" if is_this else "session_end", language),
        )

    async def _end(self, request: Request, _token: str, session: Session) -> Response:
        form = await read_form(request)
        who, ended = session.principal, form.get("end", "")

        def end() -> None:
            if ended == "others":
                sessions.end_sessions_of(who, self._store, but=session.id, now=self._clock())
                return
            try:
                sessions.end_session(who, self._store, id_=ended, now=self._clock())
            except NotFound:
                return  # ended meanwhile: the list that follows says so

        await to_thread.run_sync(end)
        self._identities.forget_person(who.id)
        if ended != session.id:
            return RedirectResponse(SESSIONS, 303)
        response = RedirectResponse(SIGN_IN, 303)
        self._cookies.remove_on(response)
        return response


def _leave(session: Session, language: str) -> str:
    """The way out of the password page: somebody who must change it has no other page to go to."""
    if not session.must_change_password:
        return f'<p class="note"><a href="{SESSIONS}">{say("sessions", language)}</a></p>'
    submit = say("sign_out", language)
    return template("sign-out.html").substitute(csrf_field=CSRF_FIELD, csrf=escape(session.csrf), submit=submit)


def browser_of(agent: str) -> str:
    """Browser and system as people call them, from what a browser says of itself; empty for what is not known."""
    names = (next((name for mark, name in known if mark.search(agent)), "") for known in (_BROWSERS, _SYSTEMS))
    return " · ".join(name for name in names if name)


def _at(milliseconds: int) -> str:
    local = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(ZONE)
    return f"{local.hour}:{local.minute:02} {local.day}/{local.month}/{local.year}"
