"""Whether a token is accepted at all; and the facts that are uncertain, in both of their possible shapes."""

from __future__ import annotations

import pytest

from tests.providers.bitbucket_server.conftest import JANE, PROJECT, REPOSITORY, RUNTIME, SERVER, USER, Desk
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
async def test_a_bad_token_is_invalid(desk: Desk, name: str, path: str, anonymous: bool, ignored: bool) -> None:
    """Whether it is refused everywhere or taken for none, and whether nobody is called `anonymous` or not at all."""
    desk.world.ignores_bad_tokens = ignored
    desk.world.names_anonymous = anonymous
    answer = await desk.inspect(name, path, roles={Role.RUNTIME: RUNTIME, Role.USER: USER})
    for finding in answer.findings.values():
        assert finding.outcome is Outcome.INVALID
        assert "wrong, revoked or expired" in finding.reason
    assert "plugins/servlet/access-tokens/manage" in answer.remedy


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("ignores", [True, False])
@pytest.mark.parametrize("path", PLACES)
async def test_verdicts_rest_on_no_uncertain_fact(desk: Desk, path: str, ignores: bool, named: bool) -> None:
    """Whether a list shows what the token may or its owner, and whether refusals name who signed in."""
    desk.world.filter_ignores_tokens = ignores
    desk.world.names_caller_in_refusals = named
    assert await desk.find("server-good-runtime", path) == GOOD
    assert await desk.find_user("server-good-user", path) == GOOD
    assert (await desk.find("server-no-admin", path)).lacks == ("PROJECT_ADMIN",)
    assert (await desk.find("server-read-only", path)).lacks == ("PROJECT_ADMIN", "REPO_WRITE")
    assert (await desk.find_user("server-read-only", path)).lacks == ("REPO_WRITE",)


@pytest.mark.parametrize("version", ["5.5.0", "7.21.0", "8.0.0", "8.9.22", "9.4.1"])
@pytest.mark.parametrize("path", PLACES)
async def test_every_version_since_tokens_can_be_asked(desk: Desk, path: str, version: str) -> None:
    """Those before 8.0 list the repositories of all projects, whatever project is asked for."""
    desk.world.version = version
    assert await desk.find("server-good-runtime", path) == GOOD
    assert await desk.find_user("server-good-user", path) == GOOD
    assert (await desk.find_user("server-read-only", path)).lacks == ("REPO_WRITE",)


async def test_an_older_list_leads_to_no_other_project(desk: Desk) -> None:
    """What isn't in the project that the URL names says nothing of it."""
    desk.world.version = "7.21.0"
    answer = await desk.inspect("server-good-user", "bitbucket/scm/ops", roles={Role.USER: USER})
    assert answer.facts.probed == "OPS/runbooks"
    assert answer.findings[Role.USER].lacks == ("REPO_WRITE",)


async def test_an_older_list_that_goes_on_blames_no_token(desk: Desk) -> None:
    """What its next page would have named may be in the right project."""
    desk.world.version = "7.21.0"
    many = {f"OPS/r{n}": Repository(project="OPS", slug=f"r{n}", id=100 + n) for n in range(30)}
    desk.world.projects["OPS"].permissions["reader"] = "PROJECT_WRITE"
    desk.world.repositories["ACME/website"].permissions["reader"] = "REPO_WRITE"
    desk.world.repositories = {**many, **desk.world.repositories}
    finding = await desk.find_user("server-reader", PROJECT)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "it shows no repository in ACME" in finding.reason
    desk.world.version = "8.0.0"
    assert await desk.find_user("server-reader", PROJECT) == GOOD


async def test_a_server_from_before_tokens_says_so(desk: Desk) -> None:
    """There the token can't be mended."""
    desk.world.version = "5.4.1"
    desk.world.ignores_bad_tokens = True
    finding = await desk.find("made up")
    assert finding.outcome is Outcome.INVALID
    assert finding.reason == "is Bitbucket Server 5.4.1, which knows no HTTP access tokens: they came with 5.5"


async def test_the_account_is_decoded(desk: Desk) -> None:
    """People sign in with names that a header can't carry as they are."""
    assert (await desk.inspect("server-good-runtime")).facts.account == "jane.doe@acme.dev"


async def test_an_account_that_echoes_the_token_is_not_shown(desk: Desk) -> None:
    """Nor one in letters that look like others; the token is judged all the same."""
    for name in (desk.world.tokens["server-good-runtime"].value[:20], "jäne"):
        desk.world.users[JANE].name = name
        answer = await desk.inspect("server-good-runtime")
        assert answer.facts.account is None
        assert answer.findings[Role.RUNTIME] == GOOD


@pytest.mark.parametrize("path", PLACES)
async def test_an_owner_without_licence_blocks_the_token(desk: Desk, path: str) -> None:
    """It isn't the token's fault, and no new one helps."""
    answer = await desk.inspect("server-unlicensed", path)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert "no license" in answer.findings[Role.RUNTIME].reason
    assert "access-tokens" not in answer.remedy


async def test_a_captcha_is_no_verdict(desk: Desk) -> None:
    """The token wasn't looked at."""
    desk.simulator.faults.add(Status(status=401, body=CAPTCHA))
    with pytest.raises(ProviderUnavailable, match="CAPTCHA"):
        await desk.inspect("server-good-runtime")


async def test_a_captcha_beside_an_open_answer_is_no_verdict(desk: Desk) -> None:
    """What is open to all names nobody then, as it does for a bad token."""
    desk.world.ignores_bad_tokens = True
    desk.simulator.faults.add(Status(status=401, body=CAPTCHA), path=".*/projects/.*")
    with pytest.raises(ProviderUnavailable, match="CAPTCHA"):
        await desk.inspect("server-revoked")


@pytest.mark.parametrize("path", PLACES)
async def test_a_proxy_that_takes_the_name_away_harms_no_good_token(desk: Desk, path: str) -> None:
    """What only administrators and writers are shown proves that somebody signed in."""
    desk.simulator.faults.add(StripHeaders(names=["X-AUSERNAME", "X-AUSERID"]))
    answer = await desk.inspect("server-good-runtime", path)
    assert (answer.findings[Role.RUNTIME], answer.facts.account) == (GOOD, None)
    assert await desk.find_user("server-good-user", path) == GOOD


@pytest.mark.parametrize("path", PLACES)
async def test_where_a_proxy_takes_all_of_bitbuckets_headers_no_token_is_called_wrong(desk: Desk, path: str) -> None:
    """One that may only read is shown nothing that would prove that somebody signed in."""
    desk.simulator.faults.add(StripHeaders(names=["X-AUSERNAME", "X-AUSERID", "X-AREQUESTID"]))
    with pytest.raises(ProviderUnavailable, match="does not tell who signed in"):
        await desk.inspect("server-read-only", path)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Unauthorized", "text/plain"),
        ("<html>Sign in to the proxy</html>", "text/html"),
        ('{"error": "x"}', "application/json"),
    ],
)
async def test_a_proxys_401_is_no_verdict(desk: Desk, body: str, content_type: str) -> None:
    """Replies of Bitbucket's own carry its request id."""
    desk.simulator.faults.add(Status(status=401, body=body, content_type=content_type))
    with pytest.raises(ProviderUnavailable, match="proxy"):
        await desk.inspect("server-good-runtime")


async def test_a_401_of_bitbuckets_own_without_a_reason_is_a_refusal(desk: Desk) -> None:
    """As of versions that send no body with it."""
    effect = Status(status=401, body="", headers={"X-AREQUESTID": "@1"})
    desk.simulator.faults.add(effect)
    assert (await desk.find("server-good-runtime")).outcome is Outcome.INVALID


async def test_a_missing_context_path_is_suspected(desk: Desk) -> None:
    """Without it everything is 404; beside the web site's, no API answers."""
    desk.simulator.faults.add(Status(status=404, body="<html>", content_type="text/html"))
    with pytest.raises(ProviderUnavailable, match="HTML page") as unavailable:
        await desk.inspect("server-good-runtime", "")
    assert "apiUrl of the host, which may lack a path" in unavailable.value.remedy


async def test_another_program_is_not_taken_for_bitbucket(desk: Desk) -> None:
    """JSON alone makes no Bitbucket."""
    desk.simulator.faults.add(Status(status=200, body='{"status": "up"}'))
    with pytest.raises(ProviderUnavailable, match="not as Bitbucket does"):
        await desk.inspect("server-good-runtime")


async def test_a_github_app_is_not_asked_about(desk: Desk) -> None:
    """There are none on a Bitbucket Server, so its key isn't used."""
    app = GitHubAppCredential("1", desk.credential("made up").token)
    question = Question(app, desk.host, (), {Role.RUNTIME: RUNTIME})
    api = desk.client.api(desk.host, BitbucketServer(), b"digest", float("inf"))
    answer = await BitbucketServer().inspect(question, api)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNSUPPORTED
    assert answer.facts == Facts("app", "GitHub App")
    assert desk.asked() == []
