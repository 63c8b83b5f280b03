"""The intake over HTTP: every bad input has a clear answer, the good ones go on, and a message can be read back."""

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest

from ioc.model.access import Permission
from ioc.web.app import build_app
from tests.operations.rows import NOW
from tests.operations.test_intake import log, traffic
from tests.web.conftest import Web, standing_clock

ROUTE = "/api/v1/feeds/traffic/messages"
JSON, LINES = "application/json", "application/x-ndjson"


def post(
    web: Web, body: bytes, kind: str = JSON, *, headers: dict[str, str] | None = None, **more: str
) -> httpx.Response:
    named = {name.replace("_", "-"): text for name, text in more.items()}
    sent = {**(headers or web.sender()), "Content-Type": kind, **named}
    return asyncio.run(web.ask("POST", ROUTE, content=body, headers=sent))


def array(*messages: bytes) -> bytes:
    return b"[" + b",".join(messages) + b"]"


def test_an_array_and_lines_are_taken_alike(web: Web) -> None:
    headers = web.sender()
    for body, kind in (
        (array(traffic("a1"), traffic("a2")), JSON),
        (traffic("a1") + b"\n" + traffic("a2"), LINES),
        (array(traffic("a1"), traffic("a2")), "application/json; charset=utf-8"),
    ):
        answer = post(web, body, kind, headers=headers)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "rejected": []})
    assert len(log(web.rows)) == 6


def test_a_message_that_was_sent_can_be_read(web: Web) -> None:
    assert post(web, traffic("a1")).status_code == 202
    web.rows.small.ingest().step(int(NOW.timestamp() * 1000))
    reader = web.reader("c-all")
    path = "/api/v1/series/traffic.mean_speed?unit=u-m1&step=10s&from=2026-11-21T07:55:00Z"
    points = asyncio.run(web.ask("GET", path, headers=reader)).json()["points"]
    assert [(point["start"], point["value"], point["weight"]) for point in points] == [
        ("2026-11-21T08:00:00Z", 30.5, 10)
    ]
    snapshot = asyncio.run(web.ask("GET", "/api/v1/snapshot?centre=c-all", headers=reader)).json()
    values = {value["series"]: value for value in snapshot["values"]}
    assert (values["traffic.mean_speed"]["value"], values["traffic.mean_speed"]["reporting"]) == (30.5, 1)
    (source,) = asyncio.run(web.ask("GET", "/api/v1/sources", headers=reader)).json()["sources"]
    assert (source["source"], source["accepted"], source["origin"]) == ("sender", 1, "live")


def test_a_broken_line_spoils_no_other(web: Web) -> None:
    answer = post(web, b"\n".join([traffic("a1"), b'{"id": ', traffic("a2")]), LINES)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert [one["index"] for one in answer.json()["rejected"]] == [1]


def test_a_number_that_is_none_spoils_no_other_in_an_array(web: Web) -> None:
    answer = post(web, array(traffic("a1"), traffic("a2").replace(b"30.5", b"NaN"), traffic("a3")))
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["rejected"][0]["index"]) == (2, 1)


def test_an_array_that_is_cut_off_is_refused_as_a_whole(web: Web) -> None:
    answer = post(web, array(traffic("a1"), traffic("a2"))[:-20])
    assert answer.status_code == 400
    assert "truncated" in answer.json()["error"]
    answer = post(web, b'[{"id": 1} {"id": 2}', headers=web.key("two", Permission.SEND, feeds=frozenset({"traffic"})))
    assert "byte" in answer.json()["error"], "where it is broken is said"
    assert log(web.rows) == []


def test_nothing_usable_is_422(web: Web) -> None:
    answer = post(web, array(traffic("a99")))
    assert (answer.status_code, answer.json()["accepted"]) == (422, 0)


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_five_megabytes_in_one_message_are_refused_by_index(web: Web, kind: str) -> None:
    answer = post(web, array(traffic(id="x" * 5_000_000)) if kind == JSON else traffic(id="x" * 5_000_000), kind)
    assert answer.status_code == 422
    assert "bytes" in answer.json()["rejected"][0]["reason"]


def test_a_body_beyond_the_limit_is_413(web: Web) -> None:
    limit = web.rows.settings.max_body_bytes
    headers = web.sender()
    assert post(web, b" " * (limit + 1), headers=headers).status_code == 413
    bomb = gzip.compress(b" " * (limit + 1))
    assert post(web, bomb, headers=headers, Content_Encoding="gzip").status_code == 413


def test_a_body_may_come_gzipped(web: Web) -> None:
    headers = web.sender()
    whole = gzip.compress(array(traffic("a1")))
    assert post(web, whole, headers=headers, Content_Encoding="gzip").status_code == 202
    for body in (whole[:-5], b"not gzip"):
        assert post(web, body, headers=headers, Content_Encoding="gzip").status_code == 400
    assert post(web, whole, headers=headers, Content_Encoding="br").status_code == 400


def test_what_is_no_list_of_messages_is_400(web: Web) -> None:
    headers = web.sender()
    for body, kind in ((b"", JSON), (b"[]", JSON), (b"", LINES), (b"\n\n", LINES), (b"[1]", "text/csv"), (b"7", JSON)):
        answer = post(web, body, kind, headers=headers)
        assert answer.status_code == 400, (body, kind)


def test_the_same_key_with_another_body_is_409(web: Web) -> None:
    headers = web.sender()
    for _ in range(2):
        answer = post(web, array(traffic("a1")), headers=headers, Idempotency_Key="k1")
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    answer = post(web, array(traffic("a2")), headers=headers, Idempotency_Key="k1")
    assert answer.status_code == 409
    assert "k1" in answer.json()["error"]


def test_who_may_not_send_is_refused_before_the_body_is_judged(web: Web) -> None:
    assert post(web, b"?", headers=web.reader("c-all")).status_code == 403
    other = web.key("other", Permission.SEND, feeds=frozenset({"dossiers"}))
    assert post(web, array(traffic("a1")), headers=other).status_code == 403
    assert post(web, array(traffic("a1")), headers={"Authorization": "Bearer ioc_guess"}).status_code == 401


def test_whoever_sends_too_much_is_told_when_to_come_back(web: Web) -> None:
    headers = web.sender()
    slow = web.rows.settings.model_copy(update={"intake_messages": 1.0})
    web.made = build_app(slow, web.rows.small.store, web.rows.small.broker, clock=standing_clock)
    assert post(web, array(*[traffic("a1")] * 10), headers=headers).status_code == 202, "more than the burst, once"
    answer = post(web, array(traffic("a1")), headers=headers)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert len(log(web.rows)) == 10


def test_dossiers_go_in_and_stand_among_the_cases(web: Web) -> None:
    message: dict[str, Any] = {
        "id": "H1", "type": "Dossier", "office": "o1", "received": "2026-11-20T08:00:00+07:00",
        "due": "2026-11-21T15:00:10+07:00", "modified": "2026-11-20T08:00:00+07:00", "channel": "online",
    }  # fmt: skip
    sent = {**web.sender(), "Content-Type": JSON}
    route = "/api/v1/feeds/dossiers/messages"
    answer = asyncio.run(web.ask("POST", route, content=json.dumps([message]).encode(), headers=sent))
    assert answer.status_code == 202
    web.rows.small.ingest().step(int(NOW.timestamp() * 1000))
    reader = web.reader("c-d1")
    page = asyncio.run(web.ask("GET", "/api/v1/cases/dossiers?centre=c-d1&state=overdue", headers=reader)).json()
    assert [(one["id"], one["fields"]["channel"]) for one in page["cases"]] == [("H1", "online")]
    kpi = asyncio.run(web.ask("GET", "/api/v1/kpis/dossiers.on_time_rate?unit=u-m1", headers=reader)).json()
    assert (kpi["value"], kpi["numerator"], kpi["denominator"]) == (0, 0, 1)
