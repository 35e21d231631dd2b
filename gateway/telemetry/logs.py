"""Logs: one line an event, JSON or for people, to standard error; the libraries' logging goes the same way.

`structlog.contextvars.bound_contextvars(job_id=..., trace_id=...)` puts the ids on every line of what runs inside.
No line holds a secret, or the query string or password of a URL; none is long without end. A traceback names no
variables, which may hold anything, and of which a picture may take seconds. A client that left is not an error and has
no traceback.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO, get_args

import structlog
from attrs import field, frozen, validators
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.telemetry.log_writer import LineWriter

MAX_VALUE_CHARACTERS = 2_000
MAX_TRACEBACK_CHARACTERS = 20_000
MASK = "***"
_LEFT_OUT = "\n...\n"

_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,15}://)(?:[^\s/?#@\"'<>]*@)?([^\s?#\"'<>]*)([?#][^\s\"'<>]*)?", re.IGNORECASE
)
_DATA_URI = re.compile(r"(\bdata:[\w/+.;=-]{0,100},)[^\s\"'<>]*", re.IGNORECASE)
_SECRET_KEY = re.compile(
    r"(.*[_-])?(secret|password|token|authorization|cookie|api[_-]?key|(secret|access)[_-]key)"
)
_ENDS_OF_SECRET_KEYS = ("secret", "password", "token", "authorization", "cookie", "key")
"""Few keys end so: the others are spared the search of an expression."""
_LOUD_LOGGERS = {
    "asyncio": logging.WARNING,
    "aiormq": logging.CRITICAL,
    "botocore": logging.INFO,
    "aiobotocore": logging.INFO,
    "aiohttp.websocket": logging.ERROR,
}
"""aiormq logs a traceback at each lost connection, and whole bodies of returned messages; for debugging, botocore logs
every header, the one with the access key and the signature among them. Of a WebSocket's client aiohttp logs the
subprotocols that it asks for and does not get, in its words.
"""

Level = Literal["debug", "info", "warning", "error", "critical"]
Format = Literal["auto", "json", "console"]


@frozen
class LogSettings:
    """`auto`: for people on a terminal, else JSON."""

    level: Level = field(default="info", validator=validators.in_(get_args(Level)))
    format: Format = field(default="auto", validator=validators.in_(get_args(Format)))


def set_up_logs(settings: LogSettings, stream: TextIO | None = None) -> logging.Handler:
    """From now on all logging of the process goes here. Returns the handler, whose `flush` waits for its lines."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    # No line tells them, and to find them out for each takes time (Python's logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = LineWriter(stream)
    handler.addFilter(_is_worth_a_line)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                *_rendering(settings, is_terminal=stream.isatty()),
            ],
        )
    )
    _install(handler, logging.getLevelNamesMapping()[settings.level.upper()])
    return handler


def _install(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        if isinstance(old, LineWriter):
            old.close()
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in _LOUD_LOGGERS.items():
        logging.getLogger(name).setLevel(max(level, least))


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """A client that left in the middle is its own affair: one line without traceback, for debugging alone."""
    if not record.name.startswith("aiohttp.") or not record.exc_info:
        return True
    if not isinstance(record.exc_info[1], ConnectionError):
        return True
    record.exc_info = None
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return logging.getLogger().isEnabledFor(logging.DEBUG)


def redact(_: object, __: str, event: EventDict) -> EventDict:
    """Secrets masked, URLs without password and query string, long values cut."""
    return {key: _told(str(key), value) for key, value in event.items()}


def _told(key: str, value: Any) -> Any:
    lower = key.lower()
    if lower.endswith(_ENDS_OF_SECRET_KEYS) and _SECRET_KEY.fullmatch(lower):
        return MASK
    if key == "exception" and isinstance(value, str):
        return _clean(_without_middle(value), MAX_TRACEBACK_CHARACTERS)
    return _clean(value)


def _without_middle(traceback: str) -> str:
    """The end of a long one says what happened, its beginning where. Lines are not cut, for one may hold a URL."""
    if len(traceback) <= MAX_TRACEBACK_CHARACTERS:
        return traceback
    half = MAX_TRACEBACK_CHARACTERS // 2 - len(_LEFT_OUT)
    beginning, _, _ = traceback[:half].rpartition("\n")
    _, _, end = traceback[-half:].partition("\n")
    return f"{beginning}{_LEFT_OUT}{end}"


def without_query(text: str) -> str:
    """The text with every URL in it cut before its query string, and without user and password."""
    if "://" not in text:  # most: the search of an expression costs many times this one
        return text
    return _URL.sub(lambda url: url[1] + url[2] + ("?..." if url[3] else ""), text)


def _without_data(text: str) -> str:
    """The text with every data URI in it cut before what it holds."""
    return _DATA_URI.sub(r"\1...", text) if "data:" in text.lower() else text


def _clean(value: Any, most: int = MAX_VALUE_CHARACTERS) -> Any:
    if isinstance(value, str):
        shown = without_query(_without_data(value[: 2 * most]))
        return shown if len(shown) <= most else shown[:most] + "..."
    if isinstance(value, Mapping):
        return redact(None, "", dict(value))
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(member, most) for member in value]
    return value if isinstance(value, bool | int | float | None) else _clean(str(value), most)


def _rendering(settings: LogSettings, *, is_terminal: bool) -> list[Processor]:
    if settings.format == "console" or (settings.format == "auto" and is_terminal):
        return [_printable, structlog.dev.ConsoleRenderer(colors=is_terminal, pad_event_to=0)]
    return [structlog.processors.JSONRenderer()]


def _printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """No control character reaches a terminal, and no value looks like a line of its own."""
    return {key: value if key == "exception" else _escaped(value) for key, value in event.items()}


def _escaped(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in value)
