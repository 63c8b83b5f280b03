"""Keys of requests to the intake: which body each stood for, so that a request sent again is known as such."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, select

from ioc.store.schema import idempotency
from ioc.store.statements import execute_rows, insert_into


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that was taken in under a key; `seen_at` (UTC ms) is when it first came."""

    body_hash: bytes
    seen_at: int


def read_claim(connection: Connection, source: str, key: str, *, since: int) -> Claim | None:
    """The request that the source has sent under the key since then."""
    row = connection.execute(
        select(idempotency.c.body_hash, idempotency.c.seen_at).where(
            idempotency.c.source == source, idempotency.c.key == key, idempotency.c.seen_at >= since
        )
    ).one_or_none()
    return None if row is None else Claim(row.body_hash, row.seen_at)


def claim(connection: Connection, source: str, key: str, wanted: Claim, *, since: int) -> Claim:
    """Take the key for this request, or find what it was taken for since then: what stands afterwards."""
    connection.execute(
        delete(idempotency).where(
            and_(idempotency.c.source == source, idempotency.c.key == key, idempotency.c.seen_at < since)
        )
    )
    statement = insert_into(idempotency, connection.dialect.name).on_conflict_do_nothing()
    names = ("source", "key", "body_hash", "seen_at")
    execute_rows(connection, statement, names, [(source, key, wanted.body_hash, wanted.seen_at)])
    return read_claim(connection, source, key, since=since) or wanted
