"""Logs of the centre's programs: one event per line, JSON for machines, text for a person at a terminal.

Everything goes through one chain of processors, what libraries log included, and the last of them removes
secrets: values under names such as `password`, `token` or `authorization`, bearer tokens and passwords in
URLs. What a person typed or a message held is not logged at all; that is the caller's part.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import Processor

from ioc.settings import without_password

_SECRET_NAME: Final = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|authorization|cookie|credential|(^|_|-)key$", re.IGNORECASE
)
_NOT_SECRET: Final = frozenset({"idempotency_key", "sort_key", "window_key", "partition_key"})
_BEARER: Final = re.compile(r"(bearer\s+)[^\s\"',;]+", re.IGNORECASE)
_IN_QUERY: Final = re.compile(r"((?:token|key|password|secret)=)[^&\s\"']+", re.IGNORECASE)
REDACTED: Final = "***"

get_logger = structlog.stdlib.get_logger


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The processor that replaces secrets by `***`, at any depth."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name) and name.lower() not in _NOT_SECRET and value is not None:
        return REDACTED
    if isinstance(value, str):
        text = _BEARER.sub(rf"\1{REDACTED}", without_password(value))
        return _IN_QUERY.sub(rf"\1{REDACTED}", text)
    if isinstance(value, dict):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", inner) for inner in value]
    return value


_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    redact,
)


def configure(
    program: str,
    *,
    level: str = "info",
    form: Literal["auto", "json", "text"] = "auto",
    stream: TextIO | None = None,
) -> None:
    """Send this process's logs, under the name `program`, to `stream` (default: stderr); called once."""
    stream = sys.stderr if stream is None else stream
    as_text = form == "text" or (form == "auto" and stream.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if as_text
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=list(_SHARED),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "kafka", "apscheduler", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(program=program)
