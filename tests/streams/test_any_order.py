"""The same history in any order, cut into any batches, rolled up at any time, comes to what plain loops come to."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ioc.jobs.newest import keep_newest_above
from ioc.jobs.rollups import roll_up
from tests.streams.history import ARRIVAL, DAY, HOUR, MINUTE, Sent, batches, histories, shuffled
from tests.streams.oracle import LEVELS, above, expected
from tests.streams.small_centre import MIDNIGHT, SmallCentre, copy_centre, rebuilt_above
from tests.streams.stored import assert_same, stored

NOW = ARRIVAL + DAY
KEPT_FROM = (MIDNIGHT - MINUTE, MIDNIGHT - 2 * HOUR, MIDNIGHT - DAY, MIDNIGHT - 60 * DAY)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # each try costs a store: shrinking would take minutes
KEEPING = st.sampled_from([(0, 0, 0, 0), KEPT_FROM])


@contextmanager
def _new_centre(template: Path, kept_from: Sequence[int]) -> Iterator[SmallCentre]:
    with tempfile.TemporaryDirectory() as folder:
        centre = copy_centre(template, Path(folder) / "centre", kept_from)
        try:
            yield centre
        finally:
            centre.drop()


def _check(template: Path, history: list[Sent], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(history))))
    given_as = shuffled(history, order)
    cuts = data.draw(st.lists(st.booleans(), min_size=len(history), max_size=len(history)))
    rolled_after = data.draw(st.sets(st.integers(0, len(history)), max_size=4))
    kept_from = data.draw(KEEPING)
    with _new_centre(template, kept_from) as centre:
        ingest = centre.ingest()
        for number, batch in enumerate(batches(given_as, cuts)):
            ingest.apply(batch, ARRIVAL)
            if number in rolled_after:
                roll_up(centre.store, centre.rules)
        roll_up(centre.store, centre.rules)
        keep_newest_above(centre.store, centre.rules, NOW)
        found, wanted = stored(centre.store), expected(history, kept_from)
        assert_same(found, wanted)
        assert found.latest == wanted.latest
        for level in LEVELS:
            _assert_rebuilt(centre, level)


def _assert_rebuilt(centre: SmallCentre, level: str) -> None:
    """Rows of units and centres of additive series are what the assets' rows of that level fold into."""
    numbers = [number for number, series in centre.rules.series.items() if series.adds_upward]
    assets = {int(one) for one in centre.rules.assets} | {centre.registry.places["a5"]}
    with centre.store.reading() as connection:
        rows = {tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM windows_{level}").fetchall()}
    assert rebuilt_above(centre, level) == {row for row in rows if row[0] in numbers and row[1] not in assets}


@given(history=histories(), data=st.data())
@settings(max_examples=15, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
def test_any_order_and_any_cut_come_to_the_same(template: Path, history: list[Sent], data: st.DataObject) -> None:
    _check(template, history, data)


@pytest.mark.slow
@given(history=histories(most=120), data=st.data())
@settings(
    max_examples=3_000 if os.environ.get("IOC_PROVE") else 120,
    deadline=None,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)
def test_long_histories_too(template: Path, history: list[Sent], data: st.DataObject) -> None:
    _check(template, history, data)


def test_the_tables_of_the_oracle_and_of_the_product_tell_of_the_same_territory(centre: SmallCentre) -> None:
    numbers, ancestry = centre.registry.places, centre.places.ancestry
    names = {number: name for name, number in numbers.items()}
    for asset in ("a1", "a2", "a3", "a4", "a5", "a6", "o1", "o2", "o3"):
        for at in (MIDNIGHT - 2 * DAY, MIDNIGHT - DAY, MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + DAY - 1, MIDNIGHT + DAY):
            (chain,) = ancestry.chains(np.array([numbers[asset]]), np.array([at])).tolist()
            places = [] if chain < 0 else ancestry.above[ancestry.first[chain] : ancestry.first[chain + 1]].tolist()
            assert {names[place] for place in places} == set(above(asset, at))
