"""Waiting for what programs and servers bring about: looked at again, with a limit that only failures reach."""

import time
from collections.abc import Callable

LOOK_EVERY_S = 0.02


def eventually(is_so: Callable[[], object], what: str = "so", within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(LOOK_EVERY_S)
