"""The newest value of places above assets, for series whose partials may not be added upward as they come.

Each asset counts with its newest value until it is stale; the rule over territory makes one value of them.
"""

import numpy as np

from ioc.jobs.rollups import WRITER, RollupRules, over_territory, stale_after_ms
from ioc.model.columns import (
    COLUMNS,
    COUNT,
    LAST,
    LAST_AT,
    MAX,
    MIN,
    ORIGIN,
    PLACE,
    SERIES,
    START,
    SUM,
    Integers,
)
from ioc.model.series import Series
from ioc.store import rolling, writing
from ioc.store.engine import Store


def keep_newest_above(store: Store, rules: RollupRules, now: int) -> int:
    """Write the newest values of all places above, of every such series, where they changed; how many."""
    written = 0
    for number, series in rules.computed_upward().items():
        with store.reading() as connection:
            known = rolling.latest_rows(connection, number)
        rows = newest_above(known, series, rules, now)
        before = {tuple(row) for row in known.tolist()}
        changed = np.array([row for row in rows.tolist() if tuple(row) not in before], np.int64).reshape(-1, 6)
        if len(changed):
            with store.writing() as connection:
                writing.replace_latest(connection, changed)
                writing.append_change(connection, WRITER, now, np.ascontiguousarray(changed[:, :3]))
            written += len(changed)
    return written


def newest_above(known: Integers, series: Series, rules: RollupRules, now: int) -> Integers:
    """Rows (series, place, origin, at, as_of, value) of all places above, from `known` rows of the same series."""
    is_usable = np.isin(known[:, 1], rules.assets) & (now - known[:, 4] <= stale_after_ms(series))
    usable = known[is_usable].T
    table = np.zeros((len(COLUMNS), usable.shape[1]), np.int64)
    table[SERIES], table[PLACE], table[ORIGIN] = usable[:3]
    # One bucket for all, as of now: an asset counts where it belongs today. `max` carries the newest end.
    table[START] = now
    table[COUNT] = 1
    table[SUM] = table[MIN] = table[MAX] = table[LAST] = usable[5]
    table[LAST_AT] = usable[3]
    above = rules.ancestry.folded_up(table)
    ends = table.copy()
    ends[MAX] = usable[4]
    as_of = rules.ancestry.folded_up(ends)[MAX]
    values = over_territory(above, series.over_territory)
    return np.ascontiguousarray(np.stack([above[SERIES], above[PLACE], above[ORIGIN], above[LAST_AT], as_of, values]).T)
