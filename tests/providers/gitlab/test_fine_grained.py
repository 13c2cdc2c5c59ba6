"""Fine-grained tokens: what they may do, where, and what stays open."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.gitlab.conftest import PUSH, RUNTIME, Desk, reads, writes
from tests.support.factories import make_token
from webhook.providers.findings import Outcome
from webhook.providers.gitlab import granular
from webhook.providers.gitlab.access import Group, Project
from webhook.providers.gitlab.granular import Line
from webhook.providers.requirements import Requirement, Role
from webhook.simulator.faults import Outage, Status
from webhook.simulator.gitlab import GranularScope, Token, TokenKind

ABOUT_ITSELF = GranularScope(access="user", permissions=["read_personal_access_token", "read_user"])


def make(desk: Desk, *scopes: GranularScope) -> str:
    """A fine-grained token of alice with these lines; its name."""
    desk.world.add(Token(name="made", kind=TokenKind.FINE_GRAINED, owner="alice", granular_scopes=list(scopes)))
    return "made"


@pytest.mark.parametrize("path", ["", "acme/apps", "acme/platform/charts", "alice/notes"])
async def test_a_token_with_the_permission_is_good(desk: Desk, path: str) -> None:
    """Everywhere that its user is a member; its permissions take one request more, by its number."""
    assert (await desk.runtime("gitlab-fine-grained", path, PUSH)).outcome is Outcome.SUFFICIENT
    assert any(one.startswith("GET /personal_access_tokens/") and one[-1].isdigit() for one in desk.asked())


async def test_no_second_request_is_made_where_the_first_tells(desk: Desk) -> None:
    """Some versions list the permissions at once."""
    desk.world.self_includes_granular_scopes = True
    answer = await desk.inspect("gitlab-fine-grained", roles={Role.RUNTIME: PUSH})
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.requests == 2


@pytest.mark.parametrize("role", list(Role))
async def test_without_a_requirement_it_is_unverified(desk: Desk, role: Role) -> None:
    """What the token holds is named, so that somebody can write the requirement."""
    finding = (await desk.inspect("gitlab-fine-grained-acme", roles={role: RUNTIME})).findings[role]
    assert finding.outcome is Outcome.UNVERIFIED
    assert "push_code" in finding.reason
    assert "requirements:" in finding.reason


async def test_each_missing_permission_is_named_as_it_was_required(desk: Desk) -> None:
    """The token's own list is in GitLab's words."""
    needs = Requirement(granular=("Code: Push", "Code: Download", "Webhook: Create"))
    answer = await desk.inspect("gitlab-fine-grained-weak", roles={Role.RUNTIME: needs})
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ("Code: Push", "Webhook: Create"))
    assert "download_code" in answer.facts.holds
    assert "Make a fine-grained one that has Code: Push, Code: Download, Webhook: Create" in answer.remedy


@pytest.mark.parametrize("spelling", ["Code: Push", "push_code", "code:push", "PUSH CODE"])
async def test_permissions_are_compared_by_their_words(desk: Desk, spelling: str) -> None:
    """Which spelling the API uses is documented nowhere."""
    scope = GranularScope(access="all_memberships", permissions=[spelling])
    assert (await desk.runtime(make(desk, ABOUT_ITSELF, scope), "", PUSH)).outcome is Outcome.SUFFICIENT


async def test_a_name_that_cannot_be_read_is_no_missing_permission(desk: Desk) -> None:
    """It may be the one that is looked for."""
    scope = GranularScope(access="all_memberships", permissions=["\u65e5\u672c"])
    finding = await desk.runtime(make(desk, ABOUT_ITSELF, scope), "", PUSH)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "in an unknown form" in finding.reason


async def test_a_token_that_may_not_tell_of_itself_is_unverified(desk: Desk) -> None:
    """The reason names the permission that it takes."""
    desk.world.old_granular_wording = True
    for needs in (PUSH, RUNTIME):
        finding = await desk.runtime("gitlab-fine-grained-silent", "acme/apps", needs)
        assert finding.outcome is Outcome.UNVERIFIED
        assert "Personal Access Token: Read" in finding.reason


async def test_a_token_for_a_group_reaches_what_is_in_it(desk: Desk) -> None:
    """By the number of the project's group, or of the one above it."""
    for path in ("acme/apps", "acme/platform/charts"):
        assert (await desk.runtime("gitlab-fine-grained-acme", path, PUSH)).outcome is Outcome.SUFFICIENT


async def test_a_token_for_a_group_is_good_for_that_group(desk: Desk) -> None:
    """Where it may see the group, its number is known."""
    code = GranularScope(access="selected_memberships", permissions=["push_code", "read_group"], group_id=7001)
    name = make(desk, ABOUT_ITSELF, code)
    assert (await desk.runtime(name, "acme", PUSH)).outcome is Outcome.SUFFICIENT
    finding = await desk.runtime("gitlab-fine-grained-acme", "acme", PUSH)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "Group: Read" in finding.reason


async def test_a_token_for_another_project_is_insufficient(desk: Desk) -> None:
    """It has the permission, and not there."""
    name = make(
        desk,
        ABOUT_ITSELF,
        GranularScope(access="all_memberships", permissions=["read_project"]),
        GranularScope(access="selected_memberships", permissions=["push_code"], project_id=8002),
    )
    assert (await desk.runtime(name, "acme/shared-configuration", PUSH)).outcome is Outcome.SUFFICIENT
    answer = await desk.inspect(name, "acme/apps", roles={Role.RUNTIME: PUSH})
    finding = answer.findings[Role.RUNTIME]
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "but not for acme/apps" in finding.reason
    assert "Make a fine-grained one" in answer.remedy


async def test_a_token_for_another_group_is_insufficient_where_all_groups_are_known(desk: Desk) -> None:
    """Of a subgroup's project, one further up might be meant."""
    name = make(
        desk,
        ABOUT_ITSELF,
        GranularScope(access="all_memberships", permissions=["read_project"]),
        GranularScope(access="selected_memberships", permissions=["push_code"], group_id=7003),
    )
    assert (await desk.runtime(name, "acme/apps", PUSH)).outcome is Outcome.INSUFFICIENT
    finding = await desk.runtime(name, "acme/platform/charts", PUSH)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "does not show whether" in finding.reason


async def test_a_project_that_it_may_not_see_is_unverified(desk: Desk) -> None:
    """Whether it may push there can't be known without seeing it."""
    scope = GranularScope(access="selected_memberships", permissions=["push_code"], project_id=8001)
    finding = await desk.runtime(make(desk, ABOUT_ITSELF, scope), "acme/apps", PUSH)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "Project: Read" in finding.reason


async def test_repositories_take_permissions_as_well(desk: Desk) -> None:
    """Writing takes all that is required, reading what reads."""
    name = make(
        desk,
        ABOUT_ITSELF,
        GranularScope(access="all_memberships", permissions=["read_project", "download_code"]),
        GranularScope(access="selected_memberships", permissions=["push_code"], project_id=8001),
    )
    needs = Requirement(granular=("Code: Push", "Code: Download"))
    good = await desk.runtime(name, "acme/apps", needs, reads("acme/shared-configuration"))
    assert good.outcome is Outcome.SUFFICIENT
    bad = await desk.runtime(name, "acme/apps", needs, writes("acme/shared-configuration"))
    assert bad.outcome is Outcome.INSUFFICIENT
    assert "acme/shared-configuration" in bad.reason


async def test_a_role_that_is_too_low_makes_permissions_useless(desk: Desk) -> None:
    """They are those of its user, at most; what one may push to, such a token can't list, but Git tells."""
    desk.world.groups["acme"].members["alice"] = desk.world.groups["acme"].members["bob"]
    finding = await desk.runtime("gitlab-fine-grained", "acme/apps", PUSH)
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "alice cannot push to acme/apps" in finding.reason


@pytest.mark.parametrize(
    "effect",
    [
        Status(status=403, body='{"error": "insufficient_granular_scope"}'),
        Status(status=401, body='{"message": "401 Unauthorized"}'),
        Status(status=404, body='{"message": "404 Not Found"}'),
        Status(status=200, body='{"scopes": ["granular"]}'),
        Status(status=200, body='{"scopes": ["granular"], "granular_scopes": [{"access": "user"}]}'),
        Status(status=200, body='{"scopes": ["granular"], "granular_scopes": "all"}'),
    ],
)
async def test_permissions_that_are_not_told_are_unverified(desk: Desk, effect: Status) -> None:
    """None is no empty list."""
    desk.spoil(r"/personal_access_tokens/\d+", effect)
    assert (await desk.runtime("gitlab-fine-grained", "", PUSH)).outcome is Outcome.UNVERIFIED


async def test_a_failed_second_request_is_no_verdict(desk: Desk) -> None:
    """Nor is what the first one said."""
    desk.spoil(r"/personal_access_tokens/\d+", Outage())
    with pytest.raises(Exception, match="503"):
        await desk.runtime("gitlab-fine-grained", "", PUSH)


PROJECT = Project(8, 30, True, False, False, frozenset({7, 6}), False)
TOP = Project(8, 30, True, False, False, frozenset({7}), True)
PERSONAL = Project(9, 50, True, False, True, frozenset({1}), True)


@pytest.mark.parametrize(
    ("line", "place", "reaches"),
    [
        (Line("all_memberships", ()), PROJECT, True),
        (Line("all_memberships", ()), None, True),
        (Line("user", ()), PROJECT, True),
        (Line("instance", ()), PROJECT, True),
        (Line("personal_projects", ()), PERSONAL, True),
        (Line("personal_projects", ()), PROJECT, False),
        (Line("personal_projects", ()), None, None),
        (Line("selected_memberships", (), project=8), PROJECT, True),
        (Line("selected_memberships", (), project=9), PROJECT, False),
        (Line("selected_memberships", (), project=7), Group(7, frozenset({7}), True), False),
        (Line("selected_memberships", (), group=7), Group(7, frozenset({7}), True), True),
        (Line("selected_memberships", (), group=6), PROJECT, True),
        (Line("selected_memberships", (), group=5), PROJECT, None),
        (Line("selected_memberships", (), group=5), TOP, False),
        (Line("selected_memberships", (), group=7), None, None),
        (Line("something_new", ()), PROJECT, None),
    ],
)
def test_a_line_reaches_what_it_is_for(line: Line, place: Project | Group | None, reaches: bool | None) -> None:
    """Where a group above the ones that are known could be meant, that stays open."""
    assert line.reaches(place) is reaches


def test_a_permission_that_tells_of_the_token_is_not_shown() -> None:
    """It counts as one that can't be read."""
    secret = make_token("A1b2C3d4E5")
    lines = granular.read([{"access": "user", "permissions": [secret[4:20], "push_code"]}], secret=secret)
    assert lines == (Line("user", ("push_code",), readable=False),)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["access", "permissions", "project_id", "group_id", "x"]), inner, max_size=4
            )
        ),
    )
)
def test_whatever_stands_for_permissions_is_read_or_left(value: object) -> None:
    """No list of them makes a crash, and no odd name gives a permission."""
    lines = granular.read(value, secret="")
    if lines is not None:
        assert granular.judge(PUSH, lines).outcome is not Outcome.SUFFICIENT


def test_the_permissions_of_many_projects_are_read_in_little_time() -> None:
    """A hundred projects, each with the same hundred permissions."""
    names = [f"Thing {number}: Read" for number in range(100)]
    entries = [{"access": "selected_memberships", "permissions": names, "project_id": n} for n in range(100)]
    started = time.process_time()
    lines = granular.read(entries, secret=make_token("g", "glpat-"))
    assert time.process_time() - started < 0.5
    assert lines is not None
    assert granular.names_of(lines) == tuple(sorted(names))


@pytest.mark.parametrize(
    "entries",
    [
        [{"access": "user", "permissions": [f"a{number}" for number in range(1001)]}],
        [{"access": "user", "permissions": ["Code: Push"] * 20_001}],
        [{"access": "user", "permissions": []}] * 20_001,
    ],
)
def test_more_permissions_than_there_can_be_are_not_read(entries: object) -> None:
    """A megabyte of them held up everybody's reviews."""
    assert granular.read(entries, secret=make_token("g", "glpat-")) is None


BOTH = Requirement(granular=("Code: Push", "Webhook: Create"))


@pytest.mark.parametrize(
    ("accesses", "outcome"),
    [
        (("selected_memberships", "selected_memberships"), Outcome.UNVERIFIED),
        (("selected_memberships", "all_memberships"), Outcome.SUFFICIENT),
        (("all_memberships", "all_memberships"), Outcome.SUFFICIENT),
    ],
)
async def test_permissions_for_different_projects_are_none_for_one(
    desk: Desk, accesses: tuple[str, str], outcome: Outcome
) -> None:
    """Where the URL names no place, all that is needed must be there together somewhere."""
    desk.world.self_includes_granular_scopes = True
    projects = desk.world.projects["acme/apps"].id, desk.world.projects["acme/platform/charts"].id
    lines = [
        GranularScope.model_validate(
            {
                "access": access,
                "permissions": [permission],
                "project_id": project if access == "selected_memberships" else None,
            }
        )
        for access, permission, project in zip(accesses, ("push_code", "create_webhook"), projects, strict=True)
    ]
    assert (await desk.runtime(make(desk, ABOUT_ITSELF, *lines), "", BOTH)).outcome is outcome
