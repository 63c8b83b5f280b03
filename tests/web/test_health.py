"""Alive, ready and why not, and the figures for Prometheus."""

import asyncio
from datetime import timedelta

import httpx

from ioc.settings import Settings
from ioc.store import schema
from ioc.web.health import Health
from tests.operations.rows import NOW, at
from tests.operations.test_intake import SENDER, send, traffic
from tests.web.conftest import Web


def get(web: Web, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return asyncio.run(web.ask("GET", path, headers=headers or {}))


def health(web: Web, settings: Settings | None = None) -> Health:
    small = web.rows.small
    return Health(settings or web.rows.settings, small.store, small.broker)


def started(web: Web) -> None:
    """Ingest has begun to read all topics."""
    web.rows.small.ingest(start=at(8))


def test_the_program_says_that_it_lives_without_looking_at_anything(web: Web) -> None:
    assert get(web, "/healthz").json() == {"alive": True}


def test_a_centre_whose_ingest_has_not_begun_is_not_ready(web: Web) -> None:
    answer = get(web, "/readyz")
    assert answer.status_code == 503
    assert any("python -m ioc ingest" in problem for problem in answer.json()["problems"])


def test_a_centre_that_keeps_up_is_ready(web: Web) -> None:
    started(web)
    assert get(web, "/readyz").json() == {"ready": True, "problems": []}


def test_messages_that_just_came_are_no_problem_but_those_that_wait_are(web: Web) -> None:
    started(web)
    send(web.rows, traffic("a1"), traffic("a2"), who=SENDER)
    watch = health(web)
    assert watch.readiness(NOW + timedelta(seconds=20)).ready
    late = watch.readiness(NOW + timedelta(seconds=40))
    assert [problem.split(":")[0] for problem in late.problems] == [
        "2 messages of ioc.traffic wait and ingest stands still"
    ]


def test_roll_ups_that_trail_are_a_problem(web: Web) -> None:
    started(web)
    web.rows.insert(schema.marks, level=1, keys=b"")
    watch = health(web)
    assert watch.readiness(NOW).ready
    later = NOW + timedelta(seconds=web.rows.settings.rollup_lag + 1)
    assert "roll-ups are 61 s behind" in watch.readiness(later).problems[0]
    web.rows.empty(schema.marks)
    web.rows.insert(schema.marks, level=1, keys=b"another, though its number is the same")
    assert watch.readiness(later).ready, "the first one was worked off"
    web.rows.empty(schema.marks)
    assert watch.readiness(later + timedelta(hours=1)).ready


def test_a_store_of_another_version_is_said_without_its_insides(web: Web) -> None:
    with web.rows.small.store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'unknown'")
    answer = get(web, "/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"][0] == "storeversion: run `python -m ioc check`"


def test_figures_for_prometheus_name_sources_topics_and_lag(web: Web) -> None:
    started(web)
    send(web.rows, traffic("a1"), b"{}", who=SENDER)
    answer = get(web, "/metrics", web.reader("c-all"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        'ioc_ingest_waiting_messages{topic="ioc.traffic"} 1.0',
        'ioc_source_rejected{feed="traffic",origin="0",source="src"} 1.0',
        'ioc_dead_letters{feed="traffic",kind="unreadable",source="src"} 1.0',
        "ioc_rollup_waiting_marks 0.0",
        "ioc_live_subscribers 0.0",
    ):
        assert line in answer.text
    assert get(web, "/metrics", {"Accept": "text/plain"}).status_code == 401
