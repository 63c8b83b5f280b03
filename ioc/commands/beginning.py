"""How every command begins."""

from ioc import logs
from ioc.settings import Settings


def start(program: str, *, is_brief: bool = False) -> Settings:
    """Read the settings first: what is wrong with them shows before anything heavy is loaded.

    A brief command says itself what it did; of its log only what is wrong is shown.
    """
    settings = Settings.load()
    level = "warning" if is_brief and settings.log_level == "info" else settings.log_level
    logs.configure(program, level=level, form=settings.log_format)
    return settings
