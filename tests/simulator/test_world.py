"""The world as Python and as a file, and the tokens in it."""

import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from webhook.simulator import World, example_world
from webhook.simulator.github import Account, GitHubHost, Repository, Token, TokenKind

FORMS = {
    "good-classic": r"ghp_[A-Za-z0-9]{36}",
    "legacy-classic": r"[0-9a-f]{40}",
    "good-oauth": r"gho_[A-Za-z0-9]{36}",
    "good-app-user": r"ghu_[A-Za-z0-9]{36}",
    "good-installation": r"ghs_[A-Za-z0-9]{36}",
    "refresh": r"ghr_[A-Za-z0-9]{36}",
    "good-fine-grained": r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    "long-installation": r"ghs_2001_[A-Za-z0-9_]+\.[A-Za-z0-9_]+\.[A-Za-z0-9_]+",
}


@pytest.mark.parametrize(("name", "form"), FORMS.items())
def test_a_token_has_the_form_of_its_kind(world: World, name: str, form: str) -> None:
    """Prefix, length and alphabet."""
    assert re.fullmatch(form, world.token(name).value)


def test_the_long_form_is_about_520_characters(world: World) -> None:
    """And matches GitHub's own pattern."""
    value = world.token("long-installation").value
    assert 500 < len(value) < 540
    assert re.fullmatch(r"ghs_[A-Za-z0-9\._]{36,}", value)


def test_values_follow_from_names_and_seed() -> None:
    """The same everywhere, different for each name and seed."""
    now = datetime.now(UTC)
    one, two, other = example_world(now), example_world(now + timedelta(days=1)), example_world(now, seed="other")
    assert one.token("weak-classic").value == two.token("weak-classic").value
    assert one.token("weak-classic").value != other.token("weak-classic").value
    values = [token.value for host in one.hosts.values() for token in host.tokens.values()]
    assert len(set(values)) == len(values)


def test_no_repr_shows_a_secret(world: World) -> None:
    """Neither a token's value nor an App's key."""
    world.token("revoked").fixed_value = "given" * 8  # type: ignore[assignment]
    assert world.token("revoked").value == "given" * 8
    text = repr(world) + str(world)
    assert "givengiven" not in text
    assert "PRIVATE KEY" not in text
    assert world.token("good-classic").value not in text


def test_a_world_survives_its_file(world: World, tmp_path: Path) -> None:
    """Whole, with keys and given values, readable by its owner only."""
    world.token("revoked").fixed_value = "given" * 8  # type: ignore[assignment]
    file = tmp_path / "world.yaml"
    world.save(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    loaded = World.load(file)
    assert loaded == world
    assert loaded.token("revoked").value == "given" * 8
    assert loaded.app("good-app").private_key_pem == world.app("good-app").private_key_pem


def test_a_world_can_be_written_by_hand() -> None:
    """Keys name what they stand for; token values and keys of Apps need not be there."""
    world = World.from_yaml(
        """
        hosts:
          github.com:
            kind: github
            accounts:
              octocat: {id: 1}
            repositories:
              octocat/apps: {id: 2, roles: {hubot: write}}
            tokens:
              mine: {owner: octocat, scopes: [repo]}
            apps:
              robot: {id: 3, client_id: Iv1.3, owner: octocat}
            installations:
              4: {app_id: 3, account: octocat}
        """
    )
    assert world.github().repositories["octocat/apps"].roles["hubot"].name == "WRITE"
    assert world.token("mine").value.startswith("ghp_")
    assert "PRIVATE KEY" in world.app("robot").private_key_pem
    assert world.github().installations[4].account == "octocat"


def test_a_wrong_world_is_refused_without_repeating_it() -> None:
    """Its text could hold a token."""
    with pytest.raises(ValidationError) as caught:
        World.from_yaml("hosts: {github.com: {tokens: {mine: {fixed_value: [hush-hush]}}}}")
    assert "hush-hush" not in str(caught.value)
    with pytest.raises(ValidationError, match="unknown_key"):
        World.from_yaml("hosts: {github.com: {unknown_key: 1}}")


def test_token_names_are_unique_in_the_world() -> None:
    """So that a name alone is enough."""
    token = Token(name="mine", owner="octocat")
    with pytest.raises(ValidationError, match="mine"):
        World.of(GitHubHost(name="github.com", tokens={"mine": token}), GitHubHost(name="b", tokens={"mine": token}))


def test_an_unknown_name_is_answered_with_the_known_ones(world: World) -> None:
    """A typing error in a test should be easy to mend."""
    with pytest.raises(LookupError, match="weak-classic"):
        world.token("week-classic")


def test_any_permission_brings_metadata() -> None:
    """As on GitHub's form."""
    token = Token(name="mine", kind=TokenKind.FINE_GRAINED, permissions={"contents": "read"})
    assert token.permissions == {"contents": "read", "metadata": "read"}


def test_a_host_is_put_together_piece_by_piece() -> None:
    """The way a test builds just what it needs."""
    host = GitHubHost()
    host.add(Account(login="a", id=1), Repository(owner="a", name="r", id=2), Token(name="t", owner="a"))
    world = World.of(host)
    assert world.github() is host
    assert host.repository("A", "R") is host.repositories["a/r"]


def test_copies_of_copies_tell_the_time_like_the_first() -> None:
    """However often a simulator was reset."""
    world = World.of(GitHubHost(name="github.com"))
    world.stop_clock(datetime(2026, 11, 23, tzinfo=UTC))
    for _ in range(1200):  # more than Python lets calls nest
        world = world.copy_of()
    assert world.github().now() == datetime(2026, 11, 23, tzinfo=UTC)
