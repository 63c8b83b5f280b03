"""The cookies of the door: their names, how long they live, and that no other site's page makes a browser send them."""

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

CSRF_COOKIE: Final = "ioc_csrf"
SCREEN_LIFE_S: Final = 400 * 86_400
"""The longest that browsers keep a cookie. When a screen's token ends, the store decides."""


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

    @property
    def screen(self) -> str:
        return "__Host-ioc_screen" if self.secure else "ioc_screen"

    def screen_headers(self, token: str, csrf: str) -> tuple[str, str]:
        """What a paired browser keeps; the page sets it again each time, so that it outlives any cookie."""
        flags = self._flags(SCREEN_LIFE_S)
        return f"{self.screen}={token}; HttpOnly; {flags}", f"{CSRF_COOKIE}={csrf}; {flags}"

    def csrf_header(self, csrf: str) -> str:
        return f"{CSRF_COOKIE}={csrf}; {self._flags(self.life_s)}"

    def set_on(self, response: Response, token: str, csrf: str) -> None:
        """Let the browser keep a session that has just begun."""
        response.headers.append("set-cookie", self.session_header(token))
        response.headers.append("set-cookie", self.csrf_header(csrf))

    def remove_on(self, response: Response) -> None:
        response.headers.append("set-cookie", f"{self.session}=; HttpOnly; {self._flags(0)}")
        response.headers.append("set-cookie", f"{CSRF_COOKIE}=; {self._flags(0)}")

    def _flags(self, life_s: int) -> str:
        return f"Path=/; Max-Age={life_s}; SameSite=Strict" + ("; Secure" if self.secure else "")
