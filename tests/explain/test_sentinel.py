"""No output shows a token or a part of it, also where a provider repeats it in every place of its responses."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import SecretStr
from rich.console import Console

from tests.providers.contract.bench import shows_part
from tests.support.factories import make_token
from webhook.explain import tree
from webhook.explain.transcript import Entry, transcript
from webhook.providers import PROVIDERS, recordings
from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.evidence import FIELDS, HEADERS, inspect_recorded
from webhook.providers.findings import (
    Answer,
    AuthScheme,
    GitAuth,
    Outcome,
    Question,
    RepositoryNeed,
    TokenCredential,
)
from webhook.providers.hosts import Host, Kind
from webhook.providers.inspector import failed
from webhook.providers.requirements import Level
from webhook.report.evidence import evidence_of
from webhook.report.formats import FORMATS, write
from webhook.report.model import Place, Report, Row, Severity

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PREFIXES = {"github": "gh" + "p_", "gitlab": "glp" + "at-"}


class Echo:
    """An API that repeats the token in each header and field of each response, plain and in base64."""

    needed_by = float("inf")

    def __init__(self, token: str, status: int) -> None:
        self._token = token
        self._status = status

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
        encoded = base64.b64encode(f"x:{self._token}".encode()).decode()
        body: dict[str, object] = {name: self._token for name in FIELDS}
        body |= {"scopes": ["api", self._token, encoded], "permissions": {"push": True, "admin": encoded}, "id": 7}
        body |= {"full_name": "acme/apps", "login": f"user-{self._token[:12]}", "granular_scopes": [body.copy()]}
        shown = {name: f"repo, {self._token}, {encoded}" for name in HEADERS}
        text = f"{self._token} {encoded}".encode()
        return Reply(self._status, shown, text if raw else body, moved=f"/repos/acme/{self._token}")


async def answer_of(kind: Kind, status: int, token: str) -> tuple[Question, Answer]:
    provider = PROVIDERS[kind]
    host = Host("git.acme.dev", kind, "https://git.acme.dev/api")
    credential = TokenCredential(SecretStr(token), "octocat", GitAuth(AuthScheme.BASIC, "octocat"))
    needs = (RepositoryNeed(("acme", "other"), Level.WRITE),)
    path = ("scm", "acme", "apps") if kind == "bitbucket-server" else ("acme", "apps")
    question = Question(credential, host, path, provider.profile.defaults, needs)
    api: Api = Echo(token, status)
    try:
        return question, await inspect_recorded(provider, question, api)
    except ProviderUnavailable as error:
        return question, failed(question, error)


@pytest.mark.parametrize("status", [200, 401, 403, 404])
@pytest.mark.parametrize("kind", PROVIDERS)
async def test_no_format_shows_the_token(kind: Kind, status: int) -> None:
    """Neither the transcript, nor the tree, nor a recording, nor any report."""
    token = make_token("sentinel", PREFIXES.get(str(kind), ""))
    question, answer = await answer_of(kind, status, token)
    shown = evidence_of(answer.findings, kind, answer)
    outputs = [json.dumps(recordings.dump(question, answer, NOW))]
    entry = Entry(
        "a", "data.password", "git.acme.dev", str(kind), "", "", [], "denied", "", [], shown.roles, shown.requests, []
    )
    run = transcript([entry], NOW)
    outputs.append(json.dumps(msgspec.to_builtins(run)))
    stream = io.StringIO()
    tree.write(run, Console(file=stream, width=1000))
    outputs.append(stream.getvalue())
    row = Row(Place("argocd", "creds"), ("runtime",), Outcome.INVALID, Severity.ERROR, evidence=shown)
    for format in FORMATS:
        stream = io.StringIO()
        write(Report("check", NOW, NOW, rows=(row,)), format, stream, colors=False, verbose=True)
        outputs.append(stream.getvalue())
    for output in outputs:
        assert not shows_part(output, question.credential)


def test_an_echo_is_noticed() -> None:
    """The comparison finds a planted token."""
    token = make_token("sentinel")
    credential = TokenCredential(SecretStr(token))
    assert shows_part(json.dumps({"why": f"says {token[3:14]}"}), credential)
