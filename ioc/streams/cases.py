"""What reports change in cases: new states, and the transitions that are counted or taken back.

Pure: states in, states out. What a case counts for is a function of its merged state alone, so it does not matter
in which order or in how many batches its reports arrive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ioc.feeds.feed import CaseRules
from ioc.model.facts import OFFICE, Case, CaseReport, CaseTimes
from ioc.streams.fold import net_transitions


@dataclass(slots=True)
class CaseChanges:
    """New states (case, number of its office, its times), flat transition rows, and when offices were last heard."""

    states: dict[str, tuple[Case, int | None, CaseTimes]] = field(default_factory=dict)
    transitions: list[int] = field(default_factory=list)
    heard: dict[int, int] = field(default_factory=dict)


def changed_cases(
    rules: CaseRules,
    known: Mapping[str, Case],
    reports: Iterable[CaseReport],
    places: Mapping[str, int],
    series: Mapping[str, int],
    origin: int,
) -> CaseChanges:
    """Merge the reports into the known states, all of one feed and origin."""
    result = CaseChanges()
    states: dict[str, Case] = {}
    for report in reports:
        so_far = states.get(report.case) or known.get(report.case) or Case()
        states[report.case] = so_far.merged_with(report)
        # What an office says counts as heard though it changes nothing, and whatever came before it.
        office = places.get(str(report.fields.get(OFFICE)))
        if office is not None:
            result.heard[office] = max(result.heard.get(office, 0), report.modified)

    changes: list[tuple[int, int, int, int, int]] = []
    for case_id, case in states.items():
        before = known.get(case_id)
        if before is not None:
            changes += _counted(rules, before, places, series, origin, -1)
        changes += _counted(rules, case, places, series, origin, +1)
        result.states[case_id] = (case, _office(case, places), rules.times(case))
    result.transitions = net_transitions(changes)
    return result


def _office(case: Case, places: Mapping[str, int]) -> int | None:
    office = case.text(OFFICE)
    return None if office is None else places.get(office)


def _counted(
    rules: CaseRules,
    case: Case,
    places: Mapping[str, int],
    series: Mapping[str, int],
    origin: int,
    change: int,
) -> list[tuple[int, int, int, int, int]]:
    office = _office(case, places)
    if office is None:
        return []
    return [(series[one.id], office, origin, at, change) for one, at in rules.transitions(case)]
