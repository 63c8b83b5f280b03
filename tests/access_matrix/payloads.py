"""Crafted payloads for Dash's update endpoint: real calls, bent at random places; the same ones for the same seed."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.access_matrix.callbacks import UPDATE, Callback, named_in, payload_of
from tests.access_matrix.canaries import FOREIGN, MARKS, OWN, PARENT, SECOND
from tests.access_matrix.parameters import MALFORMED, property_values
from tests.access_matrix.wire import JSON, Asked

DEEP: Final = 3_000
"""Levels of nesting: more than any parser's stack that counts on small ones."""

_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1e308, 10**400, "", "null", [], {}, [[]], {"": None}, "\ud800", "__class__", "__proto__",
    {"id": {"type": "x", "index": ["ALL"]}, "property": "children"}, ["ALL"], {"$in": [1]}, *MALFORMED,
)  # fmt: skip
_IDS: Final = tuple(
    f"{kind}-{MARKS[group]}" for group in (OWN, FOREIGN, PARENT, SECOND) for kind in ("c", "u", "r", "o")
)
_KEYS: Final = (
    "output", "outputs", "inputs", "state", "changedPropIds", "parsedChangedPropsIds", "background", "cacheKey", "job",
    "id", "property", "value", "cancelJob", "oldJob", "progressDefault", "__ctx", "using_args_grouping",
)  # fmt: skip


class Payloads:
    """An endless source of crafted calls of the application's callbacks."""

    def __init__(self, callbacks: Sequence[Callback], pathnames: Sequence[str], seed: int) -> None:
        self._callbacks = callbacks
        self._pathnames = pathnames
        self._dice = random.Random(seed)
        self._bends: tuple[Callable[[Any], Any], ...] = (
            self._other_value, self._without, self._with_more, self._foreign, self._twice, self._as_text,
            self._other_key,
        )  # fmt: skip

    def next(self) -> Asked:
        """One payload; about one in fifty is no JSON, or too much of it."""
        dice = self._dice
        if dice.random() < 0.02:
            body = dice.choice((b"", b"{", b"null", b"[1]", b"\xff\xfe", b'"x"', b"NaN", b"[" * DEEP, _deep()))
            return Asked(
                "POST", UPDATE, "", body, dice.choice((JSON, "text/plain", "application/json; charset=utf-16"))
            )
        payload: Any = self._call()
        for _ in range(dice.choice((0, 1, 1, 1, 2, 3, 6))):
            payload = self._bent(payload)
        try:
            body = json.dumps(payload).encode()
        except (ValueError, RecursionError):
            body = b"{}"
        return Asked("POST", UPDATE, "", body, JSON, named_in(payload))

    def _call(self) -> dict[str, Any]:
        dice = self._dice
        callback = dice.choice(self._callbacks)
        parts = (*callback.inputs, *callback.state)
        values = [dice.choice(property_values(name, self._pathnames, str(callback))) for _, name in parts]
        payload: dict[str, Any] = json.loads(json.dumps(payload_of(callback, values, dice.choice(_IDS))))
        return payload

    def _bent(self, value: Any) -> Any:
        """Bend one place of it, found by going down at random."""
        dice = self._dice
        if isinstance(value, dict) and value and dice.random() < 0.75:
            key = dice.choice(list(value))
            return {**value, key: self._bent(value[key])}
        if isinstance(value, list) and value and dice.random() < 0.75:
            at = dice.randrange(len(value))
            return [*value[:at], self._bent(value[at]), *value[at + 1 :]]
        return dice.choice(self._bends)(value)

    # --- ways to bend

    def _other_value(self, _: Any) -> Any:
        return self._dice.choice(_ODD)

    def _without(self, value: Any) -> Any:
        if isinstance(value, dict) and value:
            gone = self._dice.choice(list(value))
            return {key: kept for key, kept in value.items() if key != gone}
        return value[1:] if isinstance(value, list | str) else None

    def _with_more(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {**value, self._dice.choice(_KEYS): self._dice.choice(_ODD)}
        return [value] * self._dice.choice((2, 50))

    def _foreign(self, value: Any) -> Any:
        place = self._dice.choice(_IDS)
        return f"{value.rpartition('/')[0]}/{place}" if isinstance(value, str) and "/" in value else place

    def _twice(self, value: Any) -> Any:
        return {"a": value, "b": value} if self._dice.random() < 0.5 else [value, [value]]

    def _as_text(self, value: Any) -> Any:
        return str(value)[:10_000]

    def _other_key(self, value: Any) -> Any:
        if isinstance(value, dict) and value:
            key = self._dice.choice(list(value))
            return {self._dice.choice(_KEYS) if one == key else one: kept for one, kept in value.items()}
        return self._dice.choice(_KEYS)


def _deep() -> bytes:
    inner = b'{"output":"panels-page.children","outputs":{"id":"panels-page","property":"children"},"inputs":'
    return inner + b"[" * DEEP + b"]" * DEEP + b"}"
