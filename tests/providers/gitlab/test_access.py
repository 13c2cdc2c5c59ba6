"""The project or group that a URL names, and the repositories of the configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from tests.providers.gitlab.conftest import RUNTIME, USER, Desk, reads, writes
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Requirement, Role
from webhook.simulator.faults import AnyEffect, Hang, Html, Latency, Outage, Redirect, Status
from webhook.simulator.gitlab import Level

APPS = "/projects/acme/apps"


@pytest.mark.parametrize("path", ["acme/apps", "ACME/Apps", "acme/platform/charts", "acme/apps/-/tree/main"])
async def test_a_project_that_the_account_may_push_to_is_reached(desk: Desk, path: str) -> None:
    """It is asked for in the same round as the token itself."""
    answer = await desk.inspect("gitlab-good-runtime", path)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.requests == 3


@pytest.mark.parametrize(("token", "role"), [("gitlab-reporter", Role.RUNTIME), ("gitlab-reporter", Role.USER)])
async def test_an_account_that_may_not_push_is_insufficient(desk: Desk, token: str, role: Role) -> None:
    """That is told apart from a missing scope, with the page where roles are given."""
    answer = await desk.inspect(token, "acme/apps", roles={role: RUNTIME})
    finding = answer.findings[role]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ())
    assert "cannot push to acme/apps" in finding.reason
    assert "at least the role Developer" in answer.remedy
    assert answer.remedy.endswith("https://gitlab.com/acme/apps/-/project_members")


async def test_a_missing_scope_is_told_before_a_missing_role(desk: Desk) -> None:
    """And nothing more is asked about the place."""
    desk.world.tokens["gitlab-reporter"].scopes = ["read_api"]
    finding = await desk.runtime("gitlab-reporter", "acme/apps")
    assert finding.lacks == ("api",)
    assert len(desk.asked()) == 3


async def test_who_comes_by_an_invited_group_may_push(desk: Desk) -> None:
    """A project's `permissions` leave that out, the list of what one may push to doesn't."""
    desk.world.projects["acme/apps"].invited["elsewhere"] = Level.DEVELOPER
    assert (await desk.runtime("gitlab-outsider", "acme/apps")).outcome is Outcome.SUFFICIENT
    assert desk.asked().count("GET /projects") == 1


GIT = "/acme/apps.git/info/refs"


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (Status(status=200, body='[{"id": 1}]'), "does not show whether bob can push"),
        (Status(status=200, body="[]"), "does not show whether bob can push"),
        (Status(status=200, body='[{"id": 8001}, {"id": 8002}]'), "does not show whether bob can push"),
        (Status(status=403, body='{"message": "403 Forbidden"}'), "does not show whether bob can push"),
        (Outage(), "answered with status 503"),
    ],
)
@pytest.mark.parametrize(
    "of_git",
    [
        Outage(),
        Html(),
        Status(status=200, body="<html>sign in</html>", content_type="text/html"),
        Status(status=401, body="HTTP Basic: Access denied.", content_type="text/plain"),
        Status(status=403, body="Forbidden\n", content_type="text/plain"),
        Status(status=404, body="The project you were looking for could not be found.", content_type="text/plain"),
    ],
    ids=repr,
)
async def test_a_low_role_is_no_proof(desk: Desk, effect: Outage | Status, said: str, of_git: AnyEffect) -> None:
    """Neither is an empty list, nor one whose filters were not honoured. The denial takes Git's own refusal."""
    desk.spoil("/projects", effect)
    desk.simulator.faults.add(of_git, path=GIT)
    finding = await desk.runtime("gitlab-reporter", "acme/apps")
    assert finding.outcome is Outcome.UNVERIFIED
    assert said in finding.reason


async def test_the_list_proves_that_an_account_may_push(desk: Desk) -> None:
    """It counts where it holds exactly the one project that was asked for."""
    desk.spoil("/projects", Status(status=200, body='[{"id": 8001}]'))
    desk.simulator.faults.add(Outage(), path=GIT)
    assert (await desk.runtime("gitlab-reporter", "acme/apps")).outcome is Outcome.SUFFICIENT


async def test_git_proves_that_an_account_may_push(desk: Desk) -> None:
    """Where the list says nothing."""
    desk.spoil("/projects", Outage())
    desk.world.projects["acme/apps"].invited["elsewhere"] = Level.DEVELOPER
    assert (await desk.runtime("gitlab-outsider", "acme/apps")).outcome is Outcome.SUFFICIENT


async def test_git_is_asked_below_the_path_of_the_installation(own: Desk) -> None:
    """In the second round, for a project that the API has shown."""
    assert (await own.user("own-gitlab-good-user", "gitlab/web/site")).outcome is Outcome.INSUFFICIENT
    assert any(one.path == "/gitlab/web/site.git/info/refs" for one in own.simulator.journal.records)


async def test_git_is_not_asked_where_the_role_is_enough(desk: Desk) -> None:
    """Nor about a project that nobody showed, which a push could create."""
    for path in ("acme/apps", "acme/nowhere"):
        await desk.inspect("gitlab-good-runtime", path)
    assert not any("info/refs" in one for one in desk.asked())


@pytest.mark.parametrize("level", [Level.MINIMAL, Level.GUEST, Level.PLANNER])
async def test_a_custom_role_may_read_code(desk: Desk, level: Level) -> None:
    """The access level stays that of the role which it is based on."""
    project = desk.world.projects["acme/apps"]
    desk.world.groups["acme"].members["bob"] = level
    project.members["bob"] = Level.GUEST
    needs = Requirement(scopes=("read_repository", "read_api"))
    assert (await desk.runtime("gitlab-reporter", "acme/apps", needs)).outcome is Outcome.INSUFFICIENT
    project.code_readers = ["bob"]
    assert (await desk.runtime("gitlab-reporter", "acme/apps", needs)).outcome is Outcome.SUFFICIENT
    finding = await desk.runtime("gitlab-reporter", "acme/apps", needs, writes("acme/apps"))
    assert finding.outcome is Outcome.INSUFFICIENT
    assert finding.reason == "says that bob cannot push to acme/apps, which is required"


@pytest.mark.parametrize("access", ["private", "disabled"])
async def test_a_public_project_may_have_a_private_repository(desk: Desk, access: str) -> None:
    """Then its visibility lets nobody read code."""
    body = json.dumps({"id": 8004, "visibility": "public", "repository_access_level": access})
    desk.spoil("/projects/acme/website", Status(status=200, body=body))
    desk.simulator.faults.add(Outage(), path="/acme/website.git/info/refs")
    finding = await desk.runtime("gitlab-outsider", "acme/website", Requirement(scopes=("read_api",)))
    assert finding.outcome is Outcome.UNVERIFIED


# Renamed and moved projects.


@pytest.mark.parametrize(("role", "needs"), [(Role.RUNTIME, RUNTIME), (Role.USER, USER)])
@pytest.mark.parametrize("path", ["acme/old-apps", "ACME/Old-Apps", "elsewhere/deep/apps"])
async def test_a_moved_project_is_followed(desk: Desk, role: Role, needs: Requirement, path: str) -> None:
    """As Git does; the warning names the new path."""
    desk.world.projects["acme/apps"].former_paths = ["acme/old-apps", "elsewhere/deep/apps"]
    answer = await desk.inspect("gitlab-wide", path, roles={role: needs})
    assert answer.findings[role].outcome is Outcome.SUFFICIENT
    (warning,) = [one for one in answer.facts.warnings if "renamed or moved" in one]
    assert f"{path} was renamed or moved to acme/apps" in warning


async def test_a_moved_project_below_a_path_is_followed(own: Desk) -> None:
    """The redirect leads to the API below that path."""
    own.world.projects["acme/apps"].former_paths = ["acme/old"]
    answer = await own.inspect("own-gitlab-good-runtime", "gitlab/acme/old")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("renamed or moved to acme/apps" in one for one in answer.facts.warnings)


@pytest.mark.parametrize("name", ["gitlab-oauth", "gitlab-group-runtime", "gitlab-project-bot"])
async def test_a_moved_project_is_followed_for_every_kind_of_token(desk: Desk, name: str) -> None:
    """Also in the second round."""
    desk.world.projects["acme/apps"].former_paths = ["acme/old"]
    answer = await desk.inspect(name, "acme/old", roles={Role.USER: USER})
    assert answer.findings[Role.USER].outcome is Outcome.SUFFICIENT
    assert any("renamed or moved to acme/apps" in one for one in answer.facts.warnings)


async def test_a_moved_repository_of_the_configuration_is_followed(desk: Desk) -> None:
    """It was one reason to deny every runtime token of the host."""
    desk.world.projects["acme/shared-configuration"].former_paths = ["acme/settings"]
    answer = await desk.inspect("gitlab-good-runtime", "acme/apps", repositories=writes("acme/settings"))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("acme/settings was renamed or moved to acme/shared-configuration" in w for w in answer.facts.warnings)


async def test_a_role_that_is_too_low_at_the_new_path_is_insufficient(desk: Desk) -> None:
    """Roles are given at the new path."""
    desk.world.projects["acme/apps"].former_paths = ["acme/old"]
    answer = await desk.inspect("gitlab-reporter", "acme/old")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT
    assert "https://gitlab.com/acme/apps/-/project_members" in answer.remedy


async def test_a_move_that_only_the_document_shows_is_told(desk: Desk) -> None:
    """Older versions of GitLab answer 200 at the former path."""
    body = json.dumps({"id": 8001, "path_with_namespace": "acme/apps", "permissions": {"x": {"access_level": 40}}})
    desk.spoil("/projects/acme/old", Status(status=200, body=body))
    answer = await desk.inspect("gitlab-good-runtime", "acme/old")
    assert any("renamed or moved to acme/apps" in one for one in answer.facts.warnings)


async def test_a_group_that_redirects_is_followed(desk: Desk) -> None:
    """Its members as well."""
    query = "?min_access_level=30&include_subgroups=true&with_shared=false&simple=true&per_page=1"
    for rest, asked in (("/projects", query), ("/members/all/6103", "")):
        desk.spoil(f"/groups/old{rest}", Redirect(to=f"/api/v4/groups/7001{rest}{asked}", status=302))
    answer = await desk.inspect("gitlab-good-runtime", "old")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("old was renamed or moved to acme;" in one for one in answer.facts.warnings)


async def test_other_redirects_are_no_answer(desk: Desk) -> None:
    """No token goes to another host."""
    desk.spoil(APPS, Redirect(to="https://elsewhere.example/api/v4/projects/8001", status=302))
    finding = await desk.runtime("gitlab-good-runtime", "acme/apps")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "redirect to another host" in finding.reason


async def test_a_project_that_is_not_seen_is_ambiguous(desk: Desk) -> None:
    """There may be none, or the account may not see it; a group of that name there is none either."""
    for path in ("acme/nowhere", "elsewhere/apps"):
        finding = await desk.runtime("gitlab-good-runtime", path)
        assert finding.outcome is Outcome.UNVERIFIED
        assert f"answers 404 for {path}: either" in finding.reason


@pytest.mark.parametrize("path", ["acme/apps", "acme"])
async def test_a_404_of_a_proxy_is_not_called_gitlabs(desk: Desk, path: str) -> None:
    """Apache answers paths with %2F itself, by a page of its own (gitlabhq/gitlabhq#8924)."""
    page = "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"
    for places in ("/projects/.*", "/groups/.*"):
        desk.spoil(places, Status(status=404, body=page, content_type="text/html; charset=iso-8859-1"))
    finding = await desk.runtime("gitlab-good-runtime", path)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "with an HTML page" in finding.reason
    assert "%2F" in finding.remedy
    assert not finding.transient


async def test_a_proxy_that_decodes_slashes_is_suspected(desk: Desk) -> None:
    """GitLab's 404 for an address that it doesn't have is another one than for a project."""
    desk.world.proxy_decodes_slashes = True
    finding = await desk.runtime("gitlab-good-runtime", "acme/apps")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "%2F" in finding.reason


@pytest.mark.parametrize("effect", [Outage(), Html(), Status(status=401), Status(status=200, body="[]")])
async def test_trouble_at_the_project_leaves_the_token_judged(desk: Desk, effect: Outage | Html | Status) -> None:
    """A missing scope is told; a good token is unverified."""
    desk.spoil(APPS, effect)
    assert (await desk.runtime("gitlab-good-runtime", "acme/apps")).outcome is Outcome.UNVERIFIED
    assert (await desk.runtime("gitlab-weak", "acme/apps")).lacks == ("api",)


async def test_a_namespace_that_wants_fine_grained_tokens_blocks_others(desk: Desk) -> None:
    """The same code as for a fine-grained token that lacks something means another thing here."""
    answer = await desk.inspect("gitlab-person-runtime", "strict-corp/apps")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert "allows only fine-grained tokens to access strict-corp/apps" in answer.findings[Role.RUNTIME].reason
    assert "Make a fine-grained one" in answer.remedy


async def test_a_developer_is_warned_about_webhooks(desk: Desk) -> None:
    """Pushing takes a Developer, webhooks take a Maintainer."""
    answer = await desk.inspect("gitlab-reporter", "acme/platform/charts")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("bob is not a Maintainer of acme/platform/charts" in warning for warning in answer.facts.warnings)
    answer = await desk.inspect("gitlab-reporter", "acme/platform/charts", roles={Role.USER: USER})
    assert not answer.facts.warnings


async def test_an_archived_project_is_warned_of(desk: Desk) -> None:
    """Nobody can push to it, whatever the token."""
    answer = await desk.inspect("gitlab-good-runtime", "acme/attic")
    assert any("acme/attic is archived" in warning for warning in answer.facts.warnings)


async def test_a_project_that_is_marked_for_deletion_is_warned_of(desk: Desk) -> None:
    """With the date."""
    desk.world.projects["acme/apps"].marked_for_deletion_on = date(2026, 11, 29)
    answer = await desk.inspect("gitlab-good-runtime", "acme/apps")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.warnings == ("acme/apps is marked for deletion on gitlab.com since 2026-11-29.",)


async def test_a_disabled_repository_is_warned_of(desk: Desk) -> None:
    """Nobody can use it, whatever the token."""
    desk.world.projects["acme/apps"].repository_access_level = "disabled"
    answer = await desk.inspect("gitlab-good-runtime", "acme/apps")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("The repository of acme/apps is disabled" in one for one in answer.facts.warnings)


async def test_a_token_that_may_not_ask_is_not_refused_for_that(desk: Desk) -> None:
    """A read-only rule needs no API; the warning says what stays open."""
    needs = Requirement(scopes=("read_repository",))
    answer = await desk.inspect("gitlab-read-repository", "acme/apps", roles={Role.RUNTIME: needs})
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("without read_api check whether it reaches acme/apps" in one for one in answer.facts.warnings)


async def test_reading_takes_no_developer(desk: Desk) -> None:
    """A rule that needs reading alone is content with a Reporter, and with anybody where the project is public."""
    needs = Requirement(scopes=("read_api",))
    assert (await desk.runtime("gitlab-reporter", "acme/apps", needs)).outcome is Outcome.SUFFICIENT
    assert (await desk.runtime("gitlab-outsider", "acme/website", needs)).outcome is Outcome.SUFFICIENT
    assert (await desk.runtime("gitlab-outsider", "acme/website")).outcome is Outcome.INSUFFICIENT


# Groups.


async def test_a_group_is_reached_by_a_role_in_it(desk: Desk) -> None:
    """A subgroup inherits it; a path of two parts is a project's before it is a group's."""
    answer = await desk.inspect("gitlab-good-runtime", "acme")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert (answer.requests, answer.facts.warnings) == (4, ())
    answer = await desk.inspect("gitlab-good-runtime", "acme/platform")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.requests == 5


async def test_a_group_below_a_path_is_reached(own: Desk) -> None:
    """The path that GitLab is installed at is no part of the group's."""
    assert (await own.runtime("own-gitlab-good-runtime", "gitlab/acme")).outcome is Outcome.SUFFICIENT
    assert "GET /groups/acme/projects" in own.asked()


async def test_roles_in_single_projects_of_a_group_are_a_warning(desk: Desk) -> None:
    """It can work with these, and not with the others."""
    answer = await desk.inspect("gitlab-reporter", "acme")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("shows no such role in the group itself" in warning for warning in answer.facts.warnings)


async def test_a_group_that_lists_no_project_to_push_to_is_unverified(desk: Desk) -> None:
    """An empty list and a role prove no lack; the message names the role that would prove access."""
    desk.world.groups["acme/platform"].members.clear()
    finding = await desk.runtime("gitlab-reporter", "acme")
    assert finding.outcome is Outcome.UNVERIFIED
    assert finding.reason.endswith("whether bob can push to acme")
    assert "Give bob at least the role Developer there" in finding.remedy


async def test_a_group_may_be_empty(desk: Desk) -> None:
    """A role in it is enough, before the first project and after the last."""
    desk.world.projects.clear()
    assert (await desk.runtime("gitlab-good-runtime", "acme")).outcome is Outcome.SUFFICIENT
    assert (await desk.runtime("gitlab-reporter", "acme")).outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("effect", [Outage(), Html(), Status(status=403, body="")])
async def test_a_role_that_is_not_told_is_not_taken_for_none(desk: Desk, effect: Outage | Html | Status) -> None:
    """In a group without a project yet, nothing else tells of it."""
    desk.world.projects.clear()
    desk.spoil("/groups/acme/members/.*", effect)
    finding = await desk.runtime("gitlab-reporter", "acme")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "does not show whether bob can push to acme" in finding.reason


async def test_a_group_that_is_not_seen_is_ambiguous(desk: Desk) -> None:
    """As a project is."""
    finding = await desk.runtime("gitlab-outsider", "acme")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "answers 404 for the group acme" in finding.reason


@pytest.mark.parametrize("effect", [Outage(), Html(), Status(status=200, body="{}")])
async def test_trouble_at_a_group_is_unverified(desk: Desk, effect: Outage | Html | Status) -> None:
    """Neither list nor role: nothing is known."""
    desk.spoil("/groups/.*", effect)
    assert (await desk.runtime("gitlab-good-runtime", "acme")).outcome is Outcome.UNVERIFIED


async def test_a_persons_own_namespace_is_no_group(desk: Desk) -> None:
    """All that is there is hers."""
    assert (await desk.runtime("gitlab-person-runtime", "alice")).outcome is Outcome.SUFFICIENT
    assert len(desk.asked()) == 2


async def test_only_a_runtime_has_to_reach_a_whole_group(desk: Desk) -> None:
    """A person's token is for what that person works with."""
    assert (await desk.user("gitlab-good-user", "elsewhere")).outcome is Outcome.SUFFICIENT
    assert len(desk.asked()) == 1


# The repositories of the configuration.


async def test_repositories_are_asked_for_beside_the_token(desk: Desk) -> None:
    """One request for each, and none of them for a role that doesn't need them."""
    needs = (*writes("acme/shared-configuration"), *reads("acme/website"))
    answer = await desk.inspect("gitlab-good-runtime", "acme/apps", repositories=needs)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert (answer.requests, answer.complete) == (5, True)


async def test_each_repository_that_is_not_reached_is_named(desk: Desk) -> None:
    """With what is known of it; a proven lack weighs more than an ambiguous one."""
    needs = (*writes("acme/apps", "acme/platform/charts", "elsewhere/apps"), *reads("acme/shared-configuration"))
    finding = await desk.runtime("gitlab-reporter", "", repositories=needs)
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "says that bob cannot push to acme/apps" in finding.reason
    assert "answers 404 for elsewhere/apps" in finding.reason
    assert "charts" not in finding.reason
    assert "shared" not in finding.reason


async def test_what_is_the_same_for_several_is_said_once(desk: Desk) -> None:
    """A runtime may have to reach dozens."""
    needs = writes("acme/apps", "acme/shared-configuration")
    finding = await desk.runtime("gitlab-reporter", "", repositories=needs)
    assert finding.reason == "says that bob cannot push to acme/apps and acme/shared-configuration, which is required"


async def test_a_repository_that_is_not_seen_is_unverified(desk: Desk) -> None:
    """404 alone proves nothing."""
    finding = await desk.runtime("gitlab-good-runtime", "acme/apps", repositories=reads("elsewhere/apps"))
    assert finding.outcome is Outcome.UNVERIFIED
    assert "elsewhere/apps" in finding.reason


async def test_a_repository_in_trouble_is_unverified(desk: Desk) -> None:
    """The others are judged all the same."""
    desk.spoil(APPS, Outage())
    needs = writes("acme/apps", "acme/shared-configuration")
    finding = await desk.runtime("gitlab-good-runtime", "", repositories=needs)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "when asked for acme/apps" in finding.reason
    assert "shared" not in finding.reason


@pytest.mark.parametrize("effect", [Latency(seconds=3), Hang()])
async def test_a_repository_that_is_late_is_a_warning(desk: Desk, effect: Latency | Hang) -> None:
    """It is left out, said to be, and asked for again next time."""
    desk.seconds = 0.8
    desk.spoil("/projects/acme/shared-configuration", effect)
    answer = await desk.inspect("gitlab-good-runtime", "acme/apps", repositories=writes("acme/shared-configuration"))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert not answer.complete
    assert answer.facts.warnings == (
        "There was no time to ask gitlab.com whether this token reaches acme/shared-configuration.",
    )


async def test_a_users_token_is_not_judged_by_repositories(desk: Desk) -> None:
    """Beside a runtime role of the same Secret only that one is."""
    roles = {Role.RUNTIME: RUNTIME, Role.USER: USER}
    answer = await desk.inspect("gitlab-reporter", roles=roles, repositories=writes("acme/apps"))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT
    assert answer.findings[Role.USER].outcome is Outcome.SUFFICIENT


async def test_what_is_perhaps_another_credentials_is_a_warning(desk: Desk) -> None:
    """An Argo CD Application syncs it; whose credential it uses, nobody here knows."""
    perhaps = tuple(replace(need, certain=False) for need in reads("acme/nothing", "acme/apps"))
    answer = await desk.inspect("gitlab-good-runtime", "acme", repositories=perhaps)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    (doubt,) = (one for one in answer.facts.warnings if "unless another credential's URL is longer" in one)
    assert doubt.startswith("gitlab.com answers 404 for acme/nothing: ")
