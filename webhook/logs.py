"""Structured log lines, as JSON or text, without secrets.

Exceptions are logged as class names and locations in the code, without messages and variables, which can contain URLs,
headers and input. Only the text of a `WebhookError` is logged. The last step of each line masks everything that looks
like a credential, as a second line of defense.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, BinaryIO, Literal, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from webhook.errors import WebhookError

Logger = FilteringBoundLogger
Format = Literal["json", "text"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LEVELS = tuple(_LEVELS)
"""The values of ``--log-level``."""

# Libraries whose INFO and DEBUG lines contain URLs, headers or bodies (httpx logs whole URLs at INFO).
_QUIET = ("aiohttp", "asyncio", "hpack", "httpcore", "httpx", "kubernetes", "urllib3")
_DEEPEST_TRACE = 12
"""The number of innermost frames of a trace that are logged."""


def build_logger(stream: BinaryIO, *, format: Format = "json", level: str = "info", colors: bool = False) -> Logger:
    """Return a logger that writes lines at `level` (one of `LEVELS`) or above to a stream."""
    render = _render_json if format == "json" else _text_renderer(colors)
    return cast(
        Logger,
        structlog.wrap_logger(
            _Lines(stream),
            processors=[_head, _exceptions, render],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            cache_logger_on_first_use=True,
        ).bind(),  # an unbound logger would cost as much as a line at each use
    )


def install(logger: Logger) -> None:
    """Send log lines of libraries, warnings and uncaught exceptions to `logger`.

    Changes the root logger and the hooks of the process. Call it once, at the start of a program.
    """
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(logger)]
    root.setLevel(logging.NOTSET if logger.is_enabled_for(logging.DEBUG) else logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            logger.error("crashed", exc_info=error)

    sys.excepthook = crashed
    threading.excepthook = lambda args: logger.error("thread crashed", exc_info=args.exc_value)
    sys.unraisablehook = lambda args: logger.error("unraisable exception", exc_info=args.exc_value)


def loop_exception_handler(logger: Logger) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return a handler for ``loop.set_exception_handler`` that logs asyncio's message and the location.

    Other values of asyncio's context are omitted, because the text of a future or task has the message of its
    exception.
    """

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        logger.error(str(context.get("message", "error in the event loop")), exc_info=context.get("exception"))

    return handle


class _Lines:
    """Writes each line at once and flushes it. A line that cannot be written is lost: a full disk or a closed pipe must
    not prevent a decision."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError), self._lock:
            self._stream.write(line + b"\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


class _Bridge(logging.Handler):
    """Passes on the log lines of libraries."""

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:
            message = "a line whose arguments don't fit it"
        exc_info = record.exc_info[1] if record.exc_info else None
        self._logger.log(record.levelno, message, logger=record.name, exc_info=exc_info)


# --- the steps of a line --------------------------------------------------------------------------------------------


def _head(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Put time, level and event first."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return {"time": f"{_second(seconds)}.{milliseconds:03}Z", "level": method, "event": event.pop("event", ""), **event}


@lru_cache(maxsize=1)  # many lines have the same second
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _exceptions(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> EventDict:
    """Replace ``exc_info`` by the result of `describe`."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.update(describe(error))
    return event


def describe(error: BaseException) -> dict[str, object]:
    """Return the class of an exception, its location and the classes of its causes, and its text if it is our own."""
    described: dict[str, object] = {"error": _class_name(error)}
    if isinstance(error, WebhookError):
        described["detail"] = str(error)
    trace = [f"{frame.f_globals.get('__name__', '?')}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    if trace:
        described["trace"] = trace[-_DEEPEST_TRACE:]
    if behind := [_class_name(cause) for cause in _causes(error)]:
        described["because"] = behind
    return described


def _class_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the causes of an exception, the nearest first, and the members of a group."""
    seen = {id(error)}
    waiting = [error]
    while waiting:
        error = waiting.pop(0)
        following = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
        following.append(error.__cause__ or (None if error.__suppress_context__ else error.__context__))
        for cause in following:
            if cause is not None and id(cause) not in seen:
                seen.add(id(cause))
                waiting.append(cause)
                yield cause


def _name_only(value: object) -> str:
    """Return the class of a value that is not plain data, because its text may contain anything."""
    return type(value).__name__


_json = msgspec.json.Encoder(enc_hook=_name_only)


def _render_json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    line = _encode(event)
    return redact(line if len(line) <= _LONGEST_LINE else _encode(_bounded(event)))


def _encode(event: EventDict) -> bytes:
    try:
        return _json.encode(event)
    except Exception:  # for example a lone surrogate; the line must not be lost
        return json.dumps(_bounded(event), default=_name_only, skipkeys=True).encode()


def _text_renderer(colors: bool) -> Callable[[WrappedLogger, str, EventDict], bytes]:
    render = structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time", sort_keys=False, pad_event_to=0)

    def render_text(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        if len(_encode(event)) > _LONGEST_LINE:
            event = _bounded(event)
        plain = {
            key: value if isinstance(value, str | int | float | bool) else _plain(value) for key, value in event.items()
        }
        return redact(render(logger, method, plain).encode(errors="replace"))

    return render_text


def _plain(value: object) -> str:
    return "" if value is None else _json.encode(value).decode()


# --- bounds ---------------------------------------------------------------------------------------------------------

_LONGEST_LINE = 4096
"""Bytes of a line above which all fields are shortened. The line of a decision has about 700."""
LONGEST_TEXT = 1024
"""Characters of a field, or of a member of a field, in a line that was too long."""
_MOST_MEMBERS = 32
_DEEPEST_MEMBER = 4
_PAST_THE_CUT = 512
"""Characters after the cut that are also searched for credentials, so that no part of one remains."""


def _bounded(event: EventDict) -> EventDict:
    """Return the event with all texts, lists and mappings cut to a fixed size."""
    return {_short(key): _shortened(value, _DEEPEST_MEMBER) for key, value in list(event.items())[: 2 * _MOST_MEMBERS]}


def _shortened(value: object, depth: int) -> object:
    if isinstance(value, str):
        return _short(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):  # Python does not print more than 4,300 digits
        return value if value.bit_length() <= 64 else _name_only(value)
    if not isinstance(value, list | tuple | set | frozenset | dict) or not depth:
        return _name_only(value)
    if isinstance(value, dict):
        members = itertools.islice(value.items(), _MOST_MEMBERS)
        return {_short(str(key)): _shortened(member, depth - 1) for key, member in members}
    return [_shortened(member, depth - 1) for member in itertools.islice(value, _MOST_MEMBERS)]


def _short(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return str(text)
    seen = text[: LONGEST_TEXT + _PAST_THE_CUT].encode(errors="replace")
    return redact(seen).decode(errors="replace")[:LONGEST_TEXT] + "…"


# --- redaction ------------------------------------------------------------------------------------------------------

# Prefixes of providers' tokens (PROVIDERS.md), JWTs, and the places of credentials: Authorization headers, the userinfo
# of a URL, PEM. It searches rendered lines, in which a line break is "\n". Requesters choose parts of these lines, so
# every alternative takes linear time: it matches after its prefix and a fixed number of characters, or stops at a
# character that no other attempt passes.
_SECRET = re.compile(
    rb"""
    (?P<prefix>
        gh[pousr]_ | github_pat_
      | gl(?:pat|oas|dt|rtr?|cbt|ptt|ft|imt|agent|soat|ffct|wt)-
      | ATATT | ATCTT | ATBB | BBDC-
    ) [\w.=+/-]{6,}
  | (?-i:eyJ)[\w-]{8}[\w.-]*
  | (?<![0-9a-z])[0-9a-f]{40,}
  | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----[^"]*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|(?="|\Z))
  | (?P<scheme>(?:bearer|basic)\ +)(?=[^\s"]*[0-9=._])[\w.~+/=-]{8,}
  | (?P<header>(?:authorization|private-token)\\?["']?\s*[:=]\s*\\?["']?)
    (?:(?:bearer|basic|token)\ +)?[^\s"'\\,]+
  | (?P<url>://)[^\s/@"'\\]+@
    """,
    re.VERBOSE | re.IGNORECASE,
)
# A part of every match of the expression above, in lower case. The search takes a quarter of the time, and nearly every
# line has no match.
_HINT = re.compile(
    rb"gh[pousr]_|github_pat_|gl[a-z]{2,5}-|at(?:att|ctt|bb)|bbdc-|eyj|-----begin|bearer|basic|authoriz|private-token|://"
)
# GitHub's older tokens are 40 hexadecimal digits. A regular expression for them takes ten times as long as this
# translation.
_HEX_DIGITS = bytes(ord("x") if byte in b"0123456789abcdef" else ord(" ") for byte in range(256))
_HEX_RUN = b"x" * 40


def redact(line: bytes) -> bytes:
    """Return a line with *** in place of everything that looks like a credential, except its prefix."""
    lower = line.lower()
    return _SECRET.sub(_mask, line) if _HINT.search(lower) or _HEX_RUN in lower.translate(_HEX_DIGITS) else line


def _mask(match: re.Match[bytes]) -> bytes:
    kept = match["prefix"] or match["scheme"] or match["header"] or match["url"] or b""
    return kept + b"***" + (b"@" if match["url"] else b"")
