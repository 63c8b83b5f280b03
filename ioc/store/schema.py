"""The tables of the store. All times are UTC milliseconds; local days stand as ISO text (`2025-07-01`).

One set of tables for both databases: SQLite (embedded) and PostgreSQL (production). Migrations under
`ioc/store/migrations` build them; a test compares both.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ioc.model.windows import LEVELS, Level

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# An INTEGER PRIMARY KEY counts by itself in SQLite; a BIGINT one does not.
Counter: Final = BigInteger().with_variant(Integer, "sqlite")

# --- territory -------------------------------------------------------------------------------------------------

provinces = Table(
    "provinces",
    metadata,
    Column("id", String, primary_key=True),
    Column("title_vi", String, nullable=False),
    Column("title_en", String, nullable=False),
    Column("timezone", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("loaded_at", BigInteger, nullable=False),
    comment="the province folders that were loaded; the digest tells whether the files have changed since",
)

units = Table(
    "units",
    metadata,
    Column("id", String, primary_key=True),
    Column("province", String, ForeignKey("provinces.id"), nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    Column("level", String, nullable=False),
    Column("parent", String, nullable=True),
    Column("valid_from", String, nullable=True),
    Column("valid_to", String, nullable=True),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("area_km2", Float, nullable=True),
    UniqueConstraint("code", "valid_from"),
)

levels = Table(
    "levels",
    metadata,
    Column("id", String, primary_key=True),
    Column("title_vi", String, nullable=False),
    Column("title_en", String, nullable=False),
    Column("rank", Integer, nullable=False),
)

successions = Table(
    "successions",
    metadata,
    Column("from_unit", String, ForeignKey("units.id"), primary_key=True),
    Column("to_unit", String, ForeignKey("units.id"), primary_key=True),
    Column("kind", String, nullable=False),
    Column("share", Float, nullable=False),
    Column("method", String, nullable=False),
    Column("is_default", Boolean, nullable=False),
)

centres = Table(
    "centres",
    metadata,
    Column("id", String, primary_key=True),
    Column("province", String, ForeignKey("provinces.id"), nullable=False),
    Column("title_vi", String, nullable=False),
    Column("title_en", String, nullable=False),
    Column("parent", String, nullable=True),
)

coverage = Table(
    "coverage",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("centre", String, ForeignKey("centres.id"), nullable=False),
    Column("unit", String, ForeignKey("units.id"), nullable=False),
    Column("valid_from", String, nullable=True),
    Column("valid_to", String, nullable=True),
)

assets = Table(
    "assets",
    metadata,
    Column("id", String, primary_key=True),
    Column("province", String, ForeignKey("provinces.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("title_vi", String, nullable=False),
    Column("title_en", String, nullable=False),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("group", String, nullable=True),
    Column("valid_from", String, nullable=True),
    Column("valid_to", String, nullable=True),
)

asset_units = Table(
    "asset_units",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("asset", String, ForeignKey("assets.id"), nullable=False),
    Column("unit", String, ForeignKey("units.id"), nullable=False),
    Column("valid_from", String, nullable=True),
    Column("valid_to", String, nullable=True),
)

places = Table(
    "places",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False, unique=True),
    CheckConstraint("kind in ('asset', 'unit', 'centre')", name="kind"),
    comment="assets, units and centres share one short number, which the windows carry",
)

series = Table(
    "series",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", String, nullable=False, unique=True),
    comment="a short number for each declared series",
)

# --- windows ---------------------------------------------------------------------------------------------------


def _windows(level: Level) -> Table:
    table = Table(
        f"windows_{level.id}",
        metadata,
        Column("series", SmallInteger, primary_key=True, autoincrement=False),
        Column("place", Integer, primary_key=True, autoincrement=False),
        Column("origin", SmallInteger, primary_key=True, autoincrement=False),
        Column("start", BigInteger, primary_key=True, autoincrement=False),
        Column("count", BigInteger, nullable=False),
        Column("weight", BigInteger, nullable=False),
        Column("sum", BigInteger, nullable=False),
        Column("min", BigInteger, nullable=False),
        Column("max", BigInteger, nullable=False),
        Column("last_at", BigInteger, nullable=False),
        Column("last", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    if level.daily:  # its partitions: ioc/store/days.py
        table.dialect_options["postgresql"]["partition_by"] = "RANGE (start)"
    return table


windows: Final[tuple[Table, ...]] = tuple(_windows(level) for level in LEVELS)

kept_from = Table(
    "kept_from",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, nullable=False),
    comment="from when each level is kept: what is older goes to a coarser level; moved before rows are dropped",
)

latest = Table(
    "latest",
    metadata,
    Column("series", SmallInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("origin", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
    comment="the newest observation of each series at each place: by event time, then value; as_of is its end",
)

marks = Table(
    "marks",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("level", SmallInteger, nullable=False),
    Column("keys", LargeBinary, nullable=False),
    comment="windows of `level` that changed and are not rolled up yet: packed (series, place, origin, start)",
)

changes = Table(
    "changes",
    metadata,
    Column("writer", String, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("touched", LargeBinary, nullable=False),
    comment="what each commit changed: packed (series, place, origin); tailed by every web process, kept minutes",
)

writers = Table(
    "writers",
    metadata,
    Column("writer", String, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("job", String, primary_key=True),
    Column("n", BigInteger, nullable=False),
    comment="how often a job has written results: what was computed before another process wrote is computed again",
)

members = Table(
    "members",
    metadata,
    Column("program", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("life", String, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    comment="programs that share work; seen_at: the database's clock; `life`: one start of a program",
)

# --- streams ---------------------------------------------------------------------------------------------------

positions = Table(
    "positions",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("event_time", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
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

# --- access ----------------------------------------------------------------------------------------------------

people = Table(
    "people",
    metadata,
    Column("id", String, primary_key=True),
    Column("login", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("password_hash", String, nullable=True),
    Column("language", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger, nullable=True),
)

people_centres = Table(
    "people_centres",
    metadata,
    Column("person", String, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("centre", String, primary_key=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("person", String, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("csrf", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Index(None, "ends_at"),
    comment="only the hash of a session's token is kept",
)

one_time_links = Table(
    "one_time_links",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("person", String, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("path", String, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("origin", SmallInteger, nullable=False),
    Column("may_send", Boolean, nullable=False),
    Column("may_read", Boolean, nullable=False),
    Column("feeds", Text, nullable=False),
    Column("units", Text, nullable=False),
    Column("centres", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=True),
    comment="keys of source systems; lists are JSON; only the hash of a key is kept",
)
