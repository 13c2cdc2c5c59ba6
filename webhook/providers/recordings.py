"""Recordings of responses, written by `explain --record` and replayed through the provider's code.

A recording contains a question without its credential, the evidence, and the findings. A replay asks the same question
with a made-up credential of the same form, and each request gets the recorded response.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from webhook.providers import PROVIDERS
from webhook.providers.base import DeadlineExceeded, Provider, ProviderUnavailable, Reply
from webhook.providers.evidence import Recorder, secret_of
from webhook.providers.findings import (
    Answer,
    AuthScheme,
    Credential,
    Exchange,
    GitAuth,
    GitHubAppCredential,
    Outcome,
    Proof,
    Question,
    RepositoryNeed,
    TokenCredential,
)
from webhook.providers.hosts import Host, Kind
from webhook.providers.inspector import failed
from webhook.providers.requirements import Requirement, Role

FORMAT = "git-token-webhook/recording/v1"
_PREFIXES = tuple(prefix for provider in PROVIDERS.values() for prefix in provider.profile.token_prefixes)
_USERNAMES = frozenset({"", "oauth2", "x-token-auth", "x-access-token", "x-bitbucket-api-token-auth"})
"""User names that stand for a kind of token and not for a person."""
_RANDOM_PART = re.compile("(?<=git-token-webhook-)[0-9a-f]{8,64}")
_DAY = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]")


class Unreplayable(Exception):
    """A recording cannot be replayed; the text says why."""


@dataclass
class Replay:
    """An API that returns recorded responses. It has the members of `base.Api`."""

    exchanges: list[Exchange]
    shift: timedelta = timedelta()
    needed_by: float = float("inf")
    missing: list[str] = field(default_factory=list)

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
        """Return the next recorded response to this request."""
        asked = (method, _without_random(path))
        found = next((one for one in self.exchanges if (one.method, _without_random(one.path)) == asked), None)
        if found is None:
            self.missing.append(f"{method} {path}")
            raise ProviderUnavailable("was not sent this request in the recording")
        self.exchanges.remove(found)
        if found.status is None:
            raise DeadlineExceeded(found.failure) if found.transient else ProviderUnavailable(found.failure)
        body = found.body.encode() if raw and isinstance(found.body, str) else _shifted(found.body, self.shift)
        return Reply(
            found.status, {name: _shifted(text, self.shift) for name, text in found.headers}, body, found.moved
        )


def _without_random(path: str) -> str:
    """Return a path without the random names of write probes."""
    return _RANDOM_PART.sub("", path)


def _shifted(value: Any, shift: timedelta) -> Any:
    """Return the value with all dates shifted."""
    match value:
        case str():
            return _DAY.sub(lambda day: f"{datetime.fromisoformat(day[0]) + shift:%Y-%m-%d}", value)
        case list():
            return [_shifted(item, shift) for item in value]
        case dict():
            return {name: _shifted(item, shift) for name, item in value.items()}
        case _:
            return value


def dump(question: Question, answer: Answer, now: datetime) -> dict[str, Any]:
    """Return a recording as JSON objects."""
    host = question.host
    return {
        "format": FORMAT,
        "recorded": now.astimezone(UTC).isoformat(timespec="seconds"),
        "host": {"name": host.name, "kind": str(host.kind), "api_url": host.api_url},
        "credential": _form(question.credential),
        "path": list(question.path),
        "open_ended": question.open_ended,
        "requirements": {str(role): msgspec.to_builtins(needed) for role, needed in question.requirements.items()},
        "repositories": [msgspec.to_builtins(need) for need in question.repositories],
        "exchanges": [msgspec.to_builtins(one) for one in answer.evidence],
        "findings": {str(role): str(finding.outcome) for role, finding in answer.findings.items()},
        "proofs": {
            str(role): [msgspec.to_builtins(proof) for proof in finding.proofs]
            for role, finding in answer.findings.items()
        },
    }


def _form(credential: Credential) -> dict[str, Any]:
    """Return the form of a credential, without any part of it except the prefix of its kind."""
    if isinstance(credential, GitHubAppCredential):
        return {"form": "github-app", "installation": credential.installation_id}
    token = credential.token.get_secret_value()
    auth = credential.git_auth
    return {
        "form": "token",
        "prefix": next((prefix for prefix in _PREFIXES if token.startswith(prefix)), "").replace("_", " "),
        "hexadecimal": re.fullmatch("[0-9a-f]+", token) is not None,
        "length": len(token),
        "username": _username(credential.username),
        "scheme": None if auth is None else str(auth.scheme),
    }


def _username(name: str | None) -> str | None:
    """Return the form of a user name, which may be a token or an e-mail address."""
    if name is None or name in _USERNAMES:
        return name
    return "user@example.invalid" if "@" in name else "user"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording.

    Attributes:
        findings: the outcome for each role when it was recorded.
        proofs: the evidence for each role when it was recorded; empty in a recording of an earlier version.
    """

    question: Question
    exchanges: tuple[Exchange, ...]
    findings: dict[Role, Outcome]
    recorded: datetime
    proofs: dict[Role, tuple[Proof, ...]] = field(default_factory=dict)

    def confirms(self, answer: Answer) -> bool:
        """Return whether an answer has the same findings, and the same proofs as far as they were recorded."""
        outcomes = {role: finding.outcome for role, finding in answer.findings.items()}
        proofs = {role: answer.findings[role].proofs for role in self.proofs if role in answer.findings}
        return outcomes == self.findings and proofs == self.proofs

    async def replay(self, provider: Provider, now: datetime) -> Answer:
        """Return the answer of the provider's code to the recorded responses.

        Raises:
            Unreplayable: the code sends a request that was not recorded.
        """
        days = timedelta(days=(now - self.recorded).days)
        api = Replay(list(self.exchanges), days)
        recorder = Recorder(api, secret_of(self.question))
        try:
            answer = await provider.inspect(self.question, recorder)
        except ProviderUnavailable as error:
            answer = failed(self.question, error)
        if api.missing:
            raise Unreplayable(f"it has no response to {api.missing[0]}")
        return replace(answer, requests=recorder.requests, evidence=recorder.exchanges)


def load(data: Mapping[str, Any]) -> Recording:
    """Read a recording.

    Raises:
        Unreplayable: it is not valid.
    """
    if data.get("format") != FORMAT:
        raise Unreplayable(f"its format is not {FORMAT}")
    try:
        host = data["host"]
        question = Question(
            _credential(data["credential"]),
            Host(host["name"], Kind(host["kind"]), host["api_url"]),
            tuple(data["path"]),
            {Role(role): msgspec.convert(one, Requirement) for role, one in data["requirements"].items()},
            tuple(msgspec.convert(one, RepositoryNeed) for one in data["repositories"]),
            open_ended=data["open_ended"],
        )
        return Recording(
            question,
            tuple(msgspec.convert(one, Exchange) for one in data["exchanges"]),
            {Role(role): Outcome(outcome) for role, outcome in data["findings"].items()},
            datetime.fromisoformat(data["recorded"]),
            {
                Role(role): tuple(msgspec.convert(one, Proof) for one in proofs)
                for role, proofs in data.get("proofs", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise Unreplayable(f"a field is missing or has the wrong type ({type(error).__name__})") from None


def _credential(form: Mapping[str, Any]) -> Credential:
    """Return a made-up credential of the same form."""
    if form["form"] == "github-app":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
        return GitHubAppCredential("1", SecretStr(pem), form["installation"])
    filler = ("0f" if form["hexadecimal"] else "Made") * 200
    token = f"{form['prefix'].replace(' ', '_')}{filler}"[: form["length"]]
    scheme = form["scheme"]
    auth = None if scheme is None else GitAuth(AuthScheme(scheme), form["username"] or "")
    return TokenCredential(SecretStr(token), form["username"], auth)
