"""Refusals by policy, and by states of the server: each has its own sentence, and a person who must act."""

from __future__ import annotations

import pytest

from tests.providers.bitbucket_server.conftest import KIND, NAME, RUNTIME, USER, Harness
from tests.providers.bitbucket_server.test_trouble import TOKEN, ScriptedApi
from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.bitbucket_server import BitbucketServer
from webhook.providers.bitbucket_server.refusals import REFUSALS, refusal_in
from webhook.providers.findings import Answer, Finding, Outcome, Question
from webhook.providers.hosts import Host
from webhook.providers.requirements import Role
from webhook.review import messages
from webhook.simulator.faults import Status

OWN = {"x-arequestid": "@1"}
SIGNED_IN = {**OWN, "x-ausername": "jane"}
AUTH = "com.atlassian.bitbucket.auth."


def error(message: str, exception: str | None = None) -> dict[str, object]:
    return {"errors": [{"context": None, "message": message, "exceptionName": exception}]}


def git_error(text: str) -> bytes:
    line = f"ERR {text}\n"
    return f"001f# service=git-receive-pack\n0000{len(line) + 4:04x}{line}0000".encode()


API_ROWS = [
    (
        401,
        error("You are not currently licensed to use Bitbucket.", f"{AUTH}NoAccessAuthenticationException"),
        "license",
    ),
    (401, error("x", f"{AUTH}InactiveUserAuthenticationException"), "deactivated"),
    (401, error("x", f"{AUTH}ExpiredPasswordAuthenticationException"), "password of this token's owner has expired"),
    (403, error("Basic Authentication has been disabled on this instance."), "basic authentication is disabled"),
    (403, {"message": "HTTP access tokens are disabled"}, "HTTP access tokens are disabled"),
    (401, error("You must set up two-step verification"), "two-step verification"),
    (403, error("Your IP address 10.1.2.3 is not allowed"), "IP allow list"),
    (403, error("This server is a read-only mirror"), "read-only mirror"),
    (402, error("Payment required"), "license of this server"),
    (403, error("Your license has expired"), "license of this server"),
    (451, error("Unavailable"), "legal reasons"),
]


async def ask(api: ScriptedApi, *roles: Role) -> Answer:
    requirements = {role: {Role.RUNTIME: RUNTIME, Role.USER: USER}[role] for role in roles or (Role.RUNTIME,)}
    host = Host(NAME, KIND, f"https://{NAME}")
    return await BitbucketServer().inspect(Question(TOKEN, host, ("scm", "acme", "apps"), requirements), api)


def sentence(answer: Answer) -> str:
    return messages.failure(NAME, answer.facts, answer.findings, answer.remedy)


@pytest.mark.parametrize(("status", "body", "says"), API_ROWS)
@pytest.mark.parametrize("headers", [OWN, SIGNED_IN])
async def test_a_refusal_of_the_api_blocks(
    status: int, body: dict[str, object], says: str, headers: dict[str, str]
) -> None:
    """Whether or not the reply names who signed in; no retry helps, and the sentence says what does."""
    answer = await ask(ScriptedApi(lambda path: Reply(status, headers, body)))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert says in answer.findings[Role.RUNTIME].reason
    assert answer.remedy.endswith(".")
    assert "retry" not in sentence(answer)


GIT_ROWS = [
    (200, git_error("SCM access over HTTP(S) has been disabled"), "Git over HTTPS is disabled"),
    (200, git_error("Your Bitbucket license has expired; contact your administrator"), "license of this server"),
    (402, b"", "license of this server"),
    (403, b"Pushing to a mirror is not possible", "read-only mirror"),
    (200, git_error("This repository has been archived"), "archived"),
    (403, b"Basic authentication has been disabled", "basic authentication is disabled"),
    (451, b"", "legal reasons"),
]


@pytest.mark.parametrize(("status", "body", "says"), GIT_ROWS)
async def test_a_refusal_of_git_blocks(status: int, body: bytes, says: str) -> None:
    """Git over HTTPS is refused for reasons of its own, while the API answers."""

    def script(path: str) -> Reply:
        if "info/refs" in path:
            return Reply(status, OWN, body)
        return Reply(200, SIGNED_IN, {"key": "ACME", "slug": "apps", "values": [], "isLastPage": True})

    answer = await ask(ScriptedApi(script), Role.USER)
    assert answer.findings[Role.USER].outcome is Outcome.BLOCKED
    assert says in answer.findings[Role.USER].reason
    assert "retry" not in sentence(answer)


def test_each_row_of_the_table_has_a_test() -> None:
    """A row that nothing is tested for would be a guess."""
    replies = [Reply(status, OWN, body) for status, body, _ in (*API_ROWS, *GIT_ROWS)]
    replies += [Reply(401, OWN, error("x", f"{AUTH}{name}")) for name in _OTHERS] + [
        Reply(403, OWN, error(IN_MAINTENANCE))
    ]
    assert {row.reason for row in REFUSALS} == {row.reason for row in map(refusal_in, replies) if row is not None}


_OTHERS = ("CaptchaRequiredAuthenticationException", "AuthenticationSystemException")
IN_MAINTENANCE = "Bitbucket is in maintenance mode"


async def test_a_captcha_must_be_solved_before_anything_is_known() -> None:
    """The token was not looked at, and waiting does not help."""
    with pytest.raises(ProviderUnavailable, match="CAPTCHA") as raised:
        await ask(ScriptedApi(lambda path: Reply(401, OWN, error("x", f"{AUTH}{_OTHERS[0]}"))))
    assert not raised.value.transient


@pytest.mark.parametrize("body", [error("x", f"{AUTH}AuthenticationSystemException"), error(IN_MAINTENANCE)])
async def test_what_passes_by_itself_is_no_verdict(body: dict[str, object]) -> None:
    """A user directory that is down, or maintenance: here a retry may help."""
    with pytest.raises(ProviderUnavailable) as raised:
        await ask(ScriptedApi(lambda path: Reply(401, OWN, body)))
    assert raised.value.transient


@pytest.mark.parametrize("status", [402, 403, 451])
async def test_a_proxys_page_is_no_refusal_of_bitbuckets(harness: Harness, status: int) -> None:
    """Whatever its status is: it has neither Bitbucket's request id nor its errors."""
    harness.simulator.faults.add(Status(status=status, body="<html>blocked</html>", content_type="text/html"))
    try:
        finding = await harness.find("server-good-runtime")
    except ProviderUnavailable:
        finding = Finding(Outcome.UNVERIFIED)
    assert finding.outcome is Outcome.UNVERIFIED


def test_names_of_branches_are_no_refusal() -> None:
    """Anybody who may push chooses them."""
    line = f"{'a' * 40} refs/heads/ERR-license-has-expired\n"
    body = f"001f# service=git-receive-pack\n0000{len(line) + 4:04x}{line}0000".encode()
    assert refusal_in(Reply(200, OWN, body)) is None


def test_a_name_that_is_not_there_is_no_refusal() -> None:
    """Whoever writes a URL chooses it."""
    assert refusal_in(Reply(404, OWN, error("Repository ACME/captcha does not exist."))) is None


def test_a_long_text_is_looked_into_in_linear_time() -> None:
    """Who answers in Bitbucket's place can't stop this program."""
    for text in ("license " * 100_000, "ip address " + "a" * 1_000_000, "git over http" * 100_000):
        refusal_in(Reply(403, OWN, error(text)))
        refusal_in(Reply(403, OWN, text.encode()))
