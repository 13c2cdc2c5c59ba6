"""What goes wrong on the way to a provider and back, as a client meets it."""

import asyncio
import time

import httpx
import pytest

from tests.simulator.conftest import Ask
from webhook.simulator import Fault, Simulator, World
from webhook.simulator.faults import (
    AnyEffect,
    ContentType,
    Cut,
    Empty,
    Hang,
    Html,
    Latency,
    Outage,
    Oversized,
    RateLimited,
    Redirect,
    SetHeaders,
    Status,
    StripHeaders,
    Truncated,
)


async def test_latency_is_the_right_answer_late(simulator: Simulator, ask: Ask) -> None:
    """By as much as was said."""
    simulator.faults.add(Latency(seconds=0.2))
    started = time.monotonic()
    assert (await ask("good-classic", "/user")).status_code == 200
    assert time.monotonic() - started >= 0.2


async def test_another_status(simulator: Simulator, ask: Ask) -> None:
    """With any body and headers."""
    simulator.faults.add(Status(status=418, body='{"message":"teapot"}', headers={"X-Teapot": "yes"}))
    reply = await ask("good-classic", "/user")
    assert (reply.status_code, reply.json()["message"], reply.headers["X-Teapot"]) == (418, "teapot", "yes")


@pytest.mark.parametrize("status", [403, 429])
async def test_the_primary_rate_limit(simulator: Simulator, ask: Ask, status: int) -> None:
    """Nothing remains until the reset; a token's scopes are told all the same."""
    simulator.faults.add(RateLimited(status=status, reset_in=60))
    reply = await ask("good-classic", "/user")
    assert (reply.status_code, reply.headers["x-ratelimit-remaining"]) == (status, "0")
    assert 50 <= int(reply.headers["x-ratelimit-reset"]) - time.time() <= 61
    assert "API rate limit exceeded for user ID 583231" in reply.json()["message"]
    assert "retry-after" not in reply.headers


@pytest.mark.parametrize("retry_after", [60, None])
async def test_the_secondary_rate_limit(simulator: Simulator, ask: Ask, retry_after: int | None) -> None:
    """Known by its documentation link; the primary limit is far away."""
    simulator.faults.add(RateLimited(secondary=True, retry_after=retry_after))
    reply = await ask("good-classic", "/user")
    assert reply.status_code == 403
    assert reply.json()["documentation_url"].endswith("secondary-rate-limits")
    assert reply.headers.get("retry-after") == (None if retry_after is None else str(retry_after))
    assert reply.headers["x-ratelimit-remaining"] != "0"


@pytest.mark.parametrize("html", [False, True])
async def test_an_outage(simulator: Simulator, ask: Ask, html: bool) -> None:
    """In JSON or in HTML."""
    simulator.faults.add(Outage(status=502, html=html))
    reply = await ask("good-classic", "/user")
    assert reply.status_code == 502
    assert reply.headers["Content-Type"].startswith("text/html" if html else "application/json")


async def test_a_cut_before_the_headers(simulator: Simulator, ask: Ask) -> None:
    """No response at all."""
    simulator.faults.add(Cut())
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await ask("good-classic", "/user")


@pytest.mark.parametrize("after", [0, 10, 100_000])
async def test_a_cut_in_the_body(simulator: Simulator, ask: Ask, after: int) -> None:
    """Headers arrive, the announced body doesn't."""
    simulator.faults.add(Cut(after_bytes=after))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await ask("good-classic", "/user")


async def test_a_hang_lasts_until_the_client_gives_up(simulator: Simulator, ask: Ask) -> None:
    """And doesn't keep the simulator from stopping."""
    simulator.faults.add(Hang())
    with pytest.raises(httpx.ReadTimeout):
        await ask("good-classic", "/user", timeout=0.2)
    await asyncio.sleep(0.05)
    assert simulator.journal.counts().in_flight == 0
    waiting = asyncio.ensure_future(ask("good-classic", "/user"))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    await simulator.stop()
    assert time.monotonic() - started < 3
    with pytest.raises(httpx.HTTPError):
        await waiting


async def test_a_redirect(simulator: Simulator, ask: Ask) -> None:
    """To wherever it is said."""
    simulator.faults.add(Redirect(to="https://elsewhere.example.com/user"))
    reply = await ask("good-classic", "/user")
    assert (reply.status_code, reply.headers["Location"]) == (301, "https://elsewhere.example.com/user")


@pytest.mark.parametrize(
    ("effect", "content_type", "body"),
    [
        (Html(), "text/html", b"<!DOCTYPE html>"),
        (Empty(), "application/json", b""),
        (ContentType(content_type="text/plain"), "text/plain", b'{"login":"octocat"'),
        (Truncated(), "application/json", b'{"login":"octocat"'),
    ],
)
async def test_a_spoilt_body_keeps_status_and_headers(
    simulator: Simulator, ask: Ask, effect: AnyEffect, content_type: str, body: bytes
) -> None:
    """Only the body, or its type, is wrong."""
    simulator.faults.add(effect)
    reply = await ask("good-classic", "/user")
    assert (reply.status_code, reply.headers["X-OAuth-Scopes"]) == (200, "admin:repo_hook, repo")
    assert reply.headers["Content-Type"].startswith(content_type)
    assert reply.content.startswith(body)
    assert bool(reply.content) == bool(body)


async def test_truncated_json_is_no_json(simulator: Simulator, ask: Ask) -> None:
    """Though it is complete as HTTP."""
    simulator.faults.add(Truncated())
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        (await ask("good-classic", "/user")).json()


async def test_an_oversized_body(simulator: Simulator, ask: Ask) -> None:
    """Many megabytes, valid all the same."""
    simulator.faults.add(Oversized(megabytes=8))
    reply = await ask("good-classic", "/user")
    assert len(reply.content) > 8 * 1024 * 1024
    assert reply.json()["login"] == "octocat"


async def test_headers_can_get_lost(simulator: Simulator, ask: Ask) -> None:
    """As behind a proxy that knows only some."""
    simulator.faults.add(StripHeaders())
    reply = await ask("good-classic", "/user")
    assert reply.status_code == 200
    assert "X-OAuth-Scopes" not in reply.headers
    assert "X-Accepted-OAuth-Scopes" in reply.headers


async def test_headers_can_be_written_otherwise(simulator: Simulator, ask: Ask) -> None:
    """In another letter case, with other spacing; there is still one of them."""
    simulator.faults.add(SetHeaders(headers={"x-oauth-SCOPES": "repo ,admin:repo_hook"}))
    reply = await ask("good-classic", "/user")
    assert reply.headers.get_list("X-OAuth-Scopes") == ["repo ,admin:repo_hook"]
    assert b"x-oauth-SCOPES" in [name for name, _ in reply.headers.raw]


async def test_a_fault_for_a_number_of_requests_goes_away(simulator: Simulator, ask: Ask) -> None:
    """After them."""
    simulator.faults.add(Outage(), times=2)
    assert [(await ask("good-classic", "/user")).status_code for _ in range(3)] == [503, 503, 200]


async def test_a_fault_applies_where_it_is_said(simulator: Simulator, ask: Ask) -> None:
    """Host, method, path and token must all fit."""
    where = {"host": "github.com", "method": "GET", "path": "/repos/acme/.*", "token": "good-classic"}
    simulator.faults.add(Fault.model_validate({"effect": Outage(), **where}))
    assert (await ask("good-classic", "/repos/acme/apps")).status_code == 503
    assert (await ask("good-classic", "/user")).status_code == 200
    assert (await ask("good-classic", "/repos/acme/apps", "HEAD")).status_code == 200
    assert (await ask("weak-classic", "/repos/acme/apps")).status_code == 200
    assert (await ask("ghes-good-classic", "/user", host="git.acme.dev")).status_code == 200


async def test_faults_add_up(simulator: Simulator, ask: Ask) -> None:
    """Late and stripped."""
    simulator.faults.add(Latency(seconds=0.1))
    simulator.faults.add(StripHeaders())
    reply = await ask("good-classic", "/user")
    assert reply.elapsed.total_seconds() >= 0.1
    assert "X-OAuth-Scopes" not in reply.headers
    assert simulator.journal.records[-1].fault == "latency+strip-headers"


async def test_a_write_behind_an_outage_changes_nothing(world: World, simulator: Simulator, ask: Ask) -> None:
    """It never reached the provider; one behind a cut did."""
    body = {"config": {"url": "https://hooks.example.com"}}
    simulator.faults.add(Outage(), times=1)
    await ask("good-classic", "/repos/acme/apps/hooks", "POST", json=body)
    assert world.mutations == []
    simulator.faults.add(Cut())
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await ask("good-classic", "/repos/acme/apps/hooks", "POST", json=body)
    assert len(world.mutations) == 1
