"""Mutated messages under mutated headers, through whole batches of ingest: none of them fails a batch."""

import os
from collections import Counter
from random import Random

import pytest

from ioc.broker.port import Record, partition_of
from ioc.errors import InvalidMessage
from ioc.feeds.judging import judged
from tests.databases import scalar
from tests.feeds.messages import KNOWN, LIMITS, NOW
from tests.feeds.mutations import MESSAGES, mutated, mutated_headers, seeds_of
from tests.streams.killing import counted
from tests.streams.small_centre import ALL_FEEDS, PARTITIONS, SmallCentre

PROVE = bool(os.environ.get("IOC_PROVE"))
TRIED = 200_000 if PROVE else 10_000
SAME = 25
"""Of those that are refused for one reason, so many are enough."""


def _chosen(name: str) -> list[bytes]:
    """Of many mutated messages those that are taken, and some for each reason of refusing."""
    random, seen = Random(f"{name} 2"), Counter[str]()
    chosen = []
    for _ in range(TRIED):
        message = mutated(random, seeds_of(name))
        try:
            judged(ALL_FEEDS[name], message, NOW, KNOWN, LIMITS)
        except InvalidMessage as error:
            seen[error.rule] += 1
            if seen[error.rule] > SAME:
                continue
        chosen.append(message)
    assert len(seen) > 5, "they are refused for many reasons"
    return chosen


@pytest.mark.slow
@pytest.mark.parametrize("name", MESSAGES)
def test_no_batch_fails(centre: SmallCentre, name: str) -> None:
    random, topic = Random(f"{name} 3"), ALL_FEEDS[name].topic
    records = [Record(b"k", message, mutated_headers(random)) for message in _chosen(name)]
    centre.broker.append(topic, records, NOW)
    ingest = centre.ingest()
    while ingest.step(NOW):
        pass
    number = partition_of(b"k", PARTITIONS)
    stood = scalar(centre.store, f"SELECT next_offset FROM positions WHERE topic = '{topic}' AND partition = {number}")
    assert stood == len(records)
    assert counted(centre.store) >= len(records)  # of an array each message counts
    assert scalar(centre.store, "SELECT coalesce(sum(accepted), 0) FROM source_counts") > 0
    assert scalar(centre.store, "SELECT sum(rejected) FROM source_counts") > 0
