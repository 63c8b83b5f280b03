"""Logs: the form for machines, and that no secret gets into them."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ioc import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the program `web` writes while the test runs; the process's logging is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, structlog.get_config())
    stream = io.StringIO()
    logs.configure("web", level="info", form="json", stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    structlog.configure(**before[2])
    structlog.contextvars.clear_contextvars()


def test_an_event_is_one_json_line_with_program_level_and_time(written: io.StringIO) -> None:
    logs.get_logger("ioc.web").info("ready", port=8050)
    event = json.loads(written.getvalue())
    assert (event["event"], event["program"], event["level"], event["port"]) == ("ready", "web", "info", 8050)
    assert event["timestamp"].endswith("Z")


def test_libraries_log_through_the_same_chain(written: io.StringIO) -> None:
    logging.getLogger("some.library").warning("sent with Bearer %s", "abc123")
    event = json.loads(written.getvalue())
    assert event["event"] == "sent with Bearer ***"
    assert event["program"] == "web"


def test_secrets_are_removed_at_any_depth(written: io.StringIO) -> None:
    logs.get_logger("x").warning(
        "connecting",
        password="hunter2",
        api_key="hunter2",
        headers={"Authorization": "Bearer hunter2", "Cookie": "sid=hunter2"},
        urls=["postgresql://ioc:hunter2@db/ioc", "http://h/?token=hunter2&x=1"],
    )
    assert "hunter2" not in written.getvalue()
    assert json.loads(written.getvalue())["urls"] == [
        "postgresql://ioc:***@db/ioc",
        "http://h/?token=***&x=1",
    ]


def test_a_traceback_is_redacted_too(written: io.StringIO) -> None:
    try:
        raise OSError("cannot open postgresql://ioc:hunter2@db/ioc")
    except OSError:
        logs.get_logger("x").exception("failed")
    assert "hunter2" not in written.getvalue()
    assert "OSError" in json.loads(written.getvalue())["exception"]


def test_events_below_the_level_are_not_written(written: io.StringIO) -> None:
    logs.get_logger("x").debug("detail")
    assert written.getvalue() == ""
