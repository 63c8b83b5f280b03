"""Who sends, as the store knows it: our own keys, the names that others have given themselves, and their batches."""

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from ioc.store.schema import api_keys, batches, sources


def read_key_ids(connection: Connection) -> frozenset[str]:
    """The ids of all keys ever made; a key that was revoked has sent what stands in the log."""
    return frozenset(connection.execute(select(api_keys.c.id)).scalars())


def read_names(connection: Connection, feed: str) -> frozenset[str]:
    """All names under which messages of the feed have come."""
    return frozenset(connection.execute(select(sources.c.source).where(sources.c.feed == feed)).scalars())


def forget_silent(connection: Connection, before: int) -> int:
    """Drop the names of others that were not heard since; what our own keys sent stays, so that silence is seen."""
    is_own = sources.c.source.in_(select(api_keys.c.id))
    return connection.execute(delete(sources).where(sources.c.last_message_at < before, ~is_own)).rowcount


def count_batches(connection: Connection, topic: str, partition: int, *, own: bool) -> int:
    """How many batches are remembered in a partition: of our own keys, or of others."""
    held = _batches_of(topic, partition, own)
    return connection.execute(select(func.count()).select_from(batches).where(held)).scalar_one()


def forget_oldest_batches(connection: Connection, topic: str, partition: int, keep: int, *, own: bool) -> int:
    """Of the batches in a partition, of our own keys or of others, drop what was seen before the `keep` newest."""
    held = _batches_of(topic, partition, own)
    newest = select(batches.c.seen_at).where(held).order_by(batches.c.seen_at.desc())
    edge = connection.execute(newest.limit(1).offset(keep - 1)).scalar()
    if edge is None:
        return 0
    return connection.execute(delete(batches).where(held, batches.c.seen_at < edge)).rowcount


def _batches_of(topic: str, partition: int, own: bool) -> ColumnElement[bool]:
    is_own = batches.c.source.in_(select(api_keys.c.id))
    return and_(batches.c.topic == topic, batches.c.partition == partition, is_own if own else ~is_own)
