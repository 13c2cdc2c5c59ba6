"""Secrets, reviews and the two things outside that a review asks: a Git provider and an API server."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import jsonpatch
from pydantic import SecretStr

from webhook.cluster.argocd import Synced
from webhook.cluster.requests import Unavailable
from webhook.decision import Allow, Decision, Deny, PatchOperation, Stage
from webhook.keyring.ring import KeyRing
from webhook.providers import PROVIDERS
from webhook.providers.base import Api, Provider, ProviderUnavailable, RateLimit, Reply
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential
from webhook.providers.hosts import Host, Kind
from webhook.providers.inspector import Inspector
from webhook.providers.requirements import Role
from webhook.review.conclusion import Reviewed
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings
from webhook.settings.source import parse_settings
from webhook.subject import Operation, Requester, SecretObject, Subject

ARGOCD_TYPE = "argocd.argoproj.io/secret-type"
INTEGRATION = "io.codefresh.integration-type"
SKIP = "git-token-webhook/skip-validation"
GITHUB = Kind("github")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def make_token(name: str = "x", prefix: str = "ghp_") -> str:
    """A made-up token with a provider's prefix, joined at run time so that no scanner takes this file for a leak."""
    return prefix + (name * 36)[:36]


def encode(value: str | bytes) -> str:
    """A value of `data` as the API server sends it."""
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def make_secret(
    data: Mapping[str, str | bytes] | None = None,
    *,
    name: str = "some-secret",
    namespace: str = "runtime",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **others: Any,
) -> SecretObject:
    """A Secret with `data` in plain text."""
    encoded = {key: encode(value) for key, value in (data or {}).items()}
    return SecretObject(namespace, name, labels=labels or {}, annotations=annotations or {}, data=encoded, **others)


def make_runtime_secret(data: Mapping[str, str | bytes] | None = None, **others: Any) -> SecretObject:
    """A Secret with Argo CD's label, by default with a token for github.com/acme."""
    labels = {ARGOCD_TYPE: "repo-creds"} | dict(others.pop("labels", {}))
    if data is None:
        data = {"url": "https://github.com/acme", "username": "git", "password": make_token("r")}
    return make_secret(data, **{"name": "runtime-repo-creds-secret", "labels": labels} | others)


def make_user_secret(data: Mapping[str, str | bytes] | None = None, **others: Any) -> SecretObject:
    """A Secret with users' tokens, by default with one."""
    return make_secret({"token": make_token("u")} if data is None else data, **{"name": "git-default-a1"} | others)


def make_subject(
    secret: SecretObject | None, old: SecretObject | None = None, *, requester: str = "alice", **others: Any
) -> Subject:
    """A CREATE of `secret`, or an UPDATE where there is an old one."""
    operation = others.pop("operation", Operation.CREATE if old is None else Operation.UPDATE)
    return Subject(operation, secret, old, Requester(requester), **others)


def patched(secret: SecretObject, patch: Sequence[PatchOperation]) -> SecretObject:
    """The Secret with a patch applied as the API server would: absent maps are absent."""
    metadata = {"labels": dict(secret.labels), "annotations": dict(secret.annotations)}
    in_string_data = {key: secret.data[key] for key in secret.in_string_data}
    document = {
        "metadata": {name: value for name, value in metadata.items() if value},
        "data": {key: value for key, value in secret.data.items() if key not in in_string_data},
        "stringData": {key: base64.b64decode(value).decode() for key, value in in_string_data.items()},
    }
    result = jsonpatch.apply_patch(document, [dict(operation) for operation in patch])
    return replace(
        secret,
        labels=result["metadata"].get("labels", {}),
        annotations=result["metadata"].get("annotations", {}),
        data=result["data"] | {key: encode(value) for key, value in result["stringData"].items()},
        in_string_data=frozenset(),
    )


class FakeProvider:
    """A provider that knows some tokens, by their scopes, and refuses all others."""

    def __init__(self, tokens: Mapping[str, tuple[str, ...]] | None = None, kind: Kind = GITHUB) -> None:
        self.tokens = dict(tokens or {})
        self.profile = PROVIDERS[kind].profile
        self.facts: dict[str, Facts] = {}
        self.silent = False
        self.asked: list[Question] = []

    async def inspect(self, question: Question, api: Api) -> Answer:
        self.asked.append(question)
        if self.silent:
            raise ProviderUnavailable("answered 502", transient=True)
        credential = question.credential
        token = credential.token.get_secret_value() if isinstance(credential, TokenCredential) else ""
        remedy = "Make a better one."
        if token not in self.tokens:
            refused = Finding(Outcome.INVALID, reason="refuses this token: it is wrong, revoked or expired")
            return Answer(dict.fromkeys(question.requirements, refused), remedy=remedy)
        holds = self.tokens[token]
        facts = self.facts.get(token, Facts("classic", "classic token", "octocat", holds))
        findings: dict[Role, Finding] = {}
        for role, requirement in question.requirements.items():
            lacks = tuple(scope for scope in requirement.scopes if scope not in holds)
            findings[role] = Finding(Outcome.INSUFFICIENT if lacks else Outcome.SUFFICIENT, lacks)
        return Answer(findings, facts, remedy)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        return None

    @property
    def tokens_asked_about(self) -> list[str]:
        """What was sent to the provider, in order."""
        credentials = [question.credential for question in self.asked]
        return [c.token.get_secret_value() for c in credentials if isinstance(c, TokenCredential)]


class _NoApi:
    """No connection: the fake providers ask nobody."""

    needed_by = float("inf")

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        json: object = None,
        from_root: bool = False,
        raw: bool = False,
    ) -> Reply:
        raise AssertionError("a fake provider asked somebody")

    def api(
        self, host: Host, provider: Provider, credential_digest: bytes, deadline: float, needed_by: float | None = None
    ) -> Api:
        return self

    def note_account(self, host: Host, credential_digest: bytes, account: str) -> None:
        """Nobody asks for it."""


@dataclass
class FakeCluster:
    """An API server: what Namespace and ConfigMap say, who may skip, what Applications sync, whether it answers."""

    namespace_annotation: str | None = None
    flag: str | None = None
    may: frozenset[str] = frozenset()
    synced: tuple[str, ...] = ()
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.down:
            raise Unavailable("the API server answers 503")

    async def skip_annotation(self, namespace: str) -> str | None:
        self._note("namespace")
        return self.namespace_annotation

    async def platform_flag(self, namespace: str) -> str | None:
        self._note("configmap")
        return self.flag

    async def may_skip(self, requester: Requester, namespace: str, name: str) -> bool:
        self._note("access")
        return requester.username in self.may

    async def synced_repositories(self) -> Synced:
        self._note("applications")
        return Synced.of(self.synced)


class Desk:
    """A reviewer with everything around it, and an API server's way of using it: mutate, store, validate."""

    def __init__(
        self,
        tokens: Mapping[str, tuple[str, ...]] | None = None,
        configuration: str | Settings = "",
        cluster: FakeCluster | None = None,
        ring: KeyRing | None = None,
    ) -> None:
        self.now = NOW
        self.provider = FakeProvider(tokens)
        self.gitlab = FakeProvider(tokens, Kind("gitlab"))
        self.settings = configuration if isinstance(configuration, Settings) else parse_settings(configuration)
        self.cluster = cluster
        providers: Mapping[Kind, Provider] = {Kind("github"): self.provider, Kind("gitlab"): self.gitlab}
        self.inspector = Inspector(providers, _NoApi(), clock=lambda: self.now, monotonic=lambda: self.now.timestamp())
        self.reviewer = Reviewer(
            self.settings, self.inspector, cluster, clock=lambda: self.now, ring=(lambda: ring) if ring else None
        )

    async def review(self, subject: Subject, stage: Stage = Stage.VALIDATE) -> Reviewed:
        """One call, with all the time in the world."""
        import asyncio

        return await self.reviewer.review(subject, stage, asyncio.get_running_loop().time() + 60)

    async def decide(self, subject: Subject, stage: Stage = Stage.VALIDATE) -> Decision:
        """Only how it ends."""
        return (await self.review(subject, stage)).decision

    async def write(
        self, secret: SecretObject, old: SecretObject | None = None, *, requester: str = "alice"
    ) -> tuple[SecretObject, Decision]:
        """What would be stored, and whether it is."""
        mutated = await self.decide(make_subject(secret, old, requester=requester), Stage.MUTATE)
        assert isinstance(mutated, Allow), mutated
        stored = patched(secret, mutated.patch)
        return stored, await self.decide(make_subject(stored, old, requester=requester))

    async def store(
        self, secret: SecretObject, old: SecretObject | None = None, *, requester: str = "alice"
    ) -> SecretObject:
        """What is stored, where it must be."""
        stored, decision = await self.write(secret, old, requester=requester)
        assert isinstance(decision, Allow), decision
        return stored


def denied(decision: Decision) -> Deny:
    """The denial that it must be."""
    assert isinstance(decision, Deny), decision
    return decision


def allowed(decision: Decision) -> Allow:
    """The permission that it must be."""
    assert isinstance(decision, Allow), decision
    return decision


def marks(values: Mapping[str, str]) -> dict[str, str]:
    """Our labels or annotations among others, without prefix."""
    prefix = "git-token-webhook/"
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def credential(token: str, username: str | None = None) -> TokenCredential:
    """A token as `credentials.extract` gives it."""
    return TokenCredential(SecretStr(token), username)
