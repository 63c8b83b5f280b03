"""Tables of what ingest and the intake keep of the log: positions, batches, cases, figures, dead letters, sources."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, SmallInteger, String, Table, Text, text

from ioc.store.schema.metadata import Counter, metadata

positions = Table(
    "positions",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("event_time", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("log", String, nullable=False, server_default=""),
    comment="where ingest stands in each partition; a batch is committed only if nobody moved it meanwhile",
)

gaps = Table(
    "gaps",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("topic", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("from_offset", BigInteger, nullable=False),
    Column("to_offset", BigInteger, nullable=False),
    Column("noticed_at", BigInteger, nullable=False),
    comment="offsets that the log no longer had when they were asked for: lost, and said so",
)

batches = Table(
    "batches",
    metadata,
    Column("source", String, primary_key=True),
    Column("batch", String, primary_key=True),
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("last_index", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index(None, "seen_at"),
    comment="the last index of each batch that was applied: what comes again at or below it is a duplicate",
)

cases = Table(
    "cases",
    metadata,
    Column("feed", String, primary_key=True),
    Column("case", String, primary_key=True),
    Column("origin", SmallInteger, primary_key=True, autoincrement=False),
    Column("asset", Integer, nullable=True),
    Column("opened_at", BigInteger, nullable=True),
    Column("due_at", BigInteger, nullable=True),
    Column("closed_at", BigInteger, nullable=True),
    Column("modified_at", BigInteger, nullable=False),
    Column("fields", Text, nullable=False),
    Column("stamps", Text, nullable=False),
    Index(None, "feed", "asset", "opened_at"),
    Index(
        "ix_cases_open",
        "feed",
        "origin",
        "asset",
        "due_at",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    comment="current state of each case: newest statement per field, with its stamp (JSON)",
)

figures = Table(
    "figures",
    metadata,
    Column("series", SmallInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("origin", SmallInteger, primary_key=True, autoincrement=False),
    Column("as_of", BigInteger, nullable=False),
    Column("value", BigInteger, nullable=False),
    Column("numerator", BigInteger, nullable=True),
    Column("denominator", BigInteger, nullable=True),
    Column("qualifier", String, nullable=False),
    Column("source", String, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("source", String, primary_key=True),
    Column("feed", String, primary_key=True),
    Column("origin", SmallInteger, primary_key=True, autoincrement=False),
    Column("last_message_at", BigInteger, nullable=False),
    Column("last_event_at", BigInteger, nullable=False),
    comment="heartbeat of each sending system",
)

source_counts = Table(
    "source_counts",
    metadata,
    Column("source", String, primary_key=True),
    Column("feed", String, primary_key=True),
    Column("origin", SmallInteger, primary_key=True, autoincrement=False),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("lag", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False, server_default="0"),
    Index(None, "minute"),
    comment="messages by minute of arrival; `lag` is the sum of (arrival - event time) of the accepted ones, in ms,"
    " but for the `late` ones, which told of the past",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("feed", String, nullable=False),
    Column("source", String, nullable=False),
    Column("origin", SmallInteger, nullable=False),
    Column("topic", String, nullable=True),
    Column("partition", Integer, nullable=True),
    Column("offset", BigInteger, nullable=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("body", LargeBinary, nullable=True),
    Column("key", LargeBinary, nullable=True),
    Column("size", BigInteger, nullable=True),
    Column("replay_begun_at", BigInteger, nullable=True),
    Column("replayed_at", BigInteger, nullable=True),
    Column("published_at", BigInteger, nullable=True),
    Column("element", Integer, nullable=True),
    Index(None, "at"),
    Index(
        "ix_dead_letters_unpublished",
        "id",
        sqlite_where=text("published_at IS NULL"),
        postgresql_where=text("published_at IS NULL"),
    ),
    comment="messages that could not be used; without topic and offset where the intake refused them",
)

dead_letter_counts = Table(
    "dead_letter_counts",
    metadata,
    Column("feed", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=True),
    Column("last_offset", BigInteger, nullable=True),
    Column("published", BigInteger, nullable=True),
    Index(None, "hour"),
    comment="all dead letters by hour; of each source and kind only the first ones of an hour are kept whole",
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("source", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index(None, "seen_at"),
    comment="request keys of the intake; the same key with another body is refused",
)
