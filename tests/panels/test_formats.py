"""Numbers and times as they are read here."""

from datetime import UTC, datetime

import pytest

from ioc.panels.formats import clock, duration, long_date, number, quantity
from ioc.panels.words import EN, VI, Language

NOW = datetime(2026, 11, 20, 10, 42, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "decimals", "vietnamese", "english"),
    [
        (1586, 0, "1.586", "1,586"),
        (84, 1, "84,0", "84.0"),
        (-4.9, 1, "−4,9", "−4.9"),
        (-0.04, 1, "0,0", "0.0"),
        (2.5, 0, "3", "3"),
        (1.005, 2, "1,01", "1.01"),
        (1234567.25, 1, "1.234.567,3", "1,234,567.3"),
    ],
)
def test_numbers_follow_the_language(value: float, decimals: int, vietnamese: str, english: str) -> None:
    assert number(value, decimals, "vi") == vietnamese
    assert number(value, decimals, "en") == english


def test_a_unit_never_breaks_from_its_number() -> None:
    assert quantity(84, 1, "%", VI, "vi") == "84,0\u00a0%"
    assert quantity(84, 1, "%", EN, "en") == "84.0%"
    assert quantity(27.4, 1, "km/h", EN, "en") == "27.4\u00a0km/h"
    assert quantity(9, 0, VI.unit_segments, EN, "en") == "9\u00a0segments"
    assert quantity(9, 0, "", VI, "vi") == "9"


@pytest.mark.parametrize(
    ("seconds", "vietnamese", "english"),
    [
        (0, "0\u00a0giây", "0\u00a0s"),
        (59.9, "59\u00a0giây", "59\u00a0s"),
        (60, "1\u00a0phút", "1\u00a0min"),
        (160, "2\u00a0phút 40\u00a0giây", "2\u00a0min 40\u00a0s"),
        (47 * 60 + 12, "47\u00a0phút", "47\u00a0min"),
        (3600, "1\u00a0giờ", "1\u00a0h"),
        (5100, "1\u00a0giờ\u00a025", "1\u00a0h\u00a025"),
        (3 * 86400 + 5, "3\u00a0ngày", "3\u00a0days"),
        (-3, "0\u00a0giây", "0\u00a0s"),
    ],
)
def test_durations_say_what_helps_at_that_age(seconds: float, vietnamese: str, english: str) -> None:
    assert duration(seconds, VI) == vietnamese
    assert duration(seconds, EN) == english


def test_moments_are_local_and_name_the_day_once_it_is_another() -> None:
    assert clock(datetime(2026, 11, 20, 9, 55, tzinfo=UTC), NOW) == "16:55"
    assert clock(datetime(2026, 11, 19, 16, 59, tzinfo=UTC), NOW) == "19/11"
    assert clock(datetime(2025, 11, 19, 5, 0, tzinfo=UTC), NOW) == "19/11/2025"
    assert clock(datetime(2026, 11, 19, 17, 1, tzinfo=UTC), NOW) == "0:01"


@pytest.mark.parametrize(("language", "text"), [("vi", "Thứ Sáu 20/11/2026"), ("en", "Friday 20/11/2026")])
def test_the_date_carries_its_weekday(language: Language, text: str) -> None:
    assert long_date(NOW, VI if language == "vi" else EN) == text
