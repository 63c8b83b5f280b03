"""Programs that share work: who of them is alive, by the clock of the database, which is the same for all."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, cast, delete, func, literal_column, select, update

from ioc.model.windows import HOUR
from ioc.store.schema import members
from ioc.store.statements import insert_into

FORGOTTEN_AFTER_MS: Final = HOUR


@dataclass(frozen=True, slots=True)
class Member:
    """One of the programs of a kind. `name` stays over a restart where the settings give one; `life` never does."""

    program: str
    name: str
    life: str


def enter(connection: Connection, member: Member) -> None:
    """Be alive under this name from now on; whoever had it before has lost it."""
    now = _now(connection)
    connection.execute(delete(members).where(members.c.seen_at < now - FORGOTTEN_AFTER_MS))
    statement = insert_into(members, connection.dialect.name).values(
        program=member.program, name=member.name, life=member.life, seen_at=now
    )
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(members.primary_key), set_={"life": new.life, "seen_at": new.seen_at}
        )
    )


def report(connection: Connection, member: Member) -> bool:
    """Say that the member is alive; False if its name belongs to another one now, or was forgotten."""
    return connection.execute(update(members).where(_is(member)).values(seen_at=_now(connection))).rowcount == 1


def living(connection: Connection, program: str, within: int) -> list[str]:
    """The names of the members that were seen within so many milliseconds, in order."""
    since = _now(connection) - within
    rows = connection.execute(select(members.c.name).where(members.c.program == program, members.c.seen_at >= since))
    return sorted(rows.scalars())


def is_taken(connection: Connection, member: Member) -> bool:
    """Whether somebody else lives under the member's name."""
    named = (members.c.program == member.program, members.c.name == member.name)
    return connection.execute(select(members.c.name).where(*named, members.c.life != member.life)).first() is not None


def leave(connection: Connection, member: Member) -> None:
    """Be gone at once, so that others need not wait."""
    connection.execute(delete(members).where(_is(member)))


def _is(member: Member) -> ColumnElement[bool]:
    return and_(members.c.program == member.program, members.c.name == member.name, members.c.life == member.life)


def _now(connection: Connection) -> Any:
    """UTC milliseconds by the database's clock."""
    if connection.dialect.name == "sqlite":
        return cast(func.round((func.julianday("now") - literal_column("2440587.5")) * 86_400_000), BigInteger)
    return cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
