"""Reading single replies, and replies that no GitLab gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.providers.gitlab.conftest import RUNTIME, USER, reads
from tests.support.factories import make_token
from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.findings import GitHubAppCredential, Outcome, Question, TokenCredential
from webhook.providers.gitlab import GitLab, owner, replies, site
from webhook.providers.gitlab.owner import AccountKind
from webhook.providers.gitlab.vocabulary import VOCABULARY, held, without_implied
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Role
from webhook.providers.token_shapes import kind_of_token, name_holds_token

HOST = Host("gitlab.acme.dev", Kind("gitlab"), "https://gitlab.acme.dev/git/api/v4")
SECRET = make_token("A1b2C3d4E5", "gl" + "pat-")


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("2026-11-30", datetime(2026, 11, 30, tzinfo=UTC)),
        ("2026-02-30", None),
        ("2026-11-30T00:00:00Z", datetime(2026, 11, 30, tzinfo=UTC)),
        ("2026-11-30T02:30:00.000+02:00", datetime(2026, 11, 30, 0, 30, tzinfo=UTC)),
        ("2026-11-30T00:00:00", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("\u0662\u0660\u0662\u0666-11-30", None),
        ("", None),
        (None, None),
        (20261130, None),
    ],
)
def test_an_end_is_a_date_or_an_instant(value: object, end: datetime | None) -> None:
    """Anything else is no end that is known."""
    assert replies.end_of(value) == end


@given(st.none() | st.text() | st.lists(st.text() | st.integers()))
def test_scopes_are_names_or_nothing(value: object) -> None:
    """No text makes a scope that couldn't be shown."""
    for scope in replies.scopes_of(value) or ():
        assert scope.isascii()
        assert " " not in scope


@pytest.mark.parametrize(
    ("username", "bot", "kind"),
    [
        ("alice", False, AccountKind.PERSON),
        ("alice", None, AccountKind.UNKNOWN),
        ("project_7_bot", True, AccountKind.PROJECT),
        ("project_7_bot_0cc175b9", True, AccountKind.PROJECT),
        ("project_7_bot2", True, AccountKind.PROJECT),
        ("group_7_bot_0cc175b9", True, AccountKind.GROUP),
        ("service_account_group_7_x", True, AccountKind.SERVICE),
        ("argocd", True, AccountKind.SERVICE),
        ("project_7_bot", False, AccountKind.PERSON),
        ("project_x_bot", True, AccountKind.SERVICE),
    ],
)
def test_bots_are_known_by_name_and_flag(username: str, bot: bool | None, kind: AccountKind) -> None:
    """A person who is called like a bot is none."""
    reply = Reply(200, {}, {"id": 1, "username": username, "bot": bot})
    assert owner.read(reply, secret=SECRET).kind is kind


@pytest.mark.parametrize("name", [None, 7, "", "a b", "\u0430lice", SECRET])
def test_an_odd_user_name_is_not_shown(name: object) -> None:
    """Nor one that tells of the token."""
    assert owner.read(Reply(200, {}, {"id": 1, "username": name, "bot": False}), secret=SECRET).username is None


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ((), ""),
        (("git",), ""),
        (("git", "acme"), "acme"),
        (("git", "acme", "apps"), "acme/apps"),
        (("git", "acme", "platform", "charts"), "acme/platform/charts"),
        (("git", "acme", "apps", "-", "tree", "main"), "acme/apps"),
        (("acme", "apps"), "acme/apps"),
    ],
)
def test_the_path_of_the_installation_is_no_part_of_a_projects(path: tuple[str, ...], named: str) -> None:
    """What stands behind `-` is a page of the project."""
    assert site.named(path, HOST) == named


def test_web_pages_are_below_the_path_of_the_installation() -> None:
    """Where the API isn't at its usual place, nothing is known of one."""
    assert site.web_url(HOST) == "https://gitlab.acme.dev/git"
    odd = Host("gitlab.acme.dev", Kind("gitlab"), "https://proxy.acme.dev/gitlab-api")
    assert (site.root(odd), site.web_url(odd)) == (None, "https://gitlab.acme.dev")


@pytest.mark.parametrize(("name", "known"), [("api_read", "read_api"), ("api", "api"), ("self_rotate", "self_rotate")])
def test_scopes_have_other_spellings(name: str, known: str) -> None:
    """The platform's own documentation has one of them."""
    assert VOCABULARY.scope(name) == known


@pytest.mark.parametrize("name", ["Code: Push", "push_code", "Personal Access Token: Read", "CI/CD Variable: Read"])
def test_granular_permissions_are_recognised(name: str) -> None:
    """In either spelling."""
    assert VOCABULARY.granular_permission(name) == name


@pytest.mark.parametrize("name", ["api", "Code", "code: ", "x\ny", "Code:Push; rm"])
def test_other_names_are_none(name: str) -> None:
    """A scope is no granular permission."""
    with pytest.raises(ValueError, match="is not the name of a granular permission"):
        VOCABULARY.granular_permission(name)


def test_implication_leaves_administration_out() -> None:
    """`api` brings along what is no administrator's."""
    assert {"read_api", "read_user", "read_repository", "write_repository", "self_rotate"} <= held(["api"])
    assert not {"sudo", "admin_mode", "openid"} & held(["api"])
    assert "read_api" not in held(["write_repository"])
    assert without_implied(("write_repository", "read_api", "api")) == ("api",)


@pytest.mark.parametrize("prefix", ["glpat-", "gldt-", "glcbt-64_", "glrt-t1_", "glrtr-", "glagent-", "glffct-"])
def test_tokens_are_known_by_their_prefix(prefix: str) -> None:
    """Alone, and inside other text."""
    token = prefix + "aB3_" * 5
    assert kind_of_token(token) == "gitlab"
    assert name_holds_token(f"https://example.com/{token}/x")
    assert not name_holds_token("https://example.com/spiegl-pat-something/glpat")


async def test_a_github_app_is_not_asked_about() -> None:
    """GitLab has none."""
    credential = GitHubAppCredential("1", SecretStr("x"))
    with pytest.raises(ProviderUnavailable):
        await GitLab().inspect(Question(credential, HOST, (), {Role.RUNTIME: RUNTIME}), Scripted({}))


class Scripted:
    """Answers by method and path; 404 to all else."""

    needed_by = float("inf")

    def __init__(self, script: Mapping[str, Reply], otherwise: Reply | None = None) -> None:
        self._script = script
        self._otherwise = otherwise or Reply(404, {}, None)

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
        return self._script.get(f"{method} {path}", self._otherwise)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "id user_id username bot scopes expires_at revoked active granular granular_scopes error message "
                "error_description permissions namespace access_level visibility parent_id scope version".split()
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
REPLIES = st.builds(
    Reply, st.sampled_from([200, 201, 400, 401, 403, 404, 405, 409, 422]), st.just({"x-gitlab-meta": "{}"}), JSON
)


@given(REPLIES, st.sampled_from(["", "acme", "git/acme/apps"]), st.sampled_from([HOST.name, "gitlab.com"]))
async def test_odd_replies_make_neither_a_crash_nor_a_good_token(reply: Reply, path: str, name: str) -> None:
    """Whoever answers in GitLab's place; and nothing of the token is shown."""
    host = Host(name, Kind("gitlab"), HOST.api_url)
    segments = tuple(path.split("/")) if path else ()
    roles = {Role.RUNTIME: RUNTIME, Role.USER: USER}
    question = Question(TokenCredential(SecretStr(SECRET)), host, segments, roles, reads("acme/other"))
    try:
        answer = await GitLab().inspect(question, Scripted({}, reply))
    except ProviderUnavailable:
        return
    assert Outcome.SUFFICIENT not in {finding.outcome for finding in answer.findings.values()}


@pytest.mark.parametrize("part", [SECRET, SECRET[6:20], SECRET[6:20].lower()])
async def test_nothing_that_gitlab_says_shows_the_token(part: str) -> None:
    """Not in the place of a scope, a user's name or a permission."""
    itself = Reply(200, {}, {"id": 1, "user_id": 2, "scopes": ["api", part.lower().replace("-", "_")]})
    user = Reply(200, {}, {"id": 2, "username": part, "bot": False})
    script = {"GET /personal_access_tokens/self": itself, "GET /user": user}
    question = Question(TokenCredential(SecretStr(SECRET)), HOST, (), {Role.RUNTIME: RUNTIME})
    answer = await GitLab().inspect(question, Scripted(script))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert SECRET[6:20].lower() not in repr(answer).lower()
