"""Tables of who may come in: people, sessions, screens, keys; and of what they did.

Only hashes of tokens are kept.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    false,
)

from ioc.store.schema.metadata import metadata

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
    Column("must_change_password", Boolean, nullable=False, server_default=false()),
)

external_identities = Table(
    "external_identities",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("person", String, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("linked_at", BigInteger, nullable=False),
    comment="who somebody is at an OpenID provider: its issuer, and the subject that it never gives to another",
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
    Column("id", String, nullable=False, unique=True),
    Column("person", String, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("csrf", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("way", String, nullable=False),
    Column("address", String, nullable=False),
    Column("agent", String, nullable=False),
    Index(None, "ends_at"),
    Index(None, "person"),
    comment="`id` is what lists and revocations name; `way` is password, link or openid; only the token's hash is kept",
)

screens = Table(
    "screens",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("centre", String, nullable=False),
    Column("page", String, nullable=False),
    Column("token_hash", LargeBinary, nullable=True, unique=True),
    Column("pairing_hash", LargeBinary, nullable=True, unique=True),
    Column("pairing_ends_at", BigInteger, nullable=True),
    Column("csrf", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=True),
    Column("ends_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=True),
    comment="wall screens, one view each; a pairing token is used once, by the browser, for a token of its own",
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
