"""Where a value comes from. Origin belongs to the sender's key, never to the message, and origins never add up."""

from enum import IntEnum


class Origin(IntEnum):
    """Stored as its number; shown and sent as its lower-case name."""

    LIVE = 0
    MANUAL = 1
    SIMULATED = 2
    REPLAY = 3
    EXERCISE = 4

    @property
    def slug(self) -> str:
        return self.name.lower()

    @classmethod
    def from_slug(cls, slug: str) -> "Origin":
        """The origin of that name; ValueError names the choices."""
        try:
            return cls[slug.upper()]
        except KeyError:
            choices = ", ".join(origin.slug for origin in cls)
            raise ValueError(f"origin {slug!r} is not known: use one of {choices}") from None
