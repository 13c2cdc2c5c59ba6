from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.providers.text import plain

SECRET = "gh" + "p_" + "0123456789abcdefghijABCDEFGHIJ"


@pytest.mark.parametrize(
    "text",
    [
        "octocat",
        "octo-app[bot]",
        "repo:status",
        "read:pullrequest:bitbucket",
        "acme/apps.git",
        "o@acme.example",
        "Job: Read",
    ],
)
def test_names_and_scopes_pass(text: str) -> None:
    """What providers really send."""
    assert plain(text, secret=SECRET) == text


@pytest.mark.parametrize(
    "text",
    ["", "a\nb", "octocat\n", "\x1b[31mred", "<script>", "a`b`", "$(id)", "tökén", "a\\b", 'a"b', None, 7, ["a"], b"a"],
)
def test_anything_else_becomes_nothing(text: object) -> None:
    """A message is shown in terminals, web pages and Markdown."""
    assert plain(text, secret=SECRET) == ""


@given(st.integers(0, len(SECRET) - 8), st.text("abcxyz-", max_size=10), st.booleans())
def test_no_part_of_the_credential_passes(start: int, around: str, raised: bool) -> None:
    """A provider, or what pretends to be one, may echo it, whole or in part, in another letter case too."""
    part = SECRET[start : start + 8]
    assert plain(around + (part.upper() if raised else part) + around, secret=SECRET) == ""


@pytest.mark.parametrize("username", ["o@acme.example", "o1@acme.example", "o12@acme.example"])
@given(start=st.integers(0, 15), length=st.integers(24, 60))
def test_no_credential_passes_in_the_form_in_which_it_was_sent(username: str, start: int, length: int) -> None:
    """What echoes our headers shows Basic's base64, which anybody can undo."""
    sent = base64.b64encode(f"{username}:{SECRET}".encode()).decode().rstrip("=")
    assert plain(f"Basic {sent}", secret=SECRET) == ""
    inside = sent[len(username) * 4 // 3 + 2 :][start : start + length]
    assert plain(inside, secret=SECRET) == ""
    assert plain(inside.replace("+", "-").replace("/", "_"), secret=SECRET) == ""


def test_a_short_secret_does_not_pass_either() -> None:
    """Passwords of old servers may have a few characters."""
    assert plain("its s3cret", secret="s3cret") == ""
    assert plain("fine", secret="s3cret") == "fine"


def test_long_text_is_cut() -> None:
    """A name of a thousand characters is nobody's name, and a longer text isn't even looked through."""
    assert plain("x" * 1000, secret=SECRET) == "x" * 100
    assert plain("x" * 1001, secret=SECRET) == ""
    assert plain("abcdef", secret="", limit=3) == "abc"


def test_a_secret_behind_the_cut_counts() -> None:
    """Whoever echoes it is not quoted at all."""
    assert plain("x" * 200 + SECRET, secret=SECRET) == ""
