"""A province in which each place is marked, so that what leaks can be told from what is shown by right.

A mark stands in every text of its place (names, cases, people, keys, logs of sign-ins), a number in every value. The
parent's centre stands above `own` and `foreign`; `second` and `apart` stand beside them; `moved` was `own`'s before the
reform and is `foreign`'s since.
"""

import json
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import insert, select

from ioc.broker.embedded import EmbeddedBroker
from ioc.feeds import FEEDS, SERIES
from ioc.model.access import Permission, Role, system_principal
from ioc.model.columns import Integers, table_of
from ioc.model.origins import Origin
from ioc.model.places import Asset, Centre, Coverage, Level, Membership, Unit
from ioc.model.territory import Territory
from ioc.model.windows import BY_ID, LEVELS, bucket_start
from ioc.operations.access import add_person
from ioc.operations.keys import NewKey, add_key
from ioc.operations.places import milliseconds
from ioc.settings import Settings
from ioc.store import migrations, schema, writing
from ioc.store.engine import Store
from ioc.store.registry import Registry, load_registry, register_series
from ioc.store.rolling import begin_keeping
from ioc.store.territory import ProvinceRow, save_territory
from tests.databases import new_database
from tests.operations.rows import NOW, at
from tests.streams.small_centre import ALL_KEPT, DAY_OFFSET, REFORM

ROOT: Final = system_principal("test")
PARENT, OWN, FOREIGN, SECOND, APART, MOVED = "parent", "own", "foreign", "second", "apart", "moved"
GROUPS: Final = (PARENT, OWN, FOREIGN, SECOND, APART, MOVED)
LETTER: Final = "letter"
"""The contents of a dead letter: nobody sees them over the web."""

MARKS: Final = {one: f"zq7{one}" for one in (*GROUPS, LETTER)}
NUMBERS: Final = {PARENT: 7310544, OWN: 7310511, FOREIGN: 7310522, SECOND: 7310533, APART: 7310577, MOVED: 7310566}
MOVED_BEFORE: Final = 7310555
"""What `moved` showed before the reform."""

FRESH: Final = 1000
"""Added to a place's number: what is told while live streams are open."""

BEFORE_REFORM: Final = milliseconds(NOW.replace(year=2025, month=6, day=20, hour=4))
WITH_CENTRE: Final = (PARENT, OWN, FOREIGN, SECOND, APART)


def territory() -> Territory:
    """One unit with a road and an office for each mark; `apart` is a centre that covers what `second` covers."""
    places = (PARENT, OWN, FOREIGN, SECOND, MOVED)
    low = places[1:]
    return Territory(
        levels=[Level("top", "Đỉnh", "Top", 0), Level("low", "Thấp", "Low", 1)],
        units=[
            Unit(f"u-{MARKS[one]}", f"code-{MARKS[one]}", f"Phường {MARKS[one]}", "top" if one == PARENT else "low",
                 None if one == PARENT else f"u-{MARKS[PARENT]}", None, None,
                 11 + (0 if one == MOVED else NUMBERS[one] / 1e7), 106.6, 10.0)
            for one in places
        ],
        successions=[],
        centres=[
            Centre(f"c-{MARKS[one]}", f"Trung tâm {MARKS[one]}", f"Centre {MARKS[one]}",
                   f"c-{MARKS[PARENT]}" if one in (OWN, FOREIGN) else None)
            for one in WITH_CENTRE
        ],
        coverage=[
            *(Coverage(f"c-{MARKS[one]}", f"u-{MARKS[one]}", None, None) for one in (PARENT, OWN, FOREIGN, SECOND)),
            Coverage(f"c-{MARKS[APART]}", f"u-{MARKS[SECOND]}", None, None),
            Coverage(f"c-{MARKS[OWN]}", f"u-{MARKS[MOVED]}", None, REFORM),
            Coverage(f"c-{MARKS[FOREIGN]}", f"u-{MARKS[MOVED]}", REFORM, None),
        ],
        assets=[
            asset
            for one in low
            for asset in (
                Asset(f"r-{MARKS[one]}", "road_segment", f"Đường {MARKS[one]}", f"Street {MARKS[one]}",
                      11.5 + NUMBERS[one] / 1e7, 106.6, f"Road {MARKS[one]}"),
                Asset(f"o-{MARKS[one]}", "office", f"Phòng {MARKS[one]}", f"Office {MARKS[one]}", 11.6, 106.6),
            )
        ],
        memberships=[
            Membership(f"{kind}-{MARKS[one]}", f"u-{MARKS[one]}", None, None) for one in low for kind in ("r", "o")
        ],
    )  # fmt: skip


def places_of(group: str) -> tuple[str, ...]:
    """The ids of a mark's places, as the registry knows them."""
    known = (f"u-{MARKS[group]}", f"c-{MARKS[group]}", f"r-{MARKS[group]}", f"o-{MARKS[group]}")
    match group:
        case "apart":
            return known[1:2]
        case "parent":
            return known[:2]
        case "moved":
            return (known[0], *known[2:])
    return known


def build_province(folder: Path, server: str | None) -> str:
    """A store with the marked province, and an embedded log; the store's URL."""
    url = new_database(folder, server)
    store, broker = Store.open(url), EmbeddedBroker(folder / "log.db")
    migrations.upgrade(store)
    with store.writing() as connection:
        register_series(connection, dict(SERIES))
        save_territory(
            connection, ProvinceRow("marked", "Đánh dấu", "Marked", "Asia/Ho_Chi_Minh", "digest", 0), territory()
        )
        begin_keeping(connection, ALL_KEPT)
        numbers = load_registry(connection)
    for feed in FEEDS.values():
        broker.ensure_topic(feed.topic, 2)
    _write_rows(store, numbers)
    _write_people(store, Settings.load({"IOC_DATA": str(folder)}, folder=folder))
    store.close()
    broker.close()
    return url


def _write_rows(store: Store, numbers: Registry) -> None:
    now = milliseconds(NOW)
    tables: dict[str, list[tuple[int, ...]]] = {level.id: [] for level in LEVELS}
    newest: list[tuple[int, ...]] = []
    for group in GROUPS:
        for place in places_of(group):
            for series in SERIES.values():
                key = (numbers.series[series.id], numbers.places[place], int(Origin.LIVE))
                value = NUMBERS[group] * series.scale
                for level in LEVELS:
                    since = now - level.width
                    for start, told in (
                        (bucket_start(since, level, DAY_OFFSET), value),
                        (bucket_start(now, level, DAY_OFFSET), value),
                    ):
                        tables[level.id].append((*key, start, 1, 1, told, told, told, start, told))
                if group in (MOVED, OWN):
                    old = (MOVED_BEFORE if group == MOVED else NUMBERS[OWN]) * series.scale
                    start = bucket_start(BEFORE_REFORM, BY_ID["1d"], DAY_OFFSET)
                    tables["1d"].append((*key, start, 1, 1, old, old, old, start, old))
                newest.append((*key, at(8), at(8), value))
    with store.writing() as connection:
        for level in LEVELS:
            rows = {row[:4]: row for row in tables[level.id]}
            writing.replace_windows(connection, level, table_of(list(rows.values())))
        writing.upsert_latest(connection, np.array(newest, np.int64))
        for group in (OWN, FOREIGN, SECOND, MOVED):
            office = f"o-{MARKS[group]}"
            for number, (due, closed) in enumerate(((at(7), None), (at(9), None), (at(7), at(6)))):
                fields = {"office": office, "received": at(1), "procedure": f"Hồ sơ {MARKS[group]}"}
                connection.execute(
                    insert(schema.cases).values(
                        feed="dossiers", case=f"H{number}-{NUMBERS[group]}", origin=int(Origin.LIVE),
                        asset=numbers.places[office], opened_at=at(1), due_at=due, closed_at=closed,
                        modified_at=closed or at(1), fields=json.dumps(fields), stamps="{}",
                    )
                )  # fmt: skip
        for feed in FEEDS.values():
            connection.execute(
                insert(schema.dead_letters).values(
                    feed=feed.id, source="gateway", origin=int(Origin.LIVE), topic=None, at=at(8), kind="wrong form",
                    reason="not a number", body=f"{{{MARKS[LETTER]}}}".encode(), key=MARKS[LETTER].encode(), size=12,
                )
            )  # fmt: skip
            source = {"source": "gateway", "feed": feed.id, "origin": int(Origin.LIVE)}
            connection.execute(insert(schema.sources).values(**source, last_message_at=at(8), last_event_at=at(8)))


def _write_people(store: Store, settings: Settings) -> None:
    """A person and a key of every centre that is not asked from: administrators must not see them either."""
    for group in (PARENT, FOREIGN, SECOND, APART):
        mark, centre = MARKS[group], f"c-{MARKS[group]}"
        for role in (Role.ADMINISTRATOR, Role.VIEWER):
            add_person(
                ROOT, store, login=f"{role.value}.{mark}", name=f"Ông {mark}", role=role, centres=[centre], now=NOW
            )
        add_key(
            ROOT, store, settings,
            NewKey(f"key-{mark}", Origin.LIVE, frozenset({Permission.READ}), centres=frozenset({centre})), now=NOW,
        )  # fmt: skip


def tell_anew(store: Store, groups: tuple[str, ...], second: int) -> None:
    """New values at these places, as ingest would commit them: the number that live streams then carry is fresh."""
    start = at(7, 56) + second * 10_000
    with store.writing() as connection:
        numbers = load_registry(connection)
        table = [
            (
                numbers.series[series.id],
                numbers.places[place],
                int(Origin.LIVE),
                start,
                1,
                1,
                told,
                told,
                told,
                start,
                told,
            )
            for group in groups
            for place in places_of(group)
            for series in SERIES.values()
            for told in [(NUMBERS[group] + FRESH) * series.scale]
        ]
        newest: Integers = np.array([[*row[:3], start, start + 10_000, row[6]] for row in table], np.int64)
        writing.replace_windows(connection, BY_ID["10s"], table_of(table))
        writing.upsert_latest(connection, newest)
        writing.append_change(connection, "ingest", start, newest[:, :3])


def foreign_rows(store: Store) -> tuple[tuple[object, ...], ...]:
    """The people and keys of centres that are nobody's who changes anything: no request may touch them."""
    with store.reading() as connection:
        people = connection.execute(
            select(schema.people).where(schema.people.c.name.startswith("Ông zq7")).order_by(schema.people.c.id)
        )
        keys = connection.execute(
            select(schema.api_keys).where(schema.api_keys.c.name.startswith("key-zq7")).order_by(schema.api_keys.c.id)
        )
        return (*map(tuple, people), *map(tuple, keys))


def write_geography(folder: Path) -> None:
    """The province's folder, as far as maps need it: an outline and a road of every mark."""
    known = territory()
    (folder / "marked").mkdir(parents=True)

    def collection(name: str, features: list[dict[str, object]]) -> None:
        text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
        (folder / "marked" / name).write_text(text, encoding="utf-8")

    def feature(kind: str, lat: float, **properties: str) -> dict[str, object]:
        line = [[106.6, lat], [106.7, lat + 0.1], [106.8, lat]]
        coordinates: object = [[*line, line[0]]] if kind == "Polygon" else line
        return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}

    (folder / "marked" / "province.toml").write_text(
        "".join(f'[[levels]]\nid = "{level.id}"\nrank = {level.rank}\n' for level in known.levels), encoding="utf-8"
    )
    rows = [f"{one.id},{one.name},{one.lat},{one.lon},{date.min}," for one in known.units]
    (folder / "marked" / "units.csv").write_text(
        "\n".join(["id,name,lat,lon,valid_from,valid_to", *rows]), encoding="utf-8"
    )
    collection(
        "boundaries.geojson",
        [feature("Polygon", one.lat, unit=one.id, level=one.level) for one in known.units],
    )
    roads = [one for one in known.assets if one.kind == "road_segment"]
    collection("roads.geojson", [feature("LineString", one.lat, asset=one.id, road=one.group or "") for one in roads])
