"""The web program put together: the gate in front of the API, the intake, the live views, health and the pages.

One place where these parts meet; none of them knows another. Everything is behind the gate but what the gate itself
leaves open (health, sign-in).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from anyio import to_thread
from fastapi import FastAPI

from ioc.broker.port import Broker
from ioc.errors import IocError, Refused
from ioc.feeds import FEEDS, KPIS
from ioc.model.access import Principal
from ioc.model.places import Centre
from ioc.operations.intake import Intake
from ioc.operations.places import Province, seen_centres, seen_places
from ioc.operations.views import Page, View, view_document
from ioc.panels import document as shapes
from ioc.panels.app import csp_script_hashes, mount
from ioc.settings import Settings
from ioc.store.engine import Store
from ioc.web.administration import administration
from ioc.web.answers import describe_answers
from ioc.web.api import ANSWERS, read_api
from ioc.web.api_docs import OPENAPI, add_docs
from ioc.web.gate import Gate, current_principal, utc_now
from ioc.web.health import Health, health_routes
from ioc.web.intake_api import intake_api
from ioc.web.live import Live, live_stream
from ioc.web.refusals import install_errors, note_refused
from ioc.web.throttle import IntakeLimits

READING_THREADS: Final = 8
"""Requests that read the store at the same time; below the size of its connection pool."""

DESCRIPTION: Final = (
    "Times are ISO 8601 with offset. Source systems send `Authorization: Bearer <key>`. Every read takes a place that"
    " the key may see, and `origin=`; without it, live values, or simulated ones where a place has nothing live."
)


@dataclass(frozen=True, slots=True)
class WebApp:
    """The assembled application; `live` must be stopped before the server waits for its connections."""

    app: Gate
    server: FastAPI
    live: Live


def build_app(settings: Settings, store: Store, broker: Broker, *, clock: Callable[[], datetime] = utc_now) -> WebApp:
    """Everything that answers a browser or a source system. Starts nothing: the server's lifespan does."""
    province = Province(store, settings)
    live = Live(province, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = READING_THREADS
        live.start()
        yield
        await live.stop()

    server = FastAPI(
        title="Intelligent Operations Center",
        description=DESCRIPTION,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=OPENAPI,
        lifespan=lifespan,
    )
    server.state.clock = clock
    install_errors(server)
    server.include_router(health_routes(Health(settings, store, broker), lambda: live.subscribers))
    server.include_router(read_api(province))
    server.include_router(intake_api(Intake(province, broker), IntakeLimits(settings)))
    server.include_router(live_stream(province, live))
    server.include_router(administration(province, clock))
    add_docs(server)
    describe_answers(server, ANSWERS)
    pages = mount(
        server,
        settings,
        principal=signed_in,
        views=_views(province, clock),
        centres=_centres(province, clock),
        places=lambda who: seen_places(who, province, now=clock()),
        kpis=KPIS,
        feeds={feed.id: feed.title for feed in FEEDS.values()},
        now=clock,
    )
    gate = Gate(server, settings=settings, store=store, script_hashes=csp_script_hashes(pages), clock=clock)
    return WebApp(gate, server, live)


def signed_in() -> Principal:
    """Who asks, where no request is at hand (Dash callbacks)."""
    principal = current_principal.get()
    if principal is None:
        raise Refused("Nobody is known to ask for this: it is served behind the gate only.")
    return principal


def _views(province: Province, clock: Callable[[], datetime]) -> Callable[[Principal, shapes.Page, str], shapes.View]:
    def view(who: Principal, page: shapes.Page, centre: str) -> shapes.View:
        try:
            return cast(shapes.View, view_document(who, province, View(Page(page), centre), now=clock()))
        except IocError as error:
            note_refused(error)  # the page says it in words, with a status that does not
            raise

    return view


def _centres(province: Province, clock: Callable[[], datetime]) -> Callable[[Principal], tuple[Centre, ...]]:
    def centres(who: Principal) -> tuple[Centre, ...]:
        return seen_centres(who, province, now=clock())

    return centres
