"""The evidence of a verdict: the requests and responses, and what each proves.

`Recorder` wraps an `Api`. It numbers the requests of an inspection, so that a `Proof` can name the responses that it
rests on, and records one `Exchange` for each. An exchange holds what may be shown: the method, the path, the status,
headers from a list, and the fields of a body that providers read. It holds no request header, no token or part of one,
and of accounts only names and the ids that the API uses for them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import chain
from typing import Any, ParamSpec, Protocol

from webhook.providers.base import Api, Provider, ProviderUnavailable, Reply
from webhook.providers.findings import (
    Answer,
    Conclusion,
    Exchange,
    GitHubAppCredential,
    Outcome,
    Proof,
    Question,
    Source,
    conclusion_of,
)
from webhook.providers.text import shows_secret

MAX_EXCHANGES = 200
"""Exchanges of one inspection that are kept. An App with 1,000 installations takes about 20."""
_MAX_TEXT = 500
_MAX_ITEMS = 100
_MAX_DEPTH = 6
_REDACTED = "redacted"

HEADERS = frozenset(
    {
        "content-type",
        "cf-mitigated",
        "github-authentication-token-expiration",
        "ratelimit-reset",
        "retry-after",
        "www-authenticate",
        "x-accepted-github-permissions",
        "x-accepted-oauth-scopes",
        "x-ausername",
        "x-credential-type",
        "x-github-enterprise-version",
        "x-github-request-id",
        "x-github-sso",
        "x-gitlab-meta",
        "x-oauth-scopes",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    }
)
"""The response headers that providers read, and those by which a provider is known."""

FIELDS = frozenset(
    "access access_level account active administrator application archived block bot contents detail disabled "
    "documentation_url error error_description errors exceptionName expires_at expires_in expires_in_seconds full_name "
    "full_path granular granular_scopes group group_access group_id has_code id isLastPage is_private key kind login "
    "marked_for_deletion_at marked_for_deletion_on message mirror name namespace owner parent_id path_with_namespace "
    "permission permissions private project project_access project_id public reason repositories repository "
    "repository_access_level repository_selection resource revoked scope scopes shared_with_groups slug state "
    "suspended_at token type url user user_id username values version visibility workspace".split()
)
"""The fields of a body that are kept, at any depth."""
_PERMISSIONS = "permissions"
"""Whatever this object has is a right and its level."""
_P = ParamSpec("_P")
_EMAIL = re.compile(r"[^\s@]{1,100}@[^\s@]{1,100}")


@dataclass
class Recorder:
    """An API that numbers, counts and records requests. It has the members of `base.Api`.

    Attributes:
        keep: record the responses; without it, requests are only numbered and counted.
        requests: the number of HTTP requests, redirects that were followed included.
    """

    api: Api
    secret: str = field(repr=False)
    keep: bool = True
    requests: int = 0
    _exchanges: dict[int, Exchange] = field(default_factory=dict)
    _sent: int = 0

    @property
    def needed_by(self) -> float:
        """See `Api.needed_by`."""
        return self.api.needed_by

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
        """See `Api.send`."""
        number, self._sent, self.requests = self._sent, self._sent + 1, self.requests + 1
        try:
            reply = await self.api.send(method, path, headers=headers, json=json, from_root=from_root, raw=raw)
        except ProviderUnavailable as failure:
            failure.request = number
            self._record(number, method, path, failure=str(failure), transient=failure.transient)
            raise
        except asyncio.CancelledError:
            self._record(number, method, path, failure="did not answer before the deadline", transient=True)
            raise
        self.requests += bool(reply.moved)
        if self.keep:
            names = sorted(HEADERS & reply.headers.keys())
            headers = {name: redacted_text(reply.headers[name], self.secret) for name in names}
            body = _shown_bytes(reply.body, self.secret) if raw else redacted(reply.body, self.secret)
            moved = redacted_text(reply.moved, self.secret)
            self._record(
                number, method, path, status=reply.status, headers=tuple(headers.items()), body=body, moved=moved
            )
        return replace(reply, request=number)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The requests and responses so far, in the order in which the requests were sent."""
        return tuple(self._exchanges[number] for number in sorted(self._exchanges))

    def _record(self, number: int, method: str, path: str, **response: Any) -> None:
        if self.keep and number < MAX_EXCHANGES:
            self._exchanges[number] = Exchange(method, redacted_text(path, self.secret), **response)


async def inspect_recorded(provider: Provider, question: Question, api: Api) -> Answer:
    """Return the answer of one inspection with its evidence.

    Raises:
        ProviderUnavailable: as `Provider.inspect` raises it.
    """
    recorder = Recorder(api, secret_of(question))
    answer = await provider.inspect(question, recorder)
    return replace(answer, requests=recorder.requests, evidence=recorder.exchanges)


def counted(answer: Answer) -> Answer:
    """Return the answer with only those fields of each response's body that counted."""
    wanted: dict[int, set[str]] = {}
    proofs = (proof for finding in answer.findings.values() for proof in finding.proofs)
    for one in (*chain.from_iterable(proof.sources for proof in proofs), *answer.facts.expiry_sources):
        wanted.setdefault(one.request, set()).add(one.part)
    evidence = (
        replace(exchange, body=_fields(exchange.body, wanted.get(number, ())))
        for number, exchange in enumerate(answer.evidence)
    )
    return replace(answer, evidence=tuple(evidence))


def _fields(body: object, names: Collection[str]) -> object:
    kept = {name: body[name] for name in sorted(names) if name in body} if isinstance(body, Mapping) else {}
    return kept or None


def source(response: object, *parts: str) -> tuple[Source, ...]:
    """Return these parts of a response as sources of a proof; without parts, its status."""
    number = response.request if isinstance(response, Reply | ProviderUnavailable) else None
    return () if number is None else tuple(Source(number, part) for part in parts or ("status",))


def sources_in(value: object) -> tuple[Source, ...]:
    """Return the statuses of all responses that a value holds in its fields or items."""
    match value:
        case Reply() | ProviderUnavailable():
            return source(value)
        case str() | bytes():
            return ()
        case Mapping():
            parts: Iterable[object] = value.values()
        case Sequence():
            parts = value
        case _ if is_dataclass(value):
            parts = (getattr(value, one.name) for one in fields(value))
        case _:
            return ()
    return tuple(dict.fromkeys(chain.from_iterable(map(sources_in, parts))))


@dataclass
class Tracer:
    """Collects the responses to the requests of one purpose as sources of a proof."""

    sources: tuple[Source, ...] = ()

    def trace(self, call: Callable[_P, Coroutine[Any, Any, Reply]]) -> Callable[_P, Coroutine[Any, Any, Reply]]:
        """Return the same call, which also notes its responses."""

        async def traced(*args: _P.args, **kwargs: _P.kwargs) -> Reply:
            try:
                reply = await call(*args, **kwargs)
            except ProviderUnavailable as failure:
                self.sources += source(failure)
                raise
            self.sources += source(reply)
            return reply

        return traced


def proofs_by_list(needed: Iterable[str], held: Collection[str], sources: tuple[Source, ...]) -> tuple[Proof, ...]:
    """Return the proofs for scopes, where a response lists all that the token holds."""
    return tuple(Proof(scope, Conclusion.PROVEN if scope in held else Conclusion.MISSING, sources) for scope in needed)


def proof_of(requirement: str, problem: Problem | None, sources: tuple[Source, ...]) -> Proof:
    """Return the proof for a requirement, by what is wrong with it; None where nothing is.

    Args:
        requirement: the place of ``{}`` in the problem's reason is taken by "that".
    """
    if problem is None:
        return Proof(requirement, Conclusion.PROVEN, sources)
    return Proof(requirement, conclusion_of(problem.outcome), sources, problem.reason.replace("{}", "that"))


class Problem(Protocol):
    """What is wrong with one requirement: a finding, or the access to a repository."""

    @property
    def outcome(self) -> Outcome: ...
    @property
    def reason(self) -> str: ...


def secret_of(question: Question) -> str:
    """Return what must never be shown."""
    credential = question.credential
    secret = credential.private_key if isinstance(credential, GitHubAppCredential) else credential.token
    return secret.get_secret_value()


def redacted_text(text: str, secret: str) -> str:
    """Return a text as it may be shown: printable ASCII of bounded length, without the secret and without addresses."""
    text = text[:_MAX_TEXT]
    if shows_secret(text, secret):
        return _REDACTED
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    return _EMAIL.sub(_REDACTED, printable)


def redacted(value: object, secret: str, *, depth: int = 0, rights: bool = False) -> object:
    """Return what of a body may be shown: fields that providers read, in bounded number and depth.

    Args:
        rights: the value is an object whose every field is the name of a right.
    """
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return redacted_text(value, secret)
        case list() if depth < _MAX_DEPTH:
            return [redacted(item, secret, depth=depth + 1) for item in value[:_MAX_ITEMS]]
        case dict() if depth < _MAX_DEPTH:
            return {
                name: _REDACTED
                if name == "token"
                else redacted(item, secret, depth=depth + 1, rights=name == _PERMISSIONS)
                for name, item in list(value.items())[:_MAX_ITEMS]
                if name in FIELDS or (rights and re.fullmatch(r"[a-z_]{1,60}", name))
            }
        case _:
            return None


def _shown_bytes(body: object, secret: str) -> object:
    """Return the beginning of a body that is no JSON: Git's first line, or the words of a refusal."""
    if not isinstance(body, bytes):
        return None
    text = body[:200].decode("utf-8", "replace")
    return _REDACTED if shows_secret(text, secret) else re.sub(r"[^\n -~]", "?", text)
