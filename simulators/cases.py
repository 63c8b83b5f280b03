"""What a dossier is and what its message says at any moment of its life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_DAYS = 110  # bounded by the longest field, the longest delays and the lunar new year


@dataclass(frozen=True, slots=True)
class Case:
    """A dossier and all that will happen to it; times are seconds since 1970 (UTC)."""

    id: str
    office: str
    procedure: str
    field: str
    channel: str
    received: int
    due: int
    due_after_papers: int  # where the citizen was asked for papers, the due time moves by the wait
    events: tuple[tuple[int, str], ...]  # (moment, state), strictly ascending


def state_at(case: Case, before: int) -> dict[str, str | None] | None:
    """The dossier's message as it stood just before a moment; None where it was not yet received.

    While the citizen is asked for papers there is no due time (null). A withdrawn dossier counts as returned.
    """
    past = [event for event in case.events if event[0] < before]
    if not past:
        return None
    modified, state = past[-1]
    times = {state: at for at, state in past}
    due: int | None = case.due_after_papers if "suspended" in times else case.due
    return {
        "id": case.id,
        "type": "Dossier",
        "office": case.office,
        "procedure": case.procedure,
        "field": case.field,
        "channel": case.channel,
        "received": iso(case.received),
        "due": iso(None if state == "suspended" else due),
        "finished": iso(times.get("finished")),
        "returned": iso(times.get("returned", times.get("withdrawn"))),
        "state": state,
        "modified": iso(modified),
    }


def iso(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
