"""Traffic: flow on road segments, as `TrafficFlowObserved` of the Smart Data Models (key-value form).

One message speaks of one segment, lane or vehicle type in one interval. Lanes and vehicle types of one segment
and interval add up, occupancy is averaged, speed and headway are weighted by vehicles. `intensity` is the number
of vehicles *in the interval*; an absent `congested` means not congested. Refused: intervals that run backwards or
last more than a day, numbers outside the range of their series.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from ioc.errors import InvalidMessage
from ioc.feeds.feed import Feed, milliseconds
from ioc.model.facts import Fact, Measurement, Reading
from ioc.model.series import Better, Combine, Kpi, Series, Text
from ioc.model.windows import DAY

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class TrafficFlowObserved(msgspec.Struct, rename="camel", gc=False):
    """What we use of the official model; its other fields may stand in the message and are not kept."""

    id: Name
    type: Literal["TrafficFlowObserved"]
    date_observed: str
    date_observed_from: str | None = None
    date_observed_to: str | None = None
    ref_road_segment: Name | None = None
    lane_id: int | None = None
    vehicle_type: str | None = None
    intensity: float | None = None
    average_vehicle_speed: float | None = None
    occupancy: float | None = None
    average_headway_time: float | None = None
    congested: bool = False


def _series(name: str, title: Text, unit: str, over: Combine, scale: int, high: float, **more: Any) -> Series:
    return Series(
        id=f"traffic.{name}",
        title=title,
        unit=unit,
        over_time=over,
        over_territory=more.pop("over_territory", over),
        scale=scale,
        low=0,
        high=high,
        period=60,
        delay=30,
        current_span=300,
        **more,
    )


INTENSITY: Final = _series("intensity", Text("Lưu lượng xe", "Vehicles"), "xe", Combine.SUM, 1, 100_000)
MEAN_SPEED: Final = _series(
    "mean_speed",
    Text("Tốc độ trung bình", "Mean speed"),
    "km/h",
    Combine.MEAN,
    100,
    300,
    decimals=1,
    better=Better.HIGHER,
)
OCCUPANCY: Final = _series(
    "occupancy", Text("Độ chiếm dụng", "Occupancy"), "%", Combine.MEAN, 100, 100, decimals=1, better=Better.LOWER
)
HEADWAY: Final = _series("headway", Text("Giãn cách xe", "Headway"), "s", Combine.MEAN, 100, 3600, decimals=1)
CONGESTED: Final = _series(
    "congested",
    Text("Đoạn ùn tắc", "Congested segments"),
    "đoạn",
    Combine.LAST,
    1,
    1,
    over_territory=Combine.SUM,
    better=Better.LOWER,
)


def _interval(message: TrafficFlowObserved) -> tuple[int, int]:
    """Start and end (UTC ms) of what was observed; an instant is an interval of no length."""
    if message.date_observed_from and message.date_observed_to:
        start, end = milliseconds(message.date_observed_from), milliseconds(message.date_observed_to)
    else:
        first, slash, second = message.date_observed.partition("/")
        start = milliseconds(first)
        end = milliseconds(second) if slash else start
    if not 0 <= end - start <= DAY:
        raise InvalidMessage("the observed interval must end after it begins, and within a day")
    return start, end


def read(message: TrafficFlowObserved) -> Measurement:
    """The numbers of one message: at most one of each series, speed and headway weighted by vehicles."""
    at, as_of = _interval(message)
    readings: list[Reading] = []
    vehicles = 1
    if message.intensity is not None:
        vehicles = INTENSITY.scaled(message.intensity)
        readings.append((INTENSITY, vehicles, 1))
    if message.average_vehicle_speed is not None:
        readings.append((MEAN_SPEED, MEAN_SPEED.scaled(message.average_vehicle_speed), vehicles))
    if message.occupancy is not None:
        if not 0 <= message.occupancy <= 1:
            advice = "send a fraction from 0 to 1"
            raise InvalidMessage(
                f"occupancy is {message.occupancy:g}: {advice}", rule=f"occupancy is out of its range: {advice}"
            )
        readings.append((OCCUPANCY, OCCUPANCY.scaled(message.occupancy * 100), 1))
    if message.average_headway_time is not None:
        readings.append((HEADWAY, HEADWAY.scaled(message.average_headway_time), vehicles))
    readings.append((CONGESTED, int(message.congested), 1))
    return Measurement(message.ref_road_segment or message.id, at, as_of, tuple(readings))


def key(fact: Fact) -> str:
    """Messages of one segment keep their order."""
    assert isinstance(fact, Measurement)  # noqa: S101 - what `read` returns
    return fact.asset


_OWNER: Final = Text("Tổ giao thông", "Traffic team")
_INTERNAL: Final = Text("Mục tiêu nội bộ của trung tâm", "Internal target of the centre")

FEED: Final = Feed(
    id="traffic",
    title=Text("Giao thông", "Traffic"),
    topic="ioc.traffic",
    asset_kind="road_segment",
    message=TrafficFlowObserved,
    read=read,
    key=key,
    series=(INTENSITY, MEAN_SPEED, OCCUPANCY, HEADWAY, CONGESTED),
    kpis=(
        Kpi(
            id="traffic.speed",
            title=Text("Tốc độ trung bình", "Mean speed"),
            unit="km/h",
            numerator=MEAN_SPEED.id,
            denominator=None,
            span=None,
            factor=1,
            target=30,
            better=Better.HIGHER,
            source=_INTERNAL,
            owner=_OWNER,
        ),
        Kpi(
            id="traffic.congested_segments",
            title=Text("Đoạn đường ùn tắc", "Congested segments"),
            unit="đoạn",
            numerator=CONGESTED.id,
            denominator=None,
            span=None,
            factor=1,
            target=6,
            better=Better.LOWER,
            source=_INTERNAL,
            owner=_OWNER,
            decimals=0,
        ),
    ),
)
