"""What a browser asks for to show a page, beside the page itself.

The gate lets a wall screen reach these and nothing else: a page that begins to ask for more says so here.
"""

from typing import Final

from ioc.panels.calls import UPDATE
from ioc.panels.graphs import ROADS_URL, UNITS_URL

LIVE: Final = "/live"

PAGE_REQUESTS: Final[frozenset[tuple[str, str]]] = frozenset(
    {
        ("GET", "/_dash-layout"),
        ("GET", "/_dash-dependencies"),
        ("GET", "/_favicon.ico"),
        ("POST", UPDATE),
        ("GET", UNITS_URL),
        ("GET", ROADS_URL),
        ("GET", LIVE),
    }
)
"""Method and path. Which callbacks a screen may call, each callback declares (permissions.py); of which view it may
follow the stream, its Principal says.
"""

PAGE_FILES: Final = ("/assets/", "/_dash-component-suites/")
"""Folders of files that are the same for everybody."""
