"""Rows of wall screens: one view each, a pairing token that is used once, and the token of the paired browser.

Refused: a token in clear; what comes in here is a SHA-256 of a random 256-bit token. Times are UTC milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ioc.store.schema import screens


@dataclass(frozen=True, slots=True)
class ScreenRow:
    """A wall screen, without its tokens. `ends_at` says until when its browser is let in, once it is paired."""

    id: str
    name: str
    centre: str
    page: str
    csrf: str = field(repr=False)
    created_at: int
    ends_at: int
    seen_at: int | None = None
    revoked_at: int | None = None
    pairing_ends_at: int | None = None
    is_paired: bool = False


def insert_screen(connection: Connection, screen: ScreenRow, pairing_hash: bytes) -> None:
    """Add a screen that waits for its browser until `pairing_ends_at`."""
    connection.execute(
        insert(screens).values(
            id=screen.id,
            name=screen.name,
            centre=screen.centre,
            page=screen.page,
            csrf=screen.csrf,
            created_at=screen.created_at,
            ends_at=screen.ends_at,
            pairing_hash=pairing_hash,
            pairing_ends_at=screen.pairing_ends_at,
        )
    )


def screen_by_name(connection: Connection, name: str) -> ScreenRow | None:
    row = connection.execute(select(screens).where(screens.c.name == name)).mappings().one_or_none()
    return None if row is None else _screen(row)


def screen_by_hash(connection: Connection, token_hash: bytes) -> ScreenRow | None:
    """The screen whose browser has that token, whether or not it has ended."""
    row = connection.execute(select(screens).where(screens.c.token_hash == token_hash)).mappings().one_or_none()
    return None if row is None else _screen(row)


def all_screens(connection: Connection) -> tuple[ScreenRow, ...]:
    """All screens, by name, revoked ones too."""
    return tuple(_screen(row) for row in connection.execute(select(screens).order_by(screens.c.name)).mappings())


def offer_pairing(connection: Connection, screen: str, pairing_hash: bytes, *, ends_at: int) -> None:
    """Let another browser be paired; the one before stays until that has happened. A revoked screen opens again."""
    offered = {"pairing_hash": pairing_hash, "pairing_ends_at": ends_at, "revoked_at": None}
    connection.execute(update(screens).where(screens.c.id == screen).values(offered))


def pairing_exists(connection: Connection, pairing_hash: bytes) -> bool:
    return connection.execute(select(screens.c.id).where(screens.c.pairing_hash == pairing_hash)).first() is not None


def use_pairing(
    connection: Connection, pairing_hash: bytes, token_hash: bytes, csrf: str, *, now: int, ends_at: int
) -> ScreenRow | None:
    """Give the browser that holds the pairing token one of its own; None if it was used, has ended or never was.

    One statement decides, so that of two browsers at the same time only one is paired.
    """
    paired = {"token_hash": token_hash, "csrf": csrf, "seen_at": now, "ends_at": ends_at}
    row = (
        connection.execute(
            update(screens)
            .where(
                screens.c.pairing_hash == pairing_hash,
                screens.c.pairing_ends_at > now,
                screens.c.revoked_at.is_(None),
            )
            .values(**paired, pairing_hash=None, pairing_ends_at=None)
            .returning(*screens.c)
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else _screen(row)


def mark_screen_seen(connection: Connection, token_hash: bytes, *, at: int, ends_at: int) -> None:
    """Note that a screen is in use, and until when it is let in now; never sooner than before."""
    later = func.max if connection.dialect.name == "sqlite" else func.greatest
    connection.execute(
        update(screens)
        .where(screens.c.token_hash == token_hash, screens.c.revoked_at.is_(None))
        .values(seen_at=at, ends_at=later(screens.c.ends_at, ends_at))
    )


def revoke_screen(connection: Connection, screen: str, at: int) -> None:
    """Nothing that this screen was given lets anybody in any more."""
    gone = {"revoked_at": at, "token_hash": None, "pairing_hash": None, "pairing_ends_at": None}
    connection.execute(update(screens).where(screens.c.id == screen).values(gone))


def _screen(row: Mapping[Any, Any]) -> ScreenRow:
    return ScreenRow(
        id=row["id"],
        name=row["name"],
        centre=row["centre"],
        page=row["page"],
        csrf=row["csrf"],
        created_at=row["created_at"],
        ends_at=row["ends_at"],
        seen_at=row["seen_at"],
        revoked_at=row["revoked_at"],
        pairing_ends_at=row["pairing_ends_at"],
        is_paired=row["token_hash"] is not None,
    )
