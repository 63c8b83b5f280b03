"""The read API over HTTP: shapes that stay stable, errors of one form, a list of routes that needs no other host."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from ioc.model.access import Permission
from ioc.web.api_docs import docs_page
from tests.operations.rows import at
from tests.web.conftest import Web


def get(web: Web, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return asyncio.run(web.ask("GET", path, headers=headers or web.reader("c-all")))


@pytest.fixture
def told(web: Web) -> Web:
    """One speed, one case and one source, told by hand."""
    web.rows.window("10s", "traffic.mean_speed", "u-m1", at(7, 59), total=3000)
    web.rows.window("1h", "traffic.mean_speed", "u-m1", at(6), total=9000, weight=3, count=3, least=2000, most=4000)
    web.rows.newest("traffic.mean_speed", "u-m1", at(8), since=at(7, 59))
    web.rows.case("H1", "o1", opened=at(1), due=at(7))
    web.rows.newest("dossiers.opened", "u-m1", at(8))
    return web


def test_a_series_has_the_stable_shape(told: Web) -> None:
    answer = get(
        told, "/api/v1/series/traffic.mean_speed?unit=u-m1&from=2026-11-21T06:00:00Z&to=2026-11-21T08:00:00Z&step=1h"
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"series", "unit", "step", "origin", "points"}
    assert body["points"][0] == {
        "start": "2026-11-21T06:00:00Z", "count": 3, "weight": 3, "sum": 90.0, "min": 20.0, "max": 40.0,
        "value": 30.0, "final": False,
    }  # fmt: skip


def test_a_snapshot_has_the_stable_shape(told: Web) -> None:
    body = get(told, "/api/v1/snapshot?unit=u-m1").json()
    assert body.keys() == {"unit", "at", "values"}
    (speed,) = [one for one in body["values"] if one["series"] == "traffic.mean_speed"]
    assert speed == {
        "series": "traffic.mean_speed", "value": 30.0, "last_value": 30.0, "as_of": "2026-11-21T08:00:00Z",
        "state": "on_time", "origin": "live", "reporting": 0, "expected": 1,
    }  # fmt: skip


def test_a_kpi_has_the_stable_shape(told: Web) -> None:
    assert get(told, "/api/v1/kpis/traffic.speed?unit=u-m1").json() == {
        "kpi": "traffic.speed", "unit": "u-m1", "value": 30.0, "numerator": 30.0, "denominator": None, "target": 30,
        "as_of": "2026-11-21T08:00:00Z", "state": "on_time", "origin": "live",
    }  # fmt: skip


def test_cases_have_the_stable_shape(told: Web) -> None:
    body = get(told, "/api/v1/cases/dossiers?unit=u-m1&state=overdue").json()
    assert body.keys() == {"feed", "origin", "cases", "next", "unit"}
    assert body["cases"][0].keys() == {
        "id", "asset", "unit", "state", "opened", "due", "closed", "modified", "fields"
    }  # fmt: skip
    assert (body["cases"][0]["id"], body["cases"][0]["state"], body["next"]) == ("H1", "overdue", None)


def test_units_assets_and_centres_have_the_stable_shape(told: Web) -> None:
    headers = told.reader("c-all")
    units = get(told, "/api/v1/units?at=2025-06-30", headers).json()
    assert units.keys() == {"units", "next"}
    assert units["units"][0].keys() == {
        "id", "code", "name", "level", "parent", "lat", "lon", "area_km2", "valid_from", "valid_to"
    }  # fmt: skip
    assert "u-l1" in {unit["id"] for unit in units["units"]}
    assets = get(told, "/api/v1/assets?kind=office&limit=1", headers).json()
    assert assets["next"] == "o1"
    assert assets["assets"] == [
        {"id": "o1", "kind": "office", "title_vi": "o1", "title_en": "o1", "lat": 11.0, "lon": 106.6, "group": None,
         "unit": "u-m1", "centres": ["c-all", "c-d1"]}
    ]  # fmt: skip
    following = get(told, "/api/v1/assets?kind=office&limit=1&cursor=o1", headers).json()
    assert [asset["id"] for asset in following["assets"]] == ["o2"]
    centres = get(told, "/api/v1/centres", headers).json()["centres"]
    assert {centre["id"]: centre["units"] for centre in centres} == {"c-all": ["u-top"], "c-d1": ["u-m1"]}


def test_catalogues_list_what_is_declared(web: Web) -> None:
    headers = web.reader("c-all")
    for path, part, one in (
        ("/api/v1/feeds", "feeds", "traffic"),
        ("/api/v1/series", "series", "traffic.mean_speed"),
        ("/api/v1/kpis", "kpis", "dossiers.on_time_rate"),
    ):
        assert one in {entry["id"] for entry in get(web, path, headers).json()[part]}
    schema = get(web, "/api/v1/feeds/dossiers/schema", headers).json()
    assert "office" in schema["$defs"]["Dossier"]["properties"]
    assert get(web, "/api/v1/sources", headers).json() == {"at": "2026-11-21T08:00:30Z", "sources": [], "gaps": []}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/snapshot?unit=u-m2", 404),  # not of this centre
        ("/api/v1/snapshot?unit=nowhere", 404),
        ("/api/v1/snapshot", 400),
        ("/api/v1/snapshot?unit=u-m1&centre=c-d1", 400),
        ("/api/v1/snapshot?unit=u-m1&origin=dreamt", 400),
        ("/api/v1/series/traffic.noise?unit=u-m1", 404),
        ("/api/v1/series/traffic.mean_speed?unit=u-m1&step=10s&from=2026-11-01T00:00:00Z", 400),
        ("/api/v1/series/traffic.mean_speed?unit=u-m1&from=2026-11-01T00:00:00", 400),
        ("/api/v1/series/traffic.mean_speed?unit=u-m1&from=0001-01-01T00:00:00Z", 400),
        ("/api/v1/kpis/none?unit=u-m1", 404),
        ("/api/v1/cases/traffic?unit=u-m1", 404),
        ("/api/v1/cases/dossiers?unit=u-m1&cursor=x", 400),
        ("/api/v1/units?at=tomorrow", 400),
        ("/api/v1/units?limit=0", 400),
        ("/api/v1/feeds/none/schema", 404),
        ("/api/v1/nothing", 404),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(web: Web, path: str, status: int) -> None:
    answer = get(web, path, web.reader("c-d1"))
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"]


def test_an_offset_may_come_unescaped(told: Web) -> None:
    path = "/api/v1/series/traffic.mean_speed?unit=u-m1&step=1h&to=2026-11-21T15:00:00"
    plus, escaped = get(told, path + "+07:00", told.reader("c-all")), None
    assert plus.status_code == 200
    escaped = get(told, path + "%2B07:00", told.key("two", Permission.READ, centres=frozenset({"c-all"})))
    assert plus.json() == escaped.json()


def test_nobody_reads_without_the_right(web: Web) -> None:
    assert get(web, "/api/v1/units", {"Accept": "application/json"}).status_code == 401
    assert get(web, "/api/v1/units", web.sender()).status_code == 403
    assert get(web, "/api/v1/feeds", web.key("other", Permission.SEND, feeds=frozenset({"traffic"}))).status_code == 200


def test_every_stable_route_stands_in_the_list_with_its_answer(web: Web) -> None:
    document: dict[str, Any] = web.made.server.openapi()
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert routes >= {
        ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), ("POST", "/api/v1/feeds/{feed}/messages"),
        ("GET", "/api/v1/feeds"), ("GET", "/api/v1/feeds/{feed}/schema"), ("GET", "/api/v1/units"),
        ("GET", "/api/v1/assets"), ("GET", "/api/v1/snapshot"), ("GET", "/api/v1/series"),
        ("GET", "/api/v1/series/{series_id}"), ("GET", "/api/v1/kpis"), ("GET", "/api/v1/kpis/{kpi_id}"),
        ("GET", "/api/v1/cases/{feed}"), ("GET", "/api/v1/sources"), ("GET", "/live"),
    }  # fmt: skip
    assert "points" in document["components"]["schemas"]["SeriesAnswer"]["properties"]
    assert not [path for _, path in routes if "dash" in path], "the pages' own routes are no API"


def test_the_page_of_routes_asks_nothing_of_another_host(web: Web) -> None:
    docs = [route for route in web.made.server.routes if getattr(route, "path", "") == "/api/docs"]
    assert docs
    page = docs_page(web.made.server.openapi())
    assert "/api/v1/series/{series_id}" in page
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_the_pages_of_the_api_are_closed_to_strangers(web: Web) -> None:
    for path in ("/api/docs", "/api/openapi.json", "/metrics", "/live?view=wall:c-all"):
        assert get(web, path, {"Accept": "*/*"}).status_code == 401
