"""What a page is made from: the document and what the declarations call things."""

from dataclasses import dataclass

from ioc.model.series import Kpi
from ioc.panels.document import View
from ioc.panels.faces import Reader
from ioc.panels.tokens import Theme


@dataclass(frozen=True, slots=True)
class Parts:
    """`feeds` are titles by feed id; `drawn` and `schematic` say whether there are outlines, and of which kind."""

    view: View
    kpis: dict[str, Kpi]
    feeds: dict[str, str]
    theme: Theme
    reader: Reader
    drawn: bool
    schematic: bool
    administers: bool = False

    @property
    def slow_below(self) -> float | None:
        """What is slower than the target of the speed KPI is slow."""
        speeds = (card for card in self.view["cards"] if card["series"] == self.view["trend"]["series"])
        return next((card["target"] for card in speeds), None)
