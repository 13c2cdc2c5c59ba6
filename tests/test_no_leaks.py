"""A token planted in every field, header and error path is found in nothing that leaves the process."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.server_process import ServerProcess, running_server
from webhook.simulator import Simulator, example_world
from webhook.simulator.faults import Cut, Html, Outage, RateLimited, Status

ARGOCD = {"argocd.argoproj.io/secret-type": "repo-creds"}
_PART = 10  # characters of a token that can't be in an output by chance


@pytest.fixture
async def simulator() -> AsyncIterator[tuple[Simulator, trustme.CA]]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    async with Simulator(example_world(datetime.now(UTC)), ssl_context=context) as running:
        yield running, ca


@pytest.fixture
async def server(simulator: tuple[Simulator, trustme.CA], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    running, ca = simulator
    ca_file = tmp_path / "ca.crt"
    ca.cert_pem.write_to_path(ca_file)
    providers = [
        {"host": name, "kind": "github", "apiUrl": host.api_url, "caFile": str(ca_file)}
        for name, host in running.hosts.items()
    ]
    settings = {"providers": providers, "limits": {"providerTimeout": "2s", "cacheTtl": "1s"}}
    async with running_server(tmp_path, ca, settings, "--log-level", "debug") as process:
        yield process


def review(
    data: Mapping[str, str] | None,
    *,
    name: str = "creds",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    user: str = "alice",
    old: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    def secret(values: Mapping[str, str]) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "argocd", "labels": labels or ARGOCD, "annotations": annotations or {}}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}

    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": secrets.token_hex(8),
            "kind": {"group": "", "version": "v1", "kind": "Secret"},
            "resource": {"group": "", "version": "v1", "resource": "secrets"},
            "name": name,
            "namespace": "argocd",
            "operation": "CREATE" if old is None else "UPDATE",
            "userInfo": {"username": user, "groups": []},
            "object": None if data is None else secret(data),
            "oldObject": None if old is None else secret(old),
            "dryRun": False,
        },
    }


def reviews(token: str, other: str) -> Iterator[dict[str, Any]]:
    """The token at every place where somebody might put it, on purpose or by mistake."""
    url = "https://github.com/acme"
    yield review({"url": url, "password": token})
    yield review({"url": url, "bearerToken": token, "username": token})
    yield review({"url": "https://github.com/acme/apps", "password": token})
    yield review({"url": f"https://x:{token}@github.com/acme", "password": token})
    yield review({"url": f"https://github.com/{token}/{token}", "password": token})
    yield review({"url": f"https://{token.replace('_', '-')}.example.net/acme", "password": token})
    yield review({"url": url, "password": f"{token}\n"})
    yield review({"url": url, "password": token, "type": token})
    yield review({"url": url, "password": token, "provider": token})
    yield review({"password": token, "provider": token})
    yield review({"host": token, "token": token}, name="git-default-a", labels={"a": "b"})
    yield review({token: token}, name="git-default-a", labels={"a": "b"})
    yield review({"alice": json.dumps({"token": token, "url": token})}, name="git-default-a", labels={"a": "b"})
    yield review({"alice": f'{{"token": "{token}", "token": 1}}'}, name="git-default-a", labels={"a": "b"})
    yield review({"alice": f'{{"{token}": broken'}, name="git-default-a", labels={"a": "b"})
    yield review({"url": url, "githubAppID": token, "githubAppPrivateKey": token})
    yield review({"url": url, "githubAppID": "1", "githubAppPrivateKey": f"-----BEGIN RSA PRIVATE KEY-----\n{token}"})
    yield review({"url": "git@github.com:acme", "sshPrivateKey": token})
    yield review({"url": url, "password": token}, annotations={"git-token-webhook/skip-validation": token})
    yield review({"url": url, "password": token}, annotations={"git-token-webhook/account": token})
    yield review({"url": url, "password": other}, old={"url": url, "password": token})
    yield review({"url": "https://gitlab.com/acme", "password": token})
    broken = review({"url": url})
    broken["request"]["object"]["data"] = {"password": token}
    yield broken
    broken = review({"url": url})
    broken["request"]["object"]["data"] = {"password": {"token": token}}
    yield broken
    broken = review({"url": url, "password": token})
    del broken["request"]["uid"]
    yield broken


def forms(token: str) -> Iterator[str]:
    """What a leak could look like: a part of it, or the whole behind something that anybody can undo or try."""
    middle = token[8 : 8 + _PART]
    yield middle
    yield middle.lower()
    yield base64.b64encode(token.encode()).decode()[:16]
    yield urllib.parse.quote(token)
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(algorithm, token.encode())
        yield digest.hexdigest()[:16]
        yield base64.b64encode(digest.digest()).decode()[:16]


async def exercise(server: ServerProcess, token: str, other: str) -> list[httpx.Response]:
    responses = []
    for one in reviews(token, other):
        for stage in ("mutate", "validate"):
            responses.append(await server.review(stage, one, traceparent=f"00-{token}-{token}-01"))
    for body in (token.encode(), json.dumps({"kind": token}).encode(), f'{{"a": "{token}'.encode()):
        responses.append(await server.review("validate", body))
    responses.append(await server.review(f"validate/{token}", b"{}"))
    responses.append(await server.client.post(f"{server.url}/validate?timeout={token}", content=b"{}"))
    return responses


def found_in(texts: Mapping[str, str], tokens: list[str]) -> list[str]:
    return [
        f"{where}: …{text[max(0, text.lower().find(form.lower()) - 60) :][:60]}…"
        for token in tokens
        for form in forms(token)
        for where, text in texts.items()
        if form.lower() in text.lower()
    ]


def without_request(responses: list[httpx.Response]) -> str:
    """All that came back; a patch is decoded, since base64 would hide what it holds."""
    parts = []
    for response in responses:
        parts += [response.text, str(response.headers)]
        if response.headers.get("content-type", "").startswith("application/json"):
            patch = response.json()["response"].get("patch")
            parts.append(base64.b64decode(patch).decode() if patch else "")
    return "\n".join(parts)


@pytest.mark.parametrize("name", ["good-classic", "weak-classic", "good-fine-grained", "unknown"])
async def test_no_output_holds_a_token_however_it_was_planted(
    simulator: tuple[Simulator, trustme.CA], server: ServerProcess, name: str
) -> None:
    """Responses, patches, logs and metrics hold no part, encoding or plain hash of any planted token."""
    running, _ = simulator
    unknown = "gh" + "p_" + secrets.token_hex(18)
    token = unknown if name == "unknown" else running.world.token(name).value
    other = running.world.token("wide-classic").value
    responses = await exercise(server, token, other)
    outputs = {"responses": without_request(responses), "log": server.written(), "metrics": await server.metrics()}
    assert not found_in(outputs, [token, other])
    assert '"event":"decision"' in outputs["log"].replace(" ", "")


@pytest.mark.parametrize(
    "effect",
    [
        pytest.param(lambda token: Status(status=403, body=json.dumps({"message": token})), id="403 that echoes it"),
        pytest.param(lambda token: Status(status=500, body=token), id="500 that echoes it"),
        pytest.param(
            lambda token: Status(
                status=200, body=json.dumps({"login": token}), headers={"X-OAuth-Scopes": f"repo, {token}"}
            ),
            id="login and scopes that echo it",
        ),
        pytest.param(lambda token: Status(status=302, headers={"Location": f"https://{token}"}), id="redirect with it"),
        pytest.param(lambda token: Html(), id="HTML"),
        pytest.param(lambda token: Outage(), id="outage"),
        pytest.param(lambda token: Cut(), id="cut"),
        pytest.param(lambda token: RateLimited(), id="rate limit"),
    ],
)
async def test_no_output_holds_a_token_that_a_provider_echoes_or_chokes_on(
    simulator: tuple[Simulator, trustme.CA], server: ServerProcess, effect: Any
) -> None:
    """Whatever a provider answers, even the token itself, no part of it goes on."""
    running, _ = simulator
    token = "gh" + "p_" + secrets.token_hex(18)
    running.faults.add(effect(token))
    responses = [
        await server.review(stage, review({"url": "https://github.com/acme/apps", "password": token}))
        for stage in ("mutate", "validate")
    ]
    outputs = {"responses": without_request(responses), "log": server.written(), "metrics": await server.metrics()}
    assert not found_in(outputs, [token])
