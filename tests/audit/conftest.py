"""A store with an audit trail, on both databases, and what tests do to it behind its back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ioc.model.access import ROLE_PERMISSIONS, Kind, Principal, Role, system_principal
from ioc.model.audit import Act, Said
from ioc.settings import Settings
from ioc.store import audit as rows
from ioc.store import migrations
from ioc.store.engine import Store
from tests.databases import copy_database, drop_database, new_database

NOW = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
SHELL = system_principal("shell")


def administrator(*centres: str) -> Principal:
    return Principal(Kind.PERSON, "p-boss", "Quản trị", ROLE_PERMISSIONS[Role.ADMINISTRATOR], frozenset(centres))


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def said(number: int, *centres: str, act: Act = Act.SIGN_IN) -> Said:
    return Said(f"p-{number}", act, "person", f"p-{number}", frozenset(centres), address="203.0.113.7")


def add(store: Store, *entries: Said, at: datetime = NOW) -> None:
    """Add entries, a transaction for each."""
    for entry in entries:
        with store.writing() as connection:
            rows.append(connection, [entry], ms(at))


def fill(store: Store, count: int, *, at: datetime = NOW) -> None:
    """Add entries a second apart, in one transaction."""
    with store.writing() as connection:
        for number in range(count):
            rows.append(connection, [said(number, "ben-cat")], ms(at + timedelta(seconds=number)))


def numbers(store: Store) -> list[int]:
    with store.reading() as connection:
        return [entry.n for entry in rows.entries_in_order(connection)]


def drop_triggers(store: Store) -> None:
    """Do what the owner of the tables can: take away what guards them."""
    with store.writing() as connection:
        if store.dialect == "sqlite":
            names = connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
            ).scalars()
            for name in list(names):
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            for table in ("audit_entries", "audit_head", "audit_anchor", "audit_holds"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def tamper(store: Store, *statements: str) -> None:
    drop_triggers(store)
    with store.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture(scope="session")
def first_url(tmp_path_factory: pytest.TempPathFactory, database: str | None) -> str:
    """A store with tables, made once."""
    url = new_database(tmp_path_factory.mktemp("audit"), database)
    made = Store.open(url)
    migrations.upgrade(made)
    made.close()
    return url


@pytest.fixture
def url(first_url: str, tmp_path: Path) -> Iterator[str]:
    made = copy_database(first_url, tmp_path)
    yield made
    drop_database(made)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = Store.open(url)
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Settings:
    return Settings.load({"IOC_DATA": str(tmp_path), "IOC_STORE": url}, folder=tmp_path)
