"""The addresses of the administration pages; each needs Permission.ADMINISTER, before its operation asks again.

Pages work without scripts: a link, or a form of which the gate has checked the token. A change is a POST, and what
cannot be undone is asked about by a GET of the same address. Errors become a page in the words of the reader.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ioc.errors import IocError, Refused
from ioc.model.access import Permission
from ioc.operations.access import Session
from ioc.operations.places import Province
from ioc.web.administration import audit, centres, keys, people, screens
from ioc.web.administration.asking import HOME, Answer, Asked, Go, Page
from ioc.web.administration.frame import STYLE, document
from ioc.web.administration.markup import element
from ioc.web.administration.pieces import heading
from ioc.web.administration.reading import chosen_cookies, reader_of
from ioc.web.forms import Form, read_form
from ioc.web.gate import require
from ioc.web.refusals import answer_to, status_of

Handler = Callable[[Asked], Answer]

PAGES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/people", people.people),
    ("GET", "/people/new", people.new_person),
    ("POST", "/people/new", people.add_person),
    ("GET", "/people/{person}", people.person),
    ("POST", "/people/{person}", people.change_person),
    ("GET", "/people/{person}/disable", people.ask_disable),
    ("POST", "/people/{person}/disable", people.disable),
    ("GET", "/people/{person}/reset", people.ask_reset),
    ("POST", "/people/{person}/reset", people.reset),
    ("GET", "/people/{person}/sessions/end", people.ask_end_sessions),
    ("POST", "/people/{person}/sessions/end", people.end_sessions),
    ("GET", "/people/{person}/sessions/{session}/end", people.ask_end_session),
    ("POST", "/people/{person}/sessions/{session}/end", people.end_session),
    ("GET", "/centres", centres.centres),
    ("GET", "/centres/{centre}", centres.centre),
    ("GET", "/keys", keys.keys),
    ("GET", "/keys/new", keys.new_key),
    ("POST", "/keys/new", keys.add_key),
    ("GET", "/keys/{key}/revoke", keys.ask_revoke),
    ("POST", "/keys/{key}/revoke", keys.revoke),
    ("GET", "/screens", screens.screens),
    ("GET", "/screens/new", screens.new_screen),
    ("POST", "/screens/new", screens.add_screen),
    ("GET", "/screens/{screen}/renew", screens.ask_renew),
    ("POST", "/screens/{screen}/renew", screens.renew),
    ("GET", "/screens/{screen}/revoke", screens.ask_revoke),
    ("POST", "/screens/{screen}/revoke", screens.revoke),
    ("GET", "/audit", audit.trail),
)
_STYLE_FILE: Final = Path(__file__).parent.parent / "assets" / "administration.css"
_ERRORS: Final = {400: "page_wrong", 403: "page_refused", 404: "page_missing"}

_administrator: Final = require(Permission.ADMINISTER)


def administration(province: Province, clock: Callable[[], datetime]) -> APIRouter:
    """The routes of all administration pages."""
    router = APIRouter(prefix=HOME, include_in_schema=False)
    for method, path, handler in PAGES:
        router.add_api_route(path, _route(province, clock, handler), methods=[method])
    router.add_api_route("", _home, methods=["GET"])
    router.add_api_route(STYLE.removeprefix(HOME), _style, methods=["GET"])
    return router


async def _home(request: Request) -> Response:
    await _administrator(request)
    return RedirectResponse(people.PEOPLE, 303)


async def _style(request: Request) -> Response:
    await _administrator(request)
    return Response(_style_text(), media_type="text/css", headers={"Cache-Control": "private, max-age=300"})


@cache
def _style_text() -> str:
    return _STYLE_FILE.read_text(encoding="utf-8")


def _route(
    province: Province, clock: Callable[[], datetime], handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        asked = await _asked(request, province, clock)
        try:
            await _administrator(request)
            return _response(request, asked, await to_thread.run_sync(handler, asked))
        except IocError as error:
            return _failed(request, asked, error)

    return answer


async def _asked(request: Request, province: Province, clock: Callable[[], datetime]) -> Asked:
    state = request.scope.get("state", {})
    session, principal = state.get("session"), state.get("principal")
    if not isinstance(session, Session):
        raise Refused("Administration pages are for people who have signed in.")
    sends = request.method == "POST"
    return Asked(
        principal=principal,
        csrf=session.csrf,
        province=province,
        now=clock(),
        reader=reader_of(request, session.language),
        path=request.url.path,
        parts=request.path_params,
        query=request.query_params,
        form=await read_form(request) if sends else Form({}),
        sends=sends,
    )


def _response(request: Request, asked: Asked, answer: Answer) -> Response:
    if isinstance(answer, Go):
        return RedirectResponse(answer.address, 303)
    response = HTMLResponse(document(asked, answer), answer.status)
    for name, value in chosen_cookies(request, asked.reader, secure=asked.settings.production):
        response.headers.append(name, value)
    # Under no-referrer a form's POST says `Origin: null`; old browsers and plain HTTP have nothing else to go by.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _failed(request: Request, asked: Asked, error: IocError) -> Response:
    """A page instead of the page: what is wrong in general; the error's own sentence is for the log and the API."""
    word = _ERRORS.get(status_of(error), "page_failed")
    say = asked.reader.say
    content = element("section", heading(say(word), note=say(f"{word}_note")), css="panel ask")
    response = _response(request, asked, Page("", say(word), content))
    plain = answer_to(error)  # for its status, its Retry-After and its line in the log
    response.status_code = plain.status_code
    if "retry-after" in plain.headers:
        response.headers["Retry-After"] = plain.headers["retry-after"]
    return response
