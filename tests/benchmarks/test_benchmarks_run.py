"""The benchmarks run, in sizes that say nothing about speed; and their arithmetic is right."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import messages, territory
from benchmarks.report import Figure, Report, measured, percentile, show
from ioc.broker.port import BATCH, INDEX
from ioc.feeds import traffic
from ioc.feeds.judging import Limits, messages_of
from ioc.model.facts import Measurement
from ioc.model.province_files import read_province

MARKS = {
    "latency": [pytest.mark.chromium],
    "production": [pytest.mark.kafka, pytest.mark.postgres],
    "charts": [pytest.mark.postgres],
    "memory": [pytest.mark.kafka, pytest.mark.postgres],
}
NAMES = [pytest.param(name, marks=MARKS.get(name, ())) for name in command.NAMES]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_runs_and_reports_what_it_did(name: str) -> None:
    report = command.run(name, tiny=True)
    assert report.name == name
    assert report.workload
    assert all(figure.title and figure.value for figure in report.figures)
    out = io.StringIO()
    show(report, Console(file=out, width=160))
    assert all(figure.value in out.getvalue() for figure in report.figures)


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.skipif(not os.environ.get("IOC_PROVE"), reason="100 million observations take minutes: make prove")
def test_the_memory_of_ingest_stays_flat() -> None:
    report = command.run("memory", tiny=False)
    verdicts = [figure.is_met for figure in report.figures if figure.is_met is not None]
    assert verdicts == [True], [figure.value for figure in report.figures]


@pytest.mark.parametrize("size", [territory.FULL, territory.TINY])
def test_the_province_is_as_large_as_it_says(tmp_path: Path, size: territory.Size) -> None:
    territory.write_province(tmp_path / "bench", size)
    province = read_province(tmp_path / "bench").territory
    assert (len(province.units), len(province.assets)) == (size.units, size.assets)
    assert len(province.levels) == size.levels
    assert len(province.memberships_intervals(territory.segment(0))[0][2]) == size.levels + 2


def test_a_message_gives_as_many_numbers_as_the_figures_count() -> None:
    fact = traffic.FEED.decode(messages.message(7, 1_700_000_000_000, 1_700_000_002_000))
    assert isinstance(fact, Measurement)
    assert (fact.asset, fact.at, fact.as_of) == (territory.segment(7), 1_700_000_000_000, 1_700_000_002_000)
    assert len(fact.readings) == messages.READINGS


def test_messages_state_as_many_numbers_as_they_are_called_after() -> None:
    limits = Limits(message_bytes=1_048_576, future=0)
    for body, stated in ((messages.one_number, 1), (messages.hundred_numbers, 100)):
        several = messages_of(body(7, 1_700_000_000_000, 1_700_000_002_000), limits)
        facts = [traffic.FEED.decode(one) for one in several]
        assert {fact.asset for fact in facts if isinstance(fact, Measurement)} == {territory.segment(7)}
        numbers = sum(len(fact.readings) - 1 for fact in facts if isinstance(fact, Measurement))
        assert numbers == stated, "and each message implies that nothing is congested"


@pytest.mark.parametrize("per_row", [1, 5])
def test_all_values_of_a_row_stand_together(per_row: int) -> None:
    told = list(messages.in_order(100, 3, per_row, 1_700_000_000_000))
    rows = [(asset, start // messages.WINDOW_MS) for asset, start, _ in told]
    assert rows == sorted(rows, key=lambda row: row[1])
    assert [row for number, row in enumerate(rows) if number % per_row == 0] == list(dict.fromkeys(rows))
    assert len(rows) == 300 * per_row


def test_requests_carry_a_batch_id_and_an_index() -> None:
    requests = list(messages.records(messages.in_order(1_500, 1, 2, 1_700_000_000_000), "x"))
    assert [len(request) for request in requests] == [2_000, 1_000]
    assert {one.headers[BATCH] for one in requests[1]} == {"x-1"}
    assert [one.headers[INDEX] for one in requests[1]] == [str(index) for index in range(1_000)]


def test_percentiles_and_medians_are_of_measured_values() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 0.95), percentile(values, 0.5), percentile([3.0], 0.95)) == (95.0, 50.0, 3.0)
    assert measured("x", [3.0, 1.0, 2.0], "s", 1) == Figure("x", "2.0 s", "1.0 – 3.0")


def test_a_missed_goal_is_said() -> None:
    report = Report("x", (), [Figure("a", "1", goal="≥ 2", is_met=False), Figure("b", "3", goal="≥ 2", is_met=True)])
    for with_verdict in (True, False):
        out = io.StringIO()
        show(report, Console(file=out, width=160), with_verdict=with_verdict)
        assert ("MISSED" in out.getvalue(), "reached" in out.getvalue()) == (with_verdict, with_verdict)
