"""In which language and colours a page is read, and how moments and days are written in it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal

from starlette.requests import Request

from ioc.model.series import Text
from ioc.panels.formats import ZONE
from ioc.web.administration.words import WORDS
from ioc.web.plain_pages import LANGUAGE_COOKIE

THEME_COOKIE: Final = "ioc_theme"
Language = Literal["vi", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("vi", "en")
Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
_YEAR: Final = 31_536_000


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the page, as far as words and colours go."""

    language: Language
    theme: Theme

    def say(self, word: str, **fills: str | int) -> str:
        return self.text(WORDS[word]).format(**fills)

    def text(self, text: Text) -> str:
        return text.in_language(self.language)

    def count(self, word: str, n: int) -> str:
        """`word` with its number; languages that tell one from several do."""
        return self.say(f"{word}_one") if n == 1 else self.say(word, n=n)

    def moment(self, at: int | None) -> str:
        """A UTC millisecond in local time."""
        if at is None:
            return self.say("never")
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZONE)
        return f"{self.day(local.date())}, {local.hour}:{local.minute:02}"

    def day(self, day: date) -> str:
        return f"{day.day}/{day.month}/{day.year}"


def reader_of(request: Request, of_person: str) -> Reader:
    """What the address asks for, else what was chosen before, else the person's language, and light."""
    asked = (request.query_params.get("theme"), request.cookies.get(THEME_COOKIE))
    theme = next((one for choice in asked for one in THEMES if one == choice), THEMES[0])
    spoken = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), of_person)
    language = next((one for choice in spoken for one in LANGUAGES if one == choice), LANGUAGES[0])
    return Reader(language, theme)


def chosen_cookies(request: Request, reader: Reader, *, secure: bool) -> list[tuple[str, str]]:
    """`set-cookie` headers that keep what the address asked for."""
    flags = f"Path=/; Max-Age={_YEAR}; SameSite=Lax; HttpOnly" + ("; Secure" if secure else "")
    chosen = (("lang", LANGUAGE_COOKIE, reader.language), ("theme", THEME_COOKIE, reader.theme))
    return [
        ("set-cookie", f"{cookie}={value}; {flags}") for name, cookie, value in chosen if name in request.query_params
    ]
