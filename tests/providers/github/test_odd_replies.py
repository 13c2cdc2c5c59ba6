"""Replies that the simulator doesn't give: those that are possible as far as is documented, and hostile ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from tests.providers.github.conftest import RUNTIME
from tests.support.factories import make_token
from webhook.providers.base import DeadlineExceeded, ProviderUnavailable, RateLimit, Reply
from webhook.providers.findings import (
    Answer,
    Credential,
    Finding,
    GitHubAppCredential,
    Outcome,
    Question,
    RepositoryNeed,
    TokenCredential,
)
from webhook.providers.github import GitHub
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Level, Requirement, Role

HOST = Host("github.com", Kind("github"), "https://api.github.com")
REPOSITORY = "/repos/acme/apps"
FINE_GRAINED = TokenCredential(SecretStr(make_token("A1b2C3d4E5", "github_" + "pat_")))
CLASSIC = TokenCredential(SecretStr(make_token("z")))
ME = Reply(200, {}, {"login": "octocat"})
NOT_FOUND = Reply(404, {}, {"message": "Not Found"})
INVALID = Reply(422, {}, {"message": "Invalid request.", "documentation_url": "https://docs.github.com/rest"})
REFUSED = Reply(403, {}, {"message": "Resource not accessible by personal access token"})

Script = Mapping[str, Reply | ProviderUnavailable]


class ScriptedApi:
    """Answers by the beginning of method and path, by the longest that fits, or with silence; 404 to all else."""

    needed_by = float("inf")

    def __init__(self, script: Script) -> None:
        self._script = script

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
        fitting = [start for start in self._script if f"{method} {path}".startswith(start)]
        answer = self._script[max(fitting, key=len)] if fitting else NOT_FOUND
        if isinstance(answer, ProviderUnavailable):
            raise answer
        return answer


async def inspect(
    credential: Credential, path: str, script: Script, needs: Requirement = RUNTIME, *others: RepositoryNeed
) -> Answer:
    segments = tuple(path.split("/")) if path else ()
    question = Question(credential, HOST, segments, {Role.RUNTIME: needs}, others)
    return await GitHub().inspect(question, ScriptedApi(script))


async def find(credential: Credential, path: str, script: Script, needs: Requirement = RUNTIME) -> Finding:
    return (await inspect(credential, path, script, needs)).findings[Role.RUNTIME]


def repository(**details: Any) -> Reply:
    return Reply(200, {}, {"full_name": "acme/apps", "private": True, **details})


def good(**details: Any) -> dict[str, Reply]:
    """What a fine-grained token meets that may do everything."""
    empty = Reply(200, {}, [])
    reads = {f"GET {REPOSITORY}/{what}": empty for what in ("commits", "hooks", "keys")}
    writes = {f"{what} {REPOSITORY}/": INVALID for what in ("PUT", "POST")}
    return {**reads, f"GET {REPOSITORY}": repository(**details), **writes, "GET /user": ME}


async def test_a_token_that_may_do_everything_is_good() -> None:
    """The script that the other tests change is one of success."""
    assert (await find(FINE_GRAINED, "acme/apps", good())).outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ("/releases/", "Contents: write"),
        ("/hooks/", "Webhooks: write"),
        ("/invitations/", "Administration: write"),
    ],
)
@pytest.mark.parametrize("details", [{}, {"private": False}])
async def test_content_that_is_looked_at_first_hides_no_missing_permission(
    changes: str, lacks: str, details: dict[str, Any]
) -> None:
    """Of two write probes the one that is refused counts, should GitHub answer 422 before it looks at permissions."""
    script = good(**details) | {f"PATCH {REPOSITORY}{changes}": REFUSED}
    finding = await find(FINE_GRAINED, "acme/apps", script)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, (lacks,))


async def test_a_missing_object_that_is_looked_up_first_proves_nothing() -> None:
    """The 404 of the second write probe stands for no permission."""
    finding = await find(FINE_GRAINED, "acme/apps", good() | {f"POST {REPOSITORY}/hooks": REFUSED})
    assert finding.lacks == ("Webhooks: write",)


async def test_what_is_proven_needs_no_role() -> None:
    """An organisation's custom role can allow webhooks to somebody who is no administrator."""
    script = good(permissions={"admin": False, "push": True})
    assert (await find(FINE_GRAINED, "acme/apps", script)).outcome is Outcome.SUFFICIENT


async def test_a_role_that_is_too_low_hides_what_the_token_lacks() -> None:
    """GitHub refuses an account without the role whatever its token holds, so that the token isn't blamed."""
    script = good(permissions={"admin": False, "push": True}) | {f"GET {REPOSITORY}/hooks": REFUSED}
    finding = await find(FINE_GRAINED, "acme/apps", script)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ())
    assert "octocat is not an administrator of acme/apps" in finding.reason


async def test_hooks_that_are_not_found_leave_their_permission_open() -> None:
    """404 is ambiguous: to an administrator it doesn't say that the token lacks something."""
    script = good(permissions={"admin": True, "push": True}) | {f"GET {REPOSITORY}/hooks": NOT_FOUND}
    finding = await find(FINE_GRAINED, "acme/apps", script)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "Webhooks: write" in finding.reason


async def test_another_permission_that_is_wanting_leaves_this_one_open() -> None:
    """A refusal that names only another permission says nothing of the one that was probed."""
    other = Reply(403, {"x-accepted-github-permissions": "workflows=write"}, REFUSED.body)
    finding = await find(FINE_GRAINED, "acme/apps", good() | {f"PUT {REPOSITORY}/contents": other})
    assert finding.outcome is Outcome.UNVERIFIED


async def test_a_role_is_asked_for_by_the_scopes_that_are_needed() -> None:
    """Where the configuration asks for `repo` alone, nobody has to be an administrator."""
    script = {
        "GET /user": Reply(200, {"x-oauth-scopes": "repo"}, ME.body),
        f"GET {REPOSITORY}": repository(permissions={"admin": False, "push": True}),
    }
    needs = Requirement(scopes=("repo",), permissions=RUNTIME.permissions)
    assert (await find(CLASSIC, "acme/apps", script, needs)).outcome is Outcome.SUFFICIENT


async def test_what_is_no_repository_is_no_proof_of_one() -> None:
    """A proxy's answer is 200 as well."""
    script = {
        "GET /user": Reply(200, {"x-oauth-scopes": "repo, admin:repo_hook"}, ME.body),
        f"GET {REPOSITORY}": Reply(200, {}, {"status": "up"}),
    }
    assert (await find(CLASSIC, "acme/apps", script)).outcome is Outcome.UNVERIFIED


async def test_a_probe_elsewhere_that_took_too_long_is_a_warning() -> None:
    """What else was seen there in time proves nothing without it."""
    there = f"{REPOSITORY}-too"
    silence = DeadlineExceeded("did not answer in time")
    script: Script = {**good(), f"GET {there}": repository(), f"GET {there}/commits": silence}
    need = RepositoryNeed(("acme", "apps-too"), Level.READ)
    answer = await inspect(FINE_GRAINED, "acme/apps", script, RUNTIME, need)
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    assert answer.facts.warnings == ("There was no time to ask github.com whether this token reaches acme/apps-too.",)


async def test_a_lockout_at_the_repository_leaves_scopes_judged() -> None:
    """What one reply said of the token stands, whatever becomes of the other."""
    script = {
        "GET /user": Reply(200, {"x-oauth-scopes": "repo"}, ME.body),
        f"GET {REPOSITORY}": Reply(403, {}, {"message": "Max number of login attempt exceeded"}),
    }
    assert (await find(CLASSIC, "acme/apps", script)).lacks == ("admin:repo_hook",)


async def test_a_listed_repository_that_is_called_like_the_token_is_left_out() -> None:
    """Whoever answers in GitHub's place can't make us show a part of the token."""
    secret = FINE_GRAINED.token.get_secret_value()
    listed = [{"full_name": f"acme/{secret[15:45]}", "private": True}]
    script = {"GET /user/repos": Reply(200, {}, listed), "GET /user": ME, "GET /repos/": repository()}
    assert secret[15:25] not in repr(await inspect(FINE_GRAINED, "", script))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("required; url=https://github.com/orgs/{}/sso?authorization_request=1", "SAML enforcement"),
        ("", "The '{}' organization forbids access via a fine-grained personal access tokens"),
    ],
)
async def test_an_organisation_that_is_called_like_the_token_is_not_named(header: str, message: str) -> None:
    """A token of 40 hexadecimal digits could be an organisation's name."""
    secret = "0a1b2c3d" * 5
    refused = Reply(403, {"x-github-sso": header.format(secret)}, {"message": message.format(secret)})
    answer = await inspect(TokenCredential(SecretStr(secret)), "", {"GET /user": refused})
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert secret not in repr(answer)


async def test_a_secondary_limit_is_one_even_when_the_primary_one_is_used_up() -> None:
    """Its pause isn't the end of the primary limit, which may be a second away."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1", "retry-after": "60"}
    reply = Reply(403, headers, {"documentation_url": "https://docs.github.com/x#about-secondary-rate-limits"})
    assert GitHub(lambda: datetime.now(UTC)).rate_limit(reply) == RateLimit(60, whole_host=True)


async def test_an_installation_on_another_account_is_insufficient() -> None:
    """It reaches no repository of the owner that the URL names, whatever it was granted."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    granted = {name: str(level) for name, level in RUNTIME.permissions}
    installation = {"id": 7, "account": {"login": "other"}, "permissions": granted, "suspended_at": None}
    script = {"GET /app/installations/7": Reply(200, {}, installation), "GET /app": Reply(200, {}, {"slug": "bot"})}
    finding = await find(GitHubAppCredential("1", SecretStr(pem), "7"), "acme", script)
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "is on other, not on acme" in finding.reason
