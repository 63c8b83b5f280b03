"""Current states of cases, read and written by the batch."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ioc.model.facts import Case, CaseTimes
from ioc.store.schema import cases
from ioc.store.statements import execute_rows, insert_into

_NAMES = ("feed", "case", "origin", "asset", "opened_at", "due_at", "closed_at", "modified_at", "fields", "stamps")
_CHUNK = 400

_fields = msgspec.json.Decoder(dict[str, str | int | None])
_stamps = msgspec.json.Decoder(dict[str, int])


def load_cases(connection: Connection, feed: str, origin: int, ids: Iterable[str]) -> dict[str, Case]:
    """The known states of these cases; locked until the end of the transaction where the database can."""
    wanted = sorted(set(ids))
    known: dict[str, Case] = {}
    for at in range(0, len(wanted), _CHUNK):
        rows = connection.execute(
            select(cases.c.case, cases.c.fields, cases.c.stamps)
            .where(cases.c.feed == feed, cases.c.origin == origin, cases.c.case.in_(wanted[at : at + _CHUNK]))
            .with_for_update()
        )
        for case, fields, stamps in rows:
            known[case] = Case(_stamps.decode(stamps), _fields.decode(fields))
    return known


@lru_cache
def _storing(dialect: str) -> Any:
    statement = insert_into(cases, dialect)
    return statement.on_conflict_do_update(
        index_elements=list(cases.primary_key), set_={name: statement.excluded[name] for name in _NAMES[3:]}
    )


def store_cases(
    connection: Connection, feed: str, origin: int, states: Mapping[str, tuple[Case, int | None, CaseTimes]]
) -> None:
    """Put these states (case, number of its office, its times) in place of what was known."""
    encode = msgspec.json.Encoder(order="sorted").encode
    rows = [
        (
            feed,
            case_id,
            origin,
            office,
            times.opened,
            times.due,
            times.closed,
            max(case.stamps.values()),
            encode(case.fields).decode(),
            encode(case.stamps).decode(),
        )
        for case_id, (case, office, times) in sorted(states.items())
    ]
    execute_rows(connection, _storing(connection.dialect.name), _NAMES, rows)
