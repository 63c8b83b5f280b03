"""The rights on a server that has seen no centre yet: who makes the roles, and what the documents tell to run."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from ioc.errors import StoreError
from ioc.settings import PROJECT
from ioc.store import migrations
from ioc.store.bounds import Bounds, DatabaseRole
from ioc.store.engine import Store
from scripts.parts import PartError
from scripts.parts.postgres import Postgres

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

NAMES: Final = ("one", "two", "three", "four")
SET_UP: Final = """
import sys
from ioc.store import migrations
from ioc.store.engine import Store
store = Store.open(sys.argv[1])
migrations.upgrade(store)
store.close()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="ioc-postgres-"))
    try:
        made = Postgres(folder, options=["fsync=off"])
    except PartError as error:
        pytest.skip(str(error))
    made.start()
    yield made
    made.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def untouched(server: Postgres) -> Iterator[Postgres]:
    """The server without any role of ours."""
    yield server
    for name in NAMES:
        server.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    for role in (*DatabaseRole, "plain", "maker", "ioc_front"):
        server.sql(f"DROP ROLE IF EXISTS {role}")


def url_of(server: Postgres, user: str, database: str = "one") -> str:
    return f"postgresql://{user}@{server.address}/{database}"


def test_several_databases_of_a_server_may_be_set_up_at_once(untouched: Postgres) -> None:
    urls = [untouched.make_database(name) for name in NAMES]
    # Programs, as it would be: Alembic migrates one database at a time in each.
    running = [
        subprocess.Popen([sys.executable, "-c", SET_UP, url], cwd=PROJECT, stderr=subprocess.PIPE) for url in urls
    ]
    said = [one.communicate(timeout=120)[1].decode() for one in running]
    assert [one.returncode for one in running] == [0] * len(urls), said
    for url in urls:
        store = Store.open(url)
        migrations.require_current(store)
        store.close()


def test_a_user_who_may_make_roles_needs_no_administrator(untouched: Postgres) -> None:
    untouched.sql("CREATE ROLE maker LOGIN CREATEROLE")
    untouched.sql("CREATE DATABASE one OWNER maker")
    store = Store.open(url_of(untouched, "maker"))
    migrations.upgrade(store)
    migrations.require_current(store)
    with store.reading_for(Bounds()) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM latest").scalar_one() == 0
    store.close()


def test_what_setup_tells_an_administrator_to_run_is_enough(untouched: Postgres) -> None:
    untouched.sql("CREATE ROLE plain LOGIN")
    untouched.sql("CREATE DATABASE one OWNER plain")
    store = Store.open(url_of(untouched, "plain"))
    with pytest.raises(StoreError, match="CREATE ROLE ioc_reader NOLOGIN") as caught:
        migrations.upgrade(store)
    told = str(caught.value).partition(", in this database, ")[2]
    run_in(untouched, "one", told)
    migrations.upgrade(store)
    migrations.require_current(store)
    store.close()


def test_what_the_documents_tell_an_administrator_to_run_is_enough(untouched: Postgres) -> None:
    text = (PROJECT / "docs" / "deployment.md").read_text(encoding="utf-8")
    section = text.partition("## Rights in PostgreSQL")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^    .+;\n)+", section, re.MULTILINE)
    for_all, for_web = (block.replace(" TO ioc;", " TO plain;") for block in blocks)
    untouched.sql("CREATE ROLE plain LOGIN")
    untouched.sql("CREATE DATABASE one OWNER plain")
    run_in(untouched, "one", for_all)
    run_in(untouched, "one", for_web)

    store = Store.open(url_of(untouched, "plain"))
    migrations.upgrade(store)
    store.close()
    web = Store.open(url_of(untouched, "ioc_front"), DatabaseRole.WEB)
    migrations.require_current(web)
    with web.reading_for(Bounds()) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM latest").scalar_one() == 0
    web.close()


def run_in(server: Postgres, database: str, statements: str) -> None:
    asked = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "ioc", "-d", database]
    server._run("psql", *asked, "-Xqv", "ON_ERROR_STOP=1", "-c", statements)
