"""Values for the parameters of routes, by what they name: own, foreign, parent's, of nobody, unknown, malformed.

A parameter whose name and type the matrix does not know makes the test fail: nobody would have asked whether what it
names can be somebody else's. Declare its name in KINDS, with the values that it can take.
"""

import enum
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal, Union, get_args, get_origin

from ioc.feeds import FEEDS, KPIS
from ioc.operations.views import Page
from tests.access_matrix.canaries import APART, FOREIGN, MARKS, MOVED, NUMBERS, OWN, PARENT, SECOND, WITH_CENTRE

UNKNOWN: Final = "zq7nowhere"
MALFORMED: Final = ("", "\x00", "..", "'\";--<b>{{7*7}}", "ư̛\u202e💥", "x" * 300, "-1", "%FF%00")


class UnknownParameter(AssertionError):
    """A route takes something that the matrix cannot fill."""


@dataclass(frozen=True, slots=True)
class Values:
    """`good` are tried together with those of other parameters, `bad` one at a time; `good[0]` is the asker's own."""

    good: tuple[str, ...]
    bad: tuple[str, ...] = (UNKNOWN, *MALFORMED)


def _ids(kind: str, *groups: str) -> Values:
    return Values(tuple(f"{kind}-{MARKS[one]}" for one in groups))


_UNITS: Final = _ids("u", OWN, FOREIGN, PARENT, SECOND, MOVED)
_CENTRES: Final = _ids("c", *(OWN, FOREIGN, PARENT, SECOND, APART))
_ASSETS: Final = Values(tuple(f"{kind}-{MARKS[one]}" for one in (OWN, FOREIGN, SECOND, MOVED) for kind in "ro"))
_VIEWS: Final = Values(tuple(f"{page}:c-{MARKS[one]}" for one in WITH_CENTRE[1:] + WITH_CENTRE[:1] for page in Page))
_SERIES: Final = Values(tuple(series.id for feed in FEEDS.values() for series in feed.series[:1]))
_PEOPLE: Final = Values(
    ("viewer.of.own", *(f"{role}.{MARKS[one]}" for one in (FOREIGN, PARENT) for role in ("administrator", "viewer")))
)
_KEYS: Final = Values(("reads", *(f"key-{MARKS[one]}" for one in (FOREIGN, PARENT))))
_NAMES: Final = Values((*_PEOPLE.good, *_KEYS.good, *_CENTRES.good, "1", f"p-{_PEOPLE.good[0]}"))
_TIMES: Final = ("2026-11-21T08:00:00Z", "2025-06-01T00:00:00+07:00", "2026-11-01T00:00:00Z")
_TEXTS: Final = Values(("", f"H0-{NUMBERS[FOREIGN]}", "%", "_"))
_FILES: Final = Values(("tokens.css",), ("../app.py", "..%2fapp.py", "/etc/passwd", "....//", "\x00", ""))

KINDS: Final[dict[str, Values]] = {
    "unit": _UNITS,
    "units": _UNITS,
    "code": Values(tuple(f"code-{MARKS[one]}" for one in (OWN, FOREIGN))),
    "centre": _CENTRES,
    "centres": _CENTRES,
    "asset": _ASSETS,
    "assets": _ASSETS,
    "place": Values((*_UNITS.good, *_CENTRES.good, *_ASSETS.good)),
    "view": _VIEWS,
    "page": Values(tuple(Page)),
    "feed": Values(tuple(FEEDS)),
    "series": _SERIES,
    "series_id": _SERIES,
    "kpi": Values(tuple(KPIS)[::3][:2]),
    "kpi_id": Values(tuple(KPIS)[::3][:2]),
    "case": Values(tuple(f"H{number}-{NUMBERS[one]}" for one in (OWN, FOREIGN) for number in range(2))),
    "person": Values((*(f"p-{one}" for one in _PEOPLE.good[:1]), *_PEOPLE.good)),
    "login": _PEOPLE,
    "key": _KEYS,
    "screen": _NAMES,
    "session": _NAMES,
    "device": _NAMES,
    "name": _NAMES,
    "id": _NAMES,
    "who": _NAMES,
    "by": _NAMES,
    "about": _NAMES,
    "subject": _NAMES,
    "token": Values((UNKNOWN,)),
    "nonce": Values((UNKNOWN,)),
    "kind": Values(("road_segment", "office")),
    "origin": Values(("live", "simulated")),
    "state": Values(("open", "overdue", "closed")),
    "step": Values(("1h", "10s", "1d")),
    "from": Values(_TIMES[1:]),
    "to": Values(_TIMES[:1]),
    "at": Values(("2026-11-21", "2025-06-20", "2025-07-01")),
    "day": Values(("2026-11-21", "2025-06-20")),
    "cursor": Values((f"u-{MARKS[FOREIGN][:-1]}", "1", "eyJhIjoxfQ")),
    "after": Values(("0", "1")),
    "before": Values(("1", "999999")),
    "limit": Values(("1", "1000"), ("0", "-1", "1001", "x", "")),
    "role": Values(("viewer", "administrator")),
    "lang": Values(("vi", "en")),
    "theme": Values(("dark", "light")),
    "next": Values(("/", f"/wall/c-{MARKS[FOREIGN]}"), ("//evil.example", "https://evil.example/", "/\\evil.example")),
    "q": _TEXTS,
    "text": _TEXTS,
    "search": _TEXTS,
    "action": _TEXTS,
    "format": Values(("csv", "json")),
    "package_name": Values(("dash", "dcc"), ("plotly", "os", "..", "")),
    "fingerprinted_path": _FILES,
    "path": _FILES,
}
"""By name, as it stands in the route."""

HISTORY: Final = {"from": _TIMES[1], "to": _TIMES[0], "step": "1d", "at": "2025-06-20"}
"""What asks for the time before the reform, where a route takes it."""

EXCLUSIVE: Final = ("unit", "centre", "asset")
"""Of these a request names one."""


def values_of(name: str, annotation: Any, where: str) -> Values:
    """The values of a parameter; UnknownParameter says how to declare one."""
    if name in KINDS:
        return KINDS[name]
    for one in _plain(annotation):
        if isinstance(one, type) and issubclass(one, enum.Enum):
            return Values(tuple(str(member.value) for member in one))
        if get_origin(one) is Literal:
            return Values(tuple(str(choice) for choice in get_args(one)))
        if one is bool:
            return Values(("true", "false"))
        if one in (int, float):
            return Values(("1", "0"), ("-1", "x", "99999999999999999999", ""))
        if one is datetime:
            return Values(_TIMES)
        if one is date:
            return KINDS["at"]
    raise UnknownParameter(
        f"{where} takes {name!r}, which the matrix cannot fill: declare it in KINDS in"
        " tests/access_matrix/parameters.py, with values of own, foreign and parent places if it names any."
    )


def _plain(annotation: Any) -> Iterable[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [part for one in get_args(annotation) for part in _plain(one)]
    if hasattr(annotation, "__metadata__"):
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (list, tuple, set, frozenset):
        return _plain(get_args(annotation)[0])
    return [annotation]


# --- callbacks -------------------------------------------------------------------------------------------------

Value = Any
_IDS: Final[tuple[str, ...]] = (*_CENTRES.good, *_UNITS.good[:2], *_PEOPLE.good[:2], *_KEYS.good[:2])
_NUMBERS: Final = (None, 0, 1, -1, "x")


def property_values(name: str, pathnames: Iterable[str], where: str) -> tuple[Value, ...]:
    """The values of a property of a component, when a callback is called."""
    known: Mapping[str, Callable[[], tuple[Value, ...]]] = {
        "pathname": lambda: (*pathnames, "", None, "/nothing", f"/wall/{UNKNOWN}", "//", "/wall/\x00", {"a": 1}),
        "search": lambda: ("", "?lang=en", f"?centre=c-{MARKS[FOREIGN]}", None, ["?"], "?%ff"),
        "href": lambda: (*pathnames, None),
        "hash": lambda: ("", None),
        "value": lambda: (*_IDS, "", None, 1, [*_IDS], {"a": 1}),
        "data": lambda: (*_IDS, "", None, [*_IDS], {"centre": _IDS[1]}),
        "children": lambda: (*_IDS, None),
        "date": lambda: ("2026-11-21", "2025-06-20", None, "x"),
        "start_date": lambda: ("2026-11-21", "2025-06-20", None),
        "end_date": lambda: ("2026-11-21", "2025-06-20", None),
        "contents": lambda: (None, "data:text/plain;base64,eA==", "x"),
        "filename": lambda: (None, "a.csv"),
        "id": lambda: (*_IDS, None),
        "active_tab": lambda: (*_IDS[:2], None),
        "checked": lambda: (True, False, None),
        "disabled": lambda: (True, False, None),
        "n_clicks": lambda: _NUMBERS,
        "n_submit": lambda: _NUMBERS,
        "n_blur": lambda: _NUMBERS,
        "n_intervals": lambda: _NUMBERS,
        "n_clicks_timestamp": lambda: _NUMBERS,
        "modified_timestamp": lambda: _NUMBERS,
        "selectedData": lambda: (None, {"points": [{"customdata": one} for one in _IDS]}),
        "clickData": lambda: (None, *({"points": [{"customdata": one, "location": one}]} for one in _IDS)),
    }
    if name not in known:
        raise UnknownParameter(
            f"{where} is called with the property {name!r}, which the matrix cannot fill: declare it in property_values"
            " in tests/access_matrix/parameters.py."
        )
    return known[name]()
