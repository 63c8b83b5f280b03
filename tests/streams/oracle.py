"""What a history must come to, by plain loops over dictionaries and fractions: slow, obvious, made independently.

It shares no code with the product and knows the small territory from a table of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import floor
from typing import Final

from tests.streams.history import Bad, Observed, Reported, Sent, Stated
from tests.streams.small_centre import CAP, MIDNIGHT

SECOND: Final = 1_000
DAY: Final = 86_400 * SECOND
WIDTHS: Final = {"10s": 10 * SECOND, "1m": 60 * SECOND, "15m": 900 * SECOND, "1h": 3_600 * SECOND, "1d": DAY}
LEVELS: Final = tuple(WIDTHS)
STALE: Final = (3 * 60 + 30) * SECOND

_ALWAYS: Final = (-(10**18), 10**18)
_BEFORE: Final = (-(10**18), MIDNIGHT)
_AFTER: Final = (MIDNIGHT, 10**18)
_L1 = (*_BEFORE, ("u-l1", "u-d1", "u-top", "c-all", "c-d1"))
_L2 = (*_BEFORE, ("u-l2", "u-d1", "u-top", "c-all", "c-d1"))
_L3 = (*_BEFORE, ("u-l3", "u-d2", "u-top", "c-all", "c-d2"))
_M1 = (*_AFTER, ("u-m1", "u-top", "c-all", "c-d1"))
_M2 = (*_AFTER, ("u-m2", "u-top", "c-all"))
_SAME = ("u-same", "u-top", "c-all")
ABOVE: Final[dict[str, tuple[tuple[int, int, tuple[str, ...]], ...]]] = {
    "a1": (_L1, _M1), "a2": (_L2, _M2), "a3": (_L3, _M2), "a4": ((*_ALWAYS, _SAME),), "a5": (),
    "a6": ((MIDNIGHT - DAY, MIDNIGHT + DAY, _SAME),),
    "o1": (_L1, _M1), "o2": (_L3, _M2), "o3": ((*_ALWAYS, _SAME),),
}  # fmt: skip

COUNTED: Final = (
    "dossiers.opened", "dossiers.opened_online", "dossiers.closed", "dossiers.closed_on_time", "dossiers.due",
    "dossiers.due_on_time",
)  # fmt: skip
ADDED: Final = {
    "traffic.intensity", "traffic.mean_speed", "traffic.occupancy", "traffic.headway", "air.loudest", *COUNTED,
}  # fmt: skip
"""Series whose assets' partials add up to those of the places above."""

Key = tuple[str, str, int, int]
"""(series, place, origin, start)."""

Row = tuple[int, int, int, int, int, int, int]
"""(count, weight, sum, min, max, last_at, last)."""


def bucket(at: int, level: str) -> int:
    if level == "1d":  # the local day begins at 17:00 UTC
        return (at + 7 * 3_600 * SECOND) // DAY * DAY - 7 * 3_600 * SECOND
    return at - at % WIDTHS[level]


def above(asset: str, at: int) -> tuple[str, ...]:
    return next((places for since, until, places in ABOVE[asset] if since <= at < until), ())


def entry_level(at: int, kept_from: Sequence[int]) -> int:
    """The finest level that still takes in a time."""
    return next((number for number, since in enumerate(kept_from) if at >= since), len(LEVELS) - 1)


@dataclass
class Expected:
    """What the store must hold, by names instead of numbers."""

    windows: dict[str, dict[Key, Row]] = field(default_factory=lambda: {level: {} for level in LEVELS})
    cases: dict[tuple[str, int], dict[str, str | int | None]] = field(default_factory=dict)
    stamps: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)
    figures: dict[tuple[str, str, int], tuple[int, int, int | None, int | None, str, str]] = field(default_factory=dict)
    letters: dict[tuple[str, str, str, int], tuple[int, int]] = field(default_factory=dict)
    latest: dict[tuple[str, str, int], tuple[int, int, int]] = field(default_factory=dict)


def expected(history: Iterable[Sent], kept_from: Sequence[int] = (0, 0, 0, 0)) -> Expected:
    """Everything that this history comes to, whatever its order and its cuts."""
    result = Expected()
    observed: list[tuple[Sent, Observed]] = []
    statements: dict[tuple[str, int], list[Stated]] = defaultdict(list)
    letters: Counter[tuple[str, str, str, int]] = Counter()
    for one in _once(history):
        match one.meaning:
            case Observed():
                observed.append((one, one.meaning))
            case Stated():
                statements[one.meaning.case, one.origin].append(one.meaning)
            case Reported(unit, values):
                key = ("statements.online", unit, one.origin)
                known = result.figures.get(key)
                if known is None or _figure_order(values) > _figure_order(known):
                    result.figures[key] = values
            case Bad(kind):
                hour = one.time - one.time % WIDTHS["1h"]
                letters[one.feed, _source(one), kind, hour] += 1
    result.letters = {key: (count, min(count, CAP)) for key, count in letters.items()}
    _fold_observed(result, observed, kept_from)
    _fold_cases(result, statements, kept_from)
    return result


def _source(one: Sent) -> str:
    return one.source or f"topic:{one.partition.topic}"


def _once(history: Iterable[Sent]) -> list[Sent]:
    """Without what a batch repeats."""
    seen: set[tuple[str, str, int, object]] = set()
    kept = []
    for one in history:
        if one.batch is not None:
            key = (_source(one), one.batch, one.index, one.partition)
            if key in seen:
                continue
            seen.add(key)
        kept.append(one)
    return kept


def _figure_order(values: tuple[int, int, int | None, int | None, str, str]) -> tuple[object, ...]:
    """A date decides, then the value; the rest only so that two that differ do not depend on who came last."""
    as_of, value, numerator, denominator, qualifier, source = values
    lowest = -(10**18)
    return (
        as_of,
        value,
        lowest if numerator is None else numerator,
        lowest if denominator is None else denominator,
        qualifier.encode(),
        source.encode(),
    )


# --- measurements ----------------------------------------------------------------------------------------------


def _row(values: list[tuple[int, int, int]]) -> Row:
    """One window of (at, value, weight)."""
    last_at, last = max((at, value) for at, value, _ in values)
    return (
        len(values),
        sum(weight for _, _, weight in values),
        sum(value * weight for _, value, weight in values),
        min(value for _, value, _ in values),
        max(value for _, value, _ in values),
        last_at,
        last,
    )


def _fold_observed(result: Expected, observed: list[tuple[Sent, Observed]], kept_from: Sequence[int]) -> None:
    cells: dict[tuple[str, Key], list[tuple[int, int, int]]] = defaultdict(list)
    newest: dict[tuple[str, str, int], list[tuple[int, int, int]]] = defaultdict(list)
    for sent, fact in observed:
        for series, value, weight in fact.readings:
            places = (fact.asset, *(above(fact.asset, fact.at) if series in ADDED else ()))
            for place in places:
                newest[series, place, sent.origin].append((fact.at, value, fact.as_of))
                for level in LEVELS[entry_level(fact.at, kept_from) :]:
                    key = (series, place, sent.origin, bucket(fact.at, level))
                    cells[level, key].append((fact.at, value, weight))
    for (level, key), values in cells.items():
        result.windows[level][key] = _row(values)
    for latest_key, statements in newest.items():
        at, value = max((at, value) for at, value, _ in statements)
        result.latest[latest_key] = (at, max(as_of for _, _, as_of in statements), value)
    for level in LEVELS[1:]:
        rows = result.windows[level]
        rows |= _congested(rows, level) | _dust(rows)


def _buckets(rows: dict[Key, Row], series: str) -> dict[tuple[int, int], dict[str, Row]]:
    """By (origin, start), the rows of the assets (those that belong somewhere) that spoke of the series then."""
    found: dict[tuple[int, int], dict[str, Row]] = defaultdict(dict)
    for (name, place, origin, start), row in rows.items():
        if name == series and ABOVE.get(place):
            found[origin, start][place] = row
    return found


def _congested(rows: dict[Key, Row], level: str) -> dict[Key, Row]:
    """Sum over the assets of a place of what each said last, if that is not stale when the bucket begins."""
    series = "traffic.congested"
    said = _buckets(rows, series)
    result: dict[Key, Row] = {}
    for origin, start in said:
        counted: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for asset in ABOVE:
            known = [
                (row[5], row[6])
                for (of_origin, then), at_once in said.items()
                for place, row in at_once.items()
                if of_origin == origin and place == asset and then <= start and start - row[5] <= STALE
            ]
            if known:
                for place in above(asset, start):
                    counted[place].append(max(known))
        for place, values in counted.items():
            total = sum(value for _, value in values)
            last_at = max(at for at, _ in values)
            result[series, place, origin, start] = (len(values), 1, total, total, total, last_at, total)
    return result


def _dust(rows: dict[Key, Row]) -> dict[Key, Row]:
    """The worst of the means of a place's assets in the bucket."""
    series = "air.dust"
    result: dict[Key, Row] = {}
    for (origin, start), at_once in _buckets(rows, series).items():
        counted: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for asset, row in at_once.items():
            mean = floor(Fraction(row[2], row[1]) + Fraction(1, 2))
            for place in above(asset, start):
                counted[place].append((mean, row[5]))
        for place, values in counted.items():
            worst, last_at = max(mean for mean, _ in values), max(at for _, at in values)
            result[series, place, origin, start] = (len(values), 1, worst, worst, worst, last_at, worst)
    return result


# --- cases -----------------------------------------------------------------------------------------------------


def _field_order(value: str | int | None) -> tuple[int, int, str]:
    if value is None:
        return (0, 0, "")
    return (1, value, "") if isinstance(value, int) else (2, 0, value)


def _fold_cases(result: Expected, statements: dict[tuple[str, int], list[Stated]], kept_from: Sequence[int]) -> None:
    counts: Counter[tuple[str, Key]] = Counter()
    for (case, origin), said in statements.items():
        names = {name for one in said for name, _ in one.fields}
        fields: dict[str, str | int | None] = {}
        stamps: dict[str, int] = {}
        for name in names:
            stamps[name], _, fields[name] = max(
                (one.modified, _field_order(dict(one.fields)[name]), dict(one.fields)[name])
                for one in said
                if name in dict(one.fields)
            )
        result.cases[case, origin], result.stamps[case, origin] = fields, stamps
        for one in said:
            office = str(dict(one.fields)["office"])
            for series, place in product(COUNTED, (office, *above(office, one.modified))):
                _, known, _ = result.latest.get((series, place, origin), (0, 0, 0))
                newest = max(known, one.modified)
                result.latest[series, place, origin] = (newest, newest, 0)
        office = str(fields["office"])
        for series, at in transitions(fields):
            for place in (office, *above(office, at)):
                for level in LEVELS[entry_level(at, kept_from) :]:
                    counts[level, (series, place, origin, bucket(at, level))] += 1
    for (level, key), count in counts.items():
        result.windows[level][key] = (count, count, count, 0, 0, 0, 0)


def transitions(fields: dict[str, str | int | None]) -> list[tuple[str, int]]:
    """What a dossier counts for, from what is known of it in the end."""
    received, due = fields.get("received"), fields.get("due")
    finished, returned = fields.get("finished"), fields.get("returned")
    closed = finished if finished is not None else returned
    found: list[tuple[str, int]] = []
    if isinstance(received, int):
        found.append(("dossiers.opened", received))
        if fields.get("channel") == "online":
            found.append(("dossiers.opened_online", received))
    if isinstance(due, int):
        found.append(("dossiers.due", due))
    if isinstance(closed, int):
        found.append(("dossiers.closed", closed))
        if isinstance(due, int) and closed <= due:
            found += [("dossiers.closed_on_time", closed), ("dossiers.due_on_time", due)]
    return found
