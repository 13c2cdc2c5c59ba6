"""Whether a token is accepted at all; and the facts that are uncertain, in both of their possible shapes."""

from __future__ import annotations

import pytest

from tests.providers.bitbucket_server.conftest import JANE, PROJECT, REPOSITORY, RUNTIME, SERVER, USER, Harness
from webhook.providers.base import ProviderUnavailable
from webhook.providers.bitbucket_server import BitbucketServer
from webhook.providers.findings import Facts, Finding, GitHubAppCredential, Outcome, Question
from webhook.providers.requirements import Role
from webhook.simulator.bitbucket_server import Repository
from webhook.simulator.faults import Status, StripHeaders

GOOD = Finding(Outcome.SUFFICIENT)
PLACES = [REPOSITORY, PROJECT, SERVER]
CAPTCHA = (
    '{"errors": [{"context": null, "message": "CAPTCHA required.", '
    '"exceptionName": "com.atlassian.bitbucket.auth.CaptchaRequiredAuthenticationException"}]}'
)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("name", ["server-expired", "server-revoked", "made up", "BBDC-" + "made+up"])
async def test_a_bad_token_is_invalid(harness: Harness, name: str, path: str, anonymous: bool, ignored: bool) -> None:
    """Whether it is refused everywhere or taken for none, and whether nobody is called `anonymous` or not at all."""
    harness.world.ignores_bad_tokens = ignored
    harness.world.names_anonymous = anonymous
    answer = await harness.inspect(name, path, roles={Role.RUNTIME: RUNTIME, Role.USER: USER})
    for finding in answer.findings.values():
        assert finding.outcome is Outcome.INVALID
        assert "wrong, revoked or expired" in finding.reason
    assert "plugins/servlet/access-tokens/manage" in answer.remedy


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("ignores", [True, False])
@pytest.mark.parametrize("path", PLACES)
async def test_verdicts_rest_on_no_uncertain_fact(harness: Harness, path: str, ignores: bool, named: bool) -> None:
    """Whether a list shows what the token may or its owner, and whether refusals name who signed in."""
    harness.world.filter_ignores_tokens = ignores
    harness.world.names_caller_in_refusals = named
    assert await harness.find("server-good-runtime", path) == GOOD
    assert await harness.find_user("server-good-user", path) == GOOD
    assert (await harness.find("server-no-admin", path)).lacks == ("PROJECT_ADMIN",)
    assert (await harness.find("server-read-only", path)).lacks == ("PROJECT_ADMIN", "REPO_WRITE")
    assert (await harness.find_user("server-read-only", path)).lacks == ("REPO_WRITE",)


@pytest.mark.parametrize("version", ["5.5.0", "7.21.0", "8.0.0", "8.9.22", "9.4.1"])
@pytest.mark.parametrize("path", PLACES)
async def test_every_version_since_tokens_can_be_asked(harness: Harness, path: str, version: str) -> None:
    """Those before 8.0 list the repositories of all projects, whatever project is asked for."""
    harness.world.version = version
    assert await harness.find("server-good-runtime", path) == GOOD
    assert await harness.find_user("server-good-user", path) == GOOD
    assert (await harness.find_user("server-read-only", path)).lacks == ("REPO_WRITE",)


async def test_an_older_list_leads_to_no_other_project(harness: Harness) -> None:
    """What isn't in the project that the URL names says nothing of it."""
    harness.world.version = "7.21.0"
    answer = await harness.inspect("server-good-user", "bitbucket/scm/ops", roles={Role.USER: USER})
    assert answer.facts.probed == "OPS/runbooks"
    assert answer.findings[Role.USER].lacks == ("REPO_WRITE",)


async def test_an_older_list_that_goes_on_blames_no_token(harness: Harness) -> None:
    """What its next page would have named may be in the right project."""
    harness.world.version = "7.21.0"
    many = {f"OPS/r{n}": Repository(project="OPS", slug=f"r{n}", id=100 + n) for n in range(30)}
    harness.world.projects["OPS"].permissions["reader"] = "PROJECT_WRITE"
    harness.world.repositories["ACME/website"].permissions["reader"] = "REPO_WRITE"
    harness.world.repositories = {**many, **harness.world.repositories}
    finding = await harness.find_user("server-reader", PROJECT)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "it shows no repository in ACME" in finding.reason
    harness.world.version = "8.0.0"
    assert await harness.find_user("server-reader", PROJECT) == GOOD


async def test_a_server_from_before_tokens_says_so(harness: Harness) -> None:
    """There the token can't be mended."""
    harness.world.version = "5.4.1"
    harness.world.ignores_bad_tokens = True
    finding = await harness.find("made up")
    assert finding.outcome is Outcome.INVALID
    assert finding.reason == "is Bitbucket Server 5.4.1, which has no HTTP access tokens: they were added in 5.5"


async def test_the_account_is_decoded(harness: Harness) -> None:
    """People sign in with names that a header can't carry as they are."""
    assert (await harness.inspect("server-good-runtime")).facts.account == "jane.doe@acme.dev"


async def test_an_account_that_echoes_the_token_is_not_shown(harness: Harness) -> None:
    """Nor one in letters that look like others; the token is judged all the same."""
    for name in (harness.world.tokens["server-good-runtime"].value[:20], "jäne"):
        harness.world.users[JANE].name = name
        answer = await harness.inspect("server-good-runtime")
        assert answer.facts.account is None
        assert answer.findings[Role.RUNTIME] == GOOD


@pytest.mark.parametrize("path", PLACES)
async def test_an_owner_without_licence_blocks_the_token(harness: Harness, path: str) -> None:
    """It isn't the token's fault, and no new one helps."""
    answer = await harness.inspect("server-unlicensed", path)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert "no license" in answer.findings[Role.RUNTIME].reason
    assert "access-tokens" not in answer.remedy


async def test_a_captcha_is_no_verdict(harness: Harness) -> None:
    """The token wasn't looked at."""
    harness.simulator.faults.add(Status(status=401, body=CAPTCHA))
    with pytest.raises(ProviderUnavailable, match="CAPTCHA"):
        await harness.inspect("server-good-runtime")


async def test_a_captcha_beside_an_open_answer_is_no_verdict(harness: Harness) -> None:
    """What is open to all names nobody then, as it does for a bad token."""
    harness.world.ignores_bad_tokens = True
    harness.simulator.faults.add(Status(status=401, body=CAPTCHA), path=".*/projects/.*")
    with pytest.raises(ProviderUnavailable, match="CAPTCHA"):
        await harness.inspect("server-revoked")


@pytest.mark.parametrize("path", PLACES)
async def test_a_proxy_that_takes_the_name_away_harms_no_good_token(harness: Harness, path: str) -> None:
    """What only administrators and writers are shown proves that somebody signed in."""
    harness.simulator.faults.add(StripHeaders(names=["X-AUSERNAME", "X-AUSERID"]))
    answer = await harness.inspect("server-good-runtime", path)
    assert (answer.findings[Role.RUNTIME], answer.facts.account) == (GOOD, None)
    assert await harness.find_user("server-good-user", path) == GOOD


@pytest.mark.parametrize("path", PLACES)
async def test_where_a_proxy_takes_all_of_bitbuckets_headers_no_token_is_called_wrong(
    harness: Harness, path: str
) -> None:
    """One that may only read is shown nothing that would prove that somebody signed in."""
    harness.simulator.faults.add(StripHeaders(names=["X-AUSERNAME", "X-AUSERID", "X-AREQUESTID"]))
    with pytest.raises(ProviderUnavailable, match="does not say who signed in"):
        await harness.inspect("server-read-only", path)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Unauthorized", "text/plain"),
        ("<html>Sign in to the proxy</html>", "text/html"),
        ('{"error": "x"}', "application/json"),
    ],
)
async def test_a_proxys_401_is_no_verdict(harness: Harness, body: str, content_type: str) -> None:
    """Replies of Bitbucket's own carry its request id."""
    harness.simulator.faults.add(Status(status=401, body=body, content_type=content_type))
    with pytest.raises(ProviderUnavailable, match="proxy"):
        await harness.inspect("server-good-runtime")


async def test_a_401_of_bitbuckets_own_without_a_reason_is_a_refusal(harness: Harness) -> None:
    """As of versions that send no body with it."""
    effect = Status(status=401, body="", headers={"X-AREQUESTID": "@1"})
    harness.simulator.faults.add(effect)
    assert (await harness.find("server-good-runtime")).outcome is Outcome.INVALID


async def test_a_missing_context_path_is_suspected(harness: Harness) -> None:
    """Without it everything is 404; beside the web site's, no API answers."""
    harness.simulator.faults.add(Status(status=404, body="<html>", content_type="text/html"))
    with pytest.raises(ProviderUnavailable, match="HTML page") as unavailable:
        await harness.inspect("server-good-runtime", "")
    assert "apiUrl of the host, which may lack a path" in unavailable.value.remedy


async def test_another_program_is_not_taken_for_bitbucket(harness: Harness) -> None:
    """JSON alone makes no Bitbucket."""
    harness.simulator.faults.add(Status(status=200, body='{"status": "up"}'))
    with pytest.raises(ProviderUnavailable, match="not as Bitbucket does"):
        await harness.inspect("server-good-runtime")


async def test_a_github_app_is_not_asked_about(harness: Harness) -> None:
    """There are none on a Bitbucket Server, so its key isn't used."""
    app = GitHubAppCredential("1", harness.credential("made up").token)
    question = Question(app, harness.host, (), {Role.RUNTIME: RUNTIME})
    api = harness.client.api(harness.host, BitbucketServer(), b"digest", float("inf"))
    answer = await BitbucketServer().inspect(question, api)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNSUPPORTED
    assert answer.facts == Facts("app", "GitHub App")
    assert harness.asked() == []
