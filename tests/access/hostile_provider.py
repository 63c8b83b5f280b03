"""An OpenID provider that does what a good one never does: it signs what it is told to, with any key, and lies.

It has no form: a test makes the callback itself. Everything else goes over HTTP on loopback, as with any provider.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

CLIENT = "ioc"
SECRET = "a secret of at least sixteen characters"


@cache
def rsa_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid})


@cache
def ec_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid})


@dataclass
class HostileProvider:
    """What it says; a test changes one thing and sees that nobody gets in."""

    issuer: str
    now: Callable[[], datetime]
    published: list[dict[str, Any]] = field(default_factory=lambda: [rsa_key("first").as_dict(private=False)])
    signed_with: Key = field(default_factory=lambda: rsa_key("first"))
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "first"})
    nonce: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    token: str | None = None
    document: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def id_token(self) -> str:
        if self.token is not None:
            return self.token
        at = int(self.now().timestamp())
        usual = {"iss": self.issuer, "sub": "s-lan", "aud": CLIENT, "exp": at + 60, "iat": at, "nonce": self.nonce}
        claims = {**usual, "preferred_username": "lan", **self.claims}
        kept = {name: value for name, value in claims.items() if name not in self.dropped}
        return jwt.encode(self.header, kept, self.signed_with, algorithms=[self.header["alg"]])

    def answer(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            usual = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/me",
            }
            return {**usual, **self.document}
        if path == "/token":
            return {"access_token": "an access token", "token_type": "Bearer", "id_token": self.id_token()}
        return {"/jwks": {"keys": self.published}, "/me": self.userinfo}[path]


def unsigned(claims: dict[str, Any]) -> str:
    """A token that says of itself that it needs no signature."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts)
    return ".".join((*encoded, ""))


@contextmanager
def hostile_provider(now: Callable[[], datetime]) -> Iterator[HostileProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.authorizations.append(self.headers.get("Authorization", ""))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            content = json.dumps(provider.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_arguments: object) -> None:
            """It has nothing to say on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = HostileProvider(f"http://127.0.0.1:{server.server_port}", now)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()
