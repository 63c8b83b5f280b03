"""A really small disk is filled up: everything waits before anything fails, and goes on by itself, exactly once."""

import asyncio
import io
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import structlog

from ioc.broker.port import Record
from ioc.errors import NoRoom, StoreError
from ioc.jobs.forgetting import KeepingRules, forget
from ioc.model.access import Permission, Role
from ioc.model.room import MB
from ioc.model.windows import DAY, HOUR
from ioc.operations.access import add_person, sign_in
from ioc.operations.disk import BALLAST, LOW, Disk
from ioc.operations.gatekeeping import SignInLimits
from ioc.operations.intake import accept
from ioc.operations.views import View, view_document
from ioc.processes import check
from ioc.processes import ingest as program
from ioc.processes.keeping import keeping
from ioc.processes.pausing import LOOK_EVERY_S
from ioc.settings import Settings
from ioc.web.app import build_app
from tests.access.conftest import HERE
from tests.bounds.disks import StopAfter, free
from tests.bounds.disks import fill as fill_disk
from tests.operations.rows import NOW, Rows, at, reader, sender
from tests.operations.test_intake import traffic
from tests.streams.small_centre import DAY_OFFSET, copy_centre
from tests.streams.stored import count
from tests.web.conftest import ROOT, Web, standing_clock

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

RESERVE_MB = 16
BALLAST_MB = 8
SENDER = sender("traffic")


@pytest.fixture
def web(template: Path, small_disk: Path) -> Iterator[Web]:
    """A centre whose store and log stand on the small disk, with its ballast."""
    small = copy_centre(template, small_disk / "data")
    stated = {"IOC_DATA": str(small.folder), "IOC_DISK_RESERVE": str(RESERVE_MB), "IOC_BALLAST": str(BALLAST_MB)}
    settings = Settings.load(stated, folder=small_disk)
    made = Web(Rows(small, settings), build_app(settings, small.store, small.broker, clock=standing_clock))
    disk_of(made).keep_ballast()
    yield made
    small.drop()


def disk_of(web: Web) -> Disk:
    return Disk(web.rows.settings, web.rows.small.store, web.rows.small.broker)


def fill(web: Web, *, leave: int) -> Path:
    return fill_disk(web.rows.small.folder.parent, leave=leave)


def ingest(web: Web, *, is_paused: bool) -> None:
    """Ingest's own loop, until it has waited three times: for room, or for messages."""
    small, settings = web.rows.small, web.rows.settings
    stop = StopAfter(3, LOOK_EVERY_S if is_paused else settings.ingest_linger)
    program.run(settings, small.store, small.broker, stop)


def send(web: Web, many: int, minute: int) -> None:
    """Messages of one vehicle each."""
    observed = (NOW - timedelta(minutes=minute)).isoformat()
    messages = [traffic(f"a{1 + number % 6}", dateObserved=observed, intensity=1) for number in range(many)]
    assert accept(SENDER, web.rows.intake, "traffic", messages, now=NOW).accepted == many


def applied(web: Web) -> int:
    """Vehicles counted at the assets: the messages that had their effect."""
    small = web.rows.small
    assets = ", ".join(str(small.registry.places[f"a{number}"]) for number in range(1, 7))
    series = small.registry.series["traffic.intensity"]
    with small.store.reading() as connection:
        sql = f"SELECT coalesce(sum(sum), 0) FROM windows_10s WHERE series = {series} AND place IN ({assets})"
        return int(connection.exec_driver_sql(sql).scalar_one())


def get(web: Web, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return asyncio.run(web.ask("GET", path, headers=headers or {}))


def test_the_ballast_is_made_of_real_blocks(web: Web) -> None:
    found = (web.rows.small.folder / BALLAST).stat()
    assert found.st_size == BALLAST_MB * MB
    assert found.st_blocks * 512 >= BALLAST_MB * MB
    before = free(web.rows.small.folder)
    (web.rows.small.folder / BALLAST).unlink()
    assert free(web.rows.small.folder) - before >= BALLAST_MB * MB


def test_ingest_waits_before_anything_fails_and_goes_on_by_itself(web: Web) -> None:
    send(web, 1_000, minute=3)
    ingest(web, is_paused=False)
    assert applied(web) == 1_000
    send(web, 1_000, minute=2)
    filler = fill(web, leave=RESERVE_MB * MB - 100_000)
    with structlog.testing.capture_logs() as written:
        ingest(web, is_paused=True)
    assert [one["event"] for one in written] == [
        "the disk is nearly full: ingest waits and goes on by itself when there is room"
    ]
    assert applied(web) == 1_000, "nothing more is read"
    assert (web.rows.small.folder / LOW).exists()
    filler.unlink()
    ingest(web, is_paused=False)
    assert applied(web) == 2_000
    assert not (web.rows.small.folder / LOW).exists()
    assert count(web.rows.small.store, "gaps") == 0


def test_what_is_low_stays_low_until_there_is_a_quarter_more_also_for_a_program_that_has_just_started(web: Web) -> None:
    assert not disk_of(web).look().is_low
    filler = fill(web, leave=RESERVE_MB * MB - 100_000)
    assert disk_of(web).look().is_low
    os.truncate(filler, filler.stat().st_size - 2 * MB)
    assert free(filler.parent) > RESERVE_MB * MB
    assert disk_of(web).stops_ingest
    os.truncate(filler, filler.stat().st_size - 4 * MB)
    assert not disk_of(web).stops_ingest


def test_the_intake_says_so_in_one_sentence_and_takes_nothing(web: Web) -> None:
    key = web.sender() | {"Content-Type": "application/json"}
    filler = fill(web, leave=RESERVE_MB * MB - 100_000)
    body = b"[" + traffic("a1") + b"]"
    refused = asyncio.run(web.ask("POST", "/api/v1/feeds/traffic/messages", headers=key, content=body))
    assert refused.status_code == 503
    assert refused.json() == {
        "error": "The centre's disk is nearly full and takes no messages now: send them again later."
    }
    assert int(refused.headers["Retry-After"]) >= 10
    assert web.rows.small.broker.extent(web.rows.small.broker.partitions("ioc.traffic")[0]).end == 0
    with pytest.raises(NoRoom):
        accept(SENDER, web.rows.intake, "traffic", [traffic("a1")], now=NOW)
    filler.unlink()
    taken = asyncio.run(web.ask("POST", "/api/v1/feeds/traffic/messages", headers=key, content=body))
    assert (taken.status_code, taken.json()["accepted"]) == (202, 1)


def test_everybody_is_told(web: Web) -> None:
    web.rows.small.ingest(start=at(8))
    view = View.from_id("wall:c-all")
    who = reader("c-all")
    headers = web.key("watch", Permission.READ, centres=frozenset({"c-all"}))
    assert get(web, "/readyz").json()["ready"]
    assert view_document(who, web.rows.province, view, now=NOW)["notices"] == []
    assert "ioc_ingest_paused 0.0" in get(web, "/metrics", headers).text
    fill(web, leave=RESERVE_MB * MB - 100_000)
    (problem,) = get(web, "/readyz").json()["problems"]
    assert problem == "the disk has 15 MB left, so messages wait: make room, and it goes on by itself at 20 MB"
    assert "ioc_ingest_paused 1.0" in get(web, "/metrics", headers).text
    assert view_document(who, web.rows.province, view, now=NOW)["notices"] == ["disk_low"]
    out = io.StringIO()
    check.main(web.rows.settings, out=out, now=NOW)
    (line,) = [one for one in out.getvalue().splitlines() if one.startswith("WRONG  disk")]
    assert "takes nothing in" in line


def test_on_a_full_disk_the_ballast_lets_forgetting_and_sign_in_go_on(web: Web) -> None:
    small, settings = web.rows.small, web.rows.settings
    old = int(NOW.timestamp() * 1000) - 30 * DAY
    series, place = web.rows.series("traffic.intensity"), web.rows.place("a1")
    window = "INSERT INTO windows_10s VALUES (?, ?, 0, ?, 1, 1, 1, 1, 1, 1, 1)"
    with small.store.writing() as connection:
        connection.exec_driver_sql(window, [(series, place, old + 10_000 * number) for number in range(20_000)])
    add_person(
        ROOT, small.store, login="lan", name="Lan", role=Role.VIEWER, centres=["c-all"], now=NOW,
        password="bốn từ không liên quan",
    )  # fmt: skip
    with small.store.reading() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    filler = fill(web, leave=0)
    rules = KeepingRules(keeping(settings), HOUR, DAY, HOUR, DAY_OFFSET)

    def forget_old() -> dict[str, int]:
        return forget(small.store, small.broker, rules, int(NOW.timestamp() * 1000))

    def enter() -> str:
        return sign_in(
            small.store, SignInLimits(), settings, login="lan", password="bốn từ không liên quan", visit=HERE,
            now=NOW,
        ).token  # fmt: skip

    with pytest.raises(StoreError, match="full"):
        forget_old()
    disk_of(web).keep_ballast()
    assert not (small.folder / BALLAST).exists()
    assert disk_of(web).stops_ingest, "what the ballast gave is not for messages"
    assert enter()
    assert forget_old()["windows_10s"] == 20_000
    assert count(small.store, "windows_10s") == 0
    disk_of(web).keep_ballast()
    assert not (small.folder / BALLAST).exists(), "there is no room for it yet"
    filler.unlink()
    disk_of(web).keep_ballast()
    assert (small.folder / BALLAST).stat().st_size == BALLAST_MB * MB
    assert not disk_of(web).stops_ingest


def test_what_forgetting_frees_inside_the_store_and_the_log_counts_as_room(web: Web) -> None:
    small = web.rows.small
    block = "x" * 100_000
    with small.store.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE old (body TEXT)")
        connection.exec_driver_sql("INSERT INTO old VALUES (?)", [(block,)] * 90)
    small.broker.append("ioc.traffic", [Record(b"k", block.encode(), {})] * 90, 1_000)
    fill(web, leave=14 * MB)
    assert disk_of(web).stops_ingest
    with small.store.writing() as connection:
        connection.exec_driver_sql("DROP TABLE old")
    assert disk_of(web).stops_ingest, "the log has no room yet"
    small.broker.forget_before(2_000)
    assert not disk_of(web).stops_ingest
    assert disk_of(web).look().free < RESERVE_MB * MB
