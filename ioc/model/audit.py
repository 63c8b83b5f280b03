"""What the audit trail is made of: entries, what they are sealed by, and the heads that are copied elsewhere.

An entry's hash is SHA-256 over its canonical bytes: one JSON array of twelve texts and whole numbers, which
`docs/audit.md` describes so that somebody else can compute it without this program. The hash of the entry before is one
of the twelve.

Refused: names, logins and other personal data in the details, numbers that are not whole, details without a bound.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

FORM: Final = "ioc-audit-1"
"""The first text of every sealed array: another form of entries would begin with another one."""

NO_HASH: Final = bytes(32)
"""What stands before the first entry of all."""

LONGEST_DETAILS: Final = 2_000
LONGEST_TEXT: Final = 300
_PERSONAL: Final = re.compile(r"name|login|password|mail|phone|token|secret")
_CENTRE: Final = re.compile(r"[^,\x00-\x1f]{1,200}")

Detail = str | int | bool | None | Sequence[str] | Sequence[int]


class Act(StrEnum):
    """Everything that an entry can speak of. The values stand in sealed entries: never change or reuse one."""

    SIGN_IN = "sign-in"
    SIGN_IN_REFUSED = "sign-in-refused"
    SIGN_OUT = "sign-out"
    REQUEST_REFUSED = "request-refused"
    LINK_MADE = "link-made"
    PERSON_ADDED = "person-added"
    PERSON_CHANGED = "person-changed"
    PERSON_DISABLED = "person-disabled"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - the name of an act
    IDENTITY_LINKED = "identity-linked"
    SESSION_ENDED = "session-ended"
    KEY_ADDED = "key-added"
    KEY_CHANGED = "key-changed"
    KEY_REVOKED = "key-revoked"
    SCREEN_ADDED = "screen-added"
    SCREEN_PAIRED = "screen-paired"
    SCREEN_RENEWED = "screen-renewed"
    SCREEN_REVOKED = "screen-revoked"
    TERRITORY_LOADED = "territory-loaded"
    DEAD_LETTER_SEEN = "dead-letter-seen"
    DEAD_LETTERS_REPLAYED = "dead-letters-replayed"
    EXPORTED = "exported"
    CAMERA_VIEWED = "camera-viewed"
    FIGURE_ENTERED = "figure-entered"
    FIGURE_APPROVED = "figure-approved"
    AUDIT_SEARCHED = "audit-searched"
    AUDIT_FORGOTTEN = "audit-forgotten"
    HOLD_SET = "hold-set"
    HOLD_RELEASED = "hold-released"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody did, before it is numbered and sealed.

    `who` is an id, never a name; `kind` and `id` are what it was done to. Who may read it: those whose centres hold all
    of `centres`, or whose centres cover `unit`; without either only the shell.
    """

    who: str
    act: Act
    kind: str = ""
    id: str = ""
    centres: frozenset[str] = frozenset()
    unit: str = ""
    address: str = ""
    details: Mapping[str, Detail] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One sealed entry, as it stands in the store. `centres` and `details` are their canonical texts."""

    n: int
    at: int
    who: str
    act: str
    kind: str
    id: str
    centres: str
    unit: str
    address: str
    details: str
    before: bytes
    hash: bytes

    @property
    def is_whole(self) -> bool:
        """Whether the hash is that of what the entry says."""
        return self.hash == sealed_hash(self)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the trail at one moment: the number and hash of its last entry, and how many are kept."""

    n: int
    hash: bytes
    at: int
    count: int
    is_restored: bool = False
    """Written by a restore: what was exported before it and lies beyond it was lost with what stood there."""


def seal(said: Said, n: int, at: int, before: bytes) -> Entry:
    """The entry of number `n`, at UTC milliseconds `at`, after the one with the hash `before`."""
    unsealed = Entry(
        n,
        at,
        _bounded(said.who),
        said.act.value,
        _bounded(said.kind),
        _bounded(said.id),
        centres_text(said.centres),
        _bounded(said.unit),
        _bounded(said.address),
        details_text(said.details),
        before,
        b"",
    )
    values = {name: getattr(unsealed, name) for name in Entry.__dataclass_fields__}
    return Entry(**{**values, "hash": sealed_hash(unsealed)})


def sealed_hash(entry: Entry) -> bytes:
    return hashlib.sha256(canonical(entry)).digest()


def canonical(entry: Entry) -> bytes:
    """What is hashed: everything that the entry says and the hash before it, as one JSON array without spaces."""
    return msgspec.json.encode(
        (
            FORM,
            entry.n,
            entry.at,
            entry.who,
            entry.act,
            entry.kind,
            entry.id,
            entry.centres,
            entry.unit,
            entry.address,
            entry.details,
            entry.before.hex(),
        )
    )


def centres_text(centres: Iterable[str]) -> str:
    """The centres in order, each between commas (`,ben-cat,binh-duong,`); empty for none."""
    known = sorted(set(centres))
    if wrong := [one for one in known if not _CENTRE.fullmatch(one)]:
        raise ValueError(f"an id of a centre cannot be {wrong[0]!r}")
    return "".join(f",{one}" for one in known) + "," if known else ""


def details_text(details: Mapping[str, Detail]) -> str:
    """The details as canonical JSON: keys in order, whole numbers only. ValueError for what must not stand there."""
    if personal := [key for key in details if _PERSONAL.search(key)]:
        raise ValueError(f"details of the audit hold no personal data and no secrets, but have {personal[0]!r}")
    for value in details.values():
        for one in value if isinstance(value, list | tuple) else (value,):
            if not isinstance(one, str | int | None):
                raise ValueError(f"details of the audit are texts and whole numbers, not {one!r}")
    text = msgspec.json.encode(dict(details), order="sorted").decode()
    if len(text) > LONGEST_DETAILS:
        raise ValueError(f"details of {len(text)} characters are too long for the audit")
    return text


def read_details(entry: Entry) -> dict[str, Any]:
    """The details of an entry as they were said; those of one that was tampered with may be anything."""
    found = json.loads(entry.details)
    return found if isinstance(found, dict) else {}


def head_line(head: Head) -> str:
    """An exported head as one line of JSON."""
    line = {
        "n": head.n,
        "hash": head.hash.hex(),
        "at": head.at,
        "count": head.count,
        **({"restored": True} if head.is_restored else {}),
    }
    return json.dumps(line, separators=(",", ":")) + "\n"


def read_head(line: str) -> Head:
    """An exported head from its line; ValueError for anything else."""
    found = json.loads(line)
    try:
        head = Head(
            int(found["n"]),
            bytes.fromhex(found["hash"]),
            int(found["at"]),
            int(found["count"]),
            found.get("restored") is True,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an exported head: {error}") from None
    if len(head.hash) != 32:
        raise ValueError("not an exported head: its hash is not a SHA-256")
    return head


def _bounded(text: str) -> str:
    """What comes from outside (ids, addresses) may be long, or hold what no database takes."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")[:LONGEST_TEXT]
