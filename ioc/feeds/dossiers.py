"""Dossiers of the electronic one-stop system (*một cửa điện tử*): cases with a received, due and finished time.

No public data model speaks of them; the names follow the one-stop vocabulary: *ngày nhận* received, *ngày hẹn
trả* due, *ngày hoàn tất* finished, *ngày thực trả* returned, *đơn vị xử lý* office, *lĩnh vực* field. A dossier is
closed when it is finished (else returned). A field that a message leaves out keeps what was known; null clears it.

On time counts, for a period, all dossiers whose due time lies in it: the share closed by that time. A dossier
without a due time, or not yet due, is in no such cohort.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ioc.errors import InvalidMessage
from ioc.feeds.feed import OLDEST, CaseRules, Feed, milliseconds, milliseconds_of
from ioc.model.facts import OFFICE, Case, CaseReport, CaseTimes, Fact
from ioc.model.series import Better, Combine, Kpi, Series, Text
from ioc.model.windows import DAY, SECOND

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Word = Annotated[str, msgspec.Meta(max_length=120)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Dossier(msgspec.Struct, rename="camel", gc=False):
    """One statement about one dossier, dated by `modified`. No field says anything about a person."""

    id: Name
    type: Literal["Dossier"]
    office: Name
    received: Moment
    modified: Moment
    due: Moment | UnsetType | None = UNSET
    finished: Moment | UnsetType | None = UNSET
    returned: Moment | UnsetType | None = UNSET
    procedure: Word | UnsetType | None = UNSET
    field: Word | UnsetType | None = UNSET
    channel: Literal["online", "counter", "post"] | UnsetType | None = UNSET
    state: Literal["received", "in_progress", "suspended", "finished", "returned", "withdrawn"] | UnsetType | None = (
        UNSET
    )
    source_code: Word | UnsetType | None = UNSET


_FARTHEST_DUE: Final = milliseconds("2100-01-01")


def read(message: Dossier) -> CaseReport:
    """What the message says, field by field; what it leaves out is not mentioned."""
    modified = milliseconds_of(message.modified)
    said: dict[str, str | int | None] = {"received": milliseconds_of(message.received)}
    for name in ("finished", "returned"):
        value = getattr(message, name)
        if value is not UNSET:
            said[name] = None if value is None else milliseconds_of(value)
    past = [modified, *(time for time in said.values() if isinstance(time, int))]
    if message.due is not UNSET:
        said["due"] = None if message.due is None else milliseconds_of(message.due)
        if isinstance(said["due"], int) and not OLDEST <= said["due"] < _FARTHEST_DUE:
            raise InvalidMessage("due lies outside the years 2000 to 2099: send the date that was promised")
    said[OFFICE] = message.office
    for name in ("procedure", "field", "channel", "state", "source_code"):
        value = getattr(message, name)
        if value is not UNSET:
            said[name] = value
    return CaseReport(message.id, modified, said, (min(past), max(past)))


def key(fact: Fact) -> str:
    """Statements about one dossier keep their order."""
    assert isinstance(fact, CaseReport)  # noqa: S101 - what `read` returns
    return fact.case


def times(case: Case) -> CaseTimes:
    finished = case.time("finished")
    return CaseTimes(case.time("received"), case.time("due"), case.time("returned") if finished is None else finished)


def _series(name: str, title: Text, **more: Any) -> Series:
    return Series(
        id=f"dossiers.{name}",
        title=title,
        unit="hồ sơ",
        over_time=more.pop("over_time", Combine.SUM),
        over_territory=Combine.SUM,
        scale=1,
        low=0,
        high=10_000_000,
        # Offices work by day: a feed that said nothing for a whole day is late, not one that was quiet at lunch.
        period=DAY // SECOND,
        delay=600,
        current_span=DAY // SECOND,
        **more,
    )


OPENED: Final = _series("opened", Text("Hồ sơ tiếp nhận", "Dossiers received"), counted=True)
OPENED_ONLINE: Final = _series("opened_online", Text("Hồ sơ nộp trực tuyến", "Dossiers filed online"), counted=True)
CLOSED: Final = _series("closed", Text("Hồ sơ đã giải quyết", "Dossiers resolved"), counted=True)
CLOSED_ON_TIME: Final = _series(
    "closed_on_time", Text("Hồ sơ giải quyết đúng hạn", "Dossiers resolved on time"), counted=True
)
DUE: Final = _series("due", Text("Hồ sơ đến hạn", "Dossiers due"), counted=True)
DUE_ON_TIME: Final = _series(
    "due_on_time", Text("Hồ sơ đến hạn đã xong đúng hạn", "Dossiers due and done in time"), counted=True
)
OPEN: Final = _series("open", Text("Hồ sơ đang giải quyết", "Open dossiers"), over_time=Combine.LAST, stock=True)
OVERDUE: Final = _series(
    "overdue", Text("Hồ sơ quá hạn", "Overdue dossiers"), over_time=Combine.LAST, stock=True, better=Better.LOWER
)


def transitions(case: Case) -> tuple[tuple[Series, int], ...]:
    """What a dossier counts for, given all that is known of it."""
    known = times(case)
    counted: list[tuple[Series, int]] = []
    if known.opened is not None:
        counted.append((OPENED, known.opened))
        if case.text("channel") == "online":
            counted.append((OPENED_ONLINE, known.opened))
    if known.due is not None:
        counted.append((DUE, known.due))
    if known.closed is not None:
        counted.append((CLOSED, known.closed))
        if known.due is not None and known.closed <= known.due:
            counted.append((CLOSED_ON_TIME, known.closed))
            counted.append((DUE_ON_TIME, known.due))
    return tuple(counted)


_OWNER: Final = Text("Trung tâm Phục vụ hành chính công", "Public administration service centre")
_WEEK: Final = 7 * DAY // SECOND


def _kpi(name: str, title: Text, numerator: Series, denominator: Series | None, **more: Any) -> Kpi:
    return Kpi(
        id=f"dossiers.{name}",
        title=title,
        unit="%" if denominator else "hồ sơ",
        numerator=numerator.id,
        denominator=denominator.id if denominator else None,
        span=_WEEK if denominator else None,
        factor=100 if denominator else 1,
        target=more.pop("target", None),
        better=more.pop("better", Better.HIGHER),
        source=more.pop("source", Text("Quyết định 766/QĐ-TTg", "Decision 766/QĐ-TTg")),
        owner=_OWNER,
        decimals=1 if denominator else 0,
    )


FEED: Final = Feed(
    id="dossiers",
    title=Text("Hồ sơ một cửa", "One-stop dossiers"),
    topic="ioc.dossiers",
    asset_kind="office",
    message=Dossier,
    read=read,
    key=key,
    series=(OPENED, OPENED_ONLINE, CLOSED, CLOSED_ON_TIME, DUE, DUE_ON_TIME, OPEN, OVERDUE),
    kpis=(
        _kpi(
            "on_time_rate",
            Text("Hồ sơ đúng hạn 7 ngày", "Dossiers on time, 7 days"),
            DUE_ON_TIME,
            DUE,
            target=95,
            source=Text("Quyết định 766/QĐ-TTg, nhóm tiến độ", "Decision 766/QĐ-TTg, progress"),
        ),
        _kpi(
            "online_share",
            Text("Nộp trực tuyến 7 ngày", "Filed online, 7 days"),
            OPENED_ONLINE,
            OPENED,
            target=80,
            source=Text("Quyết định 766/QĐ-TTg, dịch vụ trực tuyến", "Decision 766/QĐ-TTg, online services"),
        ),
        _kpi("open_now", Text("Hồ sơ đang giải quyết", "Open dossiers"), OPEN, None, better=Better.LOWER),
        _kpi(
            "overdue_now",
            Text("Hồ sơ quá hạn", "Overdue dossiers"),
            OVERDUE,
            None,
            better=Better.LOWER,
            target=200,
            source=Text("Mục tiêu nội bộ của trung tâm", "Internal target of the centre"),
        ),
    ),
    case=CaseRules(times, transitions, OPEN, OVERDUE),
)
