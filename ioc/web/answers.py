"""How the API reads parameters and writes answers: JSON by msgspec, times with offset, one sentence for what is wrong.

Refused: a time without an offset (it would mean another moment on another machine), an unknown origin.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, FastAPI, Query, Request
from fastapi.openapi.utils import get_openapi
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ioc.errors import BadRequest, Refused
from ioc.model.access import Permission, Principal
from ioc.model.origins import Origin
from ioc.operations.places import Asked
from ioc.web.gate import require

SCHEMAS: Final = "#/components/schemas/{name}"

OLDEST_YEAR: Final = 1970
NEWEST_YEAR: Final = 2200

_encoder: Final = msgspec.json.Encoder(decimal_format="number")

Reader = Annotated[Principal, Depends(require(Permission.READ))]
"""Who asks; they may read."""


async def _known(connection: HTTPConnection) -> Principal:
    """Whoever the gate let in: the operation judges what they may."""
    principal = connection.scope.get("state", {}).get("principal")
    if not isinstance(principal, Principal):
        raise Refused("Nobody is known to ask for this: it is served behind the gate only.")
    return principal


Anybody = Annotated[Principal, Depends(_known)]


def as_json(answer: Any, status: int = 200) -> Response:
    return Response(_encoder.encode(answer), status, media_type="application/json")


def described(answer: type) -> dict[int | str, dict[str, Any]]:
    """The answer's shape, for the list of routes."""
    schema = {"$ref": SCHEMAS.format(name=answer.__name__)}
    return {200: {"description": answer.__doc__ or "", "content": {"application/json": {"schema": schema}}}}


def describe_answers(app: FastAPI, answers: Sequence[type]) -> None:
    """Put the shapes of all answers into the application's OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, components = msgspec.json.schema_components(answers, ref_template=SCHEMAS)
            document.setdefault("components", {}).setdefault("schemas", {}).update(components)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


# --- parameters ------------------------------------------------------------------------------------------------


def asked_place(
    unit: Annotated[str | None, Query(description="a unit's id, or the code that it carries on the asked day")] = None,
    centre: Annotated[str | None, Query(description="a centre's id")] = None,
    asset: Annotated[str | None, Query(description="an asset's id")] = None,
) -> Asked:
    return Asked(unit, centre, asset)


AskedPlace = Annotated[Asked, Depends(asked_place)]


def asked_origin(
    origin: Annotated[str | None, Query(description="live, manual, simulated, replay or exercise")] = None,
) -> Origin | None:
    try:
        return None if origin is None else Origin.from_slug(origin)
    except ValueError as error:
        raise BadRequest(str(error)) from None


AskedOrigin = Annotated[Origin | None, Depends(asked_origin)]


def asked_from(
    begin: Annotated[str | None, Query(alias="from", description="ISO 8601 with offset")] = None,
) -> datetime | None:
    return read_moment("from", begin)


def asked_to(
    end: Annotated[str | None, Query(alias="to", description="ISO 8601 with offset; not included")] = None,
) -> datetime | None:
    return read_moment("to", end)


AskedFrom = Annotated[datetime | None, Depends(asked_from)]
AskedTo = Annotated[datetime | None, Depends(asked_to)]


def asked_day(
    at: Annotated[str | None, Query(description="a local day, as 2025-07-01; default today")] = None,
) -> date | None:
    try:
        return None if at is None else date.fromisoformat(at)
    except ValueError:
        raise BadRequest(f"at={at[:40]} is not a day: write it as 2025-07-01" if at else "at is empty") from None


AskedDay = Annotated[date | None, Depends(asked_day)]


def read_moment(name: str, text: str | None) -> datetime | None:
    """The time of a parameter, in UTC; BadRequest for what is not ISO 8601 with offset."""
    if text is None:
        return None
    try:
        # An unescaped + of an offset reaches us as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        has_offset = moment.tzinfo is not None
    except ValueError:
        has_offset = False
    if not has_offset:
        raise BadRequest(f"{name}={text[:40]} is not a time with offset: write it as 2025-07-01T08:30:00%2B07:00")
    if not OLDEST_YEAR < moment.year < NEWEST_YEAR:
        raise BadRequest(f"{name}={text[:40]} lies outside the years {OLDEST_YEAR} to {NEWEST_YEAR}")
    return moment.astimezone(UTC)


def clock_of(request: Request) -> datetime:
    """Now, by the clock of this application."""
    now: datetime = request.app.state.clock()
    return now


Now = Annotated[datetime, Depends(clock_of)]
