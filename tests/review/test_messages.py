"""The sentences that people read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from webhook.providers.findings import Facts, Finding, Outcome
from webhook.providers.requirements import Role
from webhook.review import messages
from webhook.text import join

CLASSIC = Facts("classic", "classic token", "octocat", ("read:org", "repo"))
REMEDY = "Make one that has both: https://github.com/settings/tokens/new."


def lacks(*scopes: str) -> Finding:
    return Finding(Outcome.INSUFFICIENT, scopes)


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists_read_as_people_write_them(items: list[str], text: str) -> None:
    """Commas, and one "and"."""
    assert join(items) == text


def test_a_weak_token_is_told_as_the_contract_shows_it() -> None:
    """Who says it, whose it is, what it has, what is missing, what to do."""
    assert messages.failure("github.com", CLASSIC, {Role.RUNTIME: lacks("admin:repo_hook")}, REMEDY) == (
        "github.com says that this classic token of octocat has read:org and repo; "
        f"a runtime token also needs admin:repo_hook. {REMEDY}"
    )


def test_two_roles_are_told_in_one_sentence() -> None:
    """With the remedy once."""
    findings = {Role.RUNTIME: lacks("repo", "admin:repo_hook"), Role.USER: lacks("repo")}
    assert messages.failure("github.com", Facts(described="classic token"), findings, REMEDY) == (
        "github.com says that this classic token has none of the required permissions; "
        f"a runtime token needs repo and admin:repo_hook; a user token needs repo. {REMEDY}"
    )


def test_no_more_is_listed_than_people_read() -> None:
    """Fine-grained tokens have hundreds of permissions."""
    facts = Facts(described="fine-grained token", holds=tuple(f"Thing {number}: Read" for number in range(100)))
    sentence = messages.failure("gitlab.com", facts, {Role.USER: lacks("Code: Push")}, REMEDY)
    assert "Thing 39: Read and 60 more; a user token also needs Code: Push." in sentence
    assert "Thing 40" not in sentence


def test_the_probed_repository_is_named() -> None:
    """Permissions may differ on another one."""
    facts = Facts(described="fine-grained token", holds=("contents: read",), probed="acme/apps")
    text = messages.failure("github.com", facts, {Role.USER: lacks("contents: write")}, "")
    assert "token, probed on acme/apps, has contents: read; a user token also needs contents: write." in text


def test_without_a_remedy_there_is_still_something_to_do() -> None:
    """Each denial is something a person can act on."""
    gone = Finding(Outcome.INVALID, reason="refuses this token")
    assert messages.failure("github.com", CLASSIC, {Role.USER: gone}, "") == (
        "github.com refuses this token. Replace it with a working token."
    )


def test_what_could_not_be_verified_says_that_a_retry_may_pass() -> None:
    """And offers no better token: nobody knows that this one is bad."""
    silent = Finding(Outcome.UNVERIFIED, reason="answered 502", transient=True)
    assert messages.failure("github.com", Facts(), {Role.USER: silent}, REMEDY) == (
        "github.com answered 502, so this token cannot be verified; a retry may pass."
    )


def test_a_lasting_failure_promises_no_retry() -> None:
    """An unknown authority, a name that isn't there: the sentence says what must change."""
    lasting = Finding(Outcome.UNVERIFIED, reason="could not be found (DNS)", remedy="Correct the host's name.")
    assert messages.failure("git.acme.dev", Facts(), {Role.USER: lasting}, REMEDY) == (
        "git.acme.dev could not be found (DNS), so this token cannot be verified. Correct the host's name."
    )


def test_a_lasting_failure_without_a_remedy_says_that_waiting_is_none() -> None:
    """Where the reason itself is all that is known."""
    lasting = Finding(Outcome.UNVERIFIED, reason="answers 403")
    text = messages.failure("git.acme.dev", Facts(), {Role.USER: lasting}, REMEDY)
    assert text.endswith("cannot be verified. Waiting does not help.")


def test_an_unknown_host_is_told_how_to_declare_it() -> None:
    """And that nothing was sent there."""
    text = messages.failure("git.acme.dev", Facts(), {Role.USER: Finding(Outcome.UNKNOWN_HOST)}, "")
    assert text.startswith("git.acme.dev is not a declared Git host")
    assert "not sent anywhere" in text
    assert "providers:" in text


def test_what_is_unsupported_or_malformed_is_about_the_value() -> None:
    """No host was asked."""
    unsupported = Finding(Outcome.UNSUPPORTED, reason="is an SSH key")
    malformed = Finding(Outcome.MALFORMED, reason="is empty")
    assert messages.failure("", Facts(), {Role.USER: unsupported}, "") == (
        "This value is an SSH key, so it cannot be checked."
    )
    assert messages.failure("", Facts(), {Role.USER: malformed}, "") == "This value is empty."


def test_what_a_provider_calls_unsupported_is_its_own_word() -> None:
    """Then the host is the subject."""
    finding = Finding(Outcome.UNSUPPORTED, reason="says that this is a deploy token")
    text = messages.failure("gitlab.com", Facts(), {Role.USER: finding}, "")
    assert text == "gitlab.com says that this is a deploy token, so it cannot be checked."


@pytest.mark.parametrize(
    ("left", "when"),
    [
        (timedelta(hours=3), "today, on 2026-11-23"),
        (timedelta(days=1, hours=3), "tomorrow, on 2026-11-24"),
        (timedelta(days=9), "in 9 days, on 2026-12-02"),
    ],
)
def test_the_end_of_a_token_is_told_with_its_date(left: timedelta, when: str) -> None:
    """In days, and as a date."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    text = messages.expires_soon("github.com", CLASSIC, now + left, now)
    assert text == f"github.com says that this classic token of octocat expires {when}; replace it before then."


def test_a_day_is_the_day_in_utc() -> None:
    """And "today" agrees with it."""
    now = datetime(2026, 11, 23, 20, tzinfo=UTC)
    assert "expires tomorrow, on 2026-11-24" in messages.expires_soon("h", CLASSIC, now + timedelta(hours=6), now)


def test_a_skip_says_what_and_why() -> None:
    """A skip always shows."""
    text = messages.skipped([Role.USER, Role.RUNTIME], "the Namespace says so")
    assert text == "The runtime and user token is not validated: the Namespace says so."
