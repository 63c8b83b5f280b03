"""Local days, holidays and working hours of Viet Nam: which days are worked, and arithmetic in working time.

Times are whole seconds since 1970 (UTC); Viet Nam is seven hours ahead all year. Offices work 7:30–11:30 and
13:30–17:00 on working days; the `holidays` library knows the lunar holidays and the swapped days of each
year.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import Enum
from functools import cache
from typing import Any

import holidays
import numpy as np
from numpy.typing import NDArray

LOCAL_OFFSET = 7 * 3600
DAY = 86_400
EPOCH = date(1970, 1, 1)

MORNING, NOON, AFTERNOON, EVENING = 27_000, 41_400, 48_600, 61_200  # 7:30, 11:30, 13:30, 17:00
MORNING_WORK = NOON - MORNING
WORKING_DAY = MORNING_WORK + EVENING - AFTERNOON

Whole = NDArray[np.int64]


class DayKind(Enum):
    WORKING = "working"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    HOLIDAY = "holiday"
    LUNAR_NEW_YEAR = "lunar_new_year"


def local_date(at: int) -> date:
    return EPOCH + timedelta(days=(at + LOCAL_OFFSET) // DAY)


def midnight(day: date) -> int:
    """The second at which a local day begins."""
    return (day - EPOCH).days * DAY - LOCAL_OFFSET


@cache
def _holidays(year: int) -> Any:
    return holidays.country_holidays("VN", years=year, language="en_US")


@cache
def day_kind(day: date) -> DayKind:
    """What kind of day it is; a Saturday that is worked in exchange for another day is a working day."""
    calendar = _holidays(day.year)
    if calendar.is_working_day(day):
        return DayKind.WORKING
    if "Lunar New Year" in calendar.get(day, ""):
        return DayKind.LUNAR_NEW_YEAR
    if day in calendar or day.weekday() < 5:
        return DayKind.HOLIDAY
    return DayKind.SATURDAY if day.weekday() == 5 else DayKind.SUNDAY


class WorkingTime:
    """Working seconds since the first of January of a year, and back; reaches to the end of the next year."""

    def __init__(self, year: int) -> None:
        self._first = (date(year, 1, 1) - EPOCH).days
        days = (date(year + 2, 1, 1) - EPOCH).days - self._first
        worked = np.array(
            [day_kind(date(year, 1, 1) + timedelta(days=n)) is DayKind.WORKING for n in range(days)],
            dtype=np.int64,
        )
        self._worked = worked
        self._worked_before = np.concatenate(([0], np.cumsum(worked)))[:-1]
        self._working_days = np.flatnonzero(worked) + self._first

    def worked(self, at: Whole) -> Whole:
        """Working seconds from the year's beginning to these moments."""
        day, second = np.divmod(at + LOCAL_OFFSET, DAY)
        index = day - self._first
        today = np.clip(second - MORNING, 0, MORNING_WORK) + np.clip(second - AFTERNOON, 0, EVENING - AFTERNOON)
        return np.asarray(self._worked_before[index] * WORKING_DAY + self._worked[index] * today, dtype=np.int64)

    def moment(self, worked: Whole) -> Whole:
        """The moment at which so many seconds were worked; a whole day ends at 17:00, not next morning."""
        day, second = np.divmod(worked - 1, WORKING_DAY)
        second = second + 1
        clock = np.where(second <= MORNING_WORK, MORNING + second, AFTERNOON + second - MORNING_WORK)
        return np.asarray(self._working_days[day] * DAY + clock - LOCAL_OFFSET, dtype=np.int64)


@cache
def working_time(year: int) -> WorkingTime:
    return WorkingTime(year)
