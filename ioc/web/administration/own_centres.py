"""The centres that an administrator may give: their titles for lists, and boxes for forms."""

from collections.abc import Collection, Iterable
from functools import cached_property

from ioc.operations.coverage import administered_centres
from ioc.web.administration.asking import Asked, Wrong
from ioc.web.administration.markup import Html
from ioc.web.administration.pieces import Choice, choice_field

_MOST_NAMED = 3


class OwnCentres:
    """Read once for a page."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    @cached_property
    def titles(self) -> dict[str, str]:
        english = self._asked.reader.language == "en"
        centres = administered_centres(self._asked.principal, self._asked.province, now=self._asked.now)
        return {one.id: one.title_en if english else one.title_vi for one in centres}

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(id_, title) for id_, title in self.titles.items())

    def title(self, centre: str) -> str:
        return self.titles.get(centre, centre)

    def named(self, centres: Iterable[str]) -> str:
        """A few centres by name, many by their number."""
        titles = [self.title(centre) for centre in sorted(centres)]
        if len(titles) <= _MOST_NAMED:
            return ", ".join(titles)
        return self._asked.reader.count("centres_count", len(titles))

    def field(self, chosen: Collection[str], wrong: Wrong) -> Html:
        return choice_field(
            "centres", self._asked.reader.say("centres"), self.choices, chosen, wrong, several=True, css="columns"
        )
