"""Whatever bytes come in, a feed gives a fact that can be kept, or an InvalidMessage; nothing else comes out."""

import os
from random import Random

import pytest

from ioc.errors import InvalidMessage
from ioc.feeds.judging import judged, messages_of
from ioc.model.facts import CaseReport, Fact, Figure, Measurement
from tests.feeds.messages import EVERY_FEED, KNOWN, LIMITS, NOW
from tests.feeds.mutations import mutated, seeds_of
from tests.streams.small_centre import AIR

FEEDS = {**EVERY_FEED, "air": AIR}
MUTATIONS = 10_000_000 if os.environ.get("IOC_PROVE") else 200_000


def _assert_can_be_kept(fact: Fact) -> None:
    """Integers of 64 bits, and texts that any database keeps."""
    values: list[object]
    if isinstance(fact, Measurement):
        values = [fact.asset, fact.at, fact.as_of, *(number for _, *numbers in fact.readings for number in numbers)]
    elif isinstance(fact, CaseReport):
        values = [fact.case, fact.modified, *fact.happened, *fact.fields, *fact.fields.values()]
    else:
        assert isinstance(fact, Figure)
        numbers = (fact.as_of, fact.value, fact.numerator, fact.denominator)
        values = [fact.unit, *numbers, fact.qualifier, fact.source]
    for value in values:
        assert value is None or isinstance(value, int | str)
        if isinstance(value, int):
            assert abs(value) < 2**62
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()


@pytest.mark.slow
@pytest.mark.timeout(0 if os.environ.get("IOC_PROVE") else 300)
@pytest.mark.parametrize("name", FEEDS)
def test_mutated_messages_come_to_a_fact_or_to_a_sentence(name: str) -> None:
    feed, random = FEEDS[name], Random(f"{name} 1")
    seeds = seeds_of(name)
    taken = refused = 0
    for _ in range(MUTATIONS // len(FEEDS)):
        message = mutated(random, seeds)
        try:
            for one in messages_of(message, LIMITS):
                _assert_can_be_kept(judged(feed, one, NOW, KNOWN, LIMITS))
                taken += 1
        except InvalidMessage as error:
            refused += 1
            for sentence in (str(error), error.rule):
                assert sentence
                assert "\0" not in sentence
                sentence.encode()
    # Some are still good, and most are not: else nothing but the parser was tried, or nothing at all.
    assert taken > MUTATIONS // len(FEEDS) // 50
    assert refused > MUTATIONS // len(FEEDS) // 4
