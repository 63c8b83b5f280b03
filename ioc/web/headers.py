"""What the gate reads from a request's head and writes on every answer's head."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ioc.errors import BadRequest
from ioc.settings import Settings

# A second one of these could mean different things to a proxy and to us.
_SINGLE: Final = (b"host", b"origin", b"authorization", b"content-length", b"x-csrftoken", b"sec-fetch-site")
_NEVER_SENT: Final = (b"server", b"x-powered-by")
_NO_STORE: Final = (b"text/html", b"application/json", b"text/event-stream", b"application/x-ndjson")
_HOST: Final = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
RawHeaders = list[tuple[bytes, bytes]]


def read_head(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The headers of a request by lower-case name; BadRequest if one stands twice that must not."""
    head: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name not in head:
            head[name] = value
        elif name in _SINGLE:
            raise BadRequest(f"The header {name.decode('latin-1')} stands twice: send it once.")
        else:
            head[name] += (b"; " if name == b"cookie" else b", ") + value
    return head


def cookie(head: Mapping[bytes, bytes], name: str) -> str | None:
    """A cookie's value, or None; of two with the same name the first, which has the narrower path."""
    wanted = name.encode()
    for pair in head.get(b"cookie", b"").split(b";"):
        key, found, value = pair.strip().partition(b"=")
        if found and key == wanted:
            return value.strip(b'"').decode("latin-1") or None
    return None


class Hosts:
    """Under which names the centre may be called: that of `public_url`, and this machine's loopback names.

    A page of another name that resolves to this machine (DNS rebinding) is refused, and so is a change that a page
    of another origin sends.
    """

    def __init__(self, settings: Settings) -> None:
        public = urlsplit(settings.public_url)
        self._public_origin = f"{public.scheme}://{_without_default_port(public.netloc, public.scheme)}"
        self._scheme = public.scheme
        self._public_host = _without_default_port(public.netloc, public.scheme)
        self._listens = f"{settings.host}:{settings.port}".lower()

    def check_host(self, head: Mapping[bytes, bytes]) -> str:
        """The host by which the request calls us; BadRequest if it is not ours."""
        host = _without_default_port(head.get(b"host", b"").decode("latin-1"), self._scheme)
        if host in (self._public_host, self._listens) or _name_of(host) in _LOOPBACK:
            return host
        raise BadRequest("This centre does not answer to that host name: call it by IOC_PUBLIC_URL.")

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether an `Origin` is a page of ours, given the host that the request itself calls."""
        if origin == "null":
            return False
        scheme, found, netloc = origin.lower().partition("://")
        if not found or scheme not in ("http", "https"):
            return False
        bare = _without_default_port(netloc, scheme)
        return f"{scheme}://{bare}" == self._public_origin or bare == host

    def comes_from_own_page(self, head: Mapping[bytes, bytes], host: str) -> bool:
        """Whether a change was sent by a page of ours; what says nothing about where it comes from was not.

        A form on a page with `Referrer-Policy: no-referrer` sends `Origin: null`; then `Sec-Fetch-Site`, which no
        script can set, decides.
        """
        site = head.get(b"sec-fetch-site")
        origin = head.get(b"origin")
        if site is not None and site != b"same-origin":
            return False
        if origin is None or origin == b"null":
            return site == b"same-origin"
        return self.is_own_origin(origin.decode("latin-1"), host)


def _without_default_port(netloc: str, scheme: str) -> str:
    return netloc.lower().removesuffix(":443" if scheme == "https" else ":80")


def _name_of(host: str) -> str:
    match = _HOST.fullmatch(host)
    return match[1] if match else ""


class AnswerHeaders:
    """The headers that every answer carries, made once: what a page may load, and what others may do with it."""

    def __init__(self, script_hashes: Iterable[str] = (), *, over_tls: bool = False) -> None:
        scripts = " ".join(["'self'", *(f"'{one.strip(chr(39))}'" for one in script_hashes)])
        policy = (
            "default-src 'self'",
            f"script-src {scripts}",
            "style-src 'self' 'unsafe-inline'",  # Dash and plotly set styles on elements
            "img-src 'self' data: blob:",
            "worker-src 'self' blob:",  # MapLibre makes its worker from a blob
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "object-src 'none'",
        )
        fixed = {
            "content-security-policy": "; ".join(policy),
            "x-content-type-options": "nosniff",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        }
        if over_tls:
            fixed["strict-transport-security"] = "max-age=31536000"
        self._fixed = [(name.encode(), value.encode()) for name, value in fixed.items()]
        self._replaced = frozenset(name for name, _ in self._fixed) | frozenset(_NEVER_SENT)

    def complete(self, headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        """The answer's own headers with ours; pages, data and streams are never stored, files are asked for anew."""
        kept: RawHeaders = []
        content_type = cached = referrer = b""
        redirects = False
        for name, value in headers:
            lower = name.lower()
            if lower in self._replaced:
                continue
            if lower == b"content-type":
                content_type = value
            elif lower == b"cache-control":
                cached = value
                continue
            elif lower == b"referrer-policy":
                referrer = value
                continue
            elif lower == b"location":
                redirects = True
            kept.append((lower, value))
        if redirects or content_type.startswith(_NO_STORE):
            cached = b"no-store"
        kept.append((b"cache-control", cached or b"no-cache"))
        kept.append((b"referrer-policy", referrer or b"no-referrer"))
        return kept + self._fixed
