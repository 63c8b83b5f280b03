"""PostgreSQL whose own disk is full: it refuses (53100), which is an outage like any other, and nothing is lost."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from ioc.broker.port import Record
from ioc.errors import StoreError
from ioc.processes import ingest as program
from ioc.settings import Settings
from tests.bounds.disks import StopAfter, fill, mount, unmount
from tests.conftest import PostgresServer
from tests.feeds.messages import TRAFFIC, body
from tests.operations.rows import NOW
from tests.streams.small_centre import SETTINGS, SmallCentre
from tests.streams.stored import count

ON_POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database", [ON_POSTGRES], indirect=True)]

NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def disk(postgres: PostgresServer, centre: SmallCentre) -> Iterator[Path]:
    """The small filesystem on which the centre's database stands, as a tablespace of its own."""
    if postgres.server is None:
        pytest.skip("IOC_TEST_POSTGRES names a server whose disk is not ours to fill")
    folder = Path(tempfile.mkdtemp(prefix="ioc-disk-"))  # where PostgreSQL's own user may enter
    folder.chmod(0o755)
    mount(folder, mode="0755")
    space, owner = folder / "space", postgres.server.folder.stat()
    space.mkdir()
    os.chown(space, owner.st_uid, owner.st_gid)
    name = centre.store.engine.url.database
    _administer(postgres, f"CREATE TABLESPACE small LOCATION '{space}'")
    centre.store.close()
    _administer(postgres, f'ALTER DATABASE "{name}" SET TABLESPACE small')
    yield folder
    centre.drop()
    _administer(postgres, "DROP TABLESPACE small")
    unmount(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _administer(postgres: PostgresServer, statement: str) -> None:
    url = postgres.url.replace("postgresql+psycopg://", "postgresql://") + "/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _send(centre: SmallCentre, many: int) -> None:
    """Messages of one vehicle each, every ten seconds of the last hours."""
    records = [
        Record(
            str(number % 6).encode(),
            body(
                TRAFFIC,
                refRoadSegment=f"a{1 + number % 6}",
                dateObserved=(NOW - timedelta(seconds=10 * (number // 6))).isoformat(),
                intensity=1,
            ),
            {},
        )
        for number in range(many)
    ]
    centre.broker.append("ioc.traffic", records, NOW_MS)


def _applied(centre: SmallCentre) -> int:
    numbers = ", ".join(str(centre.registry.places[f"a{number}"]) for number in range(1, 7))
    series = centre.registry.series["traffic.intensity"]
    with centre.store.reading() as connection:
        sql = f"SELECT coalesce(sum(sum), 0) FROM windows_10s WHERE series = {series} AND place IN ({numbers})"
        return int(connection.exec_driver_sql(sql).scalar_one())


def test_a_full_disk_of_postgresql_holds_ingest_up_and_loses_nothing(centre: SmallCentre, disk: Path) -> None:
    stated = {"IOC_DATA": str(centre.folder), "IOC_STORE": centre.store.engine.url.render_as_string(False)}
    settings = Settings.load(stated, folder=centre.folder)
    _send(centre, 1_000)
    program.run(settings, centre.store, centre.broker, StopAfter(3, settings.ingest_linger))
    assert _applied(centre) == 1_000
    _send(centre, 9_000)
    filler = fill(disk, leave=0)
    with pytest.raises(StoreError) as refused:
        centre.ingest(replace(SETTINGS, batch=20_000), start=NOW_MS).step(NOW_MS)
    cause = refused.value.__cause__
    assert isinstance(cause, DBAPIError)
    assert isinstance(cause.orig, psycopg.errors.DiskFull)
    assert cause.orig.sqlstate == "53100"
    program.run(settings, centre.store, centre.broker, StopAfter(3))
    assert _applied(centre) == 1_000, "it tries again and again, and nothing is half done"
    filler.unlink()
    program.run(settings, centre.store, centre.broker, StopAfter(3, settings.ingest_linger))
    assert _applied(centre) == 10_000
    assert count(centre.store, "gaps") == 0
