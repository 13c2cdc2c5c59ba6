"""What single replies mean, odd and hostile ones included."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.providers.bitbucket.conftest import RUNTIME, need
from tests.support.factories import make_token
from webhook.providers.base import ProviderUnavailable, RateLimit, Reply
from webhook.providers.bitbucket import Bitbucket, replies
from webhook.providers.bitbucket.vocabulary import VOCABULARY, held, in_words_of
from webhook.providers.findings import Answer, Outcome, Question, TokenCredential
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Level, Role

HOST = Host("bitbucket.org", Kind("bitbucket"), "https://api.bitbucket.org/2.0")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = make_token("s3cr3tv4lue", "ATC" + "TT")
SCOPES = {"x-oauth-scopes": "webhook, repository:write, repository:admin", "x-credential-type": "repo_access_token"}
KEYS = ["error", "message", "detail", "required", "values", "repository", "full_name", "permission", "is_private"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["acme/apps", "admin", SECRET]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["x-oauth-scopes", "x-credential-type", "retry-after"]),
    st.text(max_size=40) | st.sampled_from([*SCOPES.values(), SECRET, "unauthenticated_identity", "api_token"]),
)
REPLIES = st.builds(Reply, st.sampled_from([200, 201, 400, 401, 403, 404, 410, 418]), HEADERS, JSON)


class ScriptedApi:
    """Answers `/user` with one reply and all else with another."""

    needed_by = float("inf")

    def __init__(self, user: Reply, other: Reply) -> None:
        self._user, self._other = user, other

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
        return self._user if path == "/user" else self._other


async def ask(user: Reply, other: Reply, path: str = "acme/apps", token: str = SECRET) -> Answer:
    credential = TokenCredential(SecretStr(token), "x-token-auth")
    repositories = (need("acme/shared", Level.WRITE), need("acme/docs"))
    question = Question(credential, HOST, tuple(path.split("/")), {Role.RUNTIME: RUNTIME}, repositories)
    return await Bitbucket().inspect(question, ScriptedApi(user, other))


@given(user=REPLIES, other=REPLIES, prefix=st.sampled_from(["ATC" + "TT", "ATA" + "TT", ""]))
def test_no_reply_crashes_or_shows_a_part_of_the_token(user: Reply, other: Reply, prefix: str) -> None:
    """Whatever Bitbucket sends, there is an answer or none, and never a token in it; and only 401s are refusals."""
    token = SECRET if prefix.startswith("ATC") else make_token("s3cr3tv4lue", prefix)
    try:
        answer = asyncio.run(ask(user, other, token=token))
    except ProviderUnavailable as silence:
        assert "s3cr3tv4lue" not in str(silence)
        return
    assert "s3cr3tv4lue" not in repr(answer)
    outcome = answer.findings[Role.RUNTIME].outcome
    assert outcome is not Outcome.INVALID or user.status == other.status == 401
    assert outcome is not Outcome.SUFFICIENT or "x-oauth-scopes" in {*user.headers, *other.headers}


@given(st.lists(st.sampled_from(sorted(VOCABULARY.scopes)), unique=True, max_size=8), st.data())
def test_scopes_are_read_in_any_order_and_spacing(scopes: list[str], data: st.DataObject) -> None:
    """The header's form varies; the list is sorted."""
    spaces = st.sampled_from(["", " ", "  "])
    header = ",".join(f"{data.draw(spaces)}{scope}{data.draw(spaces)}" for scope in scopes)
    assert replies.scopes_of(Reply(403, {"x-oauth-scopes": header}), secret="") == tuple(sorted(scopes))


@pytest.mark.parametrize("status", [200, 403, 404, 410])
def test_scopes_stand_in_a_reply_of_any_status_but_401(status: int) -> None:
    """A 401 tells nothing of the credentials."""
    headers = {"x-oauth-scopes": ""}
    assert replies.scopes_of(Reply(status, headers), secret="") == ()
    assert replies.scopes_of(Reply(status, {}), secret="") is None
    assert replies.scopes_of(Reply(401, headers), secret="") is None


def test_a_scope_that_is_no_name_is_left_out() -> None:
    """Nothing odd gets into a message."""
    header = "repository, <b>, read:gpg-key:bitbucket, -, a=b, " + "x" * 70
    assert replies.scopes_of(Reply(200, {"x-oauth-scopes": header}), secret="") == (
        "read:gpg-key:bitbucket",
        "repository",
    )


def test_a_scope_that_tells_a_part_of_the_token_is_left_out() -> None:
    """Whoever answers in Bitbucket's place can't make us show it."""
    header = {"x-oauth-scopes": "repository, abcdefghijk"}
    assert replies.scopes_of(Reply(200, header), secret="xxabcdefghijkxx") == ("repository",)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:02:00 GMT"}, 120.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:02:00 -0000"}, 120.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, 1.0),
        ({"retry-after": "soon"}, 60.0),
        ({"retry-after": "Mon, 99 Nov 99999 99:99:99 GMT"}, 60.0),
        ({}, 60.0),
    ],
)
def test_a_limit_is_one_of_the_credential_and_ends_when_bitbucket_says(
    headers: Mapping[str, str], seconds: float
) -> None:
    """In seconds or as a date; a minute where nothing is said."""
    assert Bitbucket(lambda: NOW).rate_limit(Reply(429, headers)) == RateLimit(seconds, whole_host=False)


@given(st.text(max_size=60))
def test_no_wait_that_bitbucket_could_ask_for_crashes(text: str) -> None:
    """And none is shorter than a second."""
    limit = Bitbucket(lambda: NOW).rate_limit(Reply(429, {"retry-after": text}))
    assert limit is not None and limit.seconds >= 1


def test_only_a_429_is_a_limit() -> None:
    """A nearly used up limit is none yet."""
    assert Bitbucket().rate_limit(Reply(200, {"x-ratelimit-nearlimit": "true", "retry-after": "5"})) is None


@pytest.mark.parametrize(
    ("body", "level"),
    [
        ({"values": [{"permission": "write", "repository": {"full_name": "Acme/Apps"}}]}, Level.WRITE),
        ({"values": [{"permission": "write", "repository": {"full_name": "acme/other"}}]}, None),
        ({"values": [{"permission": "WRITE", "repository": {"full_name": "acme/apps"}}]}, Level.WRITE),
        ({"values": [{"permission": "maintain", "repository": {"full_name": "acme/apps"}}]}, "maintain"),
        ({"values": [{"permission": "<b>", "repository": {"full_name": "acme/apps"}}]}, None),
        ({"values": [{"permission": ["read"], "repository": {"full_name": "acme/apps"}}]}, None),
        ({"values": [{"permission": "admin", "repository": None}]}, None),
        ({"values": None}, None),
        (None, None),
    ],
)
def test_a_permission_counts_for_the_repository_that_it_names(body: Any, level: Level | str | None) -> None:
    """Whatever filter was asked for: the list itself must say which repository it is."""
    assert replies.permission_in(Reply(200, {}, body), "acme/apps", secret="") == level


def test_an_account_s_name_is_what_bitbucket_still_shows() -> None:
    """Usernames are shown to their owner only, nicknames to all."""
    body = {"nickname": "Ada", "display_name": "Ada of Acme"}
    assert replies.account_of(Reply(200, {}, body), secret="") == "Ada"
    assert replies.account_of(Reply(200, {}, {"username": SECRET, "nickname": "Ada"}), secret=SECRET) == "Ada"
    assert replies.account_of(Reply(403, {}, body), secret="") is None


@given(st.lists(st.sampled_from(sorted(VOCABULARY.scopes)), unique=True, max_size=6), st.booleans())
def test_a_requirement_is_in_the_words_of_the_token_or_not_at_all(scopes: list[str], api_token: bool) -> None:
    """What is asked for can be held by a token of that kind, and nothing is lost on the way."""
    asked, without = in_words_of(scopes, api_token=api_token)
    assert all(scope in VOCABULARY.scopes for scope in asked)
    assert all((scope.endswith(":bitbucket") or scope in ("read:me", "read:account")) == api_token for scope in asked)
    assert bool(asked or without) == bool(scopes)


def test_what_implies_what() -> None:
    """In the older vocabulary to write is to read, and to administer is neither; in the newer nothing implies."""
    assert held(["pullrequest:write"], api_token=False) >= {"pullrequest", "repository:write", "repository"}
    assert held(["repository:admin", "project:admin"], api_token=False) == {"repository:admin", "project:admin"}
    assert held(["write:repository:bitbucket"], api_token=True) == {"write:repository:bitbucket"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("account:read", "account"),
        ("read:repository", "read:repository:bitbucket"),
        ("repository:read", "repository"),
        ("read:user:bitbucket", "read:user:bitbucket"),
    ],
)
def test_usual_spellings_are_understood(written: str, meant: str) -> None:
    """As in other programs' documentation, where they are often not Bitbucket's own."""
    assert VOCABULARY.scope(written) == meant


def test_an_unknown_scope_is_refused_with_the_nearest() -> None:
    """A typo in a configuration would otherwise refuse every token."""
    with pytest.raises(ValueError, match="did you mean 'repository:admin'"):
        VOCABULARY.scope("repository:admn")
