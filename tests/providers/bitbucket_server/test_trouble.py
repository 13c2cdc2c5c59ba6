"""What comes between a question and Bitbucket's answer, and replies that it doesn't give: never a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.providers.bitbucket_server.conftest import (
    KIND,
    NAME,
    PROJECT,
    REPOSITORY,
    RUNTIME,
    SERVER,
    USER,
    Harness,
    needs,
)
from tests.support.factories import make_token
from webhook.providers.base import ProviderUnavailable, RateLimit, Reply
from webhook.providers.bitbucket_server import BitbucketServer
from webhook.providers.findings import Finding, Outcome, Question, RepositoryNeed, TokenCredential
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

PLACES = [REPOSITORY, PROJECT, SERVER]
BOTH = {Role.RUNTIME: RUNTIME, Role.USER: USER}
TROUBLE: list[AnyEffect] = [
    Outage(),
    Outage(status=500, html=True),
    Html(),
    Redirect(to="https://elsewhere.example/login"),
    Cut(),
    Cut(after_bytes=5),
    Truncated(),
    Oversized(megabytes=8),
    RateLimited(status=429),
    RateLimited(status=429, retry_after=60),
    Status(status=403, body="blocked by the proxy", content_type="text/plain"),
    Status(status=404, body="<html>", content_type="text/html"),
    Status(status=407, body="<html>", content_type="text/html"),
    Empty(),
]


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("effect", TROUBLE, ids=repr)
async def test_trouble_is_no_answer(harness: Harness, effect: AnyEffect, path: str) -> None:
    """An outage, a limit, a proxy's page: whatever it is, it isn't about the token."""
    harness.simulator.faults.add(effect)
    try:
        findings = (await harness.inspect("server-good-runtime", path, roles=BOTH)).findings.values()
    except ProviderUnavailable as silence:
        assert "elsewhere" not in str(silence)
    else:
        assert {finding.outcome for finding in findings} == {Outcome.UNVERIFIED}


GIT = ".*/info/refs"
PROOFS = [
    (".*/permissions/users", "server-good-runtime", Role.RUNTIME, "PROJECT_ADMIN"),
    (".*/projects/ACME", "server-good-user", Role.USER, "PROJECT_READ"),
    (".*/repos/apps", "server-good-user", Role.USER, "REPO_WRITE"),
    (GIT, "server-good-user", Role.USER, "REPO_WRITE"),
    (GIT, "server-read-only", Role.USER, "REPO_WRITE"),
]


@pytest.mark.parametrize(
    ("part", "name", "role", "open_one", "effect"),
    # Of what Git advertises the beginning is enough, however large the rest.
    [
        (*proof, effect)
        for proof in PROOFS
        for effect in TROUBLE
        if proof[0] != GIT or not isinstance(effect, Oversized)
    ],
)
async def test_trouble_with_one_proof_leaves_it_open(
    harness: Harness, part: str, name: str, role: Role, open_one: str, effect: AnyEffect
) -> None:
    """The others stand, and the missing one is named."""
    harness.simulator.faults.add(effect, path=part)
    finding = (await harness.inspect(name, roles={role: BOTH[role]})).findings[role]
    assert finding.outcome is Outcome.UNVERIFIED
    assert open_one in finding.reason
    assert "elsewhere" not in finding.reason


@pytest.mark.parametrize("effect", [one for one in TROUBLE if not isinstance(one, RateLimited)], ids=repr)
@pytest.mark.parametrize("path", PLACES)
async def test_trouble_with_the_open_answer_hides_no_other(harness: Harness, path: str, effect: AnyEffect) -> None:
    """Each reply names who signed in."""
    harness.simulator.faults.add(effect, path=".*/application-properties")
    assert await harness.find("server-good-runtime", path) == Finding(Outcome.SUFFICIENT)
    assert (await harness.find("server-no-admin", path)).lacks == ("PROJECT_ADMIN",)


@pytest.mark.parametrize("effect", [Status(status=403, body="no"), Status(status=404, body="no"), Outage(status=500)])
async def test_git_over_https_turned_off_is_no_lack(harness: Harness, effect: AnyEffect) -> None:
    """A refusal to push counts only where fetching is allowed."""
    harness.simulator.faults.add(effect, path=".*/info/refs")
    assert (await harness.find_user("server-read-only")).outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("effect", [one for one in TROUBLE if not isinstance(one, RateLimited)], ids=repr)
@pytest.mark.parametrize("path", [PROJECT, SERVER])
async def test_a_list_that_fails_blames_no_token(harness: Harness, path: str, effect: AnyEffect) -> None:
    """What it would have named may be just what the owner has a right to."""
    harness.world.projects["OPS"].permissions["hubot"] = "PROJECT_ADMIN"
    harness.world.repositories["ACME/website"].permissions["reader"] = "REPO_WRITE"
    harness.simulator.faults.add(effect, path=".*/1.0/(repos|projects)")
    finding = await harness.find_user("server-reader", path)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "it shows no" not in finding.reason
    if path == SERVER:
        assert (await harness.find("server-weak-owner", path)).outcome is Outcome.UNVERIFIED


async def test_a_limit_is_the_credentials_own(harness: Harness) -> None:
    """And asks nothing more of this token for as long as it says."""
    harness.simulator.faults.add(RateLimited(status=429, retry_after=60), times=1)
    with pytest.raises(ProviderUnavailable, match="limits our requests"):
        for _ in range(2):
            await harness.inspect("server-good-runtime")
    asked = len(harness.asked())
    with pytest.raises(ProviderUnavailable, match="limits our requests"):
        await harness.inspect("server-good-runtime")
    assert len(harness.asked()) == asked


@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, 60), ({"retry-after": "7"}, 7), ({"retry-after": "0"}, 1), ({"retry-after": "x"}, 60)]
)
def test_a_limit_says_how_long_or_not(headers: dict[str, str], seconds: int) -> None:
    """It is a person's own, and optional in every respect."""
    limit = BitbucketServer().rate_limit(Reply(429, headers))
    assert limit == RateLimit(seconds, whole_host=False)
    assert BitbucketServer().rate_limit(Reply(403, headers)) is None


HOST = Host(NAME, KIND, f"https://{NAME}")
TOKEN = TokenCredential(SecretStr(make_token("b", "BBDC" + "-")))
Script = Callable[[str], Reply]


class ScriptedApi:
    """Answers by a function of the path; tells how many rounds there were, and what was sent."""

    needed_by = float("inf")

    def __init__(self, script: Script) -> None:
        self._script = script
        self._under_way = 0
        self.rounds = 0
        self.methods: set[str] = set()

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
        assert headers["authorization"] == f"Bearer {TOKEN.token.get_secret_value()}"
        assert not from_root
        self.methods.add(method)
        self.rounds += self._under_way == 0
        self._under_way += 1
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._under_way -= 1
        return self._script(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["values", "errors", "exceptionName", "key", "slug", "project", "version", "archived", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from([200, 204, 400, 401, 403, 404, 409]), JSON | st.binary(max_size=60)), min_size=1
    ),
    st.sampled_from(["", "scm/acme", "scm/acme/apps"]),
    st.sampled_from([{}, {"x-ausername": "jane"}, {"x-ausername": "%ff/"}, {"x-ausername": "access-token-user/2/1"}]),
)
async def test_odd_replies_are_survived(script: list[tuple[int, object]], path: str, headers: dict[str, str]) -> None:
    """Nothing crashes, nothing is asked in a third round, and nothing odd makes a token good."""
    turn = iter(range(10**6))

    def reply(path: str) -> Reply:
        status, body = script[next(turn) % len(script)]
        return Reply(status, headers, body)

    api = ScriptedApi(reply)
    segments = tuple(path.split("/")) if path else ()
    need = RepositoryNeed(("scm", "acme", "shared"), Level.WRITE)
    try:
        answer = await BitbucketServer().inspect(Question(TOKEN, HOST, segments, BOTH, (need,)), api)
    except ProviderUnavailable:
        pass
    else:
        assert answer.findings.keys() == BOTH.keys()
        assert answer.findings[Role.RUNTIME].outcome is not Outcome.SUFFICIENT
    assert api.rounds <= 2
    assert api.methods == {"GET"}


def refused(exception: str | None, **headers: str) -> Reply:
    errors = [{"context": None, "message": "x", "exceptionName": exception}]
    return Reply(401, {f"x-{name}": value for name, value in headers.items()}, {"errors": errors})


PREFIX = "com.atlassian.bitbucket."


@pytest.mark.parametrize(
    ("exception", "outcome"),
    [
        ("auth.IncorrectPasswordAuthenticationException", Outcome.INVALID),
        ("auth.AuthenticationException", Outcome.INVALID),
        ("auth.InactiveUserAuthenticationException", Outcome.BLOCKED),
        ("auth.NoAccessAuthenticationException", Outcome.BLOCKED),
        ("auth.AuthenticationSystemException", None),
        ("auth.CaptchaRequiredAuthenticationException", None),
        ("AuthorisationException", None),
        ("SomethingNewException", None),
    ],
)
async def test_refusals_are_told_apart(exception: str, outcome: Outcome | None) -> None:
    """A directory that is down, a CAPTCHA, something new: they don't speak of the token."""
    api = ScriptedApi(lambda path: refused(PREFIX + exception, arequestid="@1"))
    question = Question(TOKEN, HOST, ("scm", "acme", "apps"), BOTH)
    if outcome is None:
        with pytest.raises(ProviderUnavailable):
            await BitbucketServer().inspect(question, api)
    else:
        answer = await BitbucketServer().inspect(question, api)
        assert {finding.outcome for finding in answer.findings.values()} == {outcome}


async def test_a_401_that_names_who_signed_in_is_no_failed_sign_in() -> None:
    """Whatever exception it tells, if any; some versions have only a text."""

    def script(path: str) -> Reply:
        return refused(None, ausername="jane") if "/projects" in path else Reply(404, {})

    answer = await BitbucketServer().inspect(Question(TOKEN, HOST, ("scm", "acme"), BOTH), ScriptedApi(script))
    assert answer.findings[Role.RUNTIME].lacks == ("PROJECT_ADMIN",)
    assert answer.facts.account == "jane"


@pytest.mark.parametrize(
    ("part", "level"),
    [
        ("/projects/ACME", "PROJECT_READ"),
        ("/permissions/users?limit=1", "PROJECT_ADMIN"),
        ("/repos/apps", "REPO_READ"),
        ("/repos/apps", "REPO_ADMIN"),
        ("/webhooks?limit=1", "REPO_ADMIN"),
    ],
)
async def test_what_was_not_asked_for_proves_nothing(part: str, level: str) -> None:
    """Something else in the place of a project, a repository or a list, as a proxy or another program has it."""
    shown = {"key": "ACME", "slug": "apps", "values": [], "isLastPage": True, "version": "9.0.0"}

    def script(odd: object) -> Script:
        return lambda path: Reply(200, {"x-ausername": "jane"}, odd if path.endswith(part) else shown)

    question = Question(TOKEN, HOST, ("scm", "acme", "apps"), {Role.USER: needs(level)})
    good = await BitbucketServer().inspect(question, ScriptedApi(script(shown)))
    assert good.findings[Role.USER].outcome is Outcome.SUFFICIENT
    answer = await BitbucketServer().inspect(
        question, ScriptedApi(script({"key": "OTHER", "slug": "a", "status": "up"}))
    )
    assert answer.findings[Role.USER].outcome is Outcome.UNVERIFIED
