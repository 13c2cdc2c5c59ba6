"""An API server's HTTP requests, from arrival to answer."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient

from tests.admission.reviews import UID, as_go_writes, make_object, make_review
from tests.admission.test_codec import BAD
from webhook import logs
from webhook.admission.handler import (
    MAX_BODY,
    AdmissionHandler,
    parse_go_duration,
    parse_traceparent,
    time_to_decide,
)
from webhook.decision import Allow, Decision, Deny, Stage
from webhook.metrics import Metrics
from webhook.subject import Subject

JSON = {"Content-Type": "application/json"}
REVIEW = as_go_writes(make_review())


@dataclass
class Webhook:
    """The handler behind a real port, with a review that the test writes."""

    decide: Callable[[Subject, Stage, dict[str, object]], Awaitable[Decision]] | None = None
    decision_timeout: float = 8.0
    metrics: Metrics = field(default_factory=Metrics)
    written: io.BytesIO = field(default_factory=io.BytesIO)
    deadlines: list[float] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    client: Any = None

    async def review(self, subject: Subject, stage: Stage, deadline: float, record: dict[str, object]) -> Decision:
        self.deadlines.append(deadline - asyncio.get_running_loop().time())
        if self.decide is None:
            return Allow()
        try:
            return await self.decide(subject, stage, record)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def late(self, subject: Subject, stage: Stage) -> Decision:
        return Allow(("Not checked in time.",)) if stage is Stage.MUTATE else Deny("could not be checked in time.")

    async def post(
        self, body: Any = REVIEW, *, path: str = "/validate", **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        data = io.BytesIO(body) if isinstance(body, bytes) else body  # as aiohttp's client wants large ones
        async with self.client.post(path, data=data, headers=JSON | headers) as response:
            return response, await response.read()

    async def decided(self, path: str = "/validate", **headers: str) -> dict[str, Any]:
        response, body = await self.post(path=path, **headers)
        assert response.status == 200, body
        answer: dict[str, Any] = json.loads(body)["response"]
        return answer

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    def sample(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"git_token_webhook_{name}", labels) or 0.0


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    hook = Webhook()
    handler = AdmissionHandler(
        hook.review,
        hook.late,
        decision_timeout=lambda: hook.decision_timeout,
        metrics=hook.metrics,
        log=logs.build_logger(hook.written),
    )
    server = RawTestServer(handler.answer, handler_cancellation=True)
    async with TestClient[web.BaseRequest, None](server) as client:
        hook.client = client
        yield hook


async def hang(*_: object) -> Decision:
    await asyncio.sleep(3600)
    return Allow()


class TestDeciding:
    @pytest.mark.parametrize("stage", Stage)
    async def test_each_stage_has_its_path(self, webhook: Webhook, stage: Stage) -> None:
        """The review learns from which call the Secret came."""
        stages = []

        async def note(_: Subject, stage: Stage, __: object) -> Decision:
            stages.append(stage)
            return Allow()

        webhook.decide = note
        assert (await webhook.decided(f"/{stage}"))["allowed"]
        assert stages == [stage]

    async def test_a_denial(self, webhook: Webhook) -> None:
        """A denial is a successful call."""

        async def deny(*_: object) -> Decision:
            return Deny("no.")

        webhook.decide = deny
        answer = await webhook.decided()
        assert (answer["allowed"], answer["status"]["message"], answer["uid"]) == (False, "no.", UID)

    async def test_the_answer_is_json(self, webhook: Webhook) -> None:
        """The API server looks at the content type."""
        response, _ = await webhook.post()
        assert response.headers["Content-Type"] == "application/json"

    async def test_a_content_type_with_parameters(self, webhook: Webhook) -> None:
        """A charset changes nothing."""
        response, _ = await webhook.post(**{"Content-Type": "application/json; charset=utf-8"})
        assert response.status == 200

    async def test_a_decision_is_counted(self, webhook: Webhook) -> None:
        """By stage, operation and outcome, and with its duration."""
        await webhook.decided("/mutate")
        assert webhook.sample("admission_decisions_total", stage="mutate", operation="CREATE", outcome="allowed") == 1
        assert webhook.sample("admission_decision_duration_seconds_count", stage="mutate") == 1

    async def test_a_decision_is_one_line(self, webhook: Webhook) -> None:
        """Who did what to which Secret, how it ended, what the review says of it, and of which trace it is."""

        async def deny(_: Subject, __: Stage, record: dict[str, object]) -> Decision:
            record |= {"roles": ["user"], "event": "not the review's to say"}
            return Deny("no.")

        webhook.decide = deny
        trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        await webhook.decided(traceparent=f"00-{trace}-{span}-01")
        (line,) = webhook.log
        del line["time"]
        assert line.pop("milliseconds") < 1000
        assert line == {
            "level": "info",
            "event": "decision",
            "uid": UID,
            "stage": "validate",
            "operation": "CREATE",
            "namespace": "platform",
            "name": "git-default-a1",
            "user": "system:serviceaccount:platform:cap-app-proxy",
            "dry_run": False,
            "verdict": "denied",
            "reason": "Invalid",
            "roles": ["user"],
            "trace_id": trace,
            "span_id": span,
        }


class TestInTime:
    async def test_a_review_knows_its_deadline(self, webhook: Webhook) -> None:
        """It is what the API server leaves, less its rounding and a margin."""
        await webhook.post(path="/validate?timeout=5s")
        assert 3.5 < webhook.deadlines[0] <= 3.75

    async def test_never_more_than_configured(self, webhook: Webhook) -> None:
        """A patient API server doesn't make us more patient."""
        webhook.decision_timeout = 2.0
        await webhook.post(path="/validate?timeout=30s")
        assert 1.5 < webhook.deadlines[0] <= 2.0

    @pytest.mark.parametrize(
        ("stage", "verdict", "outcome"), [(Stage.MUTATE, True, "warned"), (Stage.VALIDATE, False, "denied")]
    )
    async def test_a_decision_by_the_clock(self, webhook: Webhook, stage: Stage, verdict: bool, outcome: str) -> None:
        """A review that hangs is answered all the same, in words of its own, and ended."""
        webhook.decide = hang
        begun = time.monotonic()
        answer = await webhook.decided(f"/{stage}?timeout=1s")
        assert answer["allowed"] is verdict
        assert 0.2 <= time.monotonic() - begun < 1.0
        async with asyncio.timeout(1):
            await webhook.cancelled.wait()
        assert webhook.sample("admission_late_decisions_total", stage=stage) == 1
        assert (webhook.log[0]["verdict"], webhook.log[0]["late"]) == (outcome, True)

    async def test_a_review_that_will_not_be_cancelled(self, webhook: Webhook) -> None:
        """Not even a review that ignores its end delays the answer."""
        release = asyncio.Event()

        async def stubborn(*_: object) -> Decision:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            raise RuntimeError("too late to matter")

        webhook.decide = stubborn
        async with asyncio.timeout(2):
            assert not (await webhook.decided("/validate?timeout=1s"))["allowed"]
        release.set()
        await asyncio.sleep(0.05)
        assert (webhook.log[1]["event"], webhook.log[1]["error"]) == ("review failed after its time", "RuntimeError")

    async def test_a_body_that_does_not_come(self, webhook: Webhook) -> None:
        """A client that sends half a body gets 408 in the same time, and its connection is closed."""

        async def half() -> AsyncIterator[bytes]:
            yield REVIEW[:100]
            await asyncio.sleep(3600)

        async with asyncio.timeout(2):
            async with webhook.client.post("/validate?timeout=1s", data=half(), headers=JSON) as response:
                assert (response.status, response.headers["Connection"]) == (408, "close")

    async def test_a_client_that_hangs_up(self, webhook: Webhook) -> None:
        """Nobody waits for the decision any more, so the review ends."""
        webhook.decide = hang
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await webhook.post()
        async with asyncio.timeout(2):
            await webhook.cancelled.wait()

    async def test_small_reviews_beside_a_large_one(self, webhook: Webhook) -> None:
        """Eight MiB of JSON are decoded without holding up what takes a millisecond."""
        large = as_go_writes(make_review(object=make_object(annotations={"a": "<" * (MAX_BODY // 6 - 2000)})))
        assert MAX_BODY * 0.95 < len(large) <= MAX_BODY
        sending = [asyncio.create_task(webhook.post(large)) for _ in range(3)]
        slowest = 0.0
        while not all(task.done() for task in sending):
            begun = time.monotonic()
            assert (await webhook.decided())["allowed"]
            slowest = max(slowest, time.monotonic() - begun)
        assert [(await task)[0].status for task in sending] == [200, 200, 200]
        assert slowest < 1.0


class TestRoom:
    async def test_bodies_that_do_not_end_make_room(self, webhook: Webhook) -> None:
        """Forty of them took 340 MB. Now some end, with an answer on which an API server tries again; small reviews
        beside them are answered."""
        ended = asyncio.Event()

        async def held_back() -> AsyncIterator[bytes]:
            for _ in range(31):
                yield b" " * 2**18
            await ended.wait()

        async def attack() -> tuple[int, str]:
            async with webhook.client.post("/validate?timeout=30s", data=held_back(), headers=JSON) as response:
                return response.status, response.headers.get("Retry-After", "")

        attacks = [asyncio.create_task(attack()) for _ in range(12)]
        async with asyncio.timeout(20):
            await asyncio.wait(attacks, return_when=asyncio.FIRST_COMPLETED)
            for _ in range(5):
                assert (await webhook.decided())["allowed"]
        ended.set()
        answers = await asyncio.gather(*attacks)
        assert {answer for answer in answers if answer[0] != 400} == {(503, "1")}
        assert webhook.sample("bad_reviews_total", reason="crowded") == sum(status == 503 for status, _ in answers) >= 3

    async def test_reviews_that_last_make_room_too(self, webhook: Webhook) -> None:
        """Whoever sends whole bodies and has the check take long would fill the memory as well."""
        webhook.decide = hang
        large = as_go_writes(make_review(object=make_object(annotations={"a": "<" * (MAX_BODY // 6 - 2000)})))
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(webhook.post(large, path="/validate?timeout=7s") for _ in range(12)))
        statuses = [response.status for response, _ in answers]
        assert sorted(set(statuses)) == [200, 503]
        assert b"too many large reviews" in next(text for response, text in answers if response.status == 503)
        assert webhook.cancelled.is_set()

    async def test_what_is_read_once_leaves_its_room(self, webhook: Webhook) -> None:
        """However many come one after the other, in whatever way they end."""
        for body in (REVIEW, b"{", b" " * (7 * 2**20)):
            for _ in range(12):
                assert (await webhook.post(body))[0].status in (200, 400)
        assert webhook.sample("bad_reviews_total", reason="crowded") == 0


class TestBadRequests:
    @pytest.mark.parametrize("case", BAD)
    async def test_what_is_no_review(self, webhook: Webhook, case: str) -> None:
        """It is 4xx with a readable text, it is counted, and the next request is served."""
        body, reason = BAD[case]
        response, text = await webhook.post(body)
        assert 400 <= response.status < 500
        assert response.headers["Content-Type"].startswith("text/plain")
        assert len(text) > 20
        assert webhook.sample("bad_reviews_total", reason=reason) == 1
        assert (await webhook.decided())["allowed"]

    @pytest.mark.parametrize("size", [MAX_BODY + 1, 3 * MAX_BODY])
    async def test_too_large(self, webhook: Webhook, size: int) -> None:
        """Said at once, where the size is told."""
        response, text = await webhook.post(b" " * size)
        assert response.status == 413
        assert b"larger than 8 MiB" in text
        assert (await webhook.decided())["allowed"]

    async def test_too_large_in_chunks(self, webhook: Webhook) -> None:
        """Noticed on the way, where it isn't."""

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(9):
                yield b" " * 2**20

        response, _ = await webhook.post(endless())
        assert response.status == 413
        assert webhook.sample("bad_reviews_total", reason="too-large") == 1

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json"])
    async def test_another_content_type(self, webhook: Webhook, content_type: str) -> None:
        """Only JSON is read."""
        response, _ = await webhook.post(**{"Content-Type": content_type})
        assert response.status == 415

    async def test_a_compressed_body(self, webhook: Webhook) -> None:
        """No body can turn out larger than it is; the API server doesn't compress."""
        async with webhook.client.post(
            "/validate", data=REVIEW, headers=JSON | {"Content-Encoding": "gzip"}, compress=None
        ) as response:
            assert response.status == 415

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/validate", 405), ("PUT", "/mutate", 405), ("POST", "/", 404), ("GET", "/metrics", 404)],
    )
    async def test_other_methods_and_paths(self, webhook: Webhook, method: str, path: str, status: int) -> None:
        """Nothing else is here."""
        async with webhook.client.request(method, path) as response:
            assert response.status == status
            assert len(await response.text()) < 100


class TestErrors:
    async def test_an_error_of_ours(self, webhook: Webhook) -> None:
        """`/validate` denies with a cause, so that no client prints what it sent; `/mutate` leaves it to failurePolicy.
        What went wrong is in the log, without any content."""

        async def fail(subject: Subject, *_: object) -> Decision:
            raise ValueError(f"sentinel {subject.secret.data}")

        webhook.decide = fail
        response, text = await webhook.post()
        denied = json.loads(text)["response"]
        assert (response.status, denied["allowed"], denied["status"]["code"]) == (200, False, 422)
        (cause,) = denied["status"]["details"]["causes"]
        assert "inside git-token-webhook" in cause["message"]
        assert webhook.sample("admission_errors_total", stage="validate") == 1
        (line,) = webhook.log
        assert (line["event"], line["error"], line["name"]) == ("review failed", "ValueError", "git-default-a1")
        assert line["trace"][-1].startswith(f"{__name__}:")
        response, more = await webhook.post(path="/mutate")
        assert response.status == 500
        assert b"inside git-token-webhook" in more
        assert b"sentinel" not in webhook.written.getvalue() + text + more

    async def test_no_content_in_the_log(self, webhook: Webhook) -> None:
        """A Secret's values are nowhere in it, whether its review can be read or not."""
        secret = make_object(data={"token": "c2VudGluZWw="}, annotations={"note": "c2VudGluZWw="})
        await webhook.post(as_go_writes(make_review(object=secret)))
        await webhook.post(as_go_writes(make_review(object=secret, operation="c2VudGluZWw=")))
        assert len(webhook.log) == 2
        assert b"c2VudGluZWw" not in webhook.written.getvalue()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10.0), ("1m30s", 90.0), ("500ms", 0.5), ("1.5h", 5400.0), (".5s", 0.5), ("2µs", 2e-6), ("100ns", 1e-7)],
)
def test_durations_of_go(text: str, seconds: float) -> None:
    """What Go's Duration.String writes is understood."""
    assert parse_go_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1e3s", "10s ", "٣s", "1d", "9" * 40 + "s"])
def test_what_is_no_duration(text: str) -> None:
    """Everything else is none."""
    assert parse_go_duration(text) is None


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("10s", 8.75), ("30s", 28.75), ("2s", 0.75), ("1s", 0.25), (None, 8.75), ("soon", 8.75), ("0s", 8.75)],
)
def test_time_to_decide(timeout: str | None, seconds: float) -> None:
    """A second may not be there, a quarter is for the way back, and a quarter of what was said always remains."""
    assert time_to_decide(timeout) == pytest.approx(seconds)


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("header", [f"00-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-what"])
def test_trace_context(header: str) -> None:
    """Version 00, and whatever later ones add."""
    assert parse_traceparent(header) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-what",
        f"00-{TRACE}-{SPAN}-01\n",
        f"cc-{TRACE}-{SPAN}-01what",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
    ],
)
def test_no_trace_context(header: str) -> None:
    """A header that isn't exactly as the standard says is as none."""
    assert parse_traceparent(header) is None
