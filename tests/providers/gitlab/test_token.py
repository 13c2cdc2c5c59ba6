"""Tokens that tell of themselves: what they hold, whose they are, and why they are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.providers.gitlab.conftest import RUNTIME, USER, Desk
from tests.support.factories import make_token
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Requirement, Role
from webhook.simulator.faults import Outage, Status
from webhook.simulator.gitlab import Token

ITSELF = "GET /personal_access_tokens/self"


@pytest.mark.parametrize(
    ("name", "token_type"),
    [
        ("gitlab-good-runtime", "service-account"),
        ("gitlab-group-runtime", "group"),
        ("gitlab-person-runtime", "personal"),
        ("gitlab-wide", "personal"),
        ("gitlab-legacy-form", "personal"),
        ("gitlab-impersonation", "personal"),
    ],
)
async def test_a_runtime_token_with_api_is_good(desk: Desk, name: str, token_type: str) -> None:
    """Whoever's it is, but for a project's; one request asks for it, and one whose it is."""
    answer = await desk.inspect(name)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.token_type == token_type
    assert desk.asked() == [ITSELF, "GET /user"]
    assert answer.requests == 2


@pytest.mark.parametrize(
    "name",
    [
        "gitlab-good-user",
        "gitlab-weak",
        "gitlab-write-only",
        "gitlab-read-repository",
        "gitlab-read-user",
    ],
)
async def test_a_runtime_token_without_api_is_insufficient(desk: Desk, name: str) -> None:
    """No other scope stands for it, and what a token may not ask about is no failure."""
    finding = await desk.runtime(name)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ("api",))


@pytest.mark.parametrize("name", ["gitlab-good-user", "gitlab-person-runtime", "gitlab-wide"])
async def test_a_persons_token_with_both_scopes_is_good(desk: Desk, name: str) -> None:
    """`api` holds both; a single request tells."""
    assert (await desk.user(name)).outcome is Outcome.SUFFICIENT
    assert desk.asked() == [ITSELF]


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("gitlab-weak", ("write_repository",)),
        ("gitlab-write-only", ("read_api",)),
        ("gitlab-read-user", ("write_repository", "read_api")),
        ("gitlab-read-repository", ("write_repository", "read_api")),
    ],
)
async def test_each_scope_that_a_person_lacks_is_named(desk: Desk, name: str, lacks: tuple[str, ...]) -> None:
    """Reading stands for no writing, and Git's scopes for none of the API's."""
    finding = await desk.user(name)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, lacks)


async def test_scopes_imply_others(desk: Desk) -> None:
    """What needs `read_user` and `read_repository` is content with `read_api`."""
    needs = Requirement(scopes=("read_user", "read_repository"))
    assert (await desk.user("gitlab-weak", needs=needs)).outcome is Outcome.SUFFICIENT


async def test_both_roles_are_judged_in_one_go(desk: Desk) -> None:
    """Each by its own needs."""
    answer = await desk.inspect("gitlab-good-user", roles={Role.RUNTIME: RUNTIME, Role.USER: USER})
    assert answer.findings[Role.USER].outcome is Outcome.SUFFICIENT
    assert answer.findings[Role.RUNTIME].lacks == ("api",)
    assert answer.requests == 2


async def test_a_project_token_is_too_narrow_for_a_runtime(desk: Desk) -> None:
    """Though it has `api` and reaches the very project that the URL names."""
    answer = await desk.inspect("gitlab-project-bot", "acme/apps")
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ())
    assert "is a project access token, which reaches only one project" in finding.reason
    assert "https://gitlab.com/groups/acme/-/settings/access_tokens" in answer.remedy


async def test_a_project_token_will_do_for_a_user(desk: Desk) -> None:
    """There it is nobody's business whose it is."""
    assert (await desk.user("gitlab-project-bot")).outcome is Outcome.SUFFICIENT


async def test_a_runtime_token_of_a_person_gets_a_warning(desk: Desk) -> None:
    """One of a service account or a group gets none."""
    (warning,) = (await desk.inspect("gitlab-person-runtime")).facts.warnings
    assert "belongs to alice" in warning
    assert not (await desk.inspect("gitlab-good-runtime")).facts.warnings
    assert not (await desk.inspect("gitlab-person-runtime", roles={Role.USER: USER})).facts.warnings


async def test_a_token_that_may_not_tell_whose_it_is_gets_a_warning(desk: Desk) -> None:
    """Where the configuration needs no more than Git's scopes, it is not refused for that."""
    answer = await desk.inspect("gitlab-write-only", roles={Role.RUNTIME: Requirement(scopes=("write_repository",))})
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("read its own account" in warning for warning in answer.facts.warnings)


@pytest.mark.parametrize(
    ("name", "outcome", "said"),
    [
        ("gitlab-expired", Outcome.INVALID, "has expired"),
        ("gitlab-revoked", Outcome.INVALID, "was revoked"),
        ("gitlab-blocked-user", Outcome.BLOCKED, "its account is blocked"),
        ("gitlab-needs-proof", Outcome.BLOCKED, "proof of possession"),
    ],
)
@pytest.mark.parametrize("role", list(Role))
async def test_a_refusal_is_told_with_its_reason(
    desk: Desk, name: str, outcome: Outcome, said: str, role: Role
) -> None:
    """GitLab names it, for every role alike."""
    finding = (await desk.inspect(name, "acme/apps", roles={role: RUNTIME})).findings[role]
    assert finding.outcome is outcome
    assert said in finding.reason


async def test_disabled_impersonation_blocks_a_valid_token(desk: Desk) -> None:
    """Nobody revoked it; an administrator's setting stops it."""
    desk.world.impersonation_disabled = True
    finding = await desk.runtime("gitlab-impersonation")
    assert finding.outcome is Outcome.BLOCKED
    assert "impersonation" in finding.reason


@pytest.mark.parametrize("role", list(Role))
async def test_a_wrong_token_is_invalid(desk: Desk, role: Role) -> None:
    """One that never existed; the denial has a link to a better one."""
    answer = await desk.inspect("", value="glpat-" + "wrong" * 4, roles={role: RUNTIME})
    assert answer.findings[role].outcome is Outcome.INVALID
    assert "https://gitlab.com/-/user_settings/personal_access_tokens?scopes=" in answer.remedy


@pytest.mark.parametrize("role", list(Role))
async def test_a_wrong_token_is_invalid_on_a_self_managed_gitlab(own: Desk, role: Role) -> None:
    """Where 401 could be an older version's, another answer says that it isn't."""
    finding = (await own.inspect("", value="glpat-" + "wrong" * 4, roles={role: RUNTIME})).findings[role]
    assert finding.outcome is Outcome.INVALID


@pytest.mark.parametrize("name", ["own-gitlab-good-runtime", "own-gitlab-bare"])
async def test_a_token_needs_no_prefix(own: Desk, name: str) -> None:
    """Administrators choose it; and this GitLab is below a path."""
    assert (await own.runtime(name, "gitlab/acme/apps")).outcome is Outcome.SUFFICIENT


async def test_facts_tell_account_scopes_and_end(desk: Desk) -> None:
    """A date is the first moment of that day, in UTC."""
    facts = (await desk.inspect("gitlab-expiring-soon")).facts
    assert (facts.account, facts.holds, facts.described) == ("alice", ("api",), "personal access token")
    day = (datetime.now(UTC) + timedelta(days=5)).date()
    assert facts.expires_at == datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert (await desk.inspect("gitlab-good-runtime")).facts.expires_at is None


@pytest.mark.parametrize(
    ("members", "said"),
    [('"revoked": true, "active": false', "was revoked"), ('"active": false', "no longer active")],
)
async def test_a_token_that_says_that_it_ended_is_invalid(desk: Desk, members: str, said: str) -> None:
    """Should GitLab answer for such a one at all."""
    desk.spoil("/personal_access_tokens/self", Status(status=200, body=f'{{"id": 7, "scopes": ["api"], {members}}}'))
    finding = await desk.runtime("gitlab-good-runtime")
    assert finding.outcome is Outcome.INVALID
    assert said in finding.reason


async def test_a_token_that_does_not_say_its_scopes_is_not_judged(desk: Desk) -> None:
    """Nothing is no empty list."""
    desk.spoil("/personal_access_tokens/self", Status(status=200, body='{"active": true}'))
    with pytest.raises(ProviderUnavailable, match="which scopes"):
        await desk.inspect("gitlab-good-runtime")


async def test_a_runtime_token_whose_owner_is_not_told_is_unverified(desk: Desk) -> None:
    """It may be a project's; a missing scope is one all the same."""
    desk.spoil("/user", Outage())
    assert (await desk.runtime("gitlab-good-runtime")).outcome is Outcome.UNVERIFIED
    assert (await desk.runtime("gitlab-weak")).lacks == ("api",)


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (Status(status=200, body="{}"), "did not say whose"),
        (Status(status=200, body='{"id": 1, "username": 7, "bot": true}'), "did not say whose"),
        (Status(status=401, body='{"message": "401 Unauthorized"}'), "answers 401"),
        (Status(status=403, body='{"message": "403 Forbidden"}'), "answers 403"),
        (Status(status=404, body='{"message": "404 Not Found"}'), "answers 404"),
    ],
)
async def test_an_owner_that_cannot_be_read_is_no_verdict(desk: Desk, effect: Status, said: str) -> None:
    """The token itself was accepted, so that a refusal there says nothing of it."""
    desk.spoil("/user", effect)
    finding = await desk.runtime("gitlab-good-runtime")
    assert finding.outcome is Outcome.UNVERIFIED
    assert said in finding.reason


async def test_an_owner_who_was_blocked_meanwhile_blocks_the_token(desk: Desk) -> None:
    """That is said in words that mean something."""
    text = '{"message": "403 Forbidden - Your account has been blocked."}'
    desk.spoil("/user", Status(status=403, body=text))
    assert (await desk.runtime("gitlab-good-runtime")).outcome is Outcome.BLOCKED


async def test_a_server_without_bots_does_not_tell_people_from_others(desk: Desk) -> None:
    """A warning about a person would be a guess."""
    desk.spoil("/user", Status(status=200, body='{"id": 6001, "username": "alice"}'))
    facts = (await desk.inspect("gitlab-person-runtime")).facts
    assert (facts.account, facts.token_type, facts.warnings) == ("alice", "access", ())


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("gitlab-deploy", Outcome.UNSUPPORTED),
        ("gitlab-ci-job", Outcome.INVALID),
        ("gitlab-feed", Outcome.INVALID),
        ("gitlab-runner", Outcome.INVALID),
    ],
)
async def test_what_a_prefix_tells_is_not_asked(desk: Desk, name: str, outcome: Outcome) -> None:
    """GitLab's API has nothing to say of a deploy token, and the others are of no use to Git."""
    assert (await desk.runtime(name, "acme/apps")).outcome is outcome
    assert desk.asked() == []


@pytest.mark.parametrize("prefix", ["gloas-", "glrtr-", "glptt-", "glimt-", "glagent-", "glsoat-", "glffct-"])
async def test_tokens_that_git_cannot_use_are_invalid(desk: Desk, prefix: str) -> None:
    """The denial says what such a token is for."""
    answer = await desk.inspect("", value=prefix + "a1b2" * 5)
    finding = answer.findings[Role.RUNTIME]
    assert finding.outcome is Outcome.INVALID
    assert "it is only" in finding.reason
    assert answer.remedy


async def test_a_workspace_token_is_unsupported(desk: Desk) -> None:
    """What Git can do with one is documented nowhere."""
    answer = await desk.inspect("", value="glwt-" + "a1b2" * 5)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNSUPPORTED


async def test_a_persons_link_has_the_fewest_scopes(desk: Desk) -> None:
    """What `api` holds anyway isn't ticked beside it."""
    both = {Role.RUNTIME: Requirement(scopes=("api",)), Role.USER: USER}
    remedy = (await desk.inspect("gitlab-weak", roles=both)).remedy
    assert remedy.endswith("?scopes=api")
    remedy = (await desk.inspect("gitlab-weak", roles={Role.USER: USER})).remedy
    assert remedy.startswith("Make one that has write_repository and read_api: https://gitlab.com/-/user_settings/")
    assert remedy.endswith("/-/user_settings/personal_access_tokens?scopes=write_repository,read_api")


async def test_links_respect_the_path_that_a_gitlab_is_at(own: Desk) -> None:
    """As in its own web pages."""
    remedy = (await own.inspect("own-gitlab-weak", "gitlab/acme/apps")).remedy
    assert remedy.endswith("https://gitlab.acme.dev/gitlab/groups/acme/-/settings/access_tokens")


@pytest.mark.parametrize(
    "scopes", [["api", "x" * 99], ["api", "evil\nscope"], ["api", "neu:ding"], ["read_api", "api"]]
)
async def test_unknown_scopes_and_their_order_change_nothing(desk: Desk, scopes: list[str]) -> None:
    """What looks like none is left out, what is new is shown."""
    desk.world.add(Token(name="odd", owner="alice", scopes=scopes))
    answer = await desk.inspect("odd")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert "evil" not in repr(answer.facts)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("name", ["gitlab.com", "gitlab.acme.dev"])
@pytest.mark.parametrize(
    ("username", "outcome", "token_type"),
    [
        ("gitlab+deploy-token-7", Outcome.UNSUPPORTED, "deploy"),
        ("gitlab-ci-token", Outcome.INVALID, "ci-job"),
        ("gitlab+deploy-token-x", Outcome.UNVERIFIED, "unknown"),
        ("alice", Outcome.UNVERIFIED, "unknown"),
        (None, Outcome.UNVERIFIED, "unknown"),
    ],
)
async def test_a_token_without_a_prefix_that_the_api_does_not_know_may_be_a_deploy_token(
    desk: Desk, name: str, role: Role, username: str | None, outcome: Outcome, token_type: str
) -> None:
    """The API refuses a deploy token like a wrong one, and Git accepts it."""
    desk.name = name
    answer = await desk.inspect(
        "", "acme/apps", value=make_token("deploy", ""), username=username, roles={role: RUNTIME}
    )
    finding = answer.findings[role]
    assert (finding.outcome, answer.facts.token_type) == (outcome, token_type)
    assert "revoked" not in finding.reason
    if outcome is Outcome.UNVERIFIED:
        assert "deploy token" in finding.reason


@pytest.mark.parametrize("instance", ["", "acme-", "acme.dev-", "Acme_Git-"])
async def test_a_prefix_of_the_instance_hides_no_deploy_token(own: Desk, instance: str) -> None:
    """Administrators put it before GitLab's own prefix; nothing is asked."""
    answer = await own.inspect("", "gitlab/acme/apps", value=make_token("deploy", f"{instance}gl" + "dt-"))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNSUPPORTED
    assert answer.facts.described == "deploy token"
    assert own.asked() == []


@pytest.mark.parametrize(
    ("prefix", "described"),
    [("cbt-", "CI job token"), ("rt-", "runner's token"), ("ft-", "feed token"), ("soat-", "SCIM token")],
)
async def test_a_prefix_of_the_instance_hides_no_token_that_git_cannot_use(
    own: Desk, prefix: str, described: str
) -> None:
    """They are recognised as with GitLab's own prefix."""
    answer = await own.inspect("", value=make_token("other", "acme-gl" + prefix))
    assert (answer.findings[Role.RUNTIME].outcome, answer.facts.described) == (Outcome.INVALID, described)


@pytest.mark.parametrize("prefix", ["gl" + "pat-", "acme-gl" + "pat-", "acme-gl" + "pat-xx-gl" + "dt-"])
async def test_a_wrong_access_token_is_no_deploy_token(own: Desk, prefix: str) -> None:
    """Its prefix says so, whatever user name stands beside it."""
    for username in ("gitlab+deploy-token-7", "gitlab-ci-token", None):
        answer = await own.inspect("", value=make_token("wrong", prefix), username=username)
        assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
        assert "wrong, revoked or expired" in answer.findings[Role.RUNTIME].reason


async def test_an_unknown_oauth_token_is_invalid(desk: Desk) -> None:
    """No other kind of token has 64 hexadecimal digits."""
    answer = await desk.inspect("", value="0123456789abcdef" * 4, username="oauth2")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID


@pytest.mark.parametrize("name", ["gitlab-weak", "gitlab-revoked"])
async def test_the_name_of_a_deploy_token_excuses_no_other_token(desk: Desk, name: str) -> None:
    """Whoever writes a Secret chooses the name."""
    answer = await desk.inspect(name, username="gitlab+deploy-token-7")
    assert answer.findings[Role.RUNTIME].outcome in (Outcome.INSUFFICIENT, Outcome.INVALID)


@pytest.mark.parametrize("said", ["Token was revoked. You have to re-authorize from the user.", "Token is expired."])
async def test_what_gitlab_calls_revoked_or_expired_is_invalid_without_a_prefix(desk: Desk, said: str) -> None:
    """Then it knows the token."""
    desk.spoil("/.*", Status(status=401, body=json.dumps({"error": "invalid_token", "error_description": said})))
    answer = await desk.inspect("", value=make_token("ended", ""), username="argo-deploy")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID


# The scope `granular`.


@pytest.mark.parametrize("flag", ["", ', "granular": false'])
@pytest.mark.parametrize(
    ("scopes", "lacks"),
    [(["api", "granular"], ()), (["granular", "api", "read_api"], ()), (["granular", "read_api"], ("api",))],
)
async def test_granular_beside_other_scopes_makes_no_fine_grained_token(
    desk: Desk, flag: str, scopes: list[str], lacks: tuple[str, ...]
) -> None:
    """A classic token lists it since 18.5, and is judged by its other scopes."""
    body = f'{{"id": 7, "active": true, "scopes": {json.dumps(scopes)}{flag}}}'
    desk.spoil("/personal_access_tokens/self", Status(status=200, body=body))
    answer = await desk.inspect("gitlab-good-runtime")
    outcome = Outcome.INSUFFICIENT if lacks else Outcome.SUFFICIENT
    assert (answer.findings[Role.RUNTIME].outcome, answer.findings[Role.RUNTIME].lacks) == (outcome, lacks)
    assert set(answer.facts.holds) == set(scopes)
    assert answer.requests == 2


@pytest.mark.parametrize("scopes", [["granular"], ["granular", "new-scope"]])
async def test_granular_alone_makes_a_fine_grained_token(desk: Desk, scopes: list[str]) -> None:
    """Beside a scope that nobody knows, too."""
    body = json.dumps({"id": 7, "active": True, "scopes": scopes})
    desk.spoil("/personal_access_tokens/self", Status(status=200, body=body))
    answer = await desk.inspect("gitlab-good-runtime")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNVERIFIED
    assert answer.facts.token_type == "fine-grained"


@pytest.mark.parametrize("scope", ["New-Scope", "ai.catalog", "a_scope_of_the_year_2030"])
async def test_an_unknown_scope_is_named_and_changes_nothing(desk: Desk, scope: str) -> None:
    """The token is judged by the scopes that are known."""
    desk.world.add(Token(name="new", owner="alice", scopes=["read_api", scope]))
    answer = await desk.inspect("new")
    assert answer.findings[Role.RUNTIME].lacks == ("api",)
    assert scope in answer.facts.holds


@pytest.mark.parametrize("scopes", [[f"scope_{i}" for i in range(50_000)], " ".join(f"s{i}" for i in range(50_000))])
async def test_a_list_that_no_gitlab_has_is_not_read(desk: Desk, scopes: object) -> None:
    """It would stand in a message and in an annotation, which then is too long for the API server."""
    body = json.dumps({"id": 1, "active": True, "scopes": scopes})
    desk.spoil("/personal_access_tokens/self", Status(status=200, body=body))
    with pytest.raises(ProviderUnavailable, match="did not say which scopes"):
        await desk.inspect("gitlab-good-runtime")
