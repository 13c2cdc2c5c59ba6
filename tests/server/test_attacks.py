"""What somebody who may write Secrets does to those who share the webhook with them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from tests.admission.reviews import as_go_writes, make_object, make_review
from tests.providers.servers import Authority, Handler, Site, https
from tests.support.factories import (
    ARGOCD_TYPE,
    Desk,
    allowed,
    denied,
    make_runtime_secret,
    make_subject,
    make_token,
    make_user_secret,
    marks,
    patched,
)
from tests.support.server_process import running_server
from webhook import logs
from webhook.credentials.destination import Target, resolve
from webhook.credentials.entries import Checkable, Malformed
from webhook.credentials.extract import extract
from webhook.credentials.matching import Match, classify
from webhook.decision import Allow, Decision, Stage
from webhook.metrics import Metrics
from webhook.providers.base import Api
from webhook.providers.findings import Answer, Question
from webhook.providers.github.keys import load_app_key
from webhook.providers.transport.limits import MAX_REJECTED
from webhook.server.engine import Engine, EngineState
from webhook.settings.model import Settings
from webhook.settings.source import parse_settings
from webhook.subject import SecretObject


def user_secret(data: Mapping[str, str]) -> tuple[SecretObject, Match]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    secret = SecretObject("team", "git-default-a", data=encoded)
    return secret, classify(secret, Settings().all_rules)


def tokens_of(kind: str, count: int, name: str = "") -> dict[str, str]:
    """Users' tokens: `kind` is what their provider knows them by."""
    return {f"user-{i}": "gh" + f"p_{kind}{name}{i:030d}" for i in range(count)}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: {f"user-{i}": f"value-{i:08d}" for i in range(10_000)}, id="tokens"),
        pytest.param(lambda: {f"user-{i}": f"value {i:08d}" for i in range(10_000)}, id="malformed"),
        pytest.param(lambda: {f"{i:05d}{'a' * 60}": "a" * 8 + f"{i:05d}" for i in range(10_000)}, id="alike"),
        pytest.param(
            lambda: {"sshPrivateKey": "k" * 500_000, **{f"user-{i}": "a b" for i in range(10_000)}}, id="shared"
        ),
    ],
)
def test_ten_thousand_entries_are_read_in_little_time(data: Callable[[], dict[str, str]]) -> None:
    """Reading happens where everybody's reviews do, and took minutes, or gigabytes, when each looked at all others."""
    secret, match = user_secret(data())
    started = time.process_time()
    entries = extract(secret, match)
    assert time.process_time() - started < 5
    assert len(entries) == 10_000


@pytest.mark.parametrize("where", ["{}", "a-{}", "{}-z", "a-{}-z"])
def test_a_value_is_found_in_a_key_among_others_like_it(where: str) -> None:
    """Also where other values begin like it, go on after it, or stand before and after it in order."""
    value = "qwertyuiop"
    others = {"b": f"{value}x", "c": f"{value[:8]}zz", "d": "a" * 10, "e": "z" * 10}
    secret, match = user_secret({where.format(value): value, **others})
    hidden = [entry for entry in extract(secret, match).values() if entry.hidden]
    assert [entry.key for entry in hidden] == [where.format(value)]
    assert isinstance(hidden[0].content, Malformed)


def der(*numbers: int) -> bytes:
    """A PKCS #1 key of these numbers, whether or not they belong together."""

    def element(tag: int, content: bytes) -> bytes:
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
        if 128 <= size < 256:
            length = bytes([0x81, size])
        return bytes([tag]) + length + content

    return element(0x30, b"".join(element(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers))


def test_an_app_key_that_takes_long_to_sign_is_none() -> None:
    """A factor with more bits than the key costs eight seconds of arithmetic a signature, which nothing can stop."""
    real = rsa.generate_private_key(65537, 2048).private_numbers()
    n, e = real.public_numbers.n, real.public_numbers.e
    large = (1 << 10_000) - 1
    crafted = [
        (0, n, e, real.d, large, large - 2, large - 4, large - 6, 3),
        (0, n, e, real.d, real.p, real.q, large, large, real.iqmp),
        (0, n, e, real.d, 1, n, real.dmp1, real.dmq1, real.iqmp),
        (0, n, n - 2, real.d, real.p, real.q, real.dmp1, real.dmq1, real.iqmp),
    ]
    for numbers in crafted:
        begin, end = ("-----" + word + " RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
        text = base64.encodebytes(der(*numbers)).decode()
        with pytest.raises(ValueError, match="do not match"):
            load_app_key(SecretStr(f"{begin}\n{text}{end}\n"))


def test_a_token_without_prefix_is_seen_beside_the_one_under_token() -> None:
    """Old tokens of GitHub and others are forty hexadecimal digits, and get past nobody as some other value."""
    secret, match = user_secret({"token": secrets.token_hex(20), "alice": secrets.token_hex(20), "note": "for CI"})
    assert extract(secret, match).keys() == {"token", "alice"}


def test_a_key_that_shows_the_token_inside_its_json_is_never_shown() -> None:
    """Also where nothing about the token's shape gives it away."""
    token = secrets.token_urlsafe(15)
    secret, match = user_secret({f"a.{token}": json.dumps({"token": token})})
    (entry,) = extract(secret, match).values()
    assert entry.hidden
    assert entry.field == "data"
    assert isinstance(entry.content, Malformed)


async def test_one_secret_has_few_of_its_entries_asked_about_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Secret with thousands of entries took every turn at the provider, and its neighbours were too late."""
    desk = Desk()
    inspect, now, most = desk.provider.inspect, 0, 0

    async def counted(question: Question, api: Api) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return await inspect(question, api)

    monkeypatch.setattr(desk.provider, "inspect", counted)
    secret, _ = user_secret({f"user-{i}": f"value-{i:08d}" for i in range(200)})
    assert len(denied(await desk.decide(make_subject(secret))).causes) == 200
    assert most == 16


async def test_more_tokens_than_can_be_checked_in_time_are_refused_at_once() -> None:
    """Three thousand took eight seconds at every try, and never came through; a person can do something about this."""
    desk = Desk()
    decision = denied(await desk.decide(make_subject(user_secret(tokens_of("wrong", 3000))[0])))
    assert [(cause.field, cause.message) for cause in decision.causes] == [
        (
            "data",
            "This write changes 3000 tokens, more than the 256 that can be checked in time; change them in several "
            "writes, or split the Secret.",
        )
    ]
    assert not desk.provider.asked


async def test_a_secret_may_hold_more_tokens_than_one_write_brings() -> None:
    """Those that stay as they are cost nothing; nor does what nobody could be asked about."""
    tokens = tokens_of("good", 300)
    desk = Desk(dict.fromkeys(tokens.values(), ("repo",)))
    first = make_user_secret(dict(list(tokens.items())[:256]))
    assert isinstance(await desk.decide(make_subject(first)), Allow)
    assert isinstance(await desk.decide(make_subject(make_user_secret(tokens), first)), Allow)
    sealed = make_user_secret({name: "é" * 20 for name in tokens} | dict(list(tokens.items())[:10]))
    assert "more than" not in denied(await desk.decide(make_subject(sealed))).message


async def test_too_many_tokens_are_let_in_with_a_warning_where_everything_is() -> None:
    """In mode warn, and where nobody wants to have them checked; `/mutate` denies nothing, and says that none was."""
    subject = make_subject(user_secret(tokens_of("wrong", 300))[0])
    (warning,) = allowed(await Desk(configuration="mode: warn").decide(subject)).warnings
    assert "300 tokens" in warning
    skipping = 'app-proxy: {config: {skipGitPermissionValidation: "true"}}'
    assert "300 tokens" not in str(allowed(await Desk(configuration=skipping).decide(subject)).warnings)
    marked = patched(subject.secret, allowed(await Desk().decide(subject, Stage.MUTATE)).patch)
    assert marks(marked.labels) == {"role": "user", "validation": "warned"}


async def stored(desk: Desk, users: int) -> SecretObject:
    """A Secret with the tokens of so many users, as it is stored."""
    tokens = tokens_of("good", users)
    desk.provider.tokens |= dict.fromkeys(tokens.values(), ("repo",))
    secret = make_user_secret(tokens)
    return patched(secret, allowed(await desk.decide(make_subject(secret), Stage.MUTATE)).patch)


async def test_a_label_on_a_secret_of_a_thousand_users_holds_up_nobody() -> None:
    """What was found of each was looked up by reading all annotations anew, a second of everybody's time a label."""
    desk = Desk(configuration="limits: {tokensPerWrite: 5000}")
    old = await stored(desk, 1000)
    started = time.process_time()
    new = replace(old, labels={**old.labels, "team": "b"})
    assert allowed(await desk.decide(make_subject(new, old), Stage.MUTATE)) == Allow(
        audit_annotations={"roles": "user"}
    )
    assert time.process_time() - started < 0.5


async def test_thousands_of_malformed_entries_are_denied_by_one_sentence() -> None:
    """Each has its own cause otherwise, and twenty thousand of them delayed all other reviews by a second."""
    secret, _ = user_secret({f"user-{i}": "" for i in range(3000)})
    (cause,) = denied(await Desk().decide(make_subject(secret))).causes
    assert cause.field == "data"
    assert "This write changes 3000 tokens, more than the 2048" in cause.message


async def test_what_is_written_of_thousands_of_users_can_be_stored() -> None:
    """The API server refuses more than 256 KiB of annotations, and nobody could have done anything about ours."""
    desk = Desk(configuration="limits: {tokensPerWrite: 5000}")
    secret = await stored(desk, 4000)
    assert sum(len(name) + len(value) for name, value in secret.annotations.items()) <= 256 * 1024
    assert secret.labels["git-token-webhook/validation"] == "passed"
    assert len(json.loads(secret.annotations["git-token-webhook/validation"])) == 4000


# Many tenants, one address.


async def only_good_tokens(request: web.Request) -> web.StreamResponse:
    """A GitHub that takes a moment, and knows tokens by what they begin with."""
    await asyncio.sleep(0.01)
    if "good" not in request.headers["Authorization"]:
        return web.json_response({"message": "Bad credentials"}, status=401)
    return web.json_response({"login": "octocat"}, headers={"X-OAuth-Scopes": "repo"})


def settings_for(
    authority: Authority,
    site: Site,
    concurrency: int = 64,
    *,
    host: str = "github.com",
    kind: str = "github",
    path: str = "",
    **more: object,
) -> dict[str, object]:
    provider = {"host": host, "kind": kind, "apiUrl": f"https://localhost:{site.port}{path}"}
    return {
        "providers": [provider | {"caFile": str(authority.file)}],
        "limits": {"concurrency": concurrency},
        **more,
    }


GITLAB: dict[str, Any] = {"host": "gitlab.com", "kind": "gitlab", "path": "/api/v4"}
BITBUCKET: dict[str, Any] = {"host": "bitbucket.org", "kind": "bitbucket", "path": "/2.0"}


@asynccontextmanager
async def engine_at(
    authority: Authority, handler: Handler, concurrency: int = 64, **more: Any
) -> AsyncIterator[tuple[Engine, Site]]:
    """What judges, and the GitHub (or what else is given) that it asks."""
    async with https(handler, authority.server_context()) as site:
        settings = parse_settings(json.dumps(settings_for(authority, site, concurrency, **more)))
        engine = Engine(settings, EngineState(Metrics(), logs.build_logger(io.BytesIO())))
        async with engine.client:
            yield engine, site


async def create(engine: Engine, namespace: str, tokens: Mapping[str, str]) -> Decision:
    """Write users' tokens into a namespace, in a task of its own as every review."""
    return await write(engine, make_user_secret(tokens, namespace=namespace))


async def write(engine: Engine, secret: SecretObject, old: SecretObject | None = None) -> Decision:
    """Write a Secret, in a task of its own as every review."""
    deadline = asyncio.get_running_loop().time() + 30
    return await asyncio.create_task(engine.review(make_subject(secret, old), Stage.VALIDATE, deadline, {}))


async def test_wrong_tokens_of_one_namespace_are_not_sent_without_end(tmp_path: Path) -> None:
    """GitHub answers them by locking our address out, for everybody and up to an hour."""
    async with engine_at(Authority(tmp_path), only_good_tokens) as (engine, site):
        noisy = denied(await create(engine, "noisy", tokens_of("wrong", 200)))
        untried = [cause for cause in noisy.causes if "too many tokens of the same namespace" in cause.message]
        assert len(untried) == 200 - len(site.requests)
        assert MAX_REJECTED <= len(site.requests) < MAX_REJECTED + 16
        (cause,) = denied(await create(engine, "quiet", tokens_of("wrong", 1))).causes
        assert "wrong, revoked or expired" in cause.message
        assert isinstance(await create(engine, "quiet", tokens_of("good", 1)), Allow)


async def test_a_namespace_with_many_writes_does_not_keep_others_waiting(tmp_path: Path) -> None:
    """Namespaces take turns at a host; in the order of their coming, one write would have waited for hundreds."""
    async with engine_at(Authority(tmp_path), only_good_tokens, concurrency=4) as (engine, site):
        flood = [
            asyncio.create_task(create(engine, "noisy", tokens_of("good", 100, f"{number}-"))) for number in range(20)
        ]
        await asyncio.sleep(0.1)
        before = len(site.requests)
        assert isinstance(await create(engine, "quiet", tokens_of("good", 1)), Allow)
        assert len(site.requests) - before < 20
        for task in flood:
            task.cancel()
        await engine.inspector.aclose()


async def test_a_pause_outlives_a_change_of_the_configuration(tmp_path: Path) -> None:
    """A host that told us to wait is not asked again because somebody has edited a file."""

    async def limiting(request: web.Request) -> web.StreamResponse:
        documentation = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
        message = {"message": "You have exceeded a secondary rate limit.", "documentation_url": documentation}
        return web.json_response(message, status=403, headers={"Retry-After": "600"})

    secret = make_object(data={"token": base64.b64encode(tokens_of("good", 1)["user-0"].encode()).decode()})
    authority = Authority(tmp_path)
    async with https(limiting, authority.server_context()) as site:
        settings = settings_for(authority, site)
        async with running_server(tmp_path, authority.ca, settings) as server:
            for round_ in range(2):
                answer = await server.review("validate", as_go_writes(make_review(object=secret)))
                assert "limits our requests" in answer.text
                if not round_:
                    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings | {"expiry": {"warnWithin": "3d"}}))
                    async with asyncio.timeout(10):
                        while '"reloaded"' not in server.written():  # noqa: ASYNC110 - it is in the server's hands
                            await asyncio.sleep(0.05)
        assert len(site.requests) == 1


async def test_who_waits_for_anothers_answer_is_counted_so(tmp_path: Path) -> None:
    """A GitOps tool writes one token into a hundred Secrets at once: the metric shows that GitHub was asked once."""
    async with engine_at(Authority(tmp_path), only_good_tokens) as (engine, site):
        await asyncio.gather(*(create(engine, f"team-{number}", tokens_of("good", 1)) for number in range(5)))
        await create(engine, "later", tokens_of("good", 1))
        assert len(site.requests) == 1
        value = engine.metrics.registry.get_sample_value
        name = "git_token_webhook_verdict_cache_total"
        counted = {result: value(name, {"result": result}) for result in ("miss", "coalesced", "hit")}
        assert counted == {"miss": 1, "coalesced": 4, "hit": 1}


async def test_a_limit_for_wrong_tokens_stops_nobodys_good_one(tmp_path: Path) -> None:
    """GitLab limits what it knows no sign-in of by our address; taken for a limit of all, one tenant stopped everybody
    for as long as GitLab said."""
    wrong = 0

    async def gitlab(request: web.Request) -> web.StreamResponse:
        nonlocal wrong
        if "good" in request.headers["Authorization"]:
            return web.json_response({"id": 1, "scopes": ["api"], "active": True, "user_id": 2})
        wrong += 1
        if wrong <= 5:
            return web.json_response({"message": "401 Unauthorized"}, status=401)
        headers = {"RateLimit-Name": "throttle_unauthenticated_api", "Retry-After": "3000"}
        return web.Response(status=429, text="Retry later", headers=headers)

    async with engine_at(Authority(tmp_path), gitlab, **GITLAB) as (engine, _):
        wrongs = {f"user-{i}": make_token(f"wrong{i}x", "glpat-") for i in range(20)}
        noisy = denied(await create(engine, "noisy", wrongs))
        assert "limits our requests" in noisy.message
        assert isinstance(await create(engine, "quiet", {"token": make_token("good", "glpat-")}), Allow)


# Ways around what is asked of a token.

READ_ONLY = """
rules:
  - name: repositories
    role: runtime
    labels: {argocd.argoproj.io/secret-type: repository}
    requirements: {github: {scopes: [repo]}}
"""


async def test_a_token_does_not_get_from_a_rule_that_asks_little_to_one_that_asks_more() -> None:
    """Both are about runtime tokens, so that the label's change alone brought a read-only token in, unasked."""
    token = make_token("weak")
    desk = Desk({token: ("repo",)}, READ_ONLY)
    data = {"url": "https://github.com/acme/apps", "password": token}
    little = make_runtime_secret(data, labels={ARGOCD_TYPE: "repository"})
    assert isinstance(await desk.decide(make_subject(little)), Allow)
    assert "admin:repo_hook" in denied(await desk.decide(make_subject(make_runtime_secret(data), little))).message


async def test_a_change_of_labels_that_asks_for_nothing_else_asks_nobody() -> None:
    """With the rule that asks little still in force, and no other."""
    token = make_token("weak")
    desk = Desk({token: ("repo",)}, READ_ONLY)
    data = {"url": "https://github.com/acme/apps", "password": token}
    before = make_runtime_secret(data, labels={ARGOCD_TYPE: "repository"})
    after = make_runtime_secret(data, labels={ARGOCD_TYPE: "repository", "team": "a"})
    desk.provider.silent = True
    assert isinstance(await desk.decide(make_subject(after, before)), Allow)


async def test_rules_in_different_words_weaken_none_of_each_other(tmp_path: Path) -> None:
    """Bitbucket has two sets of scopes: what one rule asks in the one still holds for tokens that have the other."""

    async def bitbucket(request: web.Request) -> web.StreamResponse:
        scopes = "read:repository:bitbucket, read:user:bitbucket"
        headers = {"X-Credential-Type": "api_token", "X-OAuth-Scopes": scopes}
        return web.json_response({"nickname": "ada"}, headers=headers)

    second = {
        "name": "read-only",
        "role": "runtime",
        "labels": {"team": "a"},
        "requirements": {"bitbucket": {"scopes": ["read:repository:bitbucket"]}},
    }
    data = {"url": "https://bitbucket.org", "username": "ada@acme.dev", "password": make_token("t", "ATATT")}
    async with engine_at(Authority(tmp_path), bitbucket, **BITBUCKET, rules=[second]) as (engine, _):
        alone = denied(await write(engine, make_runtime_secret(data)))
        both = denied(await write(engine, make_runtime_secret(data, labels={"team": "a"})))
        assert "admin:repository:bitbucket" in both.message
        assert both.message.split("Make an API token")[0] == alone.message.split("Make an API token")[0]


async def test_a_provider_alone_sends_a_users_token_nowhere_else(tmp_path: Path) -> None:
    """Beside the Secret's own url it says less than that: a company's token went to github.com."""
    secret, match = user_secret(
        {
            "alice": json.dumps({"token": secrets.token_hex(20), "provider": "github"}),
            "url": "https://git.acme.dev/acme",
        }
    )
    settings = parse_settings("providers: [{host: git.acme.dev, kind: github}]")
    content = extract(secret, match)["alice"].content
    assert isinstance(content, Checkable)
    target = resolve(content, settings.hosts(), "github.com")
    assert isinstance(target, Target)
    assert target.host.name == "git.acme.dev"


async def test_a_host_that_echoes_what_it_was_sent_is_not_quoted(tmp_path: Path) -> None:
    """Bitbucket is sent the token in base64 behind an e-mail address, which anybody can undo."""
    token = "ATATT" + secrets.token_hex(20)

    async def echo(request: web.Request) -> web.StreamResponse:
        said = request.headers["Authorization"].removeprefix("Basic ").rstrip("=")
        headers = {"X-Credential-Type": "api_token", "X-OAuth-Scopes": "account"}
        return web.json_response(dict.fromkeys(("username", "nickname", "display_name"), said), headers=headers)

    async with engine_at(Authority(tmp_path), echo, **BITBUCKET) as (engine, _):
        for username in ("a@acme.dev", "ad@acme.dev", "ada@acme.dev"):
            decision = denied(await create(engine, "team", {"token": token, "username": username}))
            sent = base64.b64encode(f"{username}:{token}".encode()).decode().rstrip("=")
            assert not any(sent[start : start + 12] in str(decision) for start in range(len(sent) - 11))


@pytest.mark.parametrize("spoilt", ["{}\n", '"{}"', "{} "])
@pytest.mark.parametrize(
    "fields",
    [
        {"type": "helm", "url": "https://github.com/acme"},
        {"type": "oci", "url": "https://github.com/acme"},
        {"type": "git", "url": "ssh://https://github.com/acme"},
    ],
    ids=["helm", "oci", "ssh-https"],
)
async def test_a_spoilt_token_for_a_git_host_is_no_other_credential(fields: dict[str, str], spoilt: str) -> None:
    """Argo CD finds credentials by URL alone, so a value that Git cannot use is malformed there, whatever its type."""
    data = {**fields, "username": "git", "password": spoilt.format("ghp_" + "a" * 36)}
    denial = denied(await Desk().decide(make_subject(make_runtime_secret(data))))
    assert denial.causes


async def test_a_spoilt_value_for_another_host_stays_unsupported() -> None:
    """A Helm repository that is no Git host may have any password."""
    data = {"type": "helm", "url": "https://charts.acme.dev", "username": "x", "password": "two words"}
    allowed(await Desk().decide(make_subject(make_runtime_secret(data))))


@pytest.mark.parametrize(
    "note", ['{{"a": "{0}", "a": "x"}}', '{{"token": "{0}", "token": ""}}', '["{{\\"a\\": \\"{0}\\", \\"a\\": 1}}"]']
)
async def test_a_name_that_is_there_twice_hides_no_token(note: str) -> None:
    """Readers take the first or the last of two values, so both count."""
    good, other = "ghp_" + "g" * 36, "ghp_" + "w" * 36
    secret = make_user_secret({"token": good, "note": note.format(other)})
    entries = extract(secret, classify(secret, Settings().all_rules))
    assert set(entries) == {"token", "note"}
