"""The two kinds of transaction, and what is said when the store cannot be used."""

import resource
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from ioc.errors import StoreError
from ioc.store.engine import Connection, Store


@pytest.fixture
def numbers(store: Store) -> Store:
    with store.writing() as connection:
        connection.execute(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY, body TEXT)"))
    return store


def _put(connection: Connection, n: int) -> None:
    connection.execute(text("INSERT INTO numbers (n) VALUES (:n)"), {"n": n})


def _all(connection: Connection) -> list[int]:
    return [n for (n,) in connection.execute(text("SELECT n FROM numbers ORDER BY n")).fetchall()]


def test_a_writer_does_not_hold_up_readers(numbers: Store) -> None:
    with numbers.writing() as writing:
        _put(writing, 1)
        with numbers.reading() as reading:
            assert _all(reading) == []
    with numbers.reading() as reading:
        assert _all(reading) == [1]


def test_a_reader_sees_one_moment_and_does_not_hold_up_writers(numbers: Store) -> None:
    with numbers.reading() as reading:
        assert _all(reading) == []
        with numbers.writing() as writing:
            _put(writing, 1)
        assert _all(reading) == []
    with numbers.reading() as reading:
        assert _all(reading) == [1]


def test_a_transaction_that_fails_leaves_nothing(numbers: Store) -> None:
    def _fail() -> None:
        with numbers.writing() as writing:
            _put(writing, 1)
            raise KeyError("something else went wrong")

    with pytest.raises(KeyError):
        _fail()
    with numbers.reading() as reading:
        assert _all(reading) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_writers_take_turns_and_none_is_refused(numbers: Store, url: str) -> None:
    """Several programs read first and write then, which with half-way locks fails at once."""
    failed: list[BaseException] = []

    def _count() -> None:
        own = Store.open(url)
        try:
            for _ in range(25):
                with own.writing() as connection:
                    _put(connection, max(_all(connection), default=0) + 1)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)
        own.close()

    threads = [threading.Thread(target=_count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with numbers.reading() as reading:
        assert _all(reading) == list(range(1, 101))


def test_what_the_database_refuses_is_a_store_error(numbers: Store) -> None:
    with numbers.writing() as writing:
        _put(writing, 1)
    with pytest.raises(StoreError, match=r"(?i)unique"), numbers.writing() as writing:
        _put(writing, 1)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_full_disk_refuses_the_transaction_and_nothing_else(numbers: Store) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(StoreError, match="disk"), numbers.writing() as writing:
            writing.exec_driver_sql("INSERT INTO numbers (body) VALUES (?)", [("x" * 1_000,)] * 1_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with numbers.writing() as writing:
        assert _all(writing) == []
        _put(writing, 1)


@pytest.mark.parametrize("url", ["nonsense", "", "sqlite//missing-colon"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="IOC_STORE"):
        Store.open(url)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere.*IOC_DATA"):
        Store.open(f"sqlite:///{tmp_path / 'nowhere' / 'ioc.db'}")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(b"Dear operator, this is no database at all. " * 50)
    before = path.read_bytes()
    store = Store.open(f"sqlite:///{path}")
    with pytest.raises(StoreError), store.reading():
        pass
    store.close()
    assert path.read_bytes() == before
