"""The gate: the outermost part of the web program, through which every request and every WebSocket passes.

Default deny. Without a session cookie or an API key only health, the sign-in pages and what they load are answered;
the application behind the gate is not even asked. A request that passes carries its Principal in
`scope["state"]["principal"]` and in `current_principal`. A paired wall screen reaches its one page and what that asks
for (screen_door.py).

Refused: host names that are not ours, bodies above the limit, changes by cookie without the session's CSRF token or
from a foreign page, cookie and key at once, keys anywhere but at the API, and WebSockets before they are accepted.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ioc import logs
from ioc.errors import BadRequest, Refused, SettingsError
from ioc.model.access import Permission, Principal
from ioc.operations.access import Session, check_permission
from ioc.operations.gatekeeping import is_local_path
from ioc.operations.trail import asked_from
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.cookies import CSRF_COOKIE, Cookies
from ioc.web.exchange import LimitedBody, Reply, Watched
from ioc.web.forms import check_token
from ioc.web.headers import AnswerHeaders, Hosts, cookie, read_head
from ioc.web.identities import Clock, Identities
from ioc.web.plain_pages import CHANGE_PASSWORD, SCREEN, SESSIONS, SIGN_IN, SIGN_OUT, still_signed_in_page
from ioc.web.refusal_log import RefusalLog
from ioc.web.refusals import SignInNeeded, noticed
from ioc.web.screen_door import ScreenDoor, check_screen_request
from ioc.web.sign_in import SignIn

CSRF_HEADER: Final = "X-CSRFToken"
"""Dash's renderer sends the cookie CSRF_COOKIE back in this header; the pages tell it both names."""

OPEN: Final = frozenset({"/healthz", "/readyz"})
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NEVER_PAGES: Final = ("/api/", "/_dash-", "/assets/", "/live", "/metrics")

current_principal: ContextVar[Principal | None] = ContextVar("current_principal", default=None)
"""Who asks, for code that is called without a request at hand (Dash callbacks)."""

_log = logs.get_logger("ioc.web")


def require(permission: Permission) -> Callable[[HTTPConnection], Awaitable[Principal]]:
    """A FastAPI dependency: the Principal of the request, which must have the permission.

    `who: Annotated[Principal, Depends(require(Permission.READ))]`
    """

    async def principal_with_permission(connection: HTTPConnection) -> Principal:
        principal = connection.scope.get("state", {}).get("principal")
        if not isinstance(principal, Principal):
            raise Refused("Nobody is known to ask for this: it is served behind the gate only.")
        check_permission(principal, permission)
        return principal

    return principal_with_permission


def utc_now() -> datetime:
    return datetime.now(UTC)


class Gate:
    """ASGI middleware; put it around everything, and nothing around it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        store: Store,
        script_hashes: Iterable[str] = (),
        clock: Clock = utc_now,
    ) -> None:
        over_tls = settings.production or settings.public_url.startswith("https://")
        if over_tls and not _can_keep_secure_cookies(settings.public_url):
            raise SettingsError(
                "In production IOC_PUBLIC_URL must begin with https://: cookies are sent over TLS only."
            )
        self._app = app
        self._clock = clock
        self._most_bytes = settings.max_body_bytes
        self._hosts = Hosts(settings)
        self._headers = AnswerHeaders(script_hashes, over_tls=over_tls)
        self._cookies = Cookies(secure=over_tls, life_s=settings.session_absolute)
        self._identities = Identities(store, settings, clock)
        self._refusal_log = RefusalLog(store, clock)
        self._sign_in = SignIn(settings, store, self._identities, self._cookies, clock)
        self._screen_door = ScreenDoor(settings, store, self._identities, self._cookies, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            reply = Reply(send, self._headers)
            noticed.set([])
            asked_from.set(scope["client"][0] if scope.get("client") else "")
            try:
                await self._http(scope, receive, reply)
                if reply.refusal is not None:
                    await reply.fail(scope, receive, reply.refusal)
            except Exception as error:  # noqa: BLE001 - the border of the program: any error becomes an answer
                await reply.fail(scope, receive, error)
            finally:
                self._refusal_log.look(scope, reply.status, reply.asker)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, self._writing_last(send))

    def _writing_last(self, send: Send) -> Send:
        """Of a lifespan: what is still to be written is, before the server hears that all has ended."""

        async def send_after(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                await self._refusal_log.close()  # whoever comes later is cancelled
            await send(message)

        return send_after

    async def _http(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        head = read_head(scope)
        path, method = scope["path"], scope["method"]
        host = self._hosts.check_host(head)
        receive = LimitedBody.of(head, receive, self._most_bytes, reply)
        if path in OPEN and method in ("GET", "HEAD"):
            await self._app(scope, receive, reply)
            return
        is_own_account = path in (CHANGE_PASSWORD, SESSIONS)
        if path == SCREEN or path.startswith(SCREEN + "/"):
            if method not in _SAFE_METHODS:
                self._check_own_page(head, host)
            await self._screen_door(scope, receive, reply, cookie(head, self._cookies.session))
            return
        if (path == SIGN_IN or path.startswith(SIGN_IN + "/")) and not is_own_account:
            await self._to_sign_in(scope, receive, reply, head, host)
            return
        if b"authorization" in head:
            reply.asker = await self._source(head, path)
            await self._pass(scope, receive, reply, reply.asker)
            return
        token = cookie(head, self._cookies.session)
        session = await self._identities.session(token) if token else None
        if token is None or session is None:
            if not await self._as_screen(scope, receive, reply, head, host):
                await self._turn_away(scope, receive, reply, head)
            return
        reply.asker = session.principal
        if session.must_change_password and path not in (CHANGE_PASSWORD, SIGN_OUT):
            await self._send_to_change_password(scope, receive, reply, head)
            return
        if method not in _SAFE_METHODS:
            self._check_own_page(head, host)
            receive = await check_token(head, receive, session.csrf, CSRF_HEADER)
        if path == SIGN_OUT:
            await self._sign_in.sign_out(scope, receive, reply, token)
            return
        if is_own_account:
            await self._sign_in.own_account(scope, receive, reply, token, session)
            return
        if cookie(head, CSRF_COOKIE) != session.csrf and _is_page(scope, head):
            reply.add_header("set-cookie", self._cookies.csrf_header(session.csrf))
        reply.watch = Watched(self._clock, lambda: self._identities.session(token))
        await self._pass(scope, receive, reply, session.principal, session)

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, principal: Principal, session: Session | None = None
    ) -> None:
        state = scope.setdefault("state", {})
        state["principal"] = principal
        state["session"] = session
        before = current_principal.set(principal)
        try:
            await self._app(scope, receive, send)
        finally:
            current_principal.reset(before)

    async def _as_screen(
        self, scope: Scope, receive: Receive, reply: Reply, head: dict[bytes, bytes], host: str
    ) -> bool:
        """Answer a paired wall screen, which may ask for its one page; False if the browser is none."""
        token = cookie(head, self._cookies.screen)
        screen = await self._identities.screen(token) if token else None
        if token is None or screen is None:
            return False
        reply.asker = screen.principal
        check_screen_request(screen, scope["method"], scope["path"])
        if scope["method"] not in _SAFE_METHODS:
            self._check_own_page(head, host)
            receive = await check_token(head, receive, screen.csrf, CSRF_HEADER)
        if _is_page(scope, head):
            for header in self._cookies.screen_headers(token, screen.csrf):
                reply.add_header("set-cookie", header)
        reply.watch = Watched(self._clock, lambda: self._identities.screen(token))
        await self._pass(scope, receive, reply, screen.principal)
        return True

    async def _to_sign_in(
        self, scope: Scope, receive: Receive, reply: Reply, head: dict[bytes, bytes], host: str
    ) -> None:
        if scope["method"] not in _SAFE_METHODS:
            self._check_own_page(head, host)
        token = cookie(head, self._cookies.session)
        session = await self._identities.session(token) if token else None
        await self._sign_in(scope, receive, reply, token, session)

    async def _source(self, head: dict[bytes, bytes], path: str) -> Principal:
        """The source system of the request's API key."""
        if any(cookie(head, name) is not None for name in (self._cookies.session, self._cookies.screen)):
            raise BadRequest("A request carries either the cookie of a session or an API key, never both.")
        if not (path.startswith("/api/v1/") or path == "/metrics"):
            raise SignInNeeded("API keys are good for /api/v1 and /metrics only: sign in for everything else.")
        scheme, _, token = head[b"authorization"].decode("latin-1").partition(" ")
        known = await self._identities.source(token.strip()) if scheme.lower() == "bearer" else None
        if known is None:
            raise SignInNeeded("The API key is not known or was revoked: ask the administrator for one.")
        return known

    async def _turn_away(self, scope: Scope, receive: Receive, reply: Reply, head: dict[bytes, bytes]) -> None:
        """Answer somebody without a session: a browser's page goes to sign-in, everything else gets 401."""
        if not _is_page(scope, head):
            raise SignInNeeded("Sign in first, or send an API key as `Authorization: Bearer …`.")
        local = _path_to_come_back(scope)
        if head.get(b"sec-fetch-site") == b"cross-site":
            # Behind a link from elsewhere the browser withholds a SameSite=Strict cookie; a page of ours gets it.
            await still_signed_in_page(local)(scope, receive, reply)
            return
        target = SIGN_IN if local == "/" else f"{SIGN_IN}?next={quote(local, safe='')}"
        await RedirectResponse(target, 303)(scope, receive, reply)

    async def _send_to_change_password(
        self, scope: Scope, receive: Receive, reply: Reply, head: dict[bytes, bytes]
    ) -> None:
        if not _is_page(scope, head):
            raise Refused(f"Set a password of your own first: open {CHANGE_PASSWORD}.")
        local = _path_to_come_back(scope)
        target = CHANGE_PASSWORD if local == "/" else f"{CHANGE_PASSWORD}?next={quote(local, safe='')}"
        await RedirectResponse(target, 303)(scope, receive, reply)

    def _check_own_page(self, head: dict[bytes, bytes], host: str) -> None:
        if not self._hosts.comes_from_own_page(head, host):
            raise Refused("This change was sent from a page of another site: open the centre's own page.")

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refusals come before `accept`, so that the server answers the handshake with 403."""
        try:
            head = read_head(scope)
            host = self._hosts.check_host(head)
        except BadRequest:
            await send({"type": "websocket.close", "code": 4400})
            return
        origin = head.get(b"origin", b"null").decode("latin-1")
        token = cookie(head, self._cookies.session)
        if b"authorization" in head or token is None or not self._hosts.is_own_origin(origin, host):
            await send({"type": "websocket.close", "code": 4403})
            return
        try:
            session = await self._identities.session(token)
        except Exception as error:  # noqa: BLE001 - the border of the program: no store, no entry
            _log.error("a WebSocket was refused", exc_info=error)
            session = None
        if session is None or session.must_change_password:
            await send({"type": "websocket.close", "code": 4401})
            return
        watch = Watched(self._clock, lambda: self._identities.session(token))
        socket = _Socket(receive, send, watch, self._most_bytes)
        try:
            await self._pass(scope, socket.receive, socket.send, session.principal, session)
        except Exception as error:  # noqa: BLE001 - the border of the program
            _log.error("a WebSocket failed", exc_info=error)
            await socket.close(1011)


class _Socket:
    """An accepted WebSocket that ends with its session, and takes no message above the limit of a body."""

    def __init__(self, receive: Receive, send: Send, watch: Watched, most_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._watch = watch
        self._most_bytes = most_bytes
        self._closed = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._closed = True
        if message["type"] != "websocket.receive":
            return message
        content: Any = message.get("text") or message.get("bytes") or b""
        if len(content) > self._most_bytes:
            return await self._end(1009)
        if not await self._watch.holds():
            return await self._end(4401)
        return message

    async def send(self, message: Message) -> None:
        if self._closed:
            return
        if message["type"] == "websocket.send" and not await self._watch.holds():
            await self.close(4401)
            return
        self._closed = message["type"] == "websocket.close"
        await self._send(message)

    async def close(self, code: int) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": code})

    async def _end(self, code: int) -> Message:
        await self.close(code)
        return {"type": "websocket.disconnect", "code": code}


def _is_page(scope: Scope, head: dict[bytes, bytes]) -> bool:
    """Whether a browser asks for a page to show, rather than a script for data or a page for its parts."""
    return (
        scope["method"] in ("GET", "HEAD")
        and b"text/html" in head.get(b"accept", b"")
        and head.get(b"sec-fetch-mode", b"navigate") == b"navigate"
        and not scope["path"].startswith(_NEVER_PAGES)
    )


def _path_to_come_back(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = quote(scope["path"]) + (f"?{query}" if query else "")
    return wanted if is_local_path(wanted) else "/"


def _can_keep_secure_cookies(public_url: str) -> bool:
    """Browsers keep `Secure` cookies over TLS, and on this machine's own loopback names."""
    url = urlsplit(public_url)
    return url.scheme == "https" or url.hostname in ("127.0.0.1", "localhost", "::1")
