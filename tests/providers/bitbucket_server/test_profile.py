"""What is known of Bitbucket Server without asking it."""

from __future__ import annotations

import pytest

from tests.providers.bitbucket_server.conftest import KIND
from webhook.providers import PROVIDERS
from webhook.providers.requirements import Level, Role
from webhook.providers.token_shapes import kind_of_token, name_holds_token
from webhook.simulator.tokenvalues import bitbucket_server_token

PROFILE = PROVIDERS[KIND].profile


def test_the_defaults_are_those_of_the_contract() -> None:
    """DESIGN.md, Requirements."""
    assert PROFILE.defaults[Role.RUNTIME].permissions == (("project", Level.ADMIN), ("repository", Level.WRITE))
    assert PROFILE.defaults[Role.USER].permissions == (("project", Level.READ), ("repository", Level.WRITE))


@pytest.mark.parametrize(
    ("name", "stands_for"),
    [
        ("PROJECT_ADMIN", ("project", Level.ADMIN)),
        ("repo_write", ("repository", Level.WRITE)),
        ("Repo read", ("repository", Level.READ)),
        ("REPOSITORY_WRITE", ("repository", Level.WRITE)),
        ("repository admin", ("repository", Level.ADMIN)),
    ],
)
def test_permissions_may_be_written_as_people_write_them(name: str, stands_for: tuple[str, Level]) -> None:
    """As the API has them, or as the page where tokens are made."""
    assert PROFILE.vocabulary.level(name) == stands_for


def test_a_near_miss_is_suggested() -> None:
    """Whoever configures it learns what was meant."""
    with pytest.raises(ValueError, match="did you mean 'PROJECT_ADMIN'"):
        PROFILE.vocabulary.level("PROJECT_ADMINS")


@pytest.mark.parametrize("number", ["000000000000", "999999999999", "123456789012"])
@pytest.mark.parametrize("prefix", ["", "BBDC-"])
def test_a_token_in_a_name_is_seen(number: str, prefix: str) -> None:
    """Of either shape and in any letter case, so that it isn't shown."""
    token = bitbucket_server_token(number, "seed", prefix)
    for shown in (token, token.lower(), f"https://x/{token}/y", f"user-{token}"):
        assert name_holds_token(shown)
    assert kind_of_token(token) == (KIND if prefix else None)


@pytest.mark.parametrize("text", ["m" * 44, "bbdc-platform", "https://git.acme.dev/scm/monolith/" + "nda3" * 11])
def test_names_are_not_taken_for_tokens(text: str) -> None:
    """However long they are."""
    assert not name_holds_token(text)
