"""PostgreSQL: the roles, who owns the tables, what each role may do with them, and the policies of their rows.

Laid down anew after every run of the migrations and every restore: roles belong to the server and not to the store, a
dump holds no grants, and a new table gets its rights without being named in a migration. A table is of one of three
kinds. `PLACED`: each row belongs to a place; read only within bounds, never by the web program for itself.
`KNOWN_TO_ALL`: what the bounds themselves are made of, and how the centre's streams do. All others are the programs'
own: people, sessions, keys, contents of messages; nobody's reading reaches them.

Partitions have neither grants nor policies: their rows are reached through their table alone.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ioc.errors import StoreError
from ioc.store import schema
from ioc.store.bounds import CENTRES, NOT_NARROWED, UNITS, WHOLE, DatabaseRole, act_as_signed_in
from ioc.store.reaches import save_reaches

PLACED: Final = {
    **{table.name: "place" for table in schema.windows},
    schema.latest.name: "place",
    schema.figures.name: "place",
    schema.cases.name: "asset",
}
"""The tables whose rows belong to a place, and the column with its number."""

KNOWN_TO_ALL: Final = frozenset(
    {
        *(table.name for table in (schema.provinces, schema.levels, schema.units, schema.successions)),
        *(table.name for table in (schema.centres, schema.coverage, schema.assets, schema.asset_units)),
        *(table.name for table in (schema.places, schema.series, schema.reaches, schema.kept_from)),
        *(table.name for table in (schema.positions, schema.gaps, schema.sources, schema.source_counts)),
        schema.dead_letter_counts.name,
        "alembic_version",
    }
)
"""Every web program holds the whole territory in memory to judge by; the sources board is of the whole centre."""

WITHIN_BOUNDS: Final = "within_bounds"
OF_PROGRAMS: Final = "of_programs"

READER, WEB, WRITER = DatabaseRole.READER, DatabaseRole.WEB, DatabaseRole.WRITER

_UNLESS_DONE: Final = """
DO $ioc$ BEGIN {statement};
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $ioc$
"""
"""Databases of one server may be set up at once, and no advisory lock reaches from one to the other."""


def make_roles(connection: Connection) -> None:
    """Make the roles and take them; StoreError with the SQL for an administrator where that is denied.

    From here to its end the transaction acts as the user of IOC_STORE.
    """
    if connection.dialect.name == "sqlite":
        return
    act_as_signed_in(connection)
    lacking = _lacking(connection)
    try:
        for statement in lacking:
            connection.exec_driver_sql(_UNLESS_DONE.format(statement=statement))
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise _for_the_administrator(lacking) from error
        raise
    if lacking := _lacking(connection):  # who may not grant rights on a schema is only warned
        raise _for_the_administrator(lacking)


def prepare(connection: Connection) -> None:
    """As `make_roles`; and the tables that stand there become the writing role's, as which the transaction goes on."""
    if connection.dialect.name == "sqlite":
        return
    make_roles(connection)
    for table in _tables(connection, "pg_get_userbyid(relowner) <> 'ioc_writer'"):
        connection.execute(text(f"ALTER TABLE {table} OWNER TO {WRITER}"))
    connection.execute(text(f"SET LOCAL ROLE {WRITER}"))


def are_laid_down(connection: Connection) -> bool:
    """Whether the program acts as one of the roles, and every table whose rows belong to a place is protected."""
    if connection.dialect.name == "sqlite":
        return True
    found = connection.execute(
        text(
            "SELECT current_user, count(*) FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid"
            " WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))"
            " AND relrowsecurity AND relforcerowsecurity AND polname = :policy"
        ),
        {"policy": WITHIN_BOUNDS},
    ).one()
    return found[0] in set(DatabaseRole) and found[1] >= len(PLACED)


def lay_down(connection: Connection) -> None:
    """Give each role what it may do, and the rows their policies; compute what the policies look at."""
    if connection.dialect.name == "sqlite":
        return
    standing = set(_tables(connection, "NOT relispartition"))
    for table in sorted(standing & PLACED.keys()):
        _protect(connection, table, PLACED[table])
    _grant(connection, "SELECT", standing & (KNOWN_TO_ALL | PLACED.keys()), READER)
    _grant(connection, "SELECT, INSERT, UPDATE, DELETE", standing - PLACED.keys(), WEB)
    for sequence in _of_kind(connection, "S", "pg_get_userbyid(relowner) = 'ioc_writer'"):
        connection.execute(text(f"GRANT USAGE ON SEQUENCE {sequence} TO {WEB}"))
    if schema.reaches.name in standing:
        save_reaches(connection)


def _lacking(connection: Connection) -> list[str]:
    """What must still be done for the roles, as SQL."""
    user, place = connection.execute(text("SELECT quote_ident(session_user), quote_ident(current_schema())")).one()
    # A member of a role may act as it; since PostgreSQL 16 that is a right of its own.
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    right = "SET" if version >= 160_000 else "MEMBER"
    found: list[str] = []
    for role in DatabaseRole:
        exists = _holds(connection, f"EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')")
        if not exists:
            found.append(f"CREATE ROLE {role} NOLOGIN")
        if not exists or not _holds(connection, f"pg_has_role(session_user, '{role}', '{right}')"):
            found.append(f"GRANT {role} TO {user}")
        for wanted in ("USAGE", "CREATE") if role is WRITER else ("USAGE",):
            if not exists or not _holds(connection, f"has_schema_privilege('{role}', current_schema(), '{wanted}')"):
                found.append(f"GRANT {wanted} ON SCHEMA {place} TO {role}")
    return found


def _protect(connection: Connection, table: str, column: str) -> None:
    """Rows of a table are seen within bounds only, also by whoever owns it."""
    known = set(
        connection.scalars(text("SELECT polname FROM pg_policy WHERE polrelid = to_regclass(:table)"), {"table": table})
    )
    if WITHIN_BOUNDS not in known:
        condition = _within_bounds(column)
        connection.execute(text(f"CREATE POLICY {WITHIN_BOUNDS} ON {table} FOR SELECT TO {READER} USING ({condition})"))
    if OF_PROGRAMS not in known:
        connection.execute(text(f"CREATE POLICY {OF_PROGRAMS} ON {table} TO {WRITER} USING (true) WITH CHECK (true)"))
    if not _holds(
        connection,
        f"EXISTS (SELECT FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND oid = to_regclass('{table}'))",
    ):
        connection.execute(text(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"))


def _within_bounds(column: str) -> str:
    """Whether a row's place belongs to the transaction's centres, and to its units where those narrow them.

    Each part is a sub-query without a reference to the row, so it is computed once for a statement; a look into a
    multirange is a binary search, however many places a centre has.
    """

    def reached(kind: str, setting: str) -> str:
        # A setting that was local to an earlier transaction is empty, not absent.
        given = f"nullif(nullif(current_setting('{setting}', true), ''), '{NOT_NARROWED}')"
        return (
            f"{column} <@ (SELECT range_agg(reaches.places) FROM reaches"  # noqa: S608 - our own names
            f" WHERE reaches.kind = '{kind}' AND reaches.above = ANY (CAST({given} AS text[])))"
        )

    return (
        f"{reached('centre', CENTRES)}"
        f" AND ((SELECT current_setting('{UNITS}', true) = '{NOT_NARROWED}') OR {reached('unit', UNITS)}"
        f" OR {column} <@ (SELECT CAST(nullif(current_setting('{WHOLE}', true), '') AS int4multirange)))"
    )


def _grant(connection: Connection, what: str, tables: Iterable[str], role: DatabaseRole) -> None:
    if named := ", ".join(sorted(tables)):
        connection.execute(text(f"GRANT {what} ON {named} TO {role}"))


def _tables(connection: Connection, condition: str) -> list[str]:
    """The store's own tables, and their partitions, that stand in its schema; others may stand there too."""
    ours = {*schema.metadata.tables, "alembic_version"}
    daily = {table.name for table in schema.windows if table.dialect_options["postgresql"]["partition_by"]}
    found = _of_kind(connection, "rp", condition)
    return [name for name in found if name in ours or any(name.startswith(f"{parent}_") for parent in daily)]


def _of_kind(connection: Connection, kinds: str, condition: str) -> list[str]:
    found = connection.scalars(
        text(
            "SELECT relname FROM pg_class"  # noqa: S608 - our own words
            " WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))"
            f" AND relkind = ANY (string_to_array(:kinds, NULL)) AND {condition} ORDER BY relname"
        ),
        {"kinds": kinds},
    )
    return list(found)


def _holds(connection: Connection, condition: str) -> bool:
    return bool(connection.execute(text(f"SELECT {condition}")).scalar_one())


def _for_the_administrator(lacking: Sequence[str]) -> StoreError:
    return StoreError(
        "the database's user may not make the roles of the centre: let an administrator of PostgreSQL run, in this"
        f" database, {'; '.join(lacking)}"
    )
