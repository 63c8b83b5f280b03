"""The kinds of errors that the centre knows, and nothing else.

Every message is one sentence that says what is wrong and what to do, fit to be shown to the person who
asked: it never holds a secret, a personal field or a traceback. An error is caught by its kind at the border
of a program: a message becomes a dead letter, a request an HTTP status, a command one line and exit code 2.
"""

from typing import Final


class IocError(Exception):
    """Root of all errors that somebody can do something about."""


class SettingsError(IocError):
    """A setting is unknown, out of its range, or contradicts another."""


class StoreError(IocError):
    """The store cannot be opened, read or written."""


class StoreAway(StoreError):
    """The store's database does not answer, or not yet; the same may work in a moment."""


class StoreVersionError(StoreError):
    """The store's schema is of another version than this program."""


class BrokerError(IocError):
    """The broker cannot be reached, or its log does not fit the stored position."""


class UnknownPlace(IocError):
    """No unit, asset or centre of that id exists at the asked date."""


class InvalidMessage(IocError):
    """A message from outside does not follow its feed's schema or ranges.

    The sentence is for its sender and may quote the message. `rule` is what others get to see (dead letters, boards,
    logs) and holds nothing of it; whoever quotes states both.
    """

    def __init__(self, sentence: str, *, rule: str | None = None) -> None:
        super().__init__(sentence)
        self.rule = sentence if rule is None else rule


class Refused(IocError):
    """The principal may not do that."""


class NotFound(IocError):
    """What was asked for by id does not exist."""


class BadRequest(IocError):
    """A request cannot be understood, or asks for more than it may.

    `rule` names the broken rule, for a page that says it beside the field, in the language of its reader.
    """

    def __init__(self, message: str, *, rule: str = "") -> None:
        super().__init__(message)
        self.rule = rule


class TooMany(IocError):
    """A limit on rate was reached; try again after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoRoom(IocError):
    """The disk is nearly full, and nothing more is taken in; it goes on by itself when there is room."""

    retry_after_s: Final = 30.0


class PortInUse(IocError):
    """Another program listens on the port."""
