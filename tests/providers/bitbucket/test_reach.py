"""The repositories that a token must reach: the one of its Secret's URL, and those that are configured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from tests.providers.bitbucket.conftest import Harness, need
from tests.support.factories import make_token
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Level, Requirement, Role
from webhook.simulator.bitbucket import Repository, TokenKind
from webhook.simulator.bitbucket.model import Permission
from webhook.simulator.faults import Cut, Latency, Status

APPS = "acme/apps"
PERMISSIONS = "/2.0/user/workspaces/acme/permissions/repositories"
READ_ONLY = Requirement(scopes=("read:repository:bitbucket",))
ADMIN_SCOPES = ("read:repository:bitbucket", "write:repository:bitbucket", "admin:repository:bitbucket")


@pytest.mark.parametrize("name", ["good-runtime", "oauth"])
@pytest.mark.parametrize("path", [APPS, "Acme/Apps", "acme/apps/src/main", "acme/website", "acme/empty"])
async def test_the_permission_of_its_account_is_asked_in_the_same_round(harness: Harness, name: str, path: str) -> None:
    """One request more, whatever page of the repository the URL names."""
    assert (await harness.find(name, path)).outcome is Outcome.SUFFICIENT
    assert len(harness.asked()) == 2


@pytest.mark.parametrize("name", ["workspace-token", "project-token", "repo-token"])
async def test_an_access_token_is_asked_whether_it_reaches_the_repository(harness: Harness, name: str) -> None:
    """It has no account whose permission could be asked, nor any that would have to be warned of."""
    answer = await harness.inspect(name, APPS)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert not any("does not tell" in warning for warning in answer.facts.warnings)
    assert harness.asked() == ["GET /2.0/repositories/acme/apps", "GET /2.0/user"]


@pytest.mark.parametrize("name", ["good-user", "reader"])
async def test_an_account_that_is_no_administrator_is_insufficient(harness: Harness, name: str) -> None:
    """A scope to administer is of no use to whoever may not."""
    answer = await harness.inspect(name, APPS)
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ())
    assert "is not an administrator of acme/apps, as is needed" in finding.reason
    assert "https://bitbucket.org/acme/apps/admin/permissions" in answer.remedy


@pytest.mark.parametrize(
    ("scopes", "name", "outcome"),
    [
        (("repository:write",), "good-user", Outcome.SUFFICIENT),
        (("repository:write",), "reader", Outcome.INSUFFICIENT),
        (("repository",), "reader", Outcome.SUFFICIENT),
        (("webhook",), "good-user", Outcome.INSUFFICIENT),
    ],
)
async def test_the_permission_that_is_needed_follows_from_the_scopes(
    harness: Harness, scopes: tuple[str, ...], name: str, outcome: Outcome
) -> None:
    """Where the configuration asks only to write, nobody has to be an administrator."""
    finding = await harness.find(name, APPS, needs=Requirement(scopes=scopes))
    assert finding.outcome is outcome


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("outsider", APPS),
        ("good-runtime", "acme/nowhere"),
        ("good-runtime", "dana/diary"),
        ("repo-token", "acme/shared-configuration"),
        ("repo-token", "acme/website"),
        ("project-token", "acme/website"),
        ("workspace-token", "dana/diary"),
    ],
)
async def test_a_repository_that_isn_t_seen_is_unverified(harness: Harness, name: str, path: str) -> None:
    """It may be somebody else's, or none; and a public one is read by anybody, which proves nothing."""
    finding = await harness.find(name, path)
    assert finding.outcome is Outcome.UNVERIFIED
    assert path in finding.reason


async def test_a_repository_whose_owner_keeps_the_caller_out_by_name_is_insufficient(harness: Harness) -> None:
    """Older replies say 403 instead of 404, which leaves no doubt."""
    harness.world.hides_repositories = False
    answer = await harness.inspect("repo-token", "acme/shared-configuration")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT
    assert "https://bitbucket.org/acme/shared-configuration/admin/access-tokens" in answer.remedy


async def test_an_ip_allow_list_blocks(harness: Harness) -> None:
    """The token is good, and of no use from here."""
    body = '{"type": "error", "error": {"message": "To access this repository, an admin must whitelist your IP."}}'
    harness.simulator.faults.add(Status(status=403, body=body), path="/2.0/repositories/.*")
    finding = await harness.find("repo-token", APPS)
    assert (finding.outcome, "IP allow list" in finding.reason) == (Outcome.BLOCKED, True)


def rename(harness: Harness) -> None:
    """acme/apps is called acme/deployments now."""
    repository = harness.world.repositories.pop(APPS)
    harness.world.add(repository.model_copy(update={"slug": "deployments", "renamed_from": ["apps"]}))


@pytest.mark.parametrize("name", ["good-runtime", "workspace-token"])
async def test_a_renamed_repository_is_no_obstacle(harness: Harness, name: str) -> None:
    """Git follows; the list of the account's permissions has the new name only, which the warning tells."""
    rename(harness)
    answer = await harness.inspect(name, APPS)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    (warning,) = (one for one in answer.facts.warnings if "renamed" in one)
    assert "acme/apps was renamed or moved to acme/deployments" in warning


async def test_an_account_without_permission_is_not_excused_by_the_repository_s_document(harness: Harness) -> None:
    """Everybody reads a public one, and its name is the one that was asked for."""
    finding = await harness.find("outsider", "acme/website")
    assert finding.outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("name", ["good-runtime", "workspace-token"])
async def test_a_url_that_ends_inside_a_name_is_judged_for_its_workspace(harness: Harness, name: str) -> None:
    """Argo CD uses the token for all repositories whose URL begins with it."""
    assert (await harness.find(name, "acme/gitops-")).outcome is Outcome.UNVERIFIED
    answer = await harness.inspect(name, "acme/gitops-", open_ended=True)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("the token is judged for acme" in one for one in answer.facts.warnings)
    assert (await harness.inspect("no-webhooks", "acme/gitops-", open_ended=True)).findings[Role.RUNTIME].lacks


async def test_a_missing_scope_is_told_and_not_its_consequence(harness: Harness) -> None:
    """What is refused for want of a scope is no second problem, and costs no further request."""
    assert (await harness.find("no-account", APPS)).lacks == ("read:user:bitbucket",)
    harness.make("read:user:bitbucket")
    finding = await harness.find("made", APPS)
    assert (finding.outcome, finding.reason) == (Outcome.INSUFFICIENT, "")
    assert len(harness.asked()) == 4


async def test_an_account_that_can_t_be_asked_about_is_warned_of(harness: Harness) -> None:
    """A token with scopes of repositories alone can't ask what its account may do there, but is seen to reach it."""
    harness.make(*ADMIN_SCOPES)
    answer = await harness.inspect("made", APPS, needs=Requirement(scopes=ADMIN_SCOPES))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("does not tell this API token what its account may do in acme/apps" in w for w in answer.facts.warnings)
    assert harness.asked() == ["GET /2.0/repositories/acme/apps", "GET /2.0/user", f"GET {PERMISSIONS}"]


async def test_such_a_token_is_unverified_where_everybody_reads(harness: Harness) -> None:
    """A public repository that it reads is no sign of what its account may do."""
    harness.make(*ADMIN_SCOPES)
    finding = await harness.find("made", "acme/website", needs=Requirement(scopes=ADMIN_SCOPES))
    assert finding.outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("name", ["repo-token", "project-token"])
async def test_an_access_token_of_less_than_a_workspace_says_so(harness: Harness, name: str) -> None:
    """Where the URL names no repository, nobody can say whether it is the right one."""
    narrow = "could not be asked whether it is the right one"
    assert any(narrow in warning for warning in (await harness.inspect(name, "acme")).facts.warnings)
    assert not any(narrow in warning for warning in (await harness.inspect(name, APPS)).facts.warnings)
    assert not any(narrow in w for w in (await harness.inspect(name, "acme", roles=[Role.USER])).facts.warnings)


async def test_a_user_s_repository_concerns_that_role_alone(harness: Harness) -> None:
    """What is configured for runtime tokens isn't asked of a person's."""
    answer = await harness.inspect(
        "good-runtime", roles=[Role.RUNTIME, Role.USER], repositories=[need("dana/diary", Level.WRITE)]
    )
    assert answer.findings[Role.USER].outcome is Outcome.SUFFICIENT
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNVERIFIED


async def test_configured_repositories_are_asked_in_the_same_round(harness: Harness) -> None:
    """Those that are to be read by themselves, those that are to be written to by the account's permission."""
    needs = [need("acme/shared-configuration", Level.WRITE), need("acme/website"), need("acme/empty")]
    assert (await harness.find("good-user", "acme", repositories=needs)).outcome is Outcome.SUFFICIENT
    assert harness.asked() == [
        "GET /2.0/repositories/acme/empty",
        "GET /2.0/repositories/acme/website",
        "GET /2.0/user",
        f"GET {PERMISSIONS}",
    ]


async def test_each_repository_that_it_can_t_write_to_is_named(harness: Harness) -> None:
    """One denial is enough to know what is to be mended."""
    needs = [need("acme/shared-configuration", Level.WRITE), need(APPS, Level.WRITE), need("dana/diary", Level.WRITE)]
    finding = await harness.find("reader", repositories=needs)
    assert finding.outcome is Outcome.INSUFFICIENT
    for name in ("shared-configuration", "apps"):
        assert f"carol may not write to acme/{name}" in finding.reason
    assert "404 when asked what carol may do in dana/diary" in finding.reason


async def test_what_is_read_elsewhere_may_not_be_there(harness: Harness) -> None:
    """404 is ambiguous."""
    finding = await harness.find("good-runtime", APPS, repositories=[need("dana/diary")])
    assert (finding.outcome, "404 for dana/diary" in finding.reason) == (Outcome.UNVERIFIED, True)


@pytest.mark.parametrize("access", [Level.READ, Level.WRITE])
async def test_a_repository_access_token_reaches_one_alone(harness: Harness, access: Level) -> None:
    """Where it is seen to be for the URL's repository, another one is surely out of its reach."""
    finding = await harness.find("repo-token", APPS, repositories=[need("acme/shared-configuration", access)])
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "was created for acme/apps, not for acme/shared-configuration" in finding.reason


async def test_a_repository_access_token_reads_what_everybody_reads(harness: Harness) -> None:
    """A public repository is no other one's business."""
    assert (await harness.find("repo-token", APPS, repositories=[need("acme/website")])).outcome is Outcome.SUFFICIENT


async def test_a_repository_of_two_needs_is_asked_once_for_the_higher(harness: Harness) -> None:
    """The URL's own may be configured as well."""
    needs = Requirement(scopes=("repository",))
    finding = await harness.find("reader", APPS, needs=needs, repositories=[need("ACME/apps", Level.WRITE)])
    assert (finding.outcome, "may not write to acme/apps" in finding.reason) == (Outcome.INSUFFICIENT, True)
    assert len(harness.asked()) == 2


async def test_a_configured_name_that_is_none_is_unverified(harness: Harness) -> None:
    """Nothing is asked under a name that no repository can have."""
    finding = await harness.find("good-runtime", repositories=[need("acme/a b", Level.WRITE)])
    assert (finding.outcome, "acme/a b" in finding.reason) == (Outcome.UNVERIFIED, True)
    assert harness.asked() == ["GET /2.0/user"]


async def test_what_was_not_reached_in_time_is_a_warning(harness: Harness) -> None:
    """And is asked anew by the next one who wants to know."""
    harness.simulator.faults.add(Latency(seconds=3), path="/2.0/repositories/.*")
    answer = await harness.inspect("good-runtime", APPS, repositories=[need("acme/website")], patience=1)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert not answer.complete
    assert any(
        "no time to ask bitbucket.org whether this token reaches acme/website" in w for w in answer.facts.warnings
    )


@pytest.mark.parametrize("path", ["/2.0/repositories/.*", PERMISSIONS])
async def test_a_repository_without_an_answer_is_unverified(harness: Harness, path: str) -> None:
    """The scopes were told all the same, and a missing one would be named."""
    harness.simulator.faults.add(Cut(), path=path)
    needs = [need("acme/shared-configuration", Level.WRITE), need("acme/website")]
    assert (await harness.find("good-runtime", repositories=needs)).outcome is Outcome.UNVERIFIED
    assert (await harness.find("no-webhooks", repositories=needs)).outcome is Outcome.INSUFFICIENT


async def test_many_repositories_of_one_name_are_told_apart(harness: Harness) -> None:
    """The permission in a repository of another workspace is none in this one."""
    harness.world.add(Repository(workspace="dana", slug="apps", permissions={"carol": Permission.ADMIN}))
    assert (await harness.find("reader", APPS)).outcome is Outcome.INSUFFICIENT


async def test_a_workspace_token_reaches_every_repository_of_it(harness: Harness) -> None:
    """It is what a runtime needs that works on several."""
    needs = [need("acme/shared-configuration", Level.WRITE), need("acme/website")]
    assert (await harness.find("workspace-token", APPS, repositories=needs)).outcome is Outcome.SUFFICIENT


async def test_an_access_token_without_its_prefix_is_asked_as_one_in_the_second_round(harness: Harness) -> None:
    """What kind it is, the first answer tells: it has no account to be asked about."""
    token = harness.world.tokens["bitbucket-repo-token"]
    token.fixed_value = SecretStr(make_token("w", ""))
    assert token.kind is TokenKind.REPOSITORY
    answer = await harness.inspect("repo-token", APPS)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert len(harness.asked()) == 3


async def test_what_is_perhaps_another_credentials_is_a_warning(harness: Harness) -> None:
    """An Argo CD Application syncs it; whose credential it uses, nobody here knows."""
    perhaps = [replace(need(name), certain=False) for name in ("acme/nothing", "acme/website")]
    answer = await harness.inspect("good-runtime", APPS, repositories=perhaps)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    (doubt,) = (one for one in answer.facts.warnings if "unless another credential's URL is longer" in one)
    assert "acme/nothing" in doubt
    assert "acme/website" not in doubt
