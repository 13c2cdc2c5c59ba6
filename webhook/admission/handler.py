"""``POST /mutate`` and ``POST /validate``: answer each review before the API server stops waiting.

The handler reads and decodes the body, has it reviewed, encodes the decision, counts it and logs it. A failure ends in
one of four ways: HTTP 4xx for a review that cannot be judged, the decision `late` at the deadline, HTTP 503 without
memory for the body (see `memory_budget`; the API server retries), or, after an internal error, a denial at `/validate`
and an HTTP 500 at `/mutate`. Without a decision, the failurePolicy of the webhook configuration decides.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import hdrs, web

from webhook.admission import codec
from webhook.admission.codec import AdmissionRequest
from webhook.admission.memory_budget import Room, Share
from webhook.decision import Cause, Decision, Deny, Stage
from webhook.errors import BadReview
from webhook.logs import Logger, describe
from webhook.metrics import Metrics, outcome_of
from webhook.offload import offload
from webhook.subject import Subject

Review = Callable[[Subject, Stage, float, dict[str, object]], Coroutine[Any, Any, Decision]]
"""Reviews a write until a deadline, by the event loop's clock, and adds fields of the log line to the dictionary."""
Late = Callable[[Subject, Stage], Decision]
"""Returns the decision for a review that has reached its deadline, without waiting."""

# A Secret has up to 1 MiB, a third more in base64, and an UPDATE contains it twice: 2.7 MiB. With annotations of
# 256 KiB whose characters Go escapes to six each, the largest measured review has 5.9 MB (KUBERNETES.md §1.8).
MAX_BODY: Final = 8 * 1024 * 1024
# Decoding this much takes a fraction of a millisecond. A larger body is decoded in another thread.
_DECODE_AT_ONCE: Final = 64 * 1024
_PAUSE: Final = 50e-6
"""Seconds. After a pause of zero seconds, the same thread would usually get the interpreter lock again."""

_ERROR: Final = "An error inside git-token-webhook: nothing is known about this write. Its log says more."
_FAILED: Final = Deny(_ERROR, (Cause("data", _ERROR),))

_STAGES: Final = {f"/{stage}": stage for stage in Stage}

DEFAULT_TIMEOUT: Final = 10.0  # of a webhook configuration without timeoutSeconds
# The API server rounds the remaining time up to whole seconds (KUBERNETES.md §1.4).
_ROUNDING: Final = 1.0
_MARGIN: Final = 0.25  # to send the response
_LEAST_SHARE: Final = 0.25  # of a timeout that is too short to subtract both
_USUAL_QUERY: Final = 64
"""Characters of a query whose result is cached."""

# As Go's time.ParseDuration, which accepts what the API server sends.
_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_GO_DURATION = re.compile(rf"(?:{_GO_PART.pattern})+", re.ASCII)

# https://www.w3.org/TR/trace-context/#traceparent-header: later versions than 00 may add fields; ff is invalid.
_TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-[0-9a-f]{2}"
    r"(?P<more>-.*)?\Z"
)


class AdmissionHandler:
    """Answers the API server."""

    def __init__(
        self,
        review: Review,
        late: Late,
        *,
        decision_timeout: Callable[[], float],
        metrics: Metrics,
        log: Logger,
    ) -> None:
        """
        Args:
            decision_timeout: returns the configured time limit of a decision in seconds.
        """
        self._review = review
        self._late = late
        self._decision_timeout = decision_timeout
        self._metrics = metrics
        self._log = log
        self._abandoned: set[asyncio.Task[Decision]] = set()
        self._room = Room()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer a POST to ``/mutate`` or ``/validate``. Other paths get 404, other methods 405."""
        stage = _STAGES.get(request.path)
        if stage is None:
            return web.Response(status=404, text="there are only /mutate and /validate here\n")
        if request.method != hdrs.METH_POST:
            return web.Response(status=405, text="reviews come by POST\n", headers={hdrs.ALLOW: hdrs.METH_POST})
        try:
            return await self._answer(request, stage)
        except BadReview as error:
            self._metrics.bad_review(error.reason)
            self._log.warning("bad review", stage=stage, status=error.status, detail=str(error))
            return _refusal(error)

    async def _answer(self, request: web.BaseRequest, stage: Stage) -> web.Response:
        """
        Raises:
            BadReview: it cannot be judged, arrived too slowly, or there is no memory for it.
        """
        arrival = asyncio.get_running_loop().time()
        deadline = arrival + min(_time_said(request.rel_url.raw_query_string), self._decision_timeout())
        record: dict[str, object] = {}
        arrived = False
        admission: AdmissionRequest | None = None
        review: asyncio.Task[Decision] | None = None
        try:
            async with self._room.share(deadline) as share:
                body = await _read(request, share)
                arrived = True
                admission = await self._decode(body)
                del body  # it can be large, and the review can take seconds
                review = _begin(self._review(admission.subject, stage, deadline, record))
                await _settled(review)
        except TimeoutError:
            if not arrived:
                raise BadReview("the body didn't arrive in time", status=408, reason="slow") from None
            if admission is None:
                message = "too many large reviews at the same time keep this one from being decoded in time"
                raise BadReview(message, status=503, reason="crowded") from None
        finally:  # decided, at the deadline, out of memory, or the API server has disconnected
            if review is not None and not review.done():
                self._abandon(review)
        decided = review if review is not None and review.done() else None
        try:
            decision = decided.result() if decided is not None else self._late(admission.subject, stage)
            encoded = codec.encode(admission, decision, stage)
        except Exception as error:
            self._metrics.failed(stage)
            self._log.error("review failed", **_facts(admission, stage), **describe(error), **_trace(request))
            if stage is Stage.MUTATE:  # /validate enforces
                # The API server shows this to the requester (KUBERNETES.md §5).
                return web.Response(status=500, text=f"an error inside git-token-webhook; its log says more: {stage}\n")
            # On an HTTP 500 `kubectl apply` prints its patch, with the token (docs/reference/what-clients-print.md).
            return web.Response(body=codec.encode(admission, _FAILED, stage), content_type="application/json")
        seconds = asyncio.get_running_loop().time() - arrival
        self._metrics.decided(stage, admission.subject.operation, outcome_of(decision), seconds, late=decided is None)
        self._log_decision(admission, stage, decision, record, seconds, decided is None, _trace(request))
        return web.Response(body=encoded, content_type="application/json")

    async def _decode(self, body: bytearray) -> AdmissionRequest:
        """Return the decoded request.

        Raises:
            BadReview: it cannot be judged.
        """
        if len(body) <= _DECODE_AT_ONCE:
            return codec.decode(bytes(body))
        return await offload(_decode_large, body)

    def _abandon(self, task: asyncio.Task[Decision]) -> None:
        """Cancel a review whose result is no longer needed, and keep its task until it ends."""
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Decision]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.warning("review failed after its time", **describe(error))

    def _log_decision(
        self,
        admission: AdmissionRequest,
        stage: Stage,
        decision: Decision,
        record: dict[str, object],
        seconds: float,
        late: bool,
        trace: dict[str, str],
    ) -> None:
        fields: dict[str, object] = {"reason": decision.reason} if isinstance(decision, Deny) else {}
        fields |= record
        fields |= _facts(admission, stage) | trace
        fields |= {"verdict": outcome_of(decision), "milliseconds": round(seconds * 1000, 1)}
        if late:
            fields["late"] = True
        fields.pop("event", None)
        self._log.info("decision", **fields)


def _begin(review: Coroutine[Any, Any, Decision]) -> asyncio.Task[Decision]:
    """Start a review in a task of its own, with its own context, so that it can be abandoned."""
    if sys.version_info >= (3, 12):  # a review that does not wait ends at once
        return asyncio.Task(review, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.get_running_loop().create_task(review)


async def _settled(review: asyncio.Task[Decision]) -> None:
    """Wait for a review to end. A cancellation of this wait does not reach the review, as it would in an `await` of
    the task."""
    if review.done():
        return
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    review.add_done_callback(lambda _: None if ended.done() else ended.set_result(None))
    await ended


def _time_said(query: str) -> float:
    """Return `time_to_decide` for the query of a request."""
    return _time_said_shortly(query) if len(query) <= _USUAL_QUERY else _time_said_shortly.__wrapped__(query)


@lru_cache(maxsize=64)  # an API server sends few different ones
def _time_said_shortly(query: str) -> float:
    return time_to_decide(parse_qs(query).get("timeout", [None])[0])


def time_to_decide(timeout: str | None) -> float:
    """Return the seconds from the arrival of a review to its deadline.

    Args:
        timeout: the parameter ``timeout`` that the API server sends.
    """
    seconds = parse_go_duration(timeout or "") or DEFAULT_TIMEOUT
    return max(seconds - _ROUNDING - _MARGIN, seconds * _LEAST_SHARE)


def parse_go_duration(text: str) -> float | None:
    """Return the seconds of a duration in Go's format, such as ``10s`` or ``1m30s``; None if it is invalid."""
    if len(text) > 32 or not _GO_DURATION.fullmatch(text):
        return None
    return sum(float(number) * _GO_UNITS[unit] for number, unit in _GO_PART.findall(text))


def parse_traceparent(header: str) -> tuple[str, str] | None:
    """Return the trace and span ids of a W3C ``traceparent`` header; None if it is invalid."""
    match = _TRACEPARENT.match(header)
    if match is None or (match["version"] == "00" and match["more"]):
        return None
    return match["trace"], match["span"]


async def _read(request: web.BaseRequest, share: Share) -> bytearray:
    """Return the body. A large one is not copied, which would take milliseconds.

    Raises:
        BadReview: it has another content type, or is too large.
    """
    if request.content_type != "application/json":
        raise BadReview("the Content-Type must be application/json", status=415, reason="content-type")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadReview("the body must not be compressed", status=415, reason="content-encoding")
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    body = bytearray()  # not a list of chunks, each of which can be a single byte
    try:
        while chunk := await request.content.readany():
            if len(body) + len(chunk) > MAX_BODY:
                raise _too_large()
            body += chunk
            share.grow(len(chunk))
    except BaseException:
        body.clear()  # the exception keeps this frame and its variables
        raise
    return body


def _decode_large(body: bytearray) -> AdmissionRequest:
    try:
        return codec.decode(body, pause=_give_way)
    except BadReview as error:
        raise error.with_traceback(None) from None  # its frames would keep the decoded objects


def _give_way() -> None:
    time.sleep(_PAUSE)


def _too_large() -> BadReview:
    message = f"the body is larger than {MAX_BODY // 2**20} MiB, which no review of a Secret is"
    return BadReview(message, status=413, reason="too-large")


def _refusal(error: BadReview) -> web.Response:
    response = web.Response(status=error.status, text=f"{error}\n")
    if error.status in (408, 413, 503):  # the rest of the body is not read, so the connection cannot be reused
        response.force_close()
    if error.status == 503:
        response.headers["Retry-After"] = "1"  # without it, the API server does not retry (KUBERNETES.md §1)
    return response


def _facts(admission: AdmissionRequest, stage: Stage) -> dict[str, object]:
    subject = admission.subject
    secret = subject.secret
    return {
        "uid": admission.uid,
        "stage": stage,
        "operation": subject.operation,
        "namespace": secret.namespace,
        "name": secret.name or f"{secret.generate_name}…",
        "user": subject.requester.username,
        "dry_run": subject.dry_run,
    }


def _trace(request: web.BaseRequest) -> dict[str, str]:
    parsed = parse_traceparent(request.headers.get("traceparent", ""))
    return {"trace_id": parsed[0], "span_id": parsed[1]} if parsed else {}
