"""What ingest and jobs know of the loaded provinces, and how they keep up with `setup`: no restart is needed.

Whoever works by the territory makes its part with a function of `Loaded`; `KeptCurrent` holds what was made and
makes it anew once the territory in the store is another one. The web looks within each request instead.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from ioc.feeds import SERIES
from ioc.model.known_places import KnownPlaces
from ioc.model.territory import Territory
from ioc.model.windows import SECOND
from ioc.store.engine import Connection, Store
from ioc.store.registry import Registry, load_registry
from ioc.store.territory import load_territory, loaded_provinces, local_offset

LOOK_FOR_CHANGES_MS: Final = 10 * SECOND

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The territory as one transaction saw it; `version` changes whenever the territory does."""

    version: tuple[str, ...]
    registry: Registry
    territory: Territory
    places: KnownPlaces


def load(store: Store, now: int) -> Loaded:
    """What the store holds now; StoreError where it lacks a province or a declared series."""
    with store.reading() as connection:
        registry, territory = load_registry(connection), load_territory(connection)
        registry.require_series(SERIES)
        places = KnownPlaces.of(territory, registry.places, local_offset(connection, now))
        return Loaded(_version(connection), registry, territory, places)


def _version(connection: Connection) -> tuple[str, ...]:
    return tuple(row.digest for row in loaded_provinces(connection))


class KeptCurrent(Generic[Made]):
    """What `make` made of the territory. Jobs run in threads of their own, so one looks at a time."""

    def __init__(self, store: Store, make: Callable[[Loaded, int], Made]) -> None:
        self._store = store
        self._make = make
        self._made: tuple[tuple[str, ...], Made] | None = None
        self._looked_at = 0
        self._turn = threading.Lock()

    def at(self, now: int) -> Made:
        """What holds at `now`, UTC milliseconds; what `make` raises is passed on, and the next call tries again."""
        with self._turn:
            if self._made is not None and now - self._looked_at <= LOOK_FOR_CHANGES_MS:
                return self._made[1]
            self._looked_at = now
            if self._made is not None:
                with self._store.reading() as connection:
                    if _version(connection) == self._made[0]:
                        return self._made[1]
            loaded = load(self._store, now)
            made = self._make(loaded, now)
            self._made = loaded.version, made
            return made

    def discard(self) -> None:
        """Make it anew at the next call, whether the territory has changed or not."""
        with self._turn:
            self._made = None
