"""PostgreSQL's roles and rights: laid down by whoever runs `setup`, and enough for each program and no more."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import psycopg
import pytest
from alembic import command
from sqlalchemy import insert, make_url, text

from ioc.errors import StoreError, StoreVersionError
from ioc.model.windows import DAY, LEVELS
from ioc.store import migrations, postgres_copies, rights, schema
from ioc.store.bounds import Bounds, DatabaseRole
from ioc.store.copies import copy_out
from ioc.store.days import days_of, drop_days, make_days
from ioc.store.engine import Store
from ioc.store.territory import ProvinceRow, save_territory
from tests.databases import drop_database, everything, new_database, scalar
from tests.streams.small_centre import territory

ON_POSTGRES: Final = pytest.mark.parametrize(
    "database", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True, scope="session"
)
FINEST: Final = LEVELS[0]


@pytest.fixture
def administer(database: str) -> Callable[[str, str], None]:
    """Runs SQL in a database of the server as the server's administrator."""

    def run(url: str, statements: str) -> None:
        own = make_url(database).set(drivername="postgresql", database=make_url(url).database)
        with psycopg.connect(own.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statements.encode())

    return run


@pytest.fixture
def as_user(url: str, administer: Callable[[str, str], None]) -> Iterator[Callable[..., str]]:
    """The URL of the empty database for a new user, without any right but what is granted to it."""
    made: list[str] = []

    def make(name: str, *, owns: bool = False) -> str:
        user = f"{make_url(url).database}_{name}"
        administer(url, f"CREATE ROLE {user} LOGIN PASSWORD 'geheim'")
        made.append(user)
        if owns:
            administer(url, f"ALTER DATABASE {make_url(url).database} OWNER TO {user}")
        return make_url(url).set(username=user, password="geheim").render_as_string(hide_password=False)

    yield make
    drop_database(url)
    for user in made:
        administer(str(make_url(url).set(database="postgres")), f"DROP ROLE {user}")


def load(store: Store) -> None:
    with store.changing_tables() as connection:
        save_territory(connection, ProvinceRow("small", "Nhỏ", "Small", "Asia/Ho_Chi_Minh", "digest", 0), territory())


def put_newest(store: Store) -> None:
    with store.writing() as connection:
        given = {"series": 1, "origin": 0, "at": 0, "as_of": 0, "value": 1}
        numbers = connection.scalars(text("SELECT id FROM places")).all()
        connection.execute(insert(schema.latest), [{**given, "place": one} for one in numbers])


def test_every_table_that_names_a_place_is_protected() -> None:
    """Territory is what the bounds are made of."""
    named = {
        name
        for name, table in schema.metadata.tables.items()
        if {"place", "asset"} & {column.name for column in table.columns}
    }
    assert named - rights.PLACED.keys() == {"asset_units"}
    assert not rights.PLACED.keys() & rights.KNOWN_TO_ALL
    assert rights.PLACED.keys() | rights.KNOWN_TO_ALL <= schema.metadata.tables.keys() | {"alembic_version"}


@ON_POSTGRES
def test_rows_of_places_are_protected_from_their_owner_too(store: Store) -> None:
    migrations.upgrade(store)
    with store.reading() as connection:
        forced = set(connection.scalars(text("SELECT relname FROM pg_class WHERE relforcerowsecurity")))
        owners = set(connection.scalars(text("SELECT tableowner FROM pg_tables WHERE schemaname = current_schema()")))
        assert connection.scalar(text("SELECT current_user")) == DatabaseRole.WRITER
    assert forced == rights.PLACED.keys()
    assert owners == {DatabaseRole.WRITER}


@ON_POSTGRES
def test_who_may_make_no_roles_is_told_what_an_administrator_runs(
    as_user: Callable[..., str], administer: Callable[[str, str], None]
) -> None:
    url = as_user("plain", owns=True)
    store = Store.open(url)
    with pytest.raises(StoreError) as caught:
        migrations.upgrade(store)
    said, _, statements = str(caught.value).partition(", in this database, ")
    assert "administrator of PostgreSQL" in said
    assert "geheim" not in str(caught.value)
    assert migrations.version_of(store) is None, "nothing was made"
    with pytest.raises(StoreError, match="administrator of PostgreSQL"):
        postgres_copies.require_restorable(store, "15.0")

    administer(url, statements)
    migrations.upgrade(store)
    load(store)
    put_newest(store)
    with store.reading_for(Bounds(frozenset({"c-d2"}))) as connection:
        assert connection.scalar(text("SELECT count(*) FROM latest")) == 5
    store.close()


@ON_POSTGRES
def test_a_plain_user_may_keep_days_and_copy_the_store(
    as_user: Callable[..., str], administer: Callable[[str, str], None], database: str, tmp_path: Path
) -> None:
    url = as_user("plain", owns=True)
    user = make_url(url).username
    administer(url, f"GRANT {', '.join(DatabaseRole)} TO {user}")
    store = Store.open(url)
    migrations.upgrade(store)
    load(store)
    put_newest(store)
    with store.writing() as connection:
        make_days(connection, FINEST, np.array([0, DAY]))
        row = dict.fromkeys(schema.windows[0].c.keys(), 1)
        connection.execute(insert(schema.windows[0]), [row, {**row, "start": DAY}])
    with store.writing() as connection:
        assert drop_days(connection, FINEST, DAY) == 1
        assert days_of(connection, FINEST) == [1]

    copy = copy_out(store, tmp_path / "store.dump")
    before = everything(store)
    again = Store.open(new_database(tmp_path, database))
    postgres_copies.restore(again, tmp_path / "store.dump", copy.database)
    assert everything(again) == before, "pg_dump saw all rows"
    with again.reading_for(Bounds(frozenset({"c-d2"}))) as connection:
        assert connection.scalar(text("SELECT count(*) FROM latest")) == 5
    alone = postgres_copies.others_connected(store)  # its own pool
    other = Store.open(url)
    with other.reading():
        assert postgres_copies.others_connected(store) == alone + 1
    other.close()

    postgres_copies.set_aside(store, "aside")
    assert not postgres_copies.holds_anything(store)
    postgres_copies.restore(store, tmp_path / "store.dump", copy.database)
    assert everything(store) == before
    store.close()
    again.close()
    drop_database(again.engine.url.render_as_string(hide_password=False))


@ON_POSTGRES
def test_the_web_program_may_have_a_user_of_its_own(
    store: Store, as_user: Callable[..., str], administer: Callable[[str, str], None]
) -> None:
    migrations.upgrade(store)
    load(store)
    put_newest(store)
    url = as_user("web")
    administer(url, f"GRANT {DatabaseRole.WEB}, {DatabaseRole.READER} TO {make_url(url).username}")
    web = Store.open(url, DatabaseRole.WEB)
    migrations.require_current(web)
    with web.reading_for(Bounds(frozenset({"c-d2"}))) as connection:
        assert connection.scalar(text("SELECT count(*) FROM latest")) == 5
    with web.writing() as connection:
        connection.execute(insert(schema.dead_letters).values(_letter()))
    assert scalar(web, "SELECT count(*) FROM dead_letters") == 1
    with (
        pytest.raises(StoreError, match="permission denied to set role"),
        web.reading_for(Bounds(everything=True)),
    ):
        pass
    web.close()
    writer = Store.open(url)
    with pytest.raises(StoreError, match=r"may not act as ioc_writer: .* GRANT ioc_writer TO"), writer.reading():
        pass
    writer.close()
    store.close()


@ON_POSTGRES
def test_a_store_of_before_gets_its_rights(store: Store) -> None:
    with store.changing_tables() as connection:
        config = migrations._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        connection.execute(text("CREATE TABLE not_ours (n int)"))
    with store.writing() as connection:
        make_days(connection, FINEST, np.array([0]))
    migrations.upgrade(store)
    assert scalar(store, "SELECT count(*) FROM pg_tables WHERE tableowner <> 'ioc_writer' AND tablename = 'not_ours'")
    with store.writing() as connection:
        assert drop_days(connection, FINEST, DAY) == 1


@ON_POSTGRES
def test_a_restored_dump_without_roles_is_not_read_past_them(store: Store) -> None:
    """Planted: the policies are gone, as after a restore by hand."""
    migrations.upgrade(store)
    load(store)
    put_newest(store)
    with store.changing_tables() as connection:
        connection.execute(text(f"DROP POLICY {rights.WITHIN_BOUNDS} ON latest"))
    with store.reading_for(Bounds(frozenset({"c-all"}))) as connection:
        assert connection.scalar(text("SELECT count(*) FROM latest")) == 0
    with pytest.raises(StoreVersionError, match="run `python -m ioc setup`"):
        migrations.require_current(store)
    migrations.upgrade(store)
    migrations.require_current(store)
    with store.reading_for(Bounds(frozenset({"c-all"}))) as connection:
        assert connection.scalar(text("SELECT count(*) FROM latest"))


def test_sqlite_takes_bounds_and_has_none(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'ioc.db'}", DatabaseRole.WEB)
    migrations.upgrade(store)
    load(store)
    put_newest(store)
    with store.reading_for(Bounds()) as connection:
        assert connection.scalar(text("SELECT count(*) FROM latest"))
        assert connection.scalar(text("SELECT count(*) FROM reaches")) == 0
    store.close()


def _letter() -> dict[str, object]:
    return {"feed": "f", "source": "s", "origin": 0, "at": 0, "kind": "k", "reason": "r"}
