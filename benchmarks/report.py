"""What a benchmark found, and the table that shows it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `beside` says what it is in relation to something else of the same run."""

    title: str
    value: str
    extent: str = ""
    beside: str = ""
    goal: str = ""
    is_met: bool | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark's figures; `workload` says exactly what was done."""

    name: str
    workload: Sequence[str]
    figures: Sequence[Figure]


def show(report: Report, console: Console, *, with_verdict: bool = True) -> None:
    table = Table(title=report.name, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("from – to", justify="right")
    table.add_column("beside it")
    table.add_column("goal")
    for figure in report.figures:
        verdict = {None: "", True: "  reached", False: "  MISSED"}[figure.is_met if with_verdict else None]
        table.add_row(figure.title, figure.value, figure.extent, figure.beside, figure.goal + verdict)
    console.print()
    console.print(table)
    for line in report.workload:
        console.print(f"  {line}")


def measured(title: str, values: Sequence[float], unit: str, digits: int = 0) -> Figure:
    """The median of several measurements, and from what to what they went."""
    low, high = min(values), max(values)
    return Figure(title, f"{median(values):,.{digits}f} {unit}", f"{low:,.{digits}f} – {high:,.{digits}f}")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
