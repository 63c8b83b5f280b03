"""Decoding ahead: with a writer the next batch is decoded while the last is written, and what comes out is the same."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

import pytest

from ioc.broker.port import BATCH
from ioc.errors import StoreError
from ioc.store import writing
from ioc.streams.ingest import Ingest, Overtaken, Prepared
from tests.streams.history import ARRIVAL, Sent
from tests.streams.killing import append, check, counted
from tests.streams.long_history import long_history
from tests.streams.small_centre import SETTINGS, SmallCentre

SMALL = replace(SETTINGS, batch=7)
PATIENCE_S = 10.0


@pytest.fixture
def writer() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def _work_off(ingest: Ingest) -> None:
    while ingest.step(ARRIVAL):
        pass


def test_the_same_comes_out(centre: SmallCentre, writer: Executor) -> None:
    history = long_history(21, 300)
    append(centre.log, history)
    _work_off(centre.ingest(SMALL, writer=writer))
    check(centre, history)


@pytest.fixture
def decoding_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch is written before the next one is decoded."""
    is_decoded = threading.Semaphore(0)
    finish, commit = Ingest.finish, Ingest.commit

    def _finish(ingest: Ingest) -> None:
        if ingest._in_flight is not None:
            is_decoded.release()
        finish(ingest)

    def _commit(ingest: Ingest, prepared: Prepared, now: int) -> None:
        assert is_decoded.acquire(timeout=PATIENCE_S), "nothing was decoded meanwhile"
        commit(ingest, prepared, now)

    monkeypatch.setattr(Ingest, "finish", _finish)
    monkeypatch.setattr(Ingest, "commit", _commit)


@pytest.mark.usefixtures("decoding_first")
def test_a_batch_is_decoded_while_the_one_before_is_written(centre: SmallCentre, writer: Executor) -> None:
    history = long_history(22, 60)
    append(centre.log, history)
    ingest = centre.ingest(SMALL, writer=writer)
    assert ingest.step(ARRIVAL)
    assert counted(centre.store) == 0
    _work_off(ingest)
    check(centre, history)


def _sent_again() -> list[Sent]:
    """Each record of a sender twice, with its batch id and index, right behind one another."""
    once = [one for one in long_history(23, 60) if BATCH in one.record.headers]
    return [one for sent in once for one in (sent, sent)]


@pytest.mark.usefixtures("decoding_first")
def test_what_the_batch_in_flight_holds_is_known_as_applied(centre: SmallCentre, writer: Executor) -> None:
    history = _sent_again()
    append(centre.log, history)
    _work_off(centre.ingest(replace(SETTINGS, batch=1), writer=writer))
    check(centre, history)


@pytest.mark.usefixtures("decoding_first")
def test_if_it_were_not_known_it_would_be_seen(
    centre: SmallCentre, writer: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted bug: whoever looks only into the store counts twice."""
    history = _sent_again()
    append(centre.log, history)
    monkeypatch.setattr(Prepared, "indexes_of", lambda *_: {})
    _work_off(centre.ingest(replace(SETTINGS, batch=1), writer=writer))
    with pytest.raises(AssertionError, match="rows differ"):
        check(centre, history)


def test_what_was_decoded_beside_a_failed_batch_goes_with_it(
    centre: SmallCentre, writer: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next step says that it failed, and reading goes on where the failed batch began."""
    history = long_history(24, 120)
    append(centre.log, history)
    ingest = centre.ingest(SMALL, writer=writer)
    ingest.step(ARRIVAL)

    def _fails(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(writing, "append_change", _fails)
        with pytest.raises(StoreError, match="the disk is full"):
            _work_off(ingest)
    _work_off(ingest)
    check(centre, history)


def test_overtaken_while_it_writes_it_starts_again_from_what_is_stored(centre: SmallCentre, writer: Executor) -> None:
    history = long_history(25, 120)
    append(centre.log, history)
    one, other = centre.ingest(SMALL, writer=writer), centre.ingest(SMALL)
    other.step(ARRIVAL)
    one.step(ARRIVAL)
    with pytest.raises(Overtaken):
        one.step(ARRIVAL)
    one.start(ARRIVAL)
    _work_off(one)
    check(centre, history)


def test_another_ingest_with_the_same_writer_starts_behind_what_is_still_written(
    centre: SmallCentre, writer: Executor
) -> None:
    """As when the territory has changed: the new one takes the positions that the old one has yet to write."""
    history = long_history(26, 120)
    append(centre.log, history)
    centre.ingest(SMALL, writer=writer).step(ARRIVAL)
    _work_off(centre.ingest(SMALL, writer=writer))
    check(centre, history)
