"""Tables of the loaded provinces: units and their successions, centres and what they cover, assets."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE

from ioc.store.schema.metadata import Counter, metadata

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

reaches = Table(
    "reaches",
    metadata,
    Column("kind", String, primary_key=True),
    Column("above", String, primary_key=True),
    Column("places", Text().with_variant(INT4MULTIRANGE(), "postgresql"), nullable=False),
    comment="PostgreSQL: numbers of all places that on some day belonged to a centre or a unit; what policies look at",
)
