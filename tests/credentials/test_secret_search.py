"""One of many secrets is found wherever it is shown, in the time that it takes to read the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.credentials.secret_search import SHORTEST, SecretSearch

LETTERS = st.text("ab", min_size=SHORTEST, max_size=12)


@given(st.lists(LETTERS, max_size=6), st.text("ab", max_size=60))
def test_it_finds_what_is_there_and_nothing_else(secrets: list[str], text: str) -> None:
    """As if each were looked for by itself; two letters make them begin and end alike."""
    assert SecretSearch(secrets).is_shown_in(text) is any(secret in text for secret in secrets)


@pytest.mark.parametrize(("before", "after"), [("", ""), ("x", ""), ("", "x"), ('{"data":"', '"}')])
def test_it_finds_one_anywhere(before: str, after: str) -> None:
    """At the beginning, in the middle, at the end."""
    assert SecretSearch(["other-secret", "the-secret"]).is_shown_in(f"{before}the-secret{after}")


def test_what_is_short_stands_anywhere_by_chance() -> None:
    """And so is no sign of anything."""
    assert not SecretSearch(["", "git", "octocat"]).is_shown_in("octocat pushes with git")


def test_the_beginning_of_a_long_one_is_enough() -> None:
    """Whoever cut it off has shown it all the same."""
    assert SecretSearch(["ab" * 1000]).is_shown_in("ab" * 200)


@pytest.mark.timeout(20)  # looking for each by itself, or comparing whole ones, would take minutes
def test_nothing_that_they_have_in_common_slows_it_down() -> None:
    """Thousands of secrets, a text that is full of their beginnings, and none of them in it."""
    common = "a" * 200
    secrets = [f"{common}{number:04}{'b' * 5000}" for number in range(4000)]
    assert not SecretSearch(secrets).is_shown_in("a" * 250_000)
