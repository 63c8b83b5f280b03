"""What an OpenID provider is asked, and what of its answers is believed: its document, its keys, code for identity.

The document and the keys come over https (http from this machine only) and are kept for an hour; a key that is not
known is asked for once more, at most once a minute. Tokens are looked at once and kept nowhere.

Refused: a document of another issuer, an ID token that is not signed by a key of the provider with an algorithm from
the list, is not for this centre and this round trip, or is expired; and waiting longer than ten seconds.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

import anyio
import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from ioc import logs
from ioc.errors import IocError, Refused
from ioc.operations.external_people import ExternalIdentity
from ioc.settings import LOOPBACK_NAMES, Settings

ALGORITHMS: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
"""Those that an ID token may be signed with, and the kind of key of each."""
CLOCK_SKEW_S: Final = 60
KEPT: Final = timedelta(hours=1)
KEYS_AGAIN_AFTER: Final = timedelta(minutes=1)
LEFT_ALONE: Final = timedelta(seconds=10)
"""After a failed try, so that a provider that is away costs nobody's time but the first one's."""
LONGEST_WAIT_S: Final = 10.0
_MOST_BYTES: Final = 1_000_000
_LONGEST_SUBJECT: Final = 255
_SCOPES: Final = {"preferred_username": "openid profile", "email": "openid email"}

_log = logs.get_logger("ioc.web")


class ProviderAway(IocError):
    """The provider does not answer, or not as an OpenID provider does."""


class AnswerRefused(Refused):
    """What came back from the provider does not prove who somebody is."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What one way to the provider and back is known by; each part is a secret until it is used."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Document:
    """What the provider says of itself."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    secret_in_body: bool
    names_itself: bool
    fetched_at: datetime


class Provider:
    """The provider of the settings; one for each process, used within one event loop."""

    def __init__(self, settings: Settings, redirect_uri: str) -> None:
        self._issuer = settings.openid_issuer
        self._client_id = settings.openid_client_id
        self._secret = settings.openid_client_secret
        self._login_claim = settings.openid_login_claim
        self._redirect_uri = redirect_uri
        self._document: _Document | None = None
        self._keys: tuple[Key, ...] = ()
        self._keys_asked_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def way_in(self, trip: RoundTrip, *, language: str, now: datetime) -> str:
        """The address at the provider to which the browser is sent. ProviderAway if there is none."""
        document = await self._described(now)
        address: str = prepare_grant_uri(
            document.authorization,
            self._client_id,
            "code",
            redirect_uri=self._redirect_uri,
            scope=_SCOPES.get(self._login_claim, "openid profile email"),
            state=trip.state,
            nonce=trip.nonce,
            code_challenge=create_s256_code_challenge(trip.verifier),
            code_challenge_method="S256",
            ui_locales=language,
        )
        return address

    async def check_issuer(self, stated: str | None, now: datetime) -> None:
        """AnswerRefused if the answer in the browser's address is of another provider (RFC 9207)."""
        document = await self._described(now)
        if stated != self._issuer and (stated is not None or document.names_itself):
            raise AnswerRefused("the answer is of another issuer")

    async def identity(self, code: str, trip: RoundTrip, now: datetime) -> tuple[ExternalIdentity, str]:
        """Who came back with that code, and the access token to ask for more, which is kept nowhere."""
        document = await self._described(now)
        tokens = await self._exchange(document, code, trip)
        access_token, id_token = tokens.get("access_token"), tokens.get("id_token")
        if not isinstance(access_token, str) or not isinstance(id_token, str):
            raise AnswerRefused("the provider gave no ID token")
        claims = check_id_token(
            id_token,
            await self._key_of(id_token, document, now),
            issuer=self._issuer,
            client_id=self._client_id,
            nonce=trip.nonce,
            access_token=access_token,
            now=now,
        )
        return ExternalIdentity(self._issuer, claims["sub"], login_of(claims, self._login_claim)), access_token

    async def with_login(self, identity: ExternalIdentity, access_token: str, now: datetime) -> ExternalIdentity:
        """The identity with the login that the provider's UserInfo says, where the ID token said none."""
        document = await self._described(now)
        if identity.login is not None or document.userinfo is None:
            return identity
        said = await self._ask("GET", document.userinfo, headers={"Authorization": f"Bearer {access_token}"})
        if said.get("sub") != identity.subject:
            raise AnswerRefused("UserInfo is about another subject")
        return ExternalIdentity(identity.issuer, identity.subject, login_of(said, self._login_claim))

    # --- document and keys ---------------------------------------------------------------------------------------

    async def _described(self, now: datetime) -> _Document:
        async with self._lock:
            known = self._document
            if known is not None and now - known.fetched_at < KEPT:
                return known
            if self._failed_at is not None and now - self._failed_at < LEFT_ALONE:
                if known is not None:
                    return known
                raise ProviderAway("The OpenID provider did not answer a moment ago.")
            try:
                self._document = await self._describe(now)
                self._failed_at = None
            except ProviderAway as error:
                self._failed_at = now
                _log.error("the OpenID provider cannot be used", reason=str(error))
                if known is None:
                    raise
            return self._document or known  # type: ignore[return-value] # one of them is there

    async def _describe(self, now: datetime) -> _Document:
        said = await self._ask("GET", get_well_known_url(self._issuer, external=True))
        if said.get("issuer") != self._issuer:
            raise ProviderAway("Its document names another issuer than IOC_OPENID_ISSUER.")
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if not {"client_secret_basic", "client_secret_post"} & set(methods):
            raise ProviderAway("It takes the client's secret in no way that is known here.")
        return _Document(
            authorization=_endpoint(said, "authorization_endpoint"),
            token=_endpoint(said, "token_endpoint"),
            keys=_endpoint(said, "jwks_uri"),
            userinfo=_endpoint(said, "userinfo_endpoint") if "userinfo_endpoint" in said else None,
            secret_in_body="client_secret_basic" not in methods,
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
            fetched_at=now,
        )

    async def _key_of(self, id_token: str, document: _Document, now: datetime) -> Key:
        """The provider's key that the token says it is signed with; AnswerRefused if it has none such."""
        header = _header(id_token)
        async with self._lock:
            age = None if self._keys_asked_at is None else now - self._keys_asked_at
            is_unknown = _choose(self._keys, header) is None
            if age is None or age >= KEPT or (is_unknown and age >= KEYS_AGAIN_AFTER):
                await self._ask_keys(document, now)
            key = _choose(self._keys, header)
        if key is None:
            raise AnswerRefused("no key of the provider fits the ID token")
        return key

    async def _ask_keys(self, document: _Document, now: datetime) -> None:
        said = await self._ask("GET", document.keys)
        self._keys_asked_at = now
        listed = said.get("keys")
        if not isinstance(listed, list):
            raise ProviderAway("It has no list of keys.")
        self._keys = tuple(key for one in listed if (key := _read_key(one)) is not None)

    # --- requests ------------------------------------------------------------------------------------------------

    async def _exchange(self, document: _Document, code: str, trip: RoundTrip) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": trip.verifier,
        }
        secret = self._secret.get_secret_value()
        if document.secret_in_body:
            form |= {"client_id": self._client_id, "client_secret": secret}
            return await self._ask("POST", document.token, data=form)
        # RFC 6749, 2.3.1: both are escaped as in a form before they are joined.
        auth = httpx.BasicAuth(quote(self._client_id, safe=""), quote(secret, safe=""))
        return await self._ask("POST", document.token, data=form, auth=auth)

    async def _ask(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        """The JSON object at that address; ProviderAway for none, AnswerRefused for a request that is refused."""
        try:
            with anyio.fail_after(LONGEST_WAIT_S):
                status, content = await _read(method, url, request)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise ProviderAway(f"{urlsplit(url).netloc} does not answer ({type(error).__name__}).") from None
        if 400 <= status < 500 and method == "POST":
            raise AnswerRefused(f"the provider does not take the code or the client's secret ({status})")
        try:
            said = json.loads(content) if status == 200 else None
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise ProviderAway(f"{urlsplit(url).netloc} answers with {status}, and not with an object of JSON.")
        return said


async def _read(method: str, url: str, request: Mapping[str, Any]) -> tuple[int, bytes]:
    async with httpx.AsyncClient(timeout=LONGEST_WAIT_S) as client, client.stream(method, url, **request) as answer:
        content = bytearray()
        async for part in answer.aiter_bytes():
            content += part
            if len(content) > _MOST_BYTES:
                raise ProviderAway(f"{urlsplit(url).netloc} answers with more than {_MOST_BYTES} bytes.")
        return answer.status_code, bytes(content)


def _endpoint(said: Mapping[str, Any], name: str) -> str:
    """An address of the provider, over https; over http only to this machine."""
    address = said.get(name)
    try:
        url = urlsplit(address if isinstance(address, str) else "")
    except ValueError:
        url = urlsplit("")
    if url.hostname and (url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK_NAMES)):
        return str(address)
    raise ProviderAway(f"Its document has no {name} over https.")


# --- the ID token ------------------------------------------------------------------------------------------------


def check_id_token(
    token: str, key: Key, *, issuer: str, client_id: str, nonce: str, access_token: str, now: datetime
) -> dict[str, Any]:
    """The claims of an ID token that proves who somebody is; AnswerRefused, by rule, for any other."""
    try:
        read = jwt.decode(token, key, algorithms=list(ALGORITHMS))
        claims = CodeIDToken(
            read.claims,
            read.header,
            options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
            params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
        )
        claims.validate(now=int(now.timestamp()), leeway=CLOCK_SKEW_S)
    except JoseError as error:
        # The kind of error and the claim's name, never what stands in it.
        claim = getattr(error, "claim", "")
        raise AnswerRefused(f"the ID token is refused: {type(error).__name__} {claim}".strip()) from None
    except (ValueError, TypeError, UnicodeError):
        raise AnswerRefused("the ID token cannot be read") from None
    subject = claims["sub"]
    if not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise AnswerRefused("the ID token has no subject of 1 to 255 characters")
    return dict(claims)


def login_of(claims: Mapping[str, Any], claim: str) -> str | None:
    """What the provider says that somebody is called here; an address of mail only where it was verified."""
    said = claims.get(claim)
    if not isinstance(said, str) or not said.strip():
        return None
    return None if claim == "email" and claims.get("email_verified") is not True else said


def _header(token: str) -> dict[str, Any]:
    try:
        return dict(jws.extract_compact(token.encode()).headers())
    except (JoseError, ValueError, TypeError):
        raise AnswerRefused("the ID token cannot be read") from None


def _read_key(said: Any) -> Key | None:
    """A public key of a kind that signs ID tokens; the others of a set are nothing to us."""
    if not isinstance(said, dict) or said.get("kty") not in ALGORITHMS.values():
        return None
    try:
        return JWKRegistry.import_key(said)
    except (JoseError, ValueError, TypeError):
        return None


def _choose(keys: Iterable[Key], header: Mapping[str, Any]) -> Key | None:
    """The key that a token's header names; without a name, the only one that fits."""
    kind, kid = ALGORITHMS.get(str(header.get("alg"))), header.get("kid")
    fitting = [
        key
        for key in keys
        if key.key_type == kind
        and key.get("use") in (None, "sig")
        and key.get("alg") in (None, header.get("alg"))
        and (kid is None or key.kid == kid)
    ]
    return fitting[0] if len(fitting) == 1 else None
