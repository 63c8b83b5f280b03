"""The embedded log: what was not applied yet is not forgotten, and what is read at once fits into memory."""

from dataclasses import replace

import pytest

from ioc.broker.port import MOST_READ_BYTES, Partition, Record
from ioc.feeds.judging import Limits
from ioc.jobs.forgetting import KeepingRules, forget
from ioc.model.windows import DAY, HOUR, MINUTE, Keeping
from tests.feeds.messages import GOOD, NOW
from tests.streams.small_centre import SETTINGS, SmallCentre
from tests.streams.stored import count, stored

RULES = KeepingRules(Keeping((60 * DAY, 60 * DAY, 90 * DAY, 730 * DAY)), HOUR, 7 * DAY, 48 * HOUR, 0)
LATER = NOW + 30 * DAY


def _send(centre: SmallCentre, many: int) -> None:
    centre.broker.append("ioc.traffic", [Record(b"k", GOOD["traffic"], {})] * many, NOW)


def _vehicles(centre: SmallCentre) -> int:
    windows = stored(centre.store).windows["10s"].items()
    return sum(row[2] for key, row in windows if key[:2] == ("traffic.intensity", "a1"))


def test_what_ingest_has_not_applied_stays_however_old_it_is(centre: SmallCentre) -> None:
    _send(centre, 10)
    assert "log" not in forget(centre.store, centre.broker, RULES, LATER), "ingest has never run"
    ingest = centre.ingest(replace(SETTINGS, batch=4))
    applied = ingest.step(NOW)
    assert 0 < applied < 10
    assert forget(centre.store, centre.broker, RULES, LATER)["log"] == applied
    while ingest.step(LATER):
        pass
    assert _vehicles(centre) == 42 * 10
    assert count(centre.store, "gaps") == 0
    assert forget(centre.store, centre.broker, RULES, LATER)["log"] == 10 - applied


def test_the_other_topics_and_the_young_records_are_kept_as_before(centre: SmallCentre) -> None:
    _send(centre, 10)
    centre.broker.ensure_topic("elsewhere", 1)
    centre.broker.append("elsewhere", [Record(b"k", b"v", {})], NOW)
    held = dict.fromkeys(centre.broker.partitions("ioc.traffic"), 5)
    assert centre.broker.forget_before(NOW, applied=held) == 0
    assert centre.broker.forget_before(NOW + 1, applied=held) == 5 + 1
    assert centre.broker.forget_before(NOW + 1, applied=held) == 0


@pytest.mark.slow
def test_the_largest_messages_are_read_in_portions_and_none_is_left_out(centre: SmallCentre) -> None:
    partition = Partition("elsewhere", 0)
    centre.broker.ensure_topic("elsewhere", 1)
    size = MOST_READ_BYTES // 3
    centre.broker.append("elsewhere", [Record(b"k", bytes(size), {})] * 7, NOW)
    portions, offset = [], 0
    while records := centre.broker.read(partition, offset, 20_000):
        portions.append(len(records))
        offset = records[-1].offset + 1
    assert portions == [4, 3]
    assert all((many - 1) * size < MOST_READ_BYTES for many in portions)
    assert len(centre.broker.read(partition, 0, 2)) == 2


@pytest.mark.slow
def test_ingest_takes_messages_of_any_size_in_and_counts_what_is_too_large(centre: SmallCentre) -> None:
    large = GOOD["traffic"][:-1] + b', "note": "' + b"x" * 1_000_000 + b'"}'
    centre.broker.append("ioc.traffic", [Record(b"k", large, {})] * 40, NOW)
    centre.broker.append("ioc.traffic", [Record(b"k", large * 2, {})] * 20, NOW)
    ingest = centre.ingest(replace(SETTINGS, limits=Limits(1_048_576, 5 * MINUTE)))
    steps = []
    while applied := ingest.step(NOW):
        steps.append(applied)
    assert sum(steps) == 60
    assert max(steps) <= MOST_READ_BYTES // len(large) + 1
    assert _vehicles(centre) == 42 * 40
    assert count(centre.store, "dead_letters WHERE kind = 'too_large'") == 3
