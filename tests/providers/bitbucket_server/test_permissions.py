"""What a token may do: for every kind of token and every permission that a role needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.providers.bitbucket_server.conftest import (
    JANE,
    NAME,
    PROJECT,
    REPOSITORY,
    RUNTIME,
    SERVER,
    USER,
    Harness,
    needs,
)
from webhook.providers.findings import Finding, Outcome, RepositoryNeed
from webhook.providers.hosts import Host
from webhook.providers.requirements import Level, Requirement, Role
from webhook.review import messages
from webhook.simulator.bitbucket_server import Project, Repository, Token, TokenKind
from webhook.simulator.bitbucket_server.model import ProjectPermission

GOOD = Finding(Outcome.SUFFICIENT)
PLACES = [REPOSITORY, PROJECT, SERVER]


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("name", ["server-good-runtime", "server-plain", "server-project-token"])
async def test_a_token_with_all_permissions_serves_the_platform(harness: Harness, name: str, path: str) -> None:
    """A person's, of either shape, and a project's; whatever the URL names."""
    answer = await harness.inspect(name, path)
    assert answer.findings[Role.RUNTIME] == GOOD
    assert answer.facts.holds == ("PROJECT_ADMIN", "REPO_ADMIN")


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("server-good-user", ("PROJECT_ADMIN",)),
        ("server-no-admin", ("PROJECT_ADMIN",)),
        ("server-repo-admin", ("PROJECT_ADMIN",)),
        ("server-weak-owner", ("PROJECT_ADMIN",)),
        ("server-read-only", ("PROJECT_ADMIN", "REPO_WRITE")),
        ("server-reader", ("PROJECT_ADMIN", "REPO_WRITE")),
    ],
)
async def test_what_the_platform_would_miss_is_named(
    harness: Harness, name: str, lacks: tuple[str, ...], path: str
) -> None:
    """Whether the token doesn't hold it or its owner doesn't have it."""
    answer = await harness.inspect(name, path)
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, lacks)
    assert answer.facts.probed == "ACME/apps"


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize(
    "name",
    [
        "server-good-runtime",
        "server-good-user",
        "server-no-admin",
        "server-repo-admin",
        "server-weak-owner",
        "server-project-token",
        "server-repo-token",
    ],
)
async def test_a_person_needs_to_push_and_to_see_the_project(harness: Harness, name: str, path: str) -> None:
    """Nobody has to administer anything for that."""
    assert await harness.find_user(name, path) == GOOD
    assert not [one for one in harness.asked() if "permissions" in one]


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("name", ["server-read-only", "server-reader"])
async def test_a_person_who_may_only_read_lacks_the_right_to_write(harness: Harness, name: str, path: str) -> None:
    """The probed repository is named, since another one may be open to them."""
    answer = await harness.inspect(name, path, roles={Role.USER: USER})
    finding = answer.findings[Role.USER]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ("REPO_WRITE",))
    assert answer.facts.holds == ("PROJECT_READ", "REPO_READ")


@pytest.mark.parametrize("path", ["bitbucket/scm/ops/runbooks", "bitbucket/scm/ops"])
async def test_who_sees_nothing_there_lacks_everything(harness: Harness, path: str) -> None:
    """The project, which whoever sees one of its repositories sees as well, and the right to push."""
    finding = await harness.find_user("server-weak-owner", path)
    assert finding.lacks == (("PROJECT_READ", "REPO_WRITE") if path.endswith("runbooks") else ("PROJECT_READ",))


async def test_both_roles_are_judged_in_one_go(harness: Harness) -> None:
    """Each by what it needs, and nothing is asked twice."""
    answer = await harness.inspect("server-good-user", roles={Role.RUNTIME: RUNTIME, Role.USER: USER})
    assert answer.findings[Role.USER] == GOOD
    assert answer.findings[Role.RUNTIME].lacks == ("PROJECT_ADMIN",)
    asked = harness.asked()
    assert len(asked) == answer.requests == 6
    assert [one for one in set(asked) if asked.count(one) > 1 and "info/refs" not in one] == []


@pytest.mark.parametrize(
    ("name", "requirement", "path", "asked"),
    [
        (
            "server-good-runtime",
            RUNTIME,
            REPOSITORY,
            [
                "GET /application-properties",
                "GET /projects/ACME",
                "GET /projects/ACME/permissions/users",
                "GET /projects/ACME/repos/apps",
            ],
        ),
        (
            "server-good-user",
            USER,
            REPOSITORY,
            [
                "GET /application-properties",
                "GET /projects/ACME",
                "GET /projects/ACME/repos/apps",
                "GET scm/acme/apps.git/info/refs",
                "GET scm/acme/apps.git/info/refs",
            ],
        ),
        (
            "server-good-runtime",
            RUNTIME,
            PROJECT,
            [
                "GET /application-properties",
                "GET /projects/ACME",
                "GET /projects/ACME/permissions/users",
                "GET /projects/ACME/repos",
                "GET /repos",
            ],
        ),
    ],
)
async def test_a_good_token_is_known_in_one_round(
    harness: Harness, name: str, requirement: Requirement, path: str, asked: list[str]
) -> None:
    """Git is asked only where administrating the project, which includes it, isn't proven."""
    assert await harness.find(name, path, requirement) == GOOD
    assert harness.asked() == asked


async def test_of_a_project_that_the_token_administers_no_repository_is_needed(harness: Harness) -> None:
    """What is in it may come later."""
    harness.world.repositories.clear()
    assert await harness.find("server-good-runtime", PROJECT) == GOOD


async def test_without_a_repository_nothing_is_known_of_pushing(harness: Harness) -> None:
    """Then it isn't the token that is at fault."""
    harness.world.repositories.clear()
    finding = await harness.find_user("server-good-user", PROJECT)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "REPO_WRITE (it shows no repository in ACME)" in finding.reason


async def test_without_any_project_nothing_is_known(harness: Harness) -> None:
    """A new server has none."""
    harness.world.repositories.clear()
    harness.world.projects.clear()
    finding = await harness.find("server-good-runtime", SERVER)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "PROJECT_ADMIN (it shows no project)" in finding.reason


async def test_archived_repositories_prove_nothing_where_there_are_others(harness: Harness) -> None:
    """Nobody may push to them."""
    for name in ("apps", "shared-configuration", "website", "empty"):
        harness.world.repositories[f"ACME/{name}"].archived = True
    harness.world.repositories["ACME/attic"].archived = False
    answer = await harness.inspect("server-good-user", PROJECT, roles={Role.USER: USER})
    assert answer.findings[Role.USER] == GOOD
    assert answer.facts.probed == "ACME/attic"


async def test_an_archived_repository_proves_no_writing(harness: Harness) -> None:
    """Git's refusal says nothing of the token; whoever administers the project holds the permission all the same."""
    finding = await harness.find_user("server-good-user", "bitbucket/scm/acme/attic")
    assert finding.outcome is Outcome.BLOCKED
    assert "but ACME/attic is archived, so no one can push to it" in finding.reason
    user = await harness.inspect("server-good-user", "bitbucket/scm/acme/attic", roles={Role.USER: USER})
    assert user.remedy == "Have an administrator of the repository unarchive it, or use another one."
    answer = await harness.inspect("server-good-runtime", "bitbucket/scm/acme/attic")
    assert answer.findings[Role.RUNTIME] == GOOD
    assert answer.facts.warnings == ("ACME/attic is archived on bitbucket.acme.dev: no one can push to it.",)


@pytest.mark.parametrize("repository", ["website", "empty"])
async def test_a_public_or_empty_repository_proves_as_much(harness: Harness, repository: str) -> None:
    """Anybody may read the one, and there is nothing to advertise of the other."""
    path = f"bitbucket/scm/acme/{repository}"
    assert await harness.find_user("server-good-user", path) == GOOD
    assert (await harness.find_user("server-read-only", path)).lacks == ("REPO_WRITE",)


@pytest.mark.parametrize(
    "path",
    [
        "bitbucket/scm/~jane.doe_acme.dev/diary",
        "bitbucket/users/jane.doe_acme.dev/repos/diary",
        "bitbucket/users/jane.doe_acme.dev",
    ],
)
async def test_ones_own_project_is_a_project(harness: Harness, path: str) -> None:
    """Whose owner administers it."""
    assert await harness.find("server-good-runtime", path) == GOOD
    assert (await harness.find("server-good-user", path)).lacks == ("PROJECT_ADMIN",)
    assert await harness.find_user("server-good-user", path) == GOOD


@pytest.mark.parametrize("path", ["bitbucket/scm/acme/none", "bitbucket/scm/none/apps", "bitbucket/scm/none"])
async def test_what_is_not_there_makes_no_token_bad(harness: Harness, path: str) -> None:
    """The URL may be wrong."""
    finding = await harness.find_user("server-good-user", path)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "there is no such" in finding.reason or "it shows no repository in NONE" in finding.reason


async def test_a_project_that_is_shown_opens_no_repository_in_it(harness: Harness) -> None:
    """It is shown for the sake of another one."""
    finding = await harness.find("server-reader", "bitbucket/scm/acme/empty", needs("PROJECT_READ", "REPO_READ"))
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ("REPO_READ",))


@pytest.mark.parametrize("name", ["server-good-runtime", "server-no-admin", "server-repo-admin"])
async def test_levels_between_are_asked_for_by_name(harness: Harness, name: str) -> None:
    """`levels:` may ask for any of the six; only that of a project's writers has no proof of its own."""
    token = harness.world.tokens[name]
    for level in ("REPO_READ", "REPO_WRITE", "REPO_ADMIN", "PROJECT_READ"):
        held = token.repository_level >= {"READ": 1, "WRITE": 2, "ADMIN": 3}[level.partition("_")[2]]
        for path in PLACES:
            finding = await harness.find(name, path, needs(level))
            assert finding == (GOOD if held else Finding(Outcome.INSUFFICIENT, (level,))), (level, path)


@pytest.mark.parametrize("path", PLACES)
async def test_writing_to_a_whole_project_is_proven_by_administering_it(harness: Harness, path: str) -> None:
    """Otherwise it stays open, unless one of its repositories shows that it isn't so."""
    needed = needs("PROJECT_WRITE", "REPO_WRITE")
    assert await harness.find("server-good-runtime", path, needed) == GOOD
    open_one = await harness.find("server-no-admin", path, needed)
    assert open_one.outcome is Outcome.UNVERIFIED
    assert "PROJECT_WRITE (no read-only request can prove it)" in open_one.reason
    assert (await harness.find("server-read-only", path, needed)).lacks == ("PROJECT_WRITE", "REPO_WRITE")


@pytest.mark.parametrize("role", list(Role))
async def test_a_repositorys_token_is_judged_without_what_it_cannot_hold(harness: Harness, role: Role) -> None:
    """And says so; as far as it can hold something, it must."""
    requirement = {Role.RUNTIME: RUNTIME, Role.USER: USER}[role]
    answer = await harness.inspect("server-repo-token", roles={role: requirement})
    assert answer.findings[role] == GOOD
    assert answer.facts.token_type == "repository"
    assert answer.facts.holds == ("REPO_WRITE",)
    missing = {Role.RUNTIME: "PROJECT_ADMIN", Role.USER: "PROJECT_READ"}[role]
    assert answer.facts.warnings == (
        f"This HTTP access token of one repository reaches no other; it cannot hold {missing}, so the check left that "
        "out.",
    )
    reader = Token(name="reader-of-apps", kind=TokenKind.REPOSITORY, owner="ACME/apps", permissions=["REPO_READ"])
    harness.world.add(reader)
    weak = (await harness.inspect("reader-of-apps", roles={role: requirement})).findings[role]
    assert (weak.outcome, weak.lacks) == (Outcome.INSUFFICIENT, ("REPO_WRITE",))


@pytest.mark.parametrize("path", [PROJECT, SERVER])
async def test_a_repositorys_token_is_too_narrow_for_more(harness: Harness, path: str) -> None:
    """The platform works with a whole project, or several."""
    assert (await harness.find("server-repo-token", path)).lacks == ("PROJECT_ADMIN",)


async def test_a_repositorys_token_reaches_no_other(harness: Harness) -> None:
    """Nor the project around it, if it is another one."""
    assert (await harness.find("server-repo-token", "bitbucket/scm/acme/empty")).lacks == ("REPO_WRITE",)
    assert (await harness.find_user("server-repo-token", "bitbucket/scm/ops/runbooks")).lacks == ("REPO_WRITE",)


async def test_a_projects_token_reaches_no_other_project(harness: Harness) -> None:
    """Where the URL names only the server, nobody could tell from it."""
    assert (await harness.find("server-project-token", "bitbucket/scm/ops")).lacks == ("PROJECT_ADMIN",)
    answer = await harness.inspect("server-project-token", SERVER)
    assert answer.facts.token_type == "project"
    assert answer.facts.warnings == ("This HTTP access token of one project reaches no other.",)


async def test_a_project_is_looked_for_where_its_owner_administers_one(harness: Harness) -> None:
    """And a repository rather there than elsewhere."""
    first = Project(key="AAA", id=90, permissions={JANE: "PROJECT_WRITE"})
    harness.world.projects = {"AAA": first, **harness.world.projects}
    harness.world.repositories = {"AAA/a": Repository(project="AAA", slug="a", id=91), **harness.world.repositories}
    answer = await harness.inspect("server-good-runtime", SERVER)
    assert answer.findings[Role.RUNTIME] == GOOD
    assert answer.facts.probed == "ACME/apps"


async def test_a_repository_is_looked_for_rather_among_those_of_projects(harness: Harness) -> None:
    """In their own everybody may do everything."""
    own = f"~{JANE}/diary"
    harness.world.repositories = {own: harness.world.repositories[own], **harness.world.repositories}
    answer = await harness.inspect("server-good-user", SERVER, roles={Role.USER: needs("REPO_WRITE")})
    assert answer.facts.probed == "ACME/apps"


async def test_archived_repositories_are_passed_over_where_nothing_may_be_written(harness: Harness) -> None:
    """Their refusal would say nothing."""
    for name in ("apps", "shared-configuration", "website"):
        harness.world.repositories[f"ACME/{name}"].archived = True
    answer = await harness.inspect("server-read-only", PROJECT, roles={Role.USER: USER})
    assert answer.facts.probed == "ACME/empty"
    assert answer.findings[Role.USER].lacks == ("REPO_WRITE",)


async def test_a_denial_can_be_acted_upon(harness: Harness) -> None:
    """It says who has what and where, what is missing, and where to make a better one."""
    answer = await harness.inspect("server-weak-owner")
    assert messages.failure(NAME, answer.facts, answer.findings, answer.remedy) == (
        "bitbucket.acme.dev says that this HTTP access token of hubot, probed on ACME/apps, has PROJECT_READ and "
        f"REPO_WRITE; a runtime token also needs PROJECT_ADMIN. {answer.remedy}"
    )


def without_context(harness: Harness) -> Host:
    """The host whose `apiUrl` lacks the context path."""
    return replace(harness.host, api_url=harness.host.api_url.removesuffix("/bitbucket"))


async def test_atlassians_own_context_path_is_found(harness: Harness) -> None:
    """Where the configuration lacks it, and nothing answers at the root; which is asked without the token."""
    host = without_context(harness)
    answer = await harness.inspect("server-good-runtime", host=host, roles={Role.RUNTIME: RUNTIME})
    assert answer.findings[Role.RUNTIME] == GOOD
    assert any(warning.endswith(f"set apiUrl to {harness.host.api_url}.") for warning in answer.facts.warnings)
    (root,) = (one for one in harness.simulator.journal.records if not one.path.startswith("/bitbucket/"))
    assert (root.path, root.token) == ("/rest/api/1.0/application-properties", None)
    remedy = (await harness.inspect("server-good-user", host=host)).remedy
    assert remedy.endswith(": https://bitbucket.acme.dev/bitbucket/plugins/servlet/access-tokens/manage")


async def test_no_token_goes_below_another_path(harness: Harness) -> None:
    """Another user of the host could take it there, and answer for Bitbucket."""
    harness.world.context_path = "/~mallory"
    finding = (
        await harness.inspect("server-good-runtime", "~mallory/scm/acme/apps", host=without_context(harness))
    ).findings
    assert finding[Role.RUNTIME].outcome is Outcome.UNVERIFIED
    assert "declare the context path in apiUrl" in finding[Role.RUNTIME].remedy
    assert harness.asked() == []


async def test_no_token_goes_below_another_path_for_other_repositories(harness: Harness) -> None:
    """Those of the configuration or of Applications are addresses like any other."""
    needs = (RepositoryNeed(("bitbucket", "~mallory", "scm", "acme", "apps"), Level.READ),)
    answer = await harness.inspect("server-good-runtime", repositories=needs)
    assert "its URL names no repository" in answer.findings[Role.RUNTIME].reason
    assert not any("mallory" in one for one in harness.asked())


async def test_a_bitbucket_at_the_root_has_no_other_context_path(harness: Harness) -> None:
    """The URL is wrong then, and whatever is below /bitbucket is something else."""
    harness.world.context_path = ""
    finding = (await harness.inspect("server-good-runtime", host=without_context(harness))).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.UNVERIFIED
    assert harness.asked() == ["GET /rest/api/1.0/application-properties"]


def moved(harness: Harness, **permissions: ProjectPermission) -> None:
    """ACME/apps was moved to OPS/deployments, where Jane may do this."""
    repository = harness.world.repositories.pop("ACME/apps")
    moved = repository.model_copy(update={"project": "OPS", "slug": "deployments", "moved_from": ["ACME/apps"]})
    harness.world.add(moved)
    harness.world.projects["OPS"].permissions = {JANE: permissions["jane"]}


@pytest.mark.parametrize("requirement", [RUNTIME, needs("PROJECT_ADMIN")])
async def test_a_moved_repository_is_judged_by_the_project_that_it_is_in(
    harness: Harness, requirement: Requirement
) -> None:
    """Bitbucket answers for it under its old address; Jane still administers the old project."""
    moved(harness, jane="PROJECT_READ")
    finding = await harness.find("server-good-runtime", REPOSITORY, requirement)
    assert (finding.outcome, finding.lacks[0]) == (Outcome.INSUFFICIENT, "PROJECT_ADMIN")


async def test_a_moved_repository_is_no_obstacle(harness: Harness) -> None:
    """The warning names its new address; Git follows the old one."""
    moved(harness, jane="PROJECT_ADMIN")
    roles = {Role.RUNTIME: RUNTIME, Role.USER: USER}
    answer = await harness.inspect("server-good-runtime", roles=roles)
    assert answer.findings == {Role.RUNTIME: GOOD, Role.USER: GOOD}
    (warning,) = answer.facts.warnings
    assert "ACME/apps was renamed or moved to OPS/deployments" in warning
    assert answer.facts.probed == "OPS/deployments"
    assert "GET /projects/OPS/permissions/users" in harness.asked()


async def test_a_persons_token_pushes_to_a_moved_repository(harness: Harness) -> None:
    """The right to push is proven in the first round, by the address that Git uses."""
    moved(harness, jane="PROJECT_WRITE")
    assert await harness.find_user("server-good-user") == GOOD
    moved_on = harness.world.repositories["OPS/deployments"]
    moved_on.permissions = {}
    harness.world.projects["OPS"].permissions = {JANE: "PROJECT_READ"}
    assert (await harness.find_user("server-good-user")).lacks == ("REPO_WRITE",)


async def test_another_repository_that_was_moved_is_named(harness: Harness) -> None:
    """Also where the configuration asks for it."""
    moved(harness, jane="PROJECT_READ")
    need = RepositoryNeed(("bitbucket", "scm", "acme", "apps"), Level.READ)
    answer = await harness.inspect("server-good-runtime", "bitbucket/scm/acme/website", repositories=(need,))
    assert answer.findings[Role.RUNTIME] == GOOD
    assert [one for one in answer.facts.warnings if "moved to OPS/deployments" in one]


async def test_a_better_token_is_made_under_the_context_path(harness: Harness) -> None:
    """No link ticks its boxes, so they are named as people see them."""
    remedy = (await harness.inspect("server-good-user")).remedy
    assert remedy == (
        "Make one with Project admin and Repository write, as a user who has these rights on ACME/apps, under Manage "
        "account, then HTTP access tokens: https://bitbucket.acme.dev/bitbucket/plugins/servlet/access-tokens/manage"
    )
