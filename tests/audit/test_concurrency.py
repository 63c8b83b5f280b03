"""Many who add entries at once, in threads and in processes of their own: no gap, no fork, no deadlock."""

import multiprocessing
import threading
from collections import Counter
from datetime import timedelta

import pytest

from ioc.model.access import Principal, Role
from ioc.model.audit import Act
from ioc.operations import access
from ioc.operations.audit_verification import verify
from ioc.operations.trail import changing
from ioc.settings import Settings
from ioc.store import audit as rows
from ioc.store.engine import Store
from tests.audit.conftest import NOW, SHELL, numbers
from tests.databases import scalar

EACH = 25


def _add(url: str, writer: int, count: int) -> None:
    """Change a row of one's own and one that all share, then enter it; every third time it fails after that."""
    store = Store.open(url)
    try:
        for number in range(count):
            try:
                with changing(store, NOW + timedelta(milliseconds=number)) as (connection, trail):
                    connection.exec_driver_sql("UPDATE writers SET n = n + 1 WHERE writer = 'all'")
                    trail.say(SHELL, Act.EXPORTED, "file", f"{writer}-{number}")
                    if number % 3 == 2:
                        raise _Changed
            except _Changed:
                continue
    finally:
        store.close()


class _Changed(Exception):
    """Somebody thought better of it."""


@pytest.mark.slow
def test_processes_that_add_at_once_make_one_chain(store: Store, url: str) -> None:
    with store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO writers VALUES ('all', 0)")
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_add, args=(url, writer, EACH)) for writer in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join(120)
    assert [one.exitcode for one in writers] == [0, 0, 0, 0]
    kept = 4 * sum(number % 3 != 2 for number in range(EACH))
    assert numbers(store) == list(range(1, kept + 1))
    assert scalar(store, "SELECT n FROM writers WHERE writer = 'all'") == kept
    assert verify(SHELL, store).broken is None


def test_threads_of_one_program_that_add_at_once_make_one_chain(store: Store, url: str) -> None:
    with store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO writers VALUES ('all', 0)")
    failed: list[BaseException] = []

    def add(writer: int) -> None:
        try:
            _add(url, writer, 12)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=add, args=(writer,)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert numbers(store) == list(range(1, 6 * 8 + 1))
    with store.reading() as connection:
        by_writer = Counter(entry.id.partition("-")[0] for entry in rows.entries_in_order(connection))
    assert set(by_writer.values()) == {8}
    assert verify(SHELL, store).broken is None


def test_operations_that_touch_the_same_people_in_other_orders_do_not_block_each_other(
    store: Store, settings: Settings, url: str
) -> None:
    """Entries come last: whoever holds the head waits for nobody."""
    with store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO provinces VALUES ('p', 'P', 'P', 'UTC', '', 0)")
        connection.exec_driver_sql("INSERT INTO centres (id, province, title_vi, title_en) VALUES ('c', 'p', 'C', 'C')")
    for login in ("mot", "hai"):
        access.add_person(SHELL, store, login=login, name=login, role=Role.VIEWER, centres=["c"], now=NOW)
    failed: list[BaseException] = []

    def make_links(who: Principal, logins: tuple[str, ...]) -> None:
        own = Store.open(url)
        try:
            for login in logins * 10:
                access.one_time_link(who, own, settings, login=login, path="/", now=NOW)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)
        finally:
            own.close()

    orders = (("mot", "hai"), ("hai", "mot")) * 2
    threads = [threading.Thread(target=make_links, args=(SHELL, order)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert numbers(store) == list(range(1, 2 + 4 * 20 + 1))
    assert verify(SHELL, store).broken is None
