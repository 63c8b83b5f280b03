"""Replay of real cases: service requests of Boston and New York (311) as dossiers of the province's offices.

A department stands for an office by the tables below; its own code and the case's number are kept in
`sourceCode`. Streets, names and free text are left out. Rows are sent as they are, dirty ones too: the
server judges them. Only a row without a number, without a readable opening time, or of a department that no
table knows cannot be sent; such rows are counted by reason.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from simulators.errors import SimulatorError
from simulators.places import Office
from simulators.province import BATCH, Request
from simulators.roads import plain

WEEK = timedelta(weeks=1)


class Times(Enum):
    """What becomes of a file's times; moved ones all move by the same number of whole weeks (Mondays stay Mondays)."""

    KEPT = "kept"
    PAST = "past"  # all that the file knows has happened: the last closing is not in the future
    RECENT = "recent"  # the last opening is not in the future; what was closed later is told as open


@dataclass(frozen=True, slots=True)
class Department:
    """Which office (by its place in the order of ids, round and round) stands for a department, and its
    field.
    """

    office: int
    field: str


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """How one city writes its service requests: the names of columns, the form of times, the table of
    departments.
    """

    name: str
    number: str
    department: str
    opened: str
    due: str
    closed: str
    kind: str
    way: str
    time_format: str
    zone: ZoneInfo
    online: frozenset[str]  # ways that count as online; all others were taken by an employee (counter)
    departments: Mapping[str, Department]


BOSTON = ServiceFile(
    name="boston-311",
    number="case_enquiry_id",
    department="department",
    opened="open_dt",
    due="target_dt",
    closed="closed_dt",
    kind="type",
    way="source",
    time_format="%Y-%m-%d %H:%M:%S",
    zone=ZoneInfo("America/New_York"),
    online=frozenset({"Self Service", "Citizens Connect App", "Twitter"}),
    departments={
        "PWDx": Department(0, "environment"),  # Public Works
        "ISD": Department(1, "construction"),  # Inspectional Services
        "PARK": Department(2, "environment"),  # Parks & Recreation
        "BTDT": Department(3, "transport"),  # Transportation
        "INFO": Department(4, "social"),  # Mayor's hotline
        "PROP": Department(5, "construction"),  # Property Management
        "BWSC": Department(6, "environment"),  # Water & Sewer
        "DISB": Department(7, "social"),  # Commission for Persons with Disabilities
        "GEN_": Department(8, "social"),  # general
        "BPD_": Department(9, "social"),  # Police
        "ANML": Department(10, "health"),  # Animal Control
        "BPS_": Department(11, "education"),  # Public Schools
        "ONS_": Department(12, "social"),  # Neighborhood Services
        "DND_": Department(13, "construction"),  # Neighborhood Development
        "BHA_": Department(14, "construction"),  # Housing Authority
        "CHT_": Department(15, "social"),  # City Hall Truck
    },
)

NEW_YORK = ServiceFile(
    name="nyc-311",
    number="Unique Key",
    department="Agency",
    opened="Created Date",
    due="Due Date",
    closed="Closed Date",
    kind="Complaint Type",
    way="Open Data Channel Type",
    time_format="%m/%d/%Y %I:%M:%S %p",
    zone=ZoneInfo("America/New_York"),
    online=frozenset({"ONLINE", "MOBILE"}),
    departments={
        "NYPD": Department(0, "social"),
        "DOF": Department(1, "business"),
        "DHS": Department(2, "social"),
        "DCA": Department(3, "business"),
        "TLC": Department(4, "transport"),
        "DPR": Department(5, "environment"),
        "DOHMH": Department(6, "health"),
        "DOT": Department(7, "transport"),
        "DFTA": Department(8, "social"),
        "DSNY": Department(9, "environment"),
        "HPD": Department(10, "construction"),
        "DOB": Department(11, "construction"),
        "DEP": Department(12, "environment"),
        "DOE": Department(13, "education"),
    },
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The dossiers of a file in its order, the shift that was put on their times, and the rows left out by
    reason.
    """

    dossiers: tuple[dict[str, str | None], ...]
    shifted: timedelta
    left_out: Mapping[str, int]

    def requests(self, batch: int = BATCH) -> list[Request]:
        lines = [msgspec.json.encode(dossier) for dossier in self.dossiers]
        parts = [lines[at : at + batch] for at in range(0, len(lines), batch)]
        return [Request("dossiers", b"\n".join(part), len(part)) for part in parts]


def replayed(
    path: Path,
    form: ServiceFile,
    offices: Sequence[Office],
    now: datetime,
    *,
    times: Times = Times.PAST,
    most: int | None = None,
) -> Replayed:
    """Reads a file and writes each row as one dossier, in the last state that is known at `now`."""
    if not offices:
        raise SimulatorError("The server knows no office that could stand for a department.")
    left_out = Counter[str]()
    rows: list[tuple[dict[str, str], datetime]] = []
    for row in _rows(path, form)[:most]:
        opened = _time(row[form.opened], form)
        if not row[form.number].strip():
            left_out["no number"] += 1
        elif opened is None:
            left_out["no readable opening time"] += 1
        elif row[form.department].strip() not in form.departments:
            left_out[f"no office stands for department {row[form.department].strip()!r}"] += 1
        else:
            rows.append((row, opened))
    opened_last = max((opened for _, opened in rows), default=now)
    closed_last = max((at for row, _ in rows if (at := _time(row[form.closed], form)) is not None), default=opened_last)
    shifted = timedelta()
    if times is Times.PAST:
        shifted = (now - max(opened_last, closed_last)) // WEEK * WEEK
    elif times is Times.RECENT:
        shifted = (now - opened_last) // WEEK * WEEK
    ordered = sorted(offices, key=lambda office: office.id)
    dossiers = tuple(_dossier(row, opened, form, ordered, shifted, now) for row, opened in rows)
    return Replayed(dossiers, shifted, left_out)


def _rows(path: Path, form: ServiceFile) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, UnicodeDecodeError) as error:
        raise SimulatorError(f"{path} cannot be read: {error}") from error
    needed = {form.number, form.department, form.opened, form.due, form.closed, form.kind, form.way}
    missing = needed - set(rows[0] if rows else ())
    if missing:
        raise SimulatorError(f"{path} is no file of {form.name}: it lacks the columns {', '.join(sorted(missing))}.")
    return rows


def _dossier(
    row: Mapping[str, str],
    opened: datetime,
    form: ServiceFile,
    offices: Sequence[Office],
    shifted: timedelta,
    now: datetime,
) -> dict[str, str | None]:
    code, number = row[form.department].strip(), row[form.number].strip()
    department = form.departments[code]
    due, closed = _time(row[form.due], form), _time(row[form.closed], form)
    if closed is not None and closed + shifted > now:
        closed = None  # it will be closed; now nobody knows

    def told(at: datetime | None) -> str | None:
        return None if at is None else (at + shifted).strftime("%Y-%m-%dT%H:%M:%SZ")

    return {
        "id": f"urn:ngsi-ld:Dossier:{form.name}:{number}",
        "type": "Dossier",
        "office": offices[department.office % len(offices)].id,
        "procedure": f"{form.name}-{plain(row[form.kind])}",
        "field": department.field,
        "channel": "online" if row[form.way].strip() in form.online else "counter",
        "received": told(opened),
        "due": told(due),
        "finished": told(closed),
        "state": "finished" if closed else "in_progress",
        "modified": told(max(opened, closed or opened)),
        "sourceCode": f"{code}/{number}",
    }


def _time(text: str, form: ServiceFile) -> datetime | None:
    """A local time of the file in UTC; None where there is none or it cannot be read."""
    try:
        return datetime.strptime(text.strip(), form.time_format).replace(tzinfo=form.zone).astimezone(UTC)
    except ValueError:
        return None
