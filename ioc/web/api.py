"""The read API under /api/v1: each route one operation, its parameters and its answer's shape (design: stable).

Refused here: nothing. Operations judge who may see what; the gate has said who asks.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from ioc.operations import cases, kpis, places, series, snapshots, sources
from ioc.operations.places import Province
from ioc.web.answers import (
    Anybody,
    AskedDay,
    AskedFrom,
    AskedOrigin,
    AskedPlace,
    AskedTo,
    Now,
    Reader,
    as_json,
    described,
)


@dataclass(frozen=True, slots=True)
class FeedList:
    """The declared feeds."""

    feeds: tuple[sources.FeedEntry, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class CentreList:
    """The centres that the principal sees."""

    centres: tuple[places.CentreEntry, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class SeriesList:
    """The declared series."""

    series: tuple[series.SeriesEntry, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class KpiList:
    """The declared KPIs."""

    kpis: tuple[kpis.KpiEntry, ...]
    next: str | None = None


ANSWERS: Final[tuple[type, ...]] = (
    FeedList,
    places.UnitList,
    places.AssetList,
    CentreList,
    snapshots.Snapshot,
    SeriesList,
    series.SeriesAnswer,
    KpiList,
    kpis.KpiAnswer,
    cases.CasePage,
    sources.SourceList,
)

Cursor = Annotated[str | None, Query(description="`next` of the page before")]
PageLimit = Annotated[int, Query(description="most entries of a page")]


def read_api(province: Province) -> APIRouter:
    """The routes, over one province. They are plain functions, so each runs in a thread of its own."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/feeds", tags=["intake"], responses=described(FeedList), summary="Declared feeds")
    def get_feeds(who: Anybody) -> Response:
        return as_json(FeedList(sources.feeds(who)))

    @router.get("/feeds/{feed}/schema", tags=["intake"], summary="JSON Schema of a message of the feed")
    def get_feed_schema(who: Anybody, feed: str) -> Response:
        return as_json(sources.feed_schema(who, feed))

    @router.get("/units", tags=["territory"], responses=described(places.UnitList), summary="Units as of a day")
    def get_units(
        who: Reader, now: Now, at: AskedDay, cursor: Cursor = None, limit: PageLimit = places.LONGEST_PAGE
    ) -> Response:
        return as_json(places.list_units(who, province, at=at, after=cursor, limit=limit, now=now))

    @router.get("/assets", tags=["territory"], responses=described(places.AssetList), summary="Assets as of a day")
    def get_assets(
        who: Reader,
        now: Now,
        at: AskedDay,
        kind: Annotated[str | None, Query(description="such as road_segment")] = None,
        cursor: Cursor = None,
        limit: PageLimit = places.LONGEST_PAGE,
    ) -> Response:
        return as_json(places.list_assets(who, province, kind=kind, at=at, after=cursor, limit=limit, now=now))

    @router.get("/centres", tags=["territory"], responses=described(CentreList), summary="Centres and their units")
    def get_centres(who: Reader, now: Now) -> Response:
        return as_json(CentreList(places.list_centres(who, province, now=now)))

    @router.get("/snapshot", tags=["values"], responses=described(snapshots.Snapshot), summary="All current values")
    def get_snapshot(who: Reader, now: Now, place: AskedPlace, origin: AskedOrigin) -> Response:
        return as_json(snapshots.snapshot(who, province, place, now=now, origin=origin))

    @router.get("/series", tags=["values"], responses=described(SeriesList), summary="Declared series")
    def get_series_list(who: Reader) -> Response:
        return as_json(SeriesList(series.list_series(who)))

    @router.get(
        "/series/{series_id}", tags=["values"], responses=described(series.SeriesAnswer), summary="Aggregates over time"
    )
    def get_series(
        who: Reader,
        now: Now,
        series_id: str,
        place: AskedPlace,
        start: AskedFrom,
        end: AskedTo,
        origin: AskedOrigin,
        step: Annotated[str | None, Query(description="10s, 1m, 15m, 1h or 1d")] = None,
    ) -> Response:
        return as_json(
            series.series(who, province, series_id, place, now=now, start=start, end=end, step=step, origin=origin)
        )

    @router.get("/kpis", tags=["values"], responses=described(KpiList), summary="Declared KPIs")
    def get_kpis(who: Reader) -> Response:
        return as_json(KpiList(kpis.list_kpis(who)))

    @router.get("/kpis/{kpi_id}", tags=["values"], responses=described(kpis.KpiAnswer), summary="A KPI of a place")
    def get_kpi(
        who: Reader, now: Now, kpi_id: str, place: AskedPlace, start: AskedFrom, end: AskedTo, origin: AskedOrigin
    ) -> Response:
        return as_json(kpis.kpi(who, province, kpi_id, place, now=now, start=start, end=end, origin=origin))

    @router.get("/cases/{feed}", tags=["values"], responses=described(cases.CasePage), summary="Cases, paged")
    def get_cases(
        who: Reader,
        now: Now,
        feed: str,
        place: AskedPlace,
        origin: AskedOrigin,
        state: Annotated[str | None, Query(description="open, overdue or closed")] = None,
        cursor: Cursor = None,
        limit: PageLimit = 50,
    ) -> Response:
        return as_json(
            cases.cases(who, province, feed, place, now=now, state=state, cursor=cursor, limit=limit, origin=origin)
        )

    @router.get("/sources", tags=["values"], responses=described(sources.SourceList), summary="Sending systems")
    def get_sources(who: Reader, now: Now) -> Response:
        return as_json(sources.sources(who, province, now=now))

    return router
