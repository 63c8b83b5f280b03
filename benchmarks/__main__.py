"""`python -m benchmarks [NAME…] [--tiny]`: runs benchmarks and prints their tables."""

import importlib
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks import machine
from benchmarks.report import Report, show

NAMES: Final[tuple[str, ...]] = ("ingest", "intake", "start", "latency", "production", "charts", "memory")


def run(name: str, *, tiny: bool) -> Report:
    """One benchmark by its name."""
    module = importlib.import_module(f"benchmarks.{name}")
    report: Report = module.run(module.TINY if tiny else module.FULL)
    return report


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(NAMES)}; default: all.")] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="Only show that they run.")] = False,
) -> None:
    """How fast the centre is, beside what this machine can do at all."""
    if unknown := sorted(set(names or ()) - set(NAMES)):
        raise typer.BadParameter(f"there is no benchmark {unknown[0]}: use any of {', '.join(NAMES)}")
    console = Console(width=160, highlight=False)
    for line in machine.description():
        console.print(line)
    for name in names or NAMES:
        with console.status(f"{name} …"):
            report = run(name, tiny=tiny)
        show(report, console, with_verdict=not tiny)
    if tiny:
        console.print("\nTiny sizes: these figures mean nothing.")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
