"""Where the server is and with which key to speak to it.

The key comes from a file or from the environment (IOC_KEY), never from an argument: arguments stand in the
process list. It is never printed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from simulators.errors import SimulatorError


@dataclass(frozen=True, slots=True)
class Connection:
    url: str
    key: str = field(repr=False)


def data_folder() -> Path:
    return Path(os.environ.get("IOC_DATA") or "data")


def default_url() -> str:
    return os.environ.get("IOC_URL") or f"http://127.0.0.1:{os.environ.get('IOC_PORT') or '8050'}"


def connection(url: str | None, key_file: Path | None, default_key_file: str) -> Connection:
    """The key file given, else IOC_KEY, else the key that `python -m ioc run` keeps in the data folder."""
    if key_file is None and (key := os.environ.get("IOC_KEY", "").strip()):
        return Connection(url or default_url(), key)
    path = key_file or data_folder() / default_key_file
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SimulatorError(
            f"There is no API key: {path} cannot be read. `python -m ioc run` writes it; for another server, make "
            "one with `python -m ioc key add` and give its file with --key-file, or the key itself in IOC_KEY."
        ) from error
    if not key.isascii() or not key.isprintable() or not key:
        raise SimulatorError(f"{path} does not hold an API key (one line of letters, digits and signs).")
    return Connection(url or default_url(), key)
