"""One line for each thing that happened, as JSON for machines or as text for people; never anything secret.

Exceptions appear as class names and places in the code. Their messages and locals don't: httpx, kubernetes and
msgspec put URLs, headers and input into them. Only the text of a `WebhookError` is shown, because we wrote it. The
last step of every line masks what looks like a credential, as a defence against mistakes and not as a method.
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
"""The names that ``--log-level`` takes."""

# Libraries whose INFO and DEBUG lines name URLs, headers or bodies (httpx: whole URLs with their query at INFO).
_QUIET = ("aiohttp", "asyncio", "hpack", "httpcore", "httpx", "kubernetes", "urllib3")
_DEEPEST_TRACE = 12
"""Frames of a trace that are shown, the innermost ones."""


def build_logger(stream: BinaryIO, *, format: Format = "json", level: str = "info", colors: bool = False) -> Logger:
    """A logger that writes a line to `stream` for everything at `level` (one of `LEVELS`) or above."""
    render = _render_json if format == "json" else _text_renderer(colors)
    return cast(
        Logger,
        structlog.wrap_logger(
            _Lines(stream),
            processors=[_head, _exceptions, render],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            cache_logger_on_first_use=True,
        ).bind(),  # what stands in for a logger until its first use costs as much as a line, each time
    )


def install(logger: Logger) -> None:
    """Send the lines of all libraries, warnings, and exceptions that nobody caught through `logger` as well.

    Changes the process: its root logger and its hooks. For the start of a program, once.
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
    sys.unraisablehook = lambda args: logger.error("exception that nobody could catch", exc_info=args.exc_value)


def loop_exception_handler(logger: Logger) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """For ``loop.set_exception_handler``: asyncio's own words for what happened, and where.

    The other values of asyncio's context are left out: the text of a future or task holds its exception's message.
    """

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        logger.error(str(context.get("message", "error in the event loop")), exc_info=context.get("exception"))

    return handle


class _Lines:
    """Writes each line whole and at once. A line that can't be written is lost, and nothing else: a full disk or a
    closed pipe must not keep a decision from being answered."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError), self._lock:
            self._stream.write(line + b"\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


class _Bridge(logging.Handler):
    """What libraries say through `logging`."""

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
    """Time, level and event first, where people look for them."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return {"time": f"{_second(seconds)}.{milliseconds:03}Z", "level": method, "event": event.pop("event", ""), **event}


@lru_cache(maxsize=1)  # many lines are of the same
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _exceptions(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> EventDict:
    """``exc_info`` becomes what `describe` says of it."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.update(describe(error))
    return event


def describe(error: BaseException) -> dict[str, object]:
    """The class of an exception, where it came from, and the classes of those behind it; no text but our own."""
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
    """What led to `error`, nearest first; of a group, its members."""
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
    """What isn't plain data is named by its class: its text might hold anything."""
    return type(value).__name__


_json = msgspec.json.Encoder(enc_hook=_name_only)


def _render_json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    line = _encode(event)
    return redact(line if len(line) <= _LONGEST_LINE else _encode(_bounded(event)))


def _encode(event: EventDict) -> bytes:
    try:
        return _json.encode(event)
    except Exception:  # such as a lone surrogate: a line may be ugly, but never lost
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
"""Bytes of a rendered line above which every field is shortened. A decision's line has about 700."""
LONGEST_TEXT = 1024
"""Characters of one field, or of one member of a field, in a line that was too long."""
_MOST_MEMBERS = 32
_DEEPEST_MEMBER = 4
_PAST_THE_CUT = 512
"""Characters past the cut in which a credential is still recognised, so that no beginning of one remains."""


def _bounded(event: EventDict) -> EventDict:
    """Return `event` with every text, list and mapping cut to a fixed size."""
    return {_short(key): _shortened(value, _DEEPEST_MEMBER) for key, value in list(event.items())[: 2 * _MOST_MEMBERS]}


def _shortened(value: object, depth: int) -> object:
    if isinstance(value, str):
        return _short(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):  # Python refuses to write more than 4,300 digits
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

# Prefixes by which providers let secret scanners find their tokens (PROVIDERS.md), JWTs, and the places where
# credentials stand: Authorization, the userinfo of a URL, PEM. It reads rendered lines, so a line break is "\n".
# Requesters choose parts of these lines, so every alternative takes linear time: it matches once its beginning and
# a fixed number of further characters are there, or stops at a character that no other attempt passes.
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
# Stands in whatever the expression above matches, in lower case: it takes a fourth of the time, and nearly every line
# has nothing of it.
_HINT = re.compile(
    rb"gh[pousr]_|github_pat_|gl[a-z]{2,5}-|at(?:att|ctt|bb)|bbdc-|eyj|-----begin|bearer|basic|authoriz|private-token|://"
)
# 40 hexadecimal digits in a row are what GitHub's older tokens are. An expression for them costs ten times
# as much as this translation.
_HEX_DIGITS = bytes(ord("x") if byte in b"0123456789abcdef" else ord(" ") for byte in range(256))
_HEX_RUN = b"x" * 40


def redact(line: bytes) -> bytes:
    """`line` with *** instead of whatever looks like a credential; what shows its kind stays."""
    lower = line.lower()
    return _SECRET.sub(_mask, line) if _HINT.search(lower) or _HEX_RUN in lower.translate(_HEX_DIGITS) else line


def _mask(match: re.Match[bytes]) -> bytes:
    kept = match["prefix"] or match["scheme"] or match["header"] or match["url"] or b""
    return kept + b"***" + (b"@" if match["url"] else b"")
