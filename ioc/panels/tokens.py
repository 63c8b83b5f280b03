"""Colours for the graphs, read from the one token file, so that a graph and the page around it never differ."""

import re
from functools import cache
from pathlib import Path
from typing import Final, Literal

Theme = Literal["wall", "dark", "light"]
THEMES: Final[tuple[Theme, ...]] = ("wall", "dark", "light")
TOKEN_FILE: Final = Path(__file__).parent / "assets" / "tokens.css"


@cache
def colours(theme: Theme) -> dict[str, str]:
    """Token name → hex colour of one theme."""
    text = re.sub(r"/\*.*?\*/", "", TOKEN_FILE.read_text(encoding="utf-8"), flags=re.DOTALL)
    block = re.search(rf'\[data-theme="{theme}"\]\s*\{{(.*?)\}}', text, flags=re.DOTALL)
    if block is None:
        raise ValueError(f"{TOKEN_FILE.name} has no theme {theme!r}: add its block of tokens")
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})\s*;", block.group(1)))
