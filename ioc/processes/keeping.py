"""How long windows are kept, as the settings say it in days and the windows need it in milliseconds."""

from ioc.model.windows import DAY, Keeping
from ioc.settings import Settings


def keeping(settings: Settings) -> Keeping:
    return Keeping((settings.keep_10s * DAY, settings.keep_1m * DAY, settings.keep_15m * DAY, settings.keep_1h * DAY))
