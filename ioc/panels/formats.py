"""Numbers, durations and moments as people here read them: 1.586 and 84,0 % in Vietnamese, 1,586 and 84.0% in English.

The browser formats the same way with Intl (assets/formats.js); a test compares both. The minus is U+2212, and a
no-break space keeps a number with its unit. Moments are shown in the time of the province.
"""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from zoneinfo import ZoneInfo

from ioc.panels.words import Language, Words, unit_word

ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
DASH: Final = "–"
_VIETNAMESE: Final = str.maketrans(",.", ".,")


def number(value: float, decimals: int, language: Language) -> str:
    """The number with exactly `decimals` places, halves rounded away from zero as Intl does."""
    text = f"{_decimal(value, decimals):,f}"
    return (text.translate(_VIETNAMESE) if language == "vi" else text).replace("-", "\u2212")


def rounded(value: float, decimals: int) -> float:
    """The number as it is shown."""
    return float(_decimal(value, decimals))


def _decimal(value: float, decimals: int) -> Decimal:
    # Through repr, because Intl too starts from the shortest decimal that names the float.
    exact = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return abs(exact) if exact == 0 else exact


def quantity(value: float, decimals: int, unit: str, words: Words, language: Language) -> str:
    """The number with its unit, which never breaks from it; English sets no space before the per cent sign."""
    text = number(value, decimals, language)
    if not unit:
        return text
    space = "" if unit == "%" and language == "en" else "\u00a0"
    return f"{text}{space}{unit_word(words, unit)}"


def duration(seconds: float, words: Words, *, exact: bool = True) -> str:
    """An age in the steps that help: seconds matter for ten minutes (not at all unless `exact`), minutes for a day."""
    whole = max(0, int(seconds))
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    if whole < 60:
        return words.seconds.format(s=s)
    if whole < 600:
        return words.minutes_seconds.format(m=m, s=s) if s and exact else words.minutes.format(m=m)
    if whole < 3600:
        return words.minutes.format(m=m)
    if whole < 86_400:
        return words.hours_minutes.format(h=hours, mm=f"{m:02}") if m else words.hours.format(h=hours)
    return words.days.format(d=hours // 24)


def moment(text: str) -> datetime:
    """An ISO 8601 time of the document in local time."""
    return datetime.fromisoformat(text).astimezone(ZONE)


def clock(at: datetime, now: datetime) -> str:
    """Hour and minute of today, the day of this year, the date of any other."""
    local, today = at.astimezone(ZONE), now.astimezone(ZONE)
    if local.date() == today.date():
        return f"{local.hour}:{local.minute:02}"
    day = f"{local.day}/{local.month}"
    return day if local.year == today.year else f"{day}/{local.year}"


def long_date(at: datetime, words: Words) -> str:
    local = at.astimezone(ZONE)
    return f"{words.weekdays[local.weekday()]} {local.day}/{local.month}/{local.year}"
