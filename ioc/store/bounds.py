"""As whom a transaction acts in PostgreSQL, and whose rows it may see there. SQLite has neither roles nor policies.

Operations decide who sees what, by the day. The database repeats the place: what is read for somebody is read as
`ioc_reader`, which sees a row of a place only where the transaction has said the centres of who asks. Who forgets to
say them sees nothing. What the policies are, `rights` says; why, docs/decisions/0016-row-security.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import psycopg
from sqlalchemy import Connection, text

from ioc.errors import StoreError


class DatabaseRole(StrEnum):
    """Roles without a login; the user of IOC_STORE is a member of those that its programs take."""

    READER = "ioc_reader"
    """What is read for somebody: rows of places within their bounds, and no table of people, keys or messages."""

    WEB = "ioc_web"
    """The web program's own business: people, sessions, keys, requests. No row of a place."""

    WRITER = "ioc_writer"
    """Ingest, jobs, `setup` and the shell. Owns the tables; policies of its own let it pass."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The centres of who asks; `units` narrows them further (empty: no further bound)."""

    centres: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    everything: bool = False


CENTRES: Final = "ioc.centres"
UNITS: Final = "ioc.units"
WHOLE: Final = "ioc.whole"
"""Settings that hold for one transaction, and what the policies look at."""

NOT_NARROWED: Final = "*"

_TAKE: Final = b"""
    SELECT set_config('role', %s, false) FROM pg_class
    WHERE oid = to_regclass('alembic_version') AND pg_get_userbyid(relowner) = 'ioc_writer'
"""
_BOUND: Final = text(
    f"SELECT set_config('role', :role, true), set_config('{CENTRES}', CAST(CAST(:centres AS text[]) AS text), true),"
    f" set_config('{UNITS}', coalesce(CAST(CAST(:units AS text[]) AS text), '{NOT_NARROWED}'), true)"
)
_PASS: Final = text("SELECT set_config('role', :role, true)")
_WHOLE: Final = text(f"SELECT set_config('{WHOLE}', :numbers, true)")
_SIGNED_IN: Final = text("SET LOCAL ROLE NONE")


def take_role(connection: psycopg.Connection, role: DatabaseRole) -> None:
    """Act as `role` from now on. Where `setup` has not made the store's rights yet, nothing is taken."""
    try:
        connection.execute(_TAKE, [role])
        connection.commit()
    except psycopg.Error as error:
        user = connection.info.user
        connection.close()  # it never comes to the pool
        if not isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise
        raise StoreError(
            f"the database's user {user} may not act as {role}: let an administrator of PostgreSQL run"
            f' GRANT {role} TO "{user}"'
        ) from error


def bind(connection: Connection, bounds: Bounds) -> None:
    """See, until the transaction ends, no more than the bounds allow."""
    if connection.dialect.name == "sqlite":
        return
    if bounds.everything:
        connection.execute(_PASS, {"role": DatabaseRole.WRITER})
        return
    given = {
        "role": DatabaseRole.READER,
        "centres": sorted(bounds.centres),
        "units": sorted(bounds.units) or None,
    }
    connection.execute(_BOUND, given)


def also_see(connection: Connection, numbers: Iterable[int]) -> None:
    """Of bounds that units narrow: see also these places, by their numbers; centres that lie wholly in the units."""
    if connection.dialect.name != "sqlite":
        ranges = ",".join(f"[{number},{number}]" for number in sorted(numbers))
        connection.execute(_WHOLE, {"numbers": f"{{{ranges}}}"})


def act_as_signed_in(connection: Connection) -> None:
    """Act, until the transaction ends, as the user of IOC_STORE: for what concerns the server, not the tables."""
    if connection.dialect.name != "sqlite":
        connection.execute(_SIGNED_IN)
