"""What a value says on screen: texts, shape and judgement of a card, a unit, a source. Pure functions.

Three axes that never mix: how fresh (state), from where (origin), good or bad (verdict). A stale or silent value is
never judged; a silent one shows a dash, and its last known value with its time beside it. The browser ages the same
values every second by the same rules (assets/faces.js); a test compares the two.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from ioc.panels.document import Card, Freshness, Segment, SourceRow, UnitRow
from ioc.panels.formats import DASH, clock, duration, moment, number, quantity, rounded
from ioc.panels.words import Language, Words, is_word, unit_word

Verdict = Literal["met", "missed", ""]
Shown = Freshness | Literal["none"]
"""How fresh, as a page shows it. `none`: nothing was ever observed, which is no loss of signal and has no sign."""


RATE_DECIMALS: Final = 1
"""Of a unit's rate: one decimal tells units apart, two would pretend to know more than a week of dossiers says."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, and when: the language and the moment that ages count to."""

    language: Language
    words: Words
    now: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """How fresh: the shape is the state's; `word` names it unless all is well, `text` gives the age."""

    state: Shown
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class CardFace:
    as_of: Said
    value: str
    unit: str
    ratio: str
    target: str
    verdict: Verdict
    judged: str
    movement: str
    span: str
    moved: Literal["up", "down", "level", ""]
    reporting: str
    share: float | None
    """Where the bar ends and where its target stands, as per cent of the bar; only for parts of a whole."""

    target_share: float | None


@dataclass(frozen=True, slots=True)
class UnitFace:
    state: Shown
    value: str
    gap: str
    verdict: Verdict
    note: str
    open: str
    overdue: str
    speed: str


@dataclass(frozen=True, slots=True)
class SourceFace:
    state: Shown
    word: str
    last: str
    lag: str
    rate: str
    rejected: str


def age_of(as_of: str | None, now: datetime) -> float | None:
    """Seconds since `as_of`; None where nothing was ever observed."""
    return None if as_of is None else max(0.0, (now - moment(as_of)).total_seconds())


def state_of(card: Card, now: datetime) -> Freshness:
    """The state by age alone: what the viewer's clock says, whatever the server last said."""
    age = age_of(card["as_of"], now)
    if age is None or age > card["silent_after"]:
        return "silent"
    if age > card["stale_after"]:
        return "stale"
    return "late" if age > card["late_after"] else "on_time"


def verdict_of(value: float | None, decimals: int, target: float | None, better: str, state: Freshness) -> Verdict:
    """Met or missed, as the value is shown; nothing for what has no target, no value, or is stale or silent.

    As shown: 94.96 reads 95,0 %, and a reader who sees the target reached must not be told that it is missed.
    """
    if value is None or target is None or state in ("stale", "silent"):
        return ""
    shown = rounded(value, decimals)
    return "met" if (shown >= target if better == "higher" else shown <= target) else "missed"


def freshness(state: Freshness, as_of: str | None, reader: Reader) -> Said:
    words, now = reader.words, reader.now
    age = age_of(as_of, now)
    if as_of is None or age is None:
        return Said("none", words.no_data_yet, "")
    span = duration(age, words, exact=state == "late")
    match state:
        case "on_time":
            return Said(state, "", words.as_of_on_time.format(age=span))
        case "late":
            return Said(state, words.state_late, words.as_of_late.format(age=span))
        case "stale":
            text = words.as_of_stale.format(age=span, time=clock(moment(as_of), now))
            return Said(state, words.state_stale, text)
        case "silent":
            return Said(state, words.state_silent, words.as_of_silent.format(age=span))


def _shown(card: Card, value: float, reader: Reader) -> str:
    return quantity(value, card["decimals"], card["unit"], reader.words, reader.language)


def _target(card: Card, state: Freshness, reader: Reader) -> str:
    words = reader.words
    last = card["last_value"] if card["last_value"] is not None else card["value"]
    if state == "silent" and card["as_of"] is not None:
        if last is None:
            return ""
        time = clock(moment(card["as_of"]), reader.now)
        return words.last_known.format(value=_shown(card, last, reader), time=time)
    if card["target"] is None:
        return ""
    decimals = 0 if float(card["target"]).is_integer() else card["decimals"]
    text = quantity(card["target"], decimals, "%" if card["unit"] == "%" else "", words, reader.language)
    form = words.target_at_least if card["better"] == "higher" else words.target_at_most
    return form.format(value=text)


def _distance(card: Card, value: float, target: float, reader: Reader) -> str:
    words = reader.words
    # A unit that is a word stands in the title of the card already.
    unit = words.points if card["unit"] == "%" else "" if is_word(card["unit"]) else card["unit"]
    text = f"{number(abs(value - target), card['decimals'], reader.language)}\u00a0{unit}".rstrip()
    return (words.missed_below if value < target else words.missed_above).format(value=text)


def _tells_its_line(card: Card, state: Freshness) -> bool:
    """Whether the span of the small line is said: it has a line, and its place is not taken by the last known value."""
    return sum(point is not None for point in card["spark"]) > 1 and state not in ("stale", "silent")


def _movement(card: Card, state: Freshness, reader: Reader) -> tuple[str, Literal["up", "down", "level", ""]]:
    """How far the small line went, from its first point to its last; the arrow beside it says which way.

    Nothing where an end is missing.
    """
    first, last = (card["spark"][0], card["spark"][-1]) if card["spark"] else (None, None)
    if first is None or last is None or state in ("stale", "silent"):
        return "", ""
    change = last - first
    seen = rounded(change, card["decimals"])
    text = number(abs(change), card["decimals"], reader.language)
    return text, "up" if seen > 0 else "down" if seen < 0 else "level"


def _share(part: float | None, card: Card) -> float | None:
    return None if part is None or card["unit"] != "%" else min(100.0, max(0.0, part))


def card_face(card: Card, reader: Reader) -> CardFace:
    """All that a card says at `reader.now`."""
    words, language = reader.words, reader.language
    state = state_of(card, reader.now)
    silent = state == "silent" or card["value"] is None
    value = card["value"]
    verdict = verdict_of(value, card["decimals"], card["target"], card["better"], state)
    judged = ""
    if verdict == "met":
        judged = words.met
    elif verdict == "missed" and value is not None and card["target"] is not None:
        judged = _distance(card, value, card["target"], reader)
    ratio = ""
    if not silent and card["numerator"] is not None and card["denominator"] is not None:
        ratio = f"{number(card['numerator'], 0, language)}/{number(card['denominator'], 0, language)}"
    reporting = ""
    if card["expected"]:
        m, n = (number(count, 0, language) for count in (card["reporting"], card["expected"]))
        reporting = words.reporting.format(m=m, n=n)
    movement, moved = _movement(card, state, reader)
    return CardFace(
        as_of=freshness(state, card["as_of"], reader),
        value=DASH if silent or value is None else number(value, card["decimals"], language),
        unit="" if silent else unit_word(words, card["unit"]),
        ratio=ratio,
        target=_target(card, state, reader),
        verdict=verdict,
        judged=judged,
        movement=movement,
        span=duration(card["spark_span"], words) if _tells_its_line(card, state) else "",
        moved=moved,
        reporting=reporting,
        share=None if silent else _share(value, card),
        target_share=_share(card["target"], card),
    )


def unit_face(row: UnitRow, reader: Reader) -> UnitFace:
    """A unit in the ranking: its rate, its distance to the target, and what waits there."""
    words, language = reader.words, reader.language
    state: Shown = row["state"] if row["as_of"] else "none"
    silent = state == "silent" or row["value"] is None
    verdict = verdict_of(row["value"], RATE_DECIMALS, row["target"], "higher", row["state"])

    def count(value: float | None) -> str:
        return DASH if value is None else number(value, 0, language)

    gap = ""
    if not silent and row["value"] is not None and row["target"] is not None:
        # The distance as it reads from the two shown numbers, so that nobody finds a sum that is off by 0,1.
        distance = rounded(row["value"], RATE_DECIMALS) - row["target"]
        gap = ("+" if rounded(distance, 1) > 0 else "") + number(distance, 1, language)
    note = {"silent": words.state_silent, "none": words.no_data_yet}.get(state, "")
    if not note and row["value"] is None:
        note = words.units_due_none
    if not note and row["overdue"] is not None:
        note = words.unit_overdue_of.format(overdue=count(row["overdue"]))
    return UnitFace(
        state=state,
        value=DASH if silent or row["value"] is None else quantity(row["value"], RATE_DECIMALS, "%", words, language),
        gap=gap,
        verdict=verdict,
        note=note,
        open=count(row["open"]),
        overdue=count(row["overdue"]),
        speed=DASH if row["speed"] is None else number(row["speed"], 0, language),
    )


def segment_kind(row: Segment, slow_below: float | None) -> Literal["none", "silent", "congested", "slow", "free"]:
    """How a road segment is drawn. `slow_below` is the target of the speed KPI: what is slower is slow."""
    if row["as_of"] is None:
        return "none"
    if row["state"] in ("stale", "silent") or row["value"] is None:
        return "silent"
    if row["congested"]:
        return "congested"
    return "slow" if slow_below is not None and row["value"] < slow_below else "free"


def source_face(row: SourceRow, reader: Reader) -> SourceFace:
    """A row of the sources board: is it alive, on time, and does what it sends get in."""
    words, language = reader.words, reader.language
    age = age_of(row["last_message"], reader.now)
    said = {
        "on_time": words.state_on_time,
        "late": words.state_late,
        "stale": words.state_stale,
        "silent": words.state_silent,
    }[row["state"]]
    rejected = row["rejected_share"]
    return SourceFace(
        state=row["state"] if age is not None else "none",
        word=said if age is not None else words.no_data_yet,
        last=DASH if age is None else duration(age, words, exact=False),
        lag=DASH if row["lag_s"] is None else duration(row["lag_s"], words, exact=False),
        rate=DASH if row["per_minute"] is None else number(row["per_minute"], 0, language),
        rejected=DASH if rejected is None else quantity(100 * rejected, 1, "%", words, language),
    )
