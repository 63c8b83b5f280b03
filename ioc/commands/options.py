"""Options that several commands take."""

from typing import Annotated

import typer

Since = Annotated[str | None, typer.Option("--since", help="From this time on, or how long ago: 90m, 24h, 7d.")]
