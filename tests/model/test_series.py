"""Numbers of a series: those that are none, or too large for anything, are refused with a sentence."""

import math

import pytest

from ioc.errors import InvalidMessage
from tests.streams.small_centre import ONLINE


@pytest.mark.parametrize("value", [0, 1_000_000, 0.4])
def test_a_number_within_the_range_is_taken(value: float) -> None:
    assert ONLINE.scaled(value) == round(value)


@pytest.mark.parametrize("value", [-1, 1_000_001, math.nan, math.inf, -math.inf, 10**400, -(10**4_299)])
def test_any_other_number_is_refused(value: float) -> None:
    with pytest.raises(InvalidMessage, match="send a number from 0 to 1e\\+06") as refused:
        ONLINE.scaled(value)
    assert len(str(refused.value)) < 120
