"""Who asks, and what they may: the Principal that every operation takes first.

Default deny: a principal without a centre sees no place, a key without a feed sends nothing.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from ioc.model.origins import Origin


class Role(StrEnum):
    VIEWER = "viewer"
    LEADER = "leader"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What an operation, a route or a callback asks for."""

    READ = "read"
    SEND = "send"
    OPERATE = "operate"
    ADMINISTER = "administer"
    DEAD_LETTERS = "handle dead letters"
    """See the bytes of messages that could not be used, which may name persons, and send them again.

    No role has it: such a message names no place for certain, so no centre could bound it. The shell has.
    """


ROLE_PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.LEADER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.OPERATE}),
    Role.SUPERVISOR: frozenset({Permission.READ, Permission.OPERATE}),
    Role.ADMINISTRATOR: frozenset({Permission.READ, Permission.OPERATE, Permission.ADMINISTER}),
}


class Kind(StrEnum):
    PERSON = "person"
    SOURCE = "source"
    SCREEN = "screen"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Visit:
    """How somebody came in, for the list of their sessions: from where, and what their browser calls itself."""

    way: Literal["password", "link", "openid"]
    address: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, a source system (API key), a wall screen, or one of the centre's own programs.

    `centres` bounds what may be seen; `feeds` bounds what a source may send (empty: none); `units` narrows a
    key further (empty: no further bound); `everything` is for the centre's own programs and the shell only. `view`
    (such as `wall:ben-cat`) is the only one that a screen may open.
    """

    kind: Kind
    id: str
    name: str
    permissions: frozenset[Permission] = frozenset()
    centres: frozenset[str] = frozenset()
    feeds: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    origin: Origin | None = None
    everything: bool = False
    view: str | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


def system_principal(name: str) -> Principal:
    """The centre's own programs and the administrator's shell: everything, said by name in logs."""
    return Principal(Kind.SYSTEM, f"system:{name}", name, frozenset(Permission), everything=True)
