"""A token planted in every field, header and error path is found in nothing that leaves the process."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import secrets
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import jsonpatch
import pytest
import pytest_asyncio
import trustme

from tests.keyring.rings import write_key
from tests.support.server_process import ServerProcess, running_server
from webhook.simulator import Simulator, example_world
from webhook.simulator.faults import AnyEffect, Cut, Html, Outage, RateLimited, Status

pytestmark = pytest.mark.slow

ARGOCD = {"argocd.argoproj.io/secret-type": "repo-creds"}
_PART = 10  # characters of a token that can't be in an output by chance

GITHUB = "https://github.com/acme/apps"
GITLAB = "https://gitlab.com/acme/apps"
BITBUCKET = "https://bitbucket.org/acme/apps"
BITBUCKET_SERVER = "https://bitbucket.acme.dev/bitbucket/scm/acme/apps.git"
GITEA = "https://gitea.acme.dev/acme/apps"

PLANTED = [
    (GITHUB, "git", ["good-classic", "weak-classic", "legacy-classic", "good-oauth", "good-fine-grained"]),
    (GITHUB, "git", ["long-installation", "good-app-user"]),
    (GITLAB, "git", ["gitlab-good-runtime", "gitlab-weak", "gitlab-legacy-form", "gitlab-project-bot"]),
    (GITLAB, "oauth2", ["gitlab-fine-grained", "gitlab-oauth", "gitlab-deploy", "gitlab-ci-job", "gitlab-revoked"]),
    (BITBUCKET, "ada@acme.example", ["bitbucket-good-runtime", "bitbucket-no-webhooks", "bitbucket-app-password"]),
    (BITBUCKET, "x-token-auth", ["bitbucket-repo-token", "bitbucket-workspace-token", "bitbucket-oauth"]),
    (BITBUCKET, "ada", ["bitbucket-good-user"]),
    (BITBUCKET_SERVER, "git", ["server-good-runtime", "server-plain", "server-no-admin", "server-repo-token"]),
    (GITEA, "git", ["gitea-good-runtime", "gitea-weak"]),
]
"""Every kind of token, by names in the example world, with where it goes and the user name that is stored beside it."""


@contextlib.asynccontextmanager
async def running_simulator() -> AsyncIterator[tuple[Simulator, trustme.CA]]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    async with Simulator(example_world(datetime.now(UTC)), ssl_context=context) as running:
        yield running, ca


def settings_for(simulator: tuple[Simulator, trustme.CA], folder: Path) -> dict[str, Any]:
    running, ca = simulator
    ca_file = folder / "ca.crt"
    ca.cert_pem.write_to_path(ca_file)
    providers = [
        {"host": name, "kind": host.kind, "apiUrl": host.api_url, "caFile": str(ca_file)}
        for name, host in running.hosts.items()
    ]
    return {"providers": providers, "limits": {"providerTimeout": "2s", "cacheTtl": "1s"}}


@pytest.fixture
async def simulator() -> AsyncIterator[tuple[Simulator, trustme.CA]]:
    """A simulator for one test, which adds faults."""
    async with running_simulator() as running:
        yield running


@pytest.fixture
async def server(simulator: tuple[Simulator, trustme.CA], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server for one test: after a rate limit, it sends no requests to the host for a while."""
    settings = settings_for(simulator, tmp_path)
    async with running_server(tmp_path, simulator[1], settings, "--log-level", "debug") as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_simulator() -> AsyncIterator[tuple[Simulator, trustme.CA]]:
    """A simulator without faults."""
    async with running_simulator() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server(
    shared_simulator: tuple[Simulator, trustme.CA], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServerProcess]:
    """A server for all tests without faults, because its start takes seconds."""
    folder = tmp_path_factory.mktemp("server")
    settings = settings_for(shared_simulator, folder)
    async with running_server(folder, shared_simulator[1], settings, "--log-level", "debug") as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sealing_server(
    shared_simulator: tuple[Simulator, trustme.CA], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServerProcess]:
    """A server that seals users' tokens, and only warns of insufficient ones, so that each kind is stored."""
    folder = tmp_path_factory.mktemp("sealing-server")
    write_key(folder / "keys", "2026-11")
    settings = settings_for(shared_simulator, folder)
    settings |= {"encryption": {"mode": "seal", "keysDir": str(folder / "keys")}}
    settings |= dict.fromkeys(("onInsufficient", "onInvalid", "onBlocked", "onUnverified"), "warn")
    async with running_server(folder, shared_simulator[1], settings, "--log-level", "debug") as process:
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


def reviews(token: str, other: str, url: str, username: str) -> Iterator[dict[str, Any]]:
    """The token at every place where somebody might put it, on purpose or by mistake."""
    origin, _, _ = url.rpartition("/acme")
    host = origin.removeprefix("https://")
    yield review({"url": url, "password": token, "username": username})
    yield review({"url": url, "bearerToken": token, "username": token})
    yield review({"url": f"{origin}/acme", "password": token, "username": username})
    yield review({"url": f"https://x:{token}@{host}/acme", "password": token})
    yield review({"url": f"{origin}/{token}/{token}", "password": token})
    yield review({"url": f"https://{_as_label(token)}.example.net/acme", "password": token})
    yield review({"url": url, "password": f"{token}\n"})
    yield review({"url": url, "password": token, "type": token})
    yield review({"url": url, "password": token, "provider": token})
    yield review({"password": token, "provider": token})
    yield review({"host": token, "token": token}, name="git-default-a", labels={"a": "b"})
    yield review({token: token}, name="git-default-a", labels={"a": "b"})
    yield review({"alice": json.dumps({"token": token, "url": token})}, name="git-default-a", labels={"a": "b"})
    users = {"token": token, "url": url, "username": username}
    yield review({"alice": json.dumps(users), "bob": other}, name="git-default-a", labels={"a": "b"})
    yield review({"alice": f'{{"token": "{token}", "token": 1}}'}, name="git-default-a", labels={"a": "b"})
    yield review({"alice": f'{{"{token}": broken'}, name="git-default-a", labels={"a": "b"})
    yield review({"url": url, "githubAppID": token, "githubAppPrivateKey": token})
    yield review({"url": url, "githubAppID": "1", "githubAppPrivateKey": f"-----BEGIN RSA PRIVATE KEY-----\n{token}"})
    yield review({"url": "git@github.com:acme", "sshPrivateKey": token})
    yield review({"url": url, "password": token}, annotations={"git-token-webhook/skip-validation": token})
    yield review({"url": url, "password": token}, annotations={"git-token-webhook/account": token})
    yield review({"url": url, "password": other}, old={"url": url, "password": token})
    for elsewhere in (GITHUB, GITLAB, BITBUCKET, BITBUCKET_SERVER, GITEA):
        yield review({"url": elsewhere, "password": token, "username": username})
    broken = review({"url": url})
    broken["request"]["object"]["data"] = {"password": token}
    yield broken
    broken = review({"url": url})
    broken["request"]["object"]["data"] = {"password": {"token": token}}
    yield broken
    broken = review({"url": url, "password": token})
    del broken["request"]["uid"]
    yield broken


def _as_label(token: str) -> str:
    """The token as a part of a host's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in token)[:60].strip("-")


def forms(token: str) -> Iterator[str]:
    """What a leak could look like: a part of it, or the whole behind something that anybody can undo or try."""
    middle = token[8 : 8 + _PART]
    yield middle
    yield middle.lower()
    yield token[-_PART:]
    for before in ("", "x", "xx"):  # in base64, the bytes before it decide how it looks
        yield base64.b64encode(f"{before}{token}".encode()).decode()[4:20]
    yield urllib.parse.quote(token)
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(algorithm, token.encode())
        yield digest.hexdigest()[:16]
        yield base64.b64encode(digest.digest()).decode()[:16]


async def exercise(
    server: ServerProcess, token: str, other: str, url: str = GITHUB, username: str = "git"
) -> list[httpx.Response]:
    responses = []
    for one in reviews(token, other, url, username):
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
    """All that came back; a patch is decoded, since base64 would hide what it holds. Which value it seals it has to say
    by its key, whatever that is."""
    parts = []
    for response in responses:
        parts.append(str(response.headers))
        if not response.headers.get("content-type", "").startswith("application/json"):
            parts.append(response.text)
            continue
        answer = response.json()
        patch = answer["response"].pop("patch", None)
        parts.append(json.dumps(answer))
        for operation in json.loads(base64.b64decode(patch)) if patch else ():
            name = "/data" if operation["path"].startswith("/data/") else operation["path"]
            parts.append(json.dumps({**operation, "path": name}))
    return "\n".join(parts)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("url", "username", "names"), PLANTED)
async def test_no_output_holds_a_token_however_it_was_planted(
    shared_simulator: tuple[Simulator, trustme.CA],
    shared_server: ServerProcess,
    url: str,
    username: str,
    names: list[str],
) -> None:
    """Responses, patches, logs and metrics hold no part, encoding or plain hash of any planted token."""
    running, _ = shared_simulator
    server = shared_server
    other = running.world.token("wide-classic").value
    for name in [*names, "unknown"]:
        token = fresh(running, names[0]) if name == "unknown" else running.world.token(name).value
        responses = await exercise(server, token, other, url, username)
        outputs = {"responses": without_request(responses), "log": server.written(), "metrics": await server.metrics()}
        assert not found_in(outputs, [token, other])
    assert running.journal.matching(token=names[0]), "the provider was not asked"
    assert '"event":"decision"' in server.written().replace(" ", "")


def fresh(simulator: Simulator, name: str) -> str:
    """A new token of the same kind as one of the example world, which no provider knows."""
    made: str = simulator.world.token(name).model_copy(update={"seed": secrets.token_hex(8)}).value
    return made


def echoed(token: str) -> dict[str, Any]:
    """What any of the providers might answer, with the token in place of every text."""
    texts = dict.fromkeys(
        """login username name nickname display_name displayName slug email message error error_description scope
        description exceptionName context expires_at permission full_name path key type uuid public_access""".split(),
        token,
    )
    return texts | {
        "id": 1,
        "active": True,
        "scopes": [token, f"api {token}"],
        "granular_scopes": [{"access": token, "permissions": [token]}],
        "detail": {"required": [token], "granted": [token]},
        "errors": [texts],
        "user": texts,
        "owner": texts,
        "namespace": texts,
        "values": [texts],
    }


def echoing_headers(token: str) -> dict[str, str]:
    """Headers that providers tell something by, with the token in them."""
    return {
        "X-OAuth-Scopes": f"repo, account, read:user:bitbucket, {token}",
        "X-Accepted-OAuth-Scopes": token,
        "X-Credential-Type": token,
        "X-AUSERNAME": token,
        "X-AUSERID": token,
        "X-GitHub-SSO": f"required; url=https://example.net/{token}",
        "X-Ratelimit-Reset": token,
        "Retry-After": token,
        "Link": f'<https://example.net/{token}>; rel="next"',
        "WWW-Authenticate": f'Bearer realm="{token}", error="insufficient_scope", scope="{token}"',
    }


def faults(token: str) -> Iterator[AnyEffect]:
    """How a provider may answer, the token in it wherever there is room. What could make it wait comes last."""
    body, headers = json.dumps(echoed(token)), echoing_headers(token)
    part = token[4:-_PART]  # without the odd characters at the end by which some could be told from a name
    yield Status(status=200, body=json.dumps(echoed(part)), headers={"X-OAuth-Scopes": headers["X-OAuth-Scopes"]})
    for status in (200, 401, 403, 404):
        yield Status(status=status, body=body, headers=headers)
        yield Status(status=status, body=json.dumps({"error": echoed(token)}), headers=headers)
        yield Status(status=status, body=json.dumps([echoed(token)]), headers=headers)
        yield Status(status=status, body=token, content_type="text/plain", headers=headers)
    yield Status(status=302, headers={"Location": f"https://{_as_label(token)}.example.net/{token}"})
    yield Status(status=200, body=body, content_type=token)
    yield Status(status=200, body=body[:-20], headers=headers)
    yield Html()
    yield Cut()
    yield Cut(after_bytes=5)
    yield Status(status=500, body=token, headers=headers)
    yield Outage()
    yield RateLimited()
    yield Status(status=429, body=body, headers=headers)


@pytest.mark.parametrize(
    ("url", "username", "name"),
    [
        (GITHUB, "git", "good-classic"),
        (GITHUB, "git", "good-fine-grained"),
        (GITLAB, "git", "gitlab-good-runtime"),
        (GITLAB, "git", "gitlab-oauth"),
        (BITBUCKET, "ada@acme.example", "bitbucket-good-runtime"),
        (BITBUCKET, "ada", "bitbucket-good-runtime"),
        (BITBUCKET, "x-token-auth", "bitbucket-repo-token"),
        (BITBUCKET_SERVER, "git", "server-good-runtime"),
        (GITEA, "git", "gitea-good-runtime"),
    ],
)
async def test_no_output_holds_a_token_that_a_provider_echoes_or_chokes_on(
    simulator: tuple[Simulator, trustme.CA], server: ServerProcess, url: str, username: str, name: str
) -> None:
    """Whatever a provider answers, even the token itself, no part of it goes on."""
    running, _ = simulator
    tokens = []
    responses = []
    for number in range(len(list(faults("")))):
        token = fresh(running, name)
        effect = list(faults(token))[number]
        running.faults.add(effect)
        asked = len(running.journal.records)
        for stage in ("mutate", "validate"):
            data = {"url": url, "username": username, "password": token}
            responses.append(await server.review(stage, review(data)))
        assert len(running.journal.records) > asked, f"nobody was asked, so that {effect!r} was not tried"
        running.faults.clear()
        tokens.append(token)
    outputs = {"responses": without_request(responses), "log": server.written(), "metrics": await server.metrics()}
    assert not found_in(outputs, tokens)


# --- Where users' tokens are sealed -----------------------------------------------------------------------------------

USER = "git-default-ada"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def sealable(token: str, other: str, url: str, username: str) -> Iterator[dict[str, str]]:
    """What users write: the token in each form that is sealed, and in some that can't be."""
    where = {"url": url, "username": username}
    document = json.dumps({"token": token, **where})
    yield {"token": token, **where}
    yield {"ada": document, "bob": other}
    yield {"ada": document.replace("token", "password"), "bob": other}
    yield {"ada": f'{{"token": "{token}", "token": 1}}', "bob": f'{{"{token}": broken'}
    yield {"token": f"{token}\n", **where}
    yield {"token": f"{token}{'x' * 50_000}", **where}
    yield {"token": token, "password": other, **where}
    yield {token: token, **where}
    yield {"ada": token, "provider": token}
    yield {"token": token, **where, "note": other}


APPLIED = ("data", "stringData", "lines", "broken")


def as_applied(values: Mapping[str, str], how: str) -> str:
    """kubectl's annotation for a Secret, in one of the ways in which people write manifests."""
    if how == "stringData":
        return json.dumps({"kind": "Secret", "stringData": dict(values)})
    encoded = {key: base64.encodebytes(value.encode()).decode() for key, value in values.items()}
    if how == "data":
        encoded = {key: value.replace("\n", "") for key, value in encoded.items()}
    text = json.dumps({"kind": "Secret", "data": encoded})
    return text[:-1] if how == "broken" else text


async def stored(server: ServerProcess, write: dict[str, Any], responses: list[httpx.Response]) -> dict[str, Any]:
    """What the API server would store, or have stored had it been allowed: the object as `/mutate` leaves it."""
    answer = await server.review("mutate", write)
    if answer.status_code == 400:  # a key longer than Kubernetes allows, which the API server would not send
        responses.append(answer)
        return cast("dict[str, Any]", write["request"]["object"])
    patch = answer.json()["response"].get("patch")
    secret: dict[str, Any] = write["request"]["object"]
    if patch:
        secret = jsonpatch.apply_patch(secret, json.loads(base64.b64decode(patch)))
    responses += [answer, await server.review("validate", {**write, "request": {**write["request"], "object": secret}})]
    return secret


def spoilt(secret: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What may become of sealed values: cut off, moved, in JSON, in another namespace."""
    sealed = {key: text for key, value in secret["data"].items() if (text := _text(value)).startswith("eyJ")}
    for key, text in sealed.items():
        for changed in ({key: text[:-4]}, {f"{key}-2": text}, {key: json.dumps({"token": text})}):
            yield {**secret, "data": {key: base64.b64encode(text.encode()).decode() for key, text in changed.items()}}
    yield {**secret, "metadata": {**secret["metadata"], "namespace": "elsewhere"}}


def _text(value: str) -> str:
    return base64.b64decode(value).decode(errors="replace")


def shown_by(secret: Mapping[str, Any]) -> str:
    """All that a stored Secret holds, with what base64 would hide."""
    values = [_text(value) for value in secret["data"].values()]
    return "\n".join([json.dumps(secret), *values])


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("url", "username", "names"), PLANTED)
async def test_no_output_holds_a_token_that_is_sealed(
    shared_simulator: tuple[Simulator, trustme.CA],
    sealing_server: ServerProcess,
    url: str,
    username: str,
    names: list[str],
) -> None:
    """Neither when it is sealed nor when it is opened again, changed, moved or cut off; and of what is admitted nothing
    shows it either, whichever way it was applied."""
    running, _ = shared_simulator
    server, other = sealing_server, running.world.token("wide-classic").value
    for name in names:
        token, admitted = running.world.token(name).value, 0
        responses: list[httpx.Response] = []
        for values, how in itertools.product(sealable(token, other, url, username), APPLIED):
            annotations = {LAST_APPLIED: as_applied(values, how)}
            write = review(values, name=USER, labels={"a": "b"}, annotations=annotations)
            before = await stored(server, write, responses)
            if responses[-1].status_code == 400 or not responses[-1].json()["response"]["allowed"]:
                continue
            admitted += 1
            assert not found_in({"stored": shown_by(before)}, [token, other])
            again = {**write["request"], "operation": "UPDATE", "oldObject": before}
            assert not found_in(
                {"stored": shown_by(await stored(server, {**write, "request": again}, responses))}, [token]
            )
            for changed in spoilt(before) if how == "data" else ():
                await stored(server, {**write, "request": {**again, "object": changed}}, responses)
        assert admitted >= len(APPLIED), f"{name} was never stored, so that nothing was tried"
        outputs = {"responses": without_request(responses), "log": server.written(), "metrics": await server.metrics()}
        assert not found_in(outputs, [token, other])
    assert '"event":"decision"' in server.written().replace(" ", "")
