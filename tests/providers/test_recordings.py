"""Recordings of `explain --record` replay to what they found; a folder of them is a test suite."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.factories import make_token
from webhook.providers import PROVIDERS, assumptions, recordings
from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.evidence import Recorder, redacted, redacted_text
from webhook.providers.findings import Exchange, Question, TokenCredential
from webhook.providers.hosts import Host, Kind
from webhook.providers.purposes import PURPOSES
from webhook.providers.requirements import Requirement, Role
from webhook.providers.token_shapes import name_holds_token

FILES = sorted((Path(__file__).parent / "recordings").glob("*.json"))
HOST = Host("github.com", Kind("github"), "https://api.github.com")


def replayable(**changes: Any) -> dict[str, Any]:
    """A recording of a classic token that has `repo`."""
    headers = [["x-github-request-id", "1"], ["x-oauth-scopes", "repo"]]
    made = {
        "format": recordings.FORMAT,
        "recorded": "2026-11-30T12:00:00+00:00",
        "host": {"name": HOST.name, "kind": "github", "api_url": HOST.api_url},
        "credential": {
            "form": "token",
            "prefix": "ghp ",
            "hexadecimal": False,
            "length": 40,
            "username": None,
            "scheme": None,
        },
        "path": [],
        "open_ended": False,
        "requirements": {"user": {"scopes": ["repo"], "permissions": [], "granular": []}},
        "repositories": [],
        "exchanges": [
            {"method": "GET", "path": "/user", "status": 200, "headers": headers, "body": {"login": "octocat"}},
        ],
        "findings": {"user": "sufficient"},
    }
    return made | changes


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
async def test_a_recording_replays_to_what_it_found(file: Path) -> None:
    """Through the provider's own code; and it holds no token."""
    text = await asyncio.to_thread(file.read_text, encoding="utf-8")
    recording = recordings.load(json.loads(text))
    answer = await recording.replay(PROVIDERS[recording.question.host.kind], datetime.now(UTC))
    assert recording.confirms(answer)
    assert not name_holds_token(text)


def test_each_provider_has_a_good_and_a_denied_recording() -> None:
    """Both with their evidence."""
    found = {
        (one.question.host.kind, min(one.findings.values()) == "sufficient") for one in map(read, FILES) if one.proofs
    }
    assert found == {(kind, good) for kind in PROVIDERS for good in (True, False)}


def read(file: Path) -> recordings.Recording:
    return recordings.load(json.loads(file.read_text(encoding="utf-8")))


async def test_another_proof_is_noticed() -> None:
    """A recording that says something else about a requirement is not confirmed."""
    proof = {
        "requirement": "repo",
        "conclusion": "proven",
        "sources": [{"request": 0, "part": "x-oauth-scopes"}],
        "why": "",
    }
    for conclusion, same in (("proven", True), ("open", False)):
        recording = recordings.load(replayable(proofs={"user": [proof | {"conclusion": conclusion}]}))
        assert recording.confirms(await recording.replay(PROVIDERS[Kind("github")], datetime.now(UTC))) is same


async def test_a_made_up_recording_replays() -> None:
    """The answers alone decide, whatever the credential."""
    recording = recordings.load(replayable())
    answer = await recording.replay(PROVIDERS[Kind("github")], datetime.now(UTC))
    assert {role: finding.outcome for role, finding in answer.findings.items()} == recording.findings
    assert [one.path for one in answer.evidence] == ["/user"]


async def test_an_answer_that_is_missing_is_named() -> None:
    """The provider's code has changed, or something was left out."""
    recording = recordings.load(replayable(exchanges=[]))
    with pytest.raises(recordings.Unreplayable, match="it has no response to GET /user"):
        await recording.replay(PROVIDERS[Kind("github")], datetime.now(UTC))


@pytest.mark.parametrize(
    "data", [{}, {"format": "other"}, replayable(host={}), replayable(path=None), replayable(findings={"user": "fine"})]
)
def test_what_is_no_recording_is_refused(data: dict[str, Any]) -> None:
    """With a reason, and not by an exception of the program."""
    with pytest.raises(recordings.Unreplayable):
        recordings.load(data)


def test_only_fields_that_count_are_shown() -> None:
    """No e-mail address, no field that nobody reads, no secret in any form, nothing of unbounded size."""
    secret = make_token("ghp_")
    body = {
        "login": "octocat",
        "email": "octocat@example.com",
        "message": f"mail octocat@example.com about {secret[4:14]}",
        "token": "minted",
        "permissions": {"contents": "write", "Odd Name": "x"},
        "values": [{"name": "a", "secret": "b"}] * 1000,
        "reason": "write to octocat@example.com",
    }
    shown = redacted(body, secret)
    assert isinstance(shown, dict)
    assert shown.keys() == {"login", "message", "token", "permissions", "values", "reason"}
    assert (shown["message"], shown["token"], shown["reason"]) == ("redacted", "redacted", "write to redacted")
    assert shown["permissions"] == {"contents": "write"}
    assert len(shown["values"]) == 100 and shown["values"][0] == {"name": "a"}
    assert len(redacted_text("x" * 10_000, secret)) == 500


class Failing:
    """An API that doesn't answer."""

    needed_by = float("inf")

    async def send(self, *words: object, **more: object) -> Reply:
        raise ProviderUnavailable("answered with status 503", transient=True)


async def test_a_failure_is_evidence_as_well() -> None:
    """With the reason, and whether waiting helps."""
    api: Api = Failing()
    recorder = Recorder(api, "secret-token")
    with pytest.raises(ProviderUnavailable):
        await recorder.send("GET", "/user", headers={"authorization": "secret-token"})
    assert recorder.exchanges == (Exchange("GET", "/user", failure="answered with status 503", transient=True),)


def test_a_contradicted_assumption_is_found() -> None:
    """An answer that shows it to be wrong, and none where it isn't about it."""
    hooks = Exchange("GET", "/repos/a/b/hooks", 403, (("x-accepted-github-permissions", "webhooks=read"),))
    (wrong,) = assumptions.contradicted(Kind("github"), [hooks])
    assert wrong.name == "github-webhooks-permission"
    assert not assumptions.contradicted(Kind("gitlab"), [hooks])
    right = Exchange("GET", "/repos/a/b/hooks", 403, (("x-accepted-github-permissions", "repository_hooks=read"),))
    assert wrong in assumptions.rests_on(Kind("github"), [right])
    assert not assumptions.contradicted(Kind("github"), [right])


def test_a_recording_of_a_token_tells_nothing_of_it() -> None:
    """But its form: prefix and length, and whether the user name is an address."""
    from webhook.providers.findings import Answer

    token = make_token("ghp_")
    question = Question(
        TokenCredential(SecretStr(token), "octocat@example.com"), HOST, ("acme",), {Role.USER: Requirement()}
    )
    text = json.dumps(recordings.dump(question, Answer({}), datetime.now(UTC)))
    assert not any(token[start : start + 8] in text for start in range(len(token) - 7))
    assert "octocat@example.com" not in text and '"ghp "' in text


def test_every_kind_has_its_purposes() -> None:
    """A new provider says what its requests tell."""
    assert PURPOSES.keys() == PROVIDERS.keys()


@pytest.mark.parametrize("one", assumptions.ASSUMPTIONS, ids=lambda one: one.name)
def test_an_assumption_names_code_that_is_there(one: assumptions.Assumption) -> None:
    """And is a whole sentence of a kind that there is."""
    import_module(one.code)
    assert one.kind in PROVIDERS
    assert one.fact.endswith(".") and one.open.endswith(".")
