"""From what was found to what happens."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.support.factories import NOW, credential, make_token
from webhook.credentials.entries import Checkable, Entry, Malformed
from webhook.providers.findings import Facts, Finding, Outcome
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Role
from webhook.review.exemptions import Skip
from webhook.review.policy import Judged, Validation, Verdict, decide, worst
from webhook.settings.model import Settings
from webhook.settings.source import parse_settings

ENTRY = Entry("password", Checkable(credential(make_token())))
GITHUB = Hosts().find("github.com")
DEFAULTS = Settings()


def judged(*outcomes: Outcome, **others: object) -> Judged:
    roles = dict(zip(Role, outcomes, strict=False))
    findings = {role: Finding(outcome, reason="does something") for role, outcome in roles.items()}
    return Judged(ENTRY, findings, GITHUB, "github.com", **others)  # type: ignore[arg-type]


def verdict(*outcomes: Outcome, settings: Settings = DEFAULTS, **others: object) -> Verdict:
    return decide(judged(*outcomes, **others), settings, NOW)


@pytest.mark.parametrize(
    ("outcome", "denied", "label"),
    [
        (Outcome.SUFFICIENT, False, "passed"),
        (Outcome.SKIPPED, False, "skipped"),
        (Outcome.INSUFFICIENT, True, "warned"),
        (Outcome.INVALID, True, "warned"),
        (Outcome.BLOCKED, True, "warned"),
        (Outcome.UNVERIFIED, True, "unverified"),
        (Outcome.UNKNOWN_HOST, False, "unsupported"),
        (Outcome.UNSUPPORTED, False, "unsupported"),
        (Outcome.MALFORMED, True, "warned"),
    ],
)
def test_each_outcome_has_its_documented_end(outcome: Outcome, denied: bool, label: str) -> None:
    """The table of decisions, and the label that goes with each."""
    found = verdict(outcome)
    assert (found.denied, found.validation) == (denied, label)
    assert (found.cause is None) == (outcome in (Outcome.SUFFICIENT, Outcome.SKIPPED))


@pytest.mark.parametrize("outcome", [Outcome.INSUFFICIENT, Outcome.INVALID, Outcome.BLOCKED])
def test_what_is_only_warned_of_is_labelled_warned(outcome: Outcome) -> None:
    """It would have been denied."""
    found = verdict(outcome, settings=parse_settings(f"on{outcome.capitalize()}: warn"))
    assert (found.denied, found.validation) == (False, Validation.WARNED)
    assert found.cause is not None


@pytest.mark.parametrize("setting", ["onUnverified: warn", "mode: warn"])
def test_unverified_stays_unverified_whichever_setting_let_it_in(setting: str) -> None:
    """A retry may find it good."""
    found = verdict(Outcome.UNVERIFIED, settings=parse_settings(setting))
    assert (found.denied, found.validation) == (False, Validation.UNVERIFIED)


@pytest.mark.parametrize(
    ("outcome", "setting"), [(Outcome.UNSUPPORTED, "onUnsupported"), (Outcome.UNKNOWN_HOST, "onUnknownHost")]
)
def test_what_mode_warn_alone_let_in_is_labelled_warned(outcome: Outcome, setting: str) -> None:
    """A first roll-out shows what would have been denied."""
    strict = verdict(outcome, settings=parse_settings(f"{setting}: deny"))
    lenient = verdict(outcome, settings=parse_settings(f"{setting}: deny\nmode: warn"))
    assert strict.denied
    assert (lenient.denied, lenient.validation) == (False, Validation.WARNED)
    assert verdict(outcome, settings=parse_settings("mode: warn")).validation == Validation.UNSUPPORTED


def test_the_worst_of_several_counts() -> None:
    """In the documented order."""
    order = [Validation(name) for name in ("warned", "unverified", "unsupported", "skipped", "passed")]
    for worse, better in pairwise(order):
        assert worst([better, worse]) is worse
    assert worst([]) is Validation.PASSED


def test_one_failing_role_of_two_denies() -> None:
    """Both roles' requirements must hold."""
    assert verdict(Outcome.SUFFICIENT, Outcome.INSUFFICIENT).denied
    assert verdict(Outcome.INSUFFICIENT, Outcome.SKIPPED).denied
    assert not verdict(Outcome.SUFFICIENT, Outcome.SKIPPED).denied


def test_an_entry_that_fails_two_roles_is_one_cause() -> None:
    """And says the same thing once."""
    found = verdict(Outcome.INVALID, Outcome.INVALID)
    assert found.cause is not None
    assert found.cause.field == "data.password"
    assert found.cause.message.count("does something") == 1


def test_an_expired_token_is_invalid_although_it_could_do_everything() -> None:
    """It can't any more."""
    found = verdict(Outcome.SUFFICIENT, facts=Facts(expires_at=NOW))
    assert found.denied
    assert found.judged.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert found.cause is not None
    assert "expired on 2026-11-23" in found.cause.message


LINK = "https://github.com/settings/tokens/new?scopes=repo"


@pytest.mark.parametrize(
    ("finding", "remedy", "advice"),
    [
        (Finding(Outcome.SUFFICIENT), f"Make one that has it: {LINK}", f"Replace it with a new token: {LINK}"),
        (Finding(Outcome.INSUFFICIENT, ("repo",)), f"Make one ({LINK}).", f"Replace it with a new token: {LINK}"),
        (Finding(Outcome.INSUFFICIENT, reason="says no"), f"Give it: {LINK}", "Replace it with a new token."),
        (Finding(Outcome.SUFFICIENT), "", "Replace it with a new token."),
    ],
)
def test_an_expired_token_is_to_be_replaced(finding: Finding, remedy: str, advice: str) -> None:
    """Whatever it had or lacked; the link is kept where it is for new tokens."""
    entry = verdict(Outcome.SUFFICIENT).judged.entry
    judged = Judged(entry, {Role.RUNTIME: finding}, facts=Facts(expires_at=NOW), remedy=remedy)
    found = decide(judged, Settings(), NOW)
    assert found.cause is not None
    assert found.cause.message.endswith(advice)
    assert "Make one" not in found.cause.message


def test_what_is_not_expired_keeps_its_remedy() -> None:
    """Of a token that nothing is known of, its end says nothing either."""
    entry = verdict(Outcome.SUFFICIENT).judged.entry
    judged = Judged(
        entry, {Role.RUNTIME: Finding(Outcome.BLOCKED, reason="no")}, facts=Facts(expires_at=NOW), remedy="Lift it."
    )
    assert decide(judged, Settings(), NOW).judged.remedy == "Lift it."


def test_a_skipped_role_does_not_expire() -> None:
    """A skip is allowed."""
    found = verdict(Outcome.SKIPPED, facts=Facts(expires_at=NOW))
    assert not found.denied


@pytest.mark.parametrize(
    ("left", "warned"),
    [
        (timedelta(seconds=1), True),
        (timedelta(days=14) - timedelta(seconds=1), True),
        (timedelta(days=14), False),
        (timedelta(days=99), False),
    ],
)
def test_less_than_two_weeks_away_is_a_warning(left: timedelta, warned: bool) -> None:
    """And nothing more: the label says passed."""
    found = verdict(Outcome.SUFFICIENT, facts=Facts(expires_at=NOW + left))
    assert bool(found.warnings) is warned
    assert (found.denied, found.validation) == (False, Validation.PASSED)


def test_the_time_before_the_end_can_be_configured() -> None:
    """`expiry.warnWithin`."""
    facts = Facts(expires_at=NOW + timedelta(days=20))
    assert verdict(Outcome.SUFFICIENT, facts=facts, settings=parse_settings("expiry: {warnWithin: 30d}")).warnings


def test_a_token_that_lives_for_hours_by_nature_is_not_warned_of() -> None:
    """Its end is no news."""
    facts = Facts(expires_at=NOW + timedelta(hours=1), short_lived=True)
    assert verdict(Outcome.SUFFICIENT, facts=facts).warnings == ()


def test_warnings_name_their_entry() -> None:
    """A Secret may hold several."""
    found = verdict(Outcome.SUFFICIENT, facts=Facts(warnings=("One thing.",)), warnings=("Another.",))
    assert found.warnings == ("data.password: Another.", "data.password: One thing.")


def test_an_entry_that_can_not_be_found_has_the_field_data() -> None:
    """There is no key to name."""
    whole = Judged(
        Entry("", Malformed("holds no token")), {Role.USER: Finding(Outcome.MALFORMED, reason="holds no token")}
    )
    cause = decide(whole, DEFAULTS, NOW).cause
    assert cause is not None
    assert (cause.field, cause.message) == ("data", "This Secret holds no token.")


def test_a_verdict_shows_no_token() -> None:
    """It is logged and debugged."""
    skip = {Role.USER: Skip("secret", "because")}
    assert make_token() not in repr(verdict(Outcome.SUFFICIENT, skips=skip))
