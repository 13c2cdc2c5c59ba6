"""What comes between a question and Gitea's answer, and replies that it doesn't give: never a verdict."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.providers.gitea.conftest import KIND, NAME, REPOSITORY, RUNTIME, USER, Harness
from tests.support.factories import make_token
from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.findings import Answer, Finding, Outcome, Question, RepositoryNeed, TokenCredential
from webhook.providers.gitea import Gitea
from webhook.providers.hosts import Host
from webhook.providers.requirements import Level, Role
from webhook.simulator.faults import (
    AnyEffect,
    Cut,
    Empty,
    Html,
    Outage,
    Oversized,
    RateLimited,
    Redirect,
    Status,
    Truncated,
)

pytestmark = pytest.mark.slow

TROUBLE: list[AnyEffect] = [
    Outage(),
    Outage(status=500, html=True),
    Html(),
    Redirect(to="https://elsewhere.example/login"),
    Cut(),
    Truncated(),
    Oversized(megabytes=8),
    RateLimited(),
    RateLimited(retry_after=60),
    Status(status=401, body="<html>", content_type="text/html"),
    Status(status=401, body='{"message": "Unauthorized"}'),
    Status(status=403, body="blocked by the proxy", content_type="text/plain"),
    Status(status=404, body="404 page not found", content_type="text/plain"),
    Status(status=404, body='{"message": "no Route matched with those values"}'),
    Status(status=422, body="{}"),
    Empty(),
]
IDS = [f"{effect.kind}-{number}" for number, effect in enumerate(TROUBLE)]


@pytest.mark.parametrize("effect", TROUBLE, ids=IDS)
@pytest.mark.parametrize("name", ["gitea-good-runtime", "gitea-weak", "gitea-revoked"])
async def test_no_trouble_is_taken_for_an_answer(harness: Harness, effect: AnyEffect, name: str) -> None:
    """Whatever the token is."""
    harness.fail(effect, ".*")
    try:
        finding = await harness.find(name)
    except ProviderUnavailable:
        return
    assert finding.outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("effect", TROUBLE, ids=IDS)
@pytest.mark.parametrize("path", ["/user", "/version", "/repos/-/-/hooks", "/repos/acme/apps"])
async def test_trouble_in_one_place_never_makes_a_verdict_of_another_kind(
    harness: Harness, effect: AnyEffect, path: str
) -> None:
    """A good token is never found bad for it, and a bad one never good."""
    harness.fail(effect, path)
    for name, possible in (
        ("gitea-good-runtime", {Outcome.UNVERIFIED}),
        ("gitea-none", {Outcome.INSUFFICIENT, Outcome.UNVERIFIED}),
        ("gitea-revoked", {Outcome.INVALID, Outcome.UNVERIFIED}),
    ):
        try:
            assert (await harness.find(name)).outcome in possible
        except ProviderUnavailable:
            continue


async def test_a_proven_lack_outweighs_what_is_not_known(harness: Harness) -> None:
    """It has to be mended anyway."""
    harness.fail(Outage(), "/user")
    finding = await harness.find("gitea-weak")
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ("write:repository",))


async def test_what_is_not_known_is_said(harness: Harness) -> None:
    """Each once, with what was asked for."""
    harness.fail(Status(status=403), "/user")
    harness.fail(Outage(), "/repos/-/-/hooks")
    finding = await harness.find("gitea-good-runtime")
    assert finding.outcome is Outcome.UNVERIFIED
    assert finding.reason == (
        "answered with status 503 when queried for write:repository and answers 403 when queried for read:user"
    )


async def test_the_endpoint_that_tells_of_tokens_may_fail(harness: Harness) -> None:
    """The probes say enough."""
    for effect in (Outage(), Html(), Status(status=401, body='{"message": "token is required"}')):
        harness.simulator.faults.clear()
        harness.fail(effect, "/token")
        assert (await harness.find("gitea-good-runtime")).outcome is Outcome.SUFFICIENT
        assert (await harness.find("gitea-weak")).outcome is Outcome.INSUFFICIENT


@pytest.mark.parametrize("scopes", ["null", "[1]", '["all", 1]', '"all"', "{}", '[["all"]]'])
@pytest.mark.parametrize("person", ['{"login": "octocat"}', "null"])
async def test_scopes_that_are_no_list_of_names_tell_nothing(harness: Harness, scopes: str, person: str) -> None:
    """As if they had not been told."""
    harness.fail(Status(status=200, body=f'{{"user": {person}, "scopes": {scopes}}}'), "/token")
    assert (await harness.find("gitea-weak")).lacks == ("write:repository", "read:user")
    assert (await harness.find("gitea-good-runtime")).outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize("scopes", ["[]", '["all"]', '["read:user"]'])
async def test_scopes_that_are_nobodys_tell_nothing(harness: Harness, scopes: str) -> None:
    """A token of Gitea's has an owner; whatever answers without one is something else."""
    harness.fail(Status(status=200, body=f'{{"message": "OK", "scopes": {scopes}}}'), "/token")
    assert (await harness.find("gitea-weak")).lacks == ("write:repository", "read:user")
    assert (await harness.find("gitea-good-runtime")).outcome is Outcome.SUFFICIENT


async def test_unknown_scopes_are_shown_and_mean_nothing(harness: Harness) -> None:
    """A newer Gitea may have categories that we don't know."""
    scopes = '["write:repository", "read:future", "read:user"]'
    harness.fail(Status(status=200, body=f'{{"user": {{"login": "octocat"}}, "scopes": {scopes}}}'), "/token")
    answer = await harness.inspect("gitea-good-runtime")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.holds == ("write:repository", "read:future", "read:user")


ME, GONE = Reply(200, {}, {"login": "octocat"}), {"message": "?", "url": f"https://{NAME}/api/swagger"}
VERSION = Reply(200, {}, {"version": "1.22.6"})
GOOD = {
    "GET /user": ME,
    "GET /version": VERSION,
    "POST /repos/-/-/hooks": Reply(404, {}, GONE),
    "GET /repos/acme/apps": Reply(200, {}, {"full_name": "acme/apps", "permissions": {"push": True, "admin": True}}),
}
SECRET = make_token("0123456789abcdef0123456789abcdef01234567", "")


class ScriptedApi:
    """Answers by method and path; 404 of nobody's to all else."""

    needed_by = float("inf")

    def __init__(self, script: Mapping[str, Reply]) -> None:
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
        return self._script.get(f"{method} {path}", Reply(404, {}))


async def inspect(script: Mapping[str, Reply], repositories: tuple[RepositoryNeed, ...] = ()) -> Answer:
    host = Host(NAME, KIND, f"https://{NAME}/api/v1")
    credential = TokenCredential(SecretStr(SECRET))
    roles = {Role.RUNTIME: RUNTIME, Role.USER: USER}
    question = Question(credential, host, tuple(REPOSITORY.split("/")), roles, repositories)
    return await Gitea().inspect(question, ScriptedApi(script))


async def find(script: Mapping[str, Reply]) -> Finding:
    return (await inspect(script)).findings[Role.RUNTIME]


async def test_the_script_that_the_next_tests_change_is_good() -> None:
    """So that what they find is owed to their change."""
    assert (await find(GOOD)).outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("invalid username, password or token", Outcome.INVALID),
        ("user does not exist [uid: 0, name: ]", Outcome.INVALID),
        ("Benutzer nicht gefunden", Outcome.INVALID),
        ("token is required", None),
    ],
)
async def test_a_refusal_of_all_requests_is_about_the_token(message: str, outcome: Outcome | None) -> None:
    """Even what is open to all is refused to a bad token, in whatever words; but not to nobody."""
    refusal = Reply(401, {}, {**GONE, "message": message})
    script = dict.fromkeys(GOOD, refusal)
    if outcome is None:
        with pytest.raises(ProviderUnavailable, match="saw no credentials"):
            await find(script)
    else:
        assert (await find(script)).outcome is outcome
    with pytest.raises(ProviderUnavailable):
        await find({**script, "GET /version": VERSION})


@pytest.mark.parametrize("body", [None, {}, {"login": None}, [{"login": "octocat"}]])
async def test_a_person_without_a_name_is_none(body: object) -> None:
    """Whatever answers 200 there is not known to be Gitea."""
    assert (await find({**GOOD, "GET /user": Reply(200, {}, body)})).outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("url", [None, 1, "https://gitea.acme.dev/blocked"])
async def test_a_404_that_is_not_giteas_proves_nothing(url: object) -> None:
    """A proxy may keep writes away in JSON as well."""
    elses = Reply(404, {}, {"message": "Not found", "url": url})
    assert (await find({**GOOD, "POST /repos/-/-/hooks": elses})).outcome is Outcome.UNVERIFIED


async def test_a_refusal_that_names_several_scopes_blames_none() -> None:
    """All that an endpoint needs are named, those that the token has included."""
    text = "token does not have at least one of required scope(s): [write:repository write:user]"
    refusal = Reply(403, {}, {**GONE, "message": text})
    assert (await find({**GOOD, "POST /repos/-/-/hooks": refusal})).outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"full_name": "acme/other", "permissions": {"push": True}},
        {"full_name": "acme/apps"},
        {"full_name": "acme/apps", "permissions": {"push": "yes"}},
        {"full_name": "acme/apps", "permissions": [True]},
    ],
)
async def test_a_repository_that_tells_no_rights_proves_none(document: dict[str, object]) -> None:
    """Nor does another's."""
    assert (await find({**GOOD, "GET /repos/acme/apps": Reply(200, {}, document)})).outcome is Outcome.UNVERIFIED


async def test_a_provider_that_echoes_the_token_is_not_quoted() -> None:
    """Neither as a name nor as a scope."""
    echo = Reply(200, {}, {"login": SECRET})
    told = Reply(200, {}, {"scopes": [SECRET, "all"], "user": {"login": SECRET[:20]}})
    answer = await inspect({**GOOD, "GET /user": echo, "GET /token": told})
    assert SECRET[:8] not in repr(answer)
    assert answer.facts.account is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["all", "octocat", "acme/apps"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "url", "login", "scopes", "version", "full_name", "permissions", "push"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
STATUSES = st.sampled_from([200, 201, 204, 400, 401, 403, 404, 409, 422, 451])


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({request: st.builds(Reply, STATUSES, st.just({}), JSON) for request in GOOD}))
async def test_odd_replies_are_no_verdict(script: dict[str, Reply]) -> None:
    """Whatever stands in them, as long as it isn't in Gitea's words."""
    try:
        answer = await inspect(script, (RepositoryNeed(("acme", "shared"), Level.WRITE),))
    except ProviderUnavailable:
        return
    assert {finding.outcome for finding in answer.findings.values()} == {Outcome.UNVERIFIED}
