"""Reading single replies: scopes, dates, needed permissions, limits and refusals, in every layout they come in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from webhook.providers import PROVIDERS
from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.findings import Outcome, Question, TokenCredential
from webhook.providers.github import links, refusals, replies, repository
from webhook.providers.github.vocabulary import IMPLIED, VOCABULARY, held
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Requirement, Role

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCOPES = st.sampled_from(sorted(VOCABULARY.scopes))
GAPS = st.text(" \t", max_size=3)
EXPIRY = "github-authentication-token-expiration"


@given(st.lists(st.tuples(GAPS, SCOPES | st.just(""), GAPS)))
def test_scopes_are_read_in_any_order_and_spacing(parts: list[tuple[str, str, str]]) -> None:
    """Each scope once, whatever is between them."""
    reply = Reply(200, {"x-oauth-scopes": ",".join("".join(part) for part in parts)})
    assert replies.scopes_of(reply) == tuple(sorted({scope for _, scope, _ in parts if scope}))


@given(st.text())
@example("_")
def test_no_scopes_header_is_too_odd_to_read(header: str) -> None:
    """What looks like no scope is left out, and nothing with other characters comes through."""
    for scope in replies.scopes_of(Reply(200, {"x-oauth-scopes": header})) or ():
        assert re.fullmatch(r"[A-Za-z0-9_.:/-]+", scope, re.ASCII)


def test_an_empty_scopes_header_isnt_a_missing_one() -> None:
    """A token without scopes says so; a stripped header says nothing."""
    assert replies.scopes_of(Reply(200, {"x-oauth-scopes": ""})) == ()
    assert replies.scopes_of(Reply(200, {})) is None


@given(st.sets(SCOPES))
def test_what_is_held_holds_all_that_it_implies(scopes: set[str]) -> None:
    """Implications are followed to their end."""
    everything = held(scopes)
    assert scopes <= everything
    assert all(set(IMPLIED.get(scope, ())) <= everything for scope in everything)


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2200, 1, 1)),
    st.integers(min_value=-14 * 60, max_value=14 * 60) | st.none(),
)
def test_the_end_is_the_same_moment_in_either_layout(moment: datetime, offset: int | None) -> None:
    """`UTC` or any offset: it comes out as UTC."""
    ends = moment.replace(microsecond=0, tzinfo=UTC)
    local = ends if offset is None else ends.astimezone(timezone(timedelta(minutes=offset)))
    text = local.strftime("%Y-%m-%d %H:%M:%S UTC" if offset is None else "%Y-%m-%d %H:%M:%S %z")
    assert replies.expiry_of(Reply(200, {EXPIRY: text})) == ends


@given(
    st.text() | st.sampled_from(["0001-01-01 00:00:00 +1400", "9999-12-31 23:59:59 -1400", "2026-02-30 00:00:00 UTC"])
)
def test_an_odd_end_is_no_end(text: str) -> None:
    """A date that can't be read is none, and never an error."""
    ends = replies.expiry_of(Reply(200, {EXPIRY: text}))
    assert ends is None or ends.tzinfo is UTC


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(sorted(VOCABULARY.permissions)), st.sampled_from(["read", "write", "admin"])),
            min_size=1,
            max_size=3,
        ),
        max_size=4,
    ),
    GAPS,
)
def test_all_needed_permissions_are_read(alternatives: list[list[tuple[str, str]]], gap: str) -> None:
    """Members by comma, alternatives by semicolon."""
    header = f";{gap}".join(f",{gap}".join(f"{name}={level}" for name, level in members) for members in alternatives)
    reply = Reply(403, {"x-accepted-github-permissions": header})
    assert replies.accepted_permissions(reply) == {name for members in alternatives for name, _ in members}


@given(st.text())
def test_no_permissions_header_is_an_error(header: str) -> None:
    """Whatever a proxy makes of it."""
    assert isinstance(replies.accepted_permissions(Reply(403, {"x-accepted-github-permissions": header})), frozenset)


@pytest.mark.parametrize(
    ("headers", "body", "seconds", "whole_host"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) + 90)}, {}, 90, False),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, {}, 1, False),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, {}, 60, False),
        ({"retry-after": "30"}, {"message": "You have exceeded a secondary rate limit."}, 30, True),
        ({}, {"documentation_url": "https://docs.github.com/x#about-secondary-rate-limits"}, 60, True),
        ({}, {"documentation_url": "https://docs.github.com/x#abuse-rate-limits"}, 60, True),
    ],
)
def test_a_limit_says_how_long_and_for_whom(
    headers: dict[str, str], body: object, seconds: float, whole_host: bool
) -> None:
    """The primary one is about an account, the secondary one may be about our address."""
    limit = replies.rate_limit(Reply(403, headers, body), NOW)
    assert limit is not None
    assert (limit.seconds, limit.whole_host) == (seconds, whole_host)


@given(
    st.integers(200, 499),
    st.dictionaries(st.sampled_from(["message", "documentation_url", "x"]), st.none() | st.text()),
)
def test_no_body_breaks_the_reading_of_a_reply(status: int, body: object) -> None:
    """A reply may say anything; what comes of it is a finding, nothing, or no answer."""
    reply = Reply(status, {}, body)
    replies.rate_limit(reply, NOW)
    try:
        refused = refusals.refusal(reply, "token", "https://github.com")
    except ProviderUnavailable:
        return
    assert refused is None or refused[0].outcome in {Outcome.INVALID, Outcome.BLOCKED}


@pytest.mark.parametrize(
    "path", [(), ("acme",), ("acme", ".."), ("acme", "."), ("..", "apps"), ("acme", "a b"), ("a/b", "c")]
)
def test_what_is_no_repository_is_asked_for_nowhere(path: tuple[str, ...]) -> None:
    """A URL's path never chooses another endpoint."""
    assert repository.named(path) is None


def test_one_link_serves_all_roles() -> None:
    """The scopes of both, each once."""
    needs = {
        Role.USER: PROVIDERS[Kind("github")].profile.defaults[Role.USER],
        Role.RUNTIME: PROVIDERS[Kind("github")].profile.defaults[Role.RUNTIME],
    }
    host = Host("github.com", Kind("github"), "https://api.github.com")
    question = Question(TokenCredential(SecretStr("any")), host, ("acme",), needs)
    assert links.new_classic(question).endswith("?scopes=repo,admin:repo_hook")
    assert "Webhooks: write" in links.new_fine_grained(question)


@pytest.mark.parametrize("path", [(), ("acme",), ("acme", "apps")])
@pytest.mark.parametrize("host", ["github.com", "acme.ghe.com", "git.acme.dev"])
def test_no_link_holds_what_json_escapes(host: str, path: tuple[str, ...]) -> None:
    """Kubernetes' Go programs print `&`, `<` and `>` of a message as `\\u0026` and so on."""
    needs = {role: PROVIDERS[Kind("github")].profile.defaults[role] for role in Role}
    question = Question(TokenCredential(SecretStr("any")), Host(host, Kind("github"), "https://x"), path, needs)
    said = [links.new_classic(question), links.new_fine_grained(question)]
    said += [links.new_token(question, fine_grained=fine_grained) for fine_grained in (True, False)]
    assert not set("&<>") & set("".join(said))


def test_a_link_for_no_scopes_is_still_one() -> None:
    """A role that needs nothing has a link all the same."""
    host = Host("github.com", Kind("github"), "https://api.github.com")
    question = Question(TokenCredential(SecretStr("any")), host, (), {Role.USER: Requirement()})
    assert "https://github.com/settings/tokens/new?" in links.new_classic(question)
