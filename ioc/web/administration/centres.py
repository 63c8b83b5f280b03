"""Pages of centres: what each covers on a day, and all periods of that. To be read only."""

from datetime import date

from ioc.operations.coverage import CentreCoverage, CoveredPeriod, centre_coverage, list_coverage, local_day
from ioc.web.administration.asking import HOME, Answer, Asked, Page
from ioc.web.administration.markup import Content, Html, element
from ioc.web.administration.pieces import heading, panel, stacked, table
from ioc.web.administration.reading import Reader

CENTRES = f"{HOME}/centres"


def centres(asked: Asked) -> Answer:
    say, reader = asked.reader.say, asked.reader
    covered = list_coverage(asked.principal, asked.province, now=asked.now)
    today = local_day(asked.principal, asked.province, asked.now)
    rows = (
        (
            element("a", reader.text(one.title), element("small", one.id), href=f"{CENTRES}/{one.id}", css="main-link"),
            reader.text(one.parent) if one.parent else say("none"),
            _summary(reader, one.on(today)),
            _before(reader, one, today),
        )
        for one in covered
    )
    heads = [say(word) for word in ("centre", "centre_above", "covers_today", "covered_before")]
    content = stacked(
        heading(say("centres"), reader.count("centres_count", len(covered)), note=say("centres_note")),
        table(heads, rows, say("centres_empty")),
    )
    return Page("centres", say("centres"), content)


def centre(asked: Asked) -> Answer:
    say, reader = asked.reader.say, asked.reader
    one = centre_coverage(asked.principal, asked.province, asked.parts["centre"], now=asked.now)
    today = local_day(asked.principal, asked.province, asked.now)
    text = asked.query.get("on", "").strip()
    day = _day(text) if text else today
    shown = one.on(day or today)
    title = reader.text(one.title)
    periods = element(
        "ul",
        *(
            element("li", _period_link(asked, one, period, today, shown), _units_word(reader, period))
            for period in one.periods
        ),
        css="periods",
    )
    units = table(
        [say(word) for word in ("unit", "unit_code", "unit_level", "unit_below")],
        (
            (element("span", unit.name, element("small", unit.id)), unit.code, reader.text(unit.level), str(unit.below))
            for unit in shown.units
        ),
        say("covers_nothing"),
    )
    note = say("centre_above") + f": {reader.text(one.parent)}" if one.parent else ""
    content = stacked(
        element("a", say("centres"), href=CENTRES, css="back"),
        heading(title, note=note),
        panel(say("history"), periods, _day_form(asked, day.isoformat() if day else text, is_wrong=day is None)),
        panel(say("centre_on_day", day=reader.day(day or today)), units, count=_units_word(reader, shown)),
    )
    status = 200 if day is not None else 400
    return Page("centres", title, content, status)


def _day_form(asked: Asked, text: str, *, is_wrong: bool) -> Html:
    say = asked.reader.say
    box = element(
        "input", type="date", name="on", id="on", value=text, aria_describedby="on-error" if is_wrong else None
    )
    return element(
        "form",
        element("label", say("day_pick"), for_="on"),
        box,
        element("button", say("day_show"), type="submit", css="button"),
        element("a", say("day_today"), href=asked.path) if asked.query.get("on") else None,
        element("p", say("error_day"), css="error", id="on-error") if is_wrong else None,
        method="get",
        action=asked.path,
        css="search",
    )


def _period_link(asked: Asked, one: CentreCoverage, period: CoveredPeriod, today: date, shown: CoveredPeriod) -> Html:
    """To the first day of a period, or of the oldest to its last."""
    day = period.valid_from or (period.valid_to - date.resolution if period.valid_to else today)
    href = asked.path if period.holds_on(today) else f"{asked.path}?on={day.isoformat()}"
    return element(
        "a", period_text(asked.reader, period, today), href=href, aria_current="true" if period is shown else None
    )


def period_text(reader: Reader, period: CoveredPeriod, today: date) -> str:
    """A period in words. `valid_to` is the first day that does not count, so the last one that does is said."""
    start = None if period.valid_from is None else reader.day(period.valid_from)
    end = None if period.valid_to is None else reader.day(period.valid_to - date.resolution)
    if start and end:
        return reader.say("period_between", start=start, end=end)
    if start:
        return reader.say("period_open" if period.holds_on(today) else "period_future", start=start)
    if period.valid_to is not None:
        return reader.say("period_before", end=reader.day(period.valid_to))
    return reader.say("period_always")


def _before(reader: Reader, one: CentreCoverage, today: date) -> Content:
    """The period before today's, with when it ended."""
    older = [period for period in one.periods if period.valid_to is not None and period.valid_to <= today]
    if not older:
        return reader.say("none")
    return element("span", _summary(reader, older[0]), element("small", period_text(reader, older[0], today)))


def _summary(reader: Reader, period: CoveredPeriod) -> str:
    """A unit by name, several by their number."""
    if len(period.units) == 1:
        return period.units[0].name
    return _units_word(reader, period) if period.units else reader.say("covers_nothing")


def _units_word(reader: Reader, period: CoveredPeriod) -> str:
    return reader.count("units_count", len(period.units))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
