"""The way in through an OpenID provider: to it, back from it, and on to the session by a page of ours.

What one round trip is known by travels in a cookie of its own (SameSite=Lax, for the callback only, ten minutes),
sealed, so that any of several web programs can open it. The code leaves the request's address before the application
server can log it.

Refused: a callback that this browser did not begin, or that came back before; a redirect to another host; and saying
on the page, or in a log, what the provider said of somebody.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hmac import compare_digest, digest
from html import escape
from typing import Final, Protocol
from urllib.parse import urlencode

from anyio import to_thread
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ioc import logs
from ioc.errors import IocError, TooMany
from ioc.model.access import Visit
from ioc.operations.access import Session, Signed
from ioc.operations.external_people import ExternalIdentity, NotKnownHere, is_linked, sign_in_external
from ioc.operations.gatekeeping import Rate, network_of, new_token
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.cookies import Cookies
from ioc.web.identities import Clock, Identities
from ioc.web.openid_provider import AnswerRefused, Provider, ProviderAway, RoundTrip
from ioc.web.plain_pages import (
    SIGN_IN,
    Threads,
    language_of,
    say,
    still_signed_in_page,
    template,
    visit_of,
    wanted_path,
)
from ioc.web.refusals import note_refused

OPENID: Final = f"{SIGN_IN}/openid"
CALLBACK: Final = f"{OPENID}/callback"
ROUND_TRIP_S: Final = 600
_MOST_USED: Final = 10_000
_THREADS: Final = 2
_SEAL: Final = {"alg": "dir", "enc": "A256GCM"}
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")

_log = logs.get_logger("ioc.web")


class SignInForm(Protocol):
    """The sign-in page, with an error or a note (already HTML) on it."""

    def __call__(
        self, language: str, *, next_path: str = "", error: IocError | None = None, note: str = ""
    ) -> Response: ...


@dataclass(frozen=True, slots=True)
class Begun:
    """A round trip that has begun: what it is known by, where it leads in the end, until when."""

    trip: RoundTrip
    next_path: str
    language: str
    ends_at: float


class OpenIdSignIn:
    """Answers /sign-in/openid and its callback; made only where the settings name a provider."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        identities: Identities,
        cookies: Cookies,
        clock: Clock,
        form: SignInForm,
    ) -> None:
        self._settings = settings
        self._store = store
        self._identities = identities
        self._cookies = cookies
        self._clock = clock
        self._form = form
        self._provider = Provider(settings, settings.public_url + CALLBACK)
        self._cookie = RoundTripCookie(settings, secure=cookies.secure)
        self._used = _Used()
        # Each callback makes the centre ask the provider: strangers may order only so many.
        self._rate = Rate(1 / 5, 20, what="tries from this address")
        self._threads = Threads(_THREADS)

    def button(self, language: str, next_path: str) -> str:
        """The part of the sign-in page that leads to the provider."""
        query = urlencode({"lang": language, **({"next": next_path} if next_path else {})})
        return template("openid.html").substitute(
            separator=say("or", language),
            address=escape(f"{OPENID}?{query}"),
            words=self._say("openid_button", language),
        )

    async def answer(self, request: Request, token: str | None, session: Session | None) -> Response:
        """Answer a GET of one of the two paths; `token` and `session` are those that the browser has already."""
        if request.url.path == OPENID:
            return await self._begin(request, session)
        query, visit = request.query_params, visit_of(request, "openid")
        # What the server logs after this is the address without the code.
        request.scope["query_string"] = b""
        begun = self._cookie.read(request, self._clock())
        language = language_of(request, self._settings) if begun is None else begun.language
        if begun is None or not compare_digest(query.get("state", "").encode(), begun.trip.state.encode()):
            _refused("not begun in this browser", visit)
            return self._note("openid_failed", language, 403)
        response = await self._finish(query, begun, visit, token)
        self._cookie.remove_from(response)
        return response

    async def _begin(self, request: Request, session: Session | None) -> Response:
        next_path = wanted_path(request.query_params.get("next"), "")
        if session is not None:
            return RedirectResponse(next_path or "/", 303)
        language, now = language_of(request, self._settings), self._clock()
        trip = RoundTrip(state=new_token(), nonce=new_token(), verifier=new_token())
        try:
            address = await self._provider.way_in(trip, language=language, now=now)
        except ProviderAway:
            return self._note("openid_away", language, 503, next_path)
        response = RedirectResponse(address, 303)
        self._cookie.set_on(response, Begun(trip, next_path, language, now.timestamp() + ROUND_TRIP_S))
        return response

    async def _finish(self, query: Mapping[str, str], begun: Begun, visit: Visit, token: str | None) -> Response:
        language, next_path, now = begun.language, begun.next_path, self._clock()
        network = network_of(visit.address)
        try:
            self._rate.take(network, now.timestamp())
            self._used.take(begun, now)
            signed = await self._enter(query, begun, visit, token, now)
        except ProviderAway as error:
            _log.error("the OpenID provider cannot be used", reason=str(error))
            return self._note("openid_away", language, 503, next_path)
        except _Cancelled:
            return self._note("openid_cancelled", language, 403, next_path)
        except AnswerRefused as error:
            _refused(str(error), visit)
            return self._note("openid_failed", language, 403, next_path)
        except NotKnownHere as error:
            note_refused(error)
            return self._note("openid_unknown", language, 403, next_path)
        except IocError as error:
            return self._form(language, next_path=next_path, error=error)
        self._rate.give_back(network)
        if token is not None:
            self._identities.forget(token)
        # The browser came from the provider's site: it sends the session's cookie only with what our own page asks for.
        response = still_signed_in_page(wanted_path(next_path, signed.home))
        self._cookies.set_on(response, signed.token, signed.csrf)
        return response

    async def _enter(
        self, query: Mapping[str, str], begun: Begun, visit: Visit, token: str | None, now: datetime
    ) -> Signed:
        await self._provider.check_issuer(query.get("iss"), now)
        if (error := query.get("error")) is not None:
            if error == "access_denied":
                raise _Cancelled("cancelled at the provider")
            known = error if _ERROR_CODE.fullmatch(error) else "unknown"
            raise AnswerRefused(f"the provider answers with the error {known}")
        identity, access_token = await self._provider.identity(query.get("code", ""), begun.trip, now)
        limiter = self._threads()
        if identity.login is None and not await to_thread.run_sync(is_linked, self._store, identity, limiter=limiter):
            identity = await self._provider.with_login(identity, access_token, now)

        def open_session(identity: ExternalIdentity = identity) -> Signed:
            return sign_in_external(self._store, self._settings, identity, visit=visit, now=now, ended=token)

        return await to_thread.run_sync(open_session, limiter=limiter)

    def _note(self, word: str, language: str, status: int, next_path: str = "") -> Response:
        note = template("error.html").substitute(sentence=self._say(word, language))
        response = self._form(language, next_path=next_path, note=note)
        response.status_code = status
        return response

    def _say(self, word: str, language: str) -> str:
        title = self._settings.openid_title_en if language == "en" else self._settings.openid_title_vi
        return say(word, language).format(provider=escape(title))


class RoundTripCookie:
    """The cookie of a round trip: sealed with a key made of the client's secret, and readable by nobody else."""

    def __init__(self, settings: Settings, *, secure: bool) -> None:
        secret = settings.openid_client_secret.get_secret_value().encode()
        self._key = OctKey.import_key(digest(secret, f"round trip {settings.openid_issuer}".encode(), "sha256"))
        # `__Host-` is for the path `/` only; `__Secure-` at least keeps what was not set over TLS away.
        self.name = "__Secure-ioc_openid" if secure else "ioc_openid"
        self._flags = f"Path={CALLBACK}; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")

    def set_on(self, response: Response, begun: Begun) -> None:
        sealed = jwe.encrypt_compact(_SEAL, json.dumps(asdict(begun)).encode(), self._key)
        response.headers.append("set-cookie", f"{self.name}={sealed}; Max-Age={ROUND_TRIP_S}; {self._flags}")

    def read(self, request: Request, now: datetime) -> Begun | None:
        """What the browser began, if it did, with one of our programs, and not too long ago."""
        sealed = request.cookies.get(self.name, "")
        try:
            content = jwe.decrypt_compact(sealed, self._key, algorithms=list(_SEAL.values())).plaintext
        except (JoseError, ValueError, TypeError):
            return None
        said = json.loads(content or b"{}")
        begun = Begun(RoundTrip(**said["trip"]), said["next_path"], said["language"], said["ends_at"])
        return begun if now.timestamp() < begun.ends_at else None

    def remove_from(self, response: Response) -> None:
        response.headers.append("set-cookie", f"{self.name}=; Max-Age=0; {self._flags}")


class _Cancelled(IocError):
    """The person did not want to sign in at the provider after all."""


class _Used:
    """The states that came back to this program and have not ended yet. A code is good once at the provider as well."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    def take(self, begun: Begun, now: datetime) -> None:
        """AnswerRefused for one that came back before; TooMany while more come back than can be remembered."""
        if begun.trip.state in self._ends:
            raise AnswerRefused("came back before")
        if len(self._ends) >= _MOST_USED:
            self._ends = {state: end for state, end in self._ends.items() if end > now.timestamp()}
        if len(self._ends) >= _MOST_USED:
            raise TooMany("Too many people sign in at this moment: try again soon.", retry_after_s=10)
        self._ends[begun.trip.state] = begun.ends_at


def _refused(reason: str, visit: Visit) -> None:
    _log.warning("sign-in through OpenID refused", reason=reason, address=visit.address)
