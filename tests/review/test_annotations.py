"""The labels and annotations that say what was found: true, idempotent, nobody else's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import (
    ARGOCD_TYPE,
    NOW,
    credential,
    make_runtime_secret,
    make_secret,
    make_subject,
    make_token,
    make_user_secret,
    marks,
    patched,
)
from webhook.credentials.entries import Checkable, Entry, External
from webhook.providers.findings import Facts, Finding, Outcome
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Role
from webhook.review.annotations import patch_for, removal_for
from webhook.review.exemptions import Skip
from webhook.review.policy import Judged, Verdict, decide
from webhook.settings.model import Settings
from webhook.subject import SecretObject, Subject

HOSTS = Hosts()
RUNTIME, USER = frozenset({Role.RUNTIME}), frozenset({Role.USER})
FACTS = Facts("classic", "classic token", "octocat", ("read:org", "repo"))
P = "git-token-webhook/"


def entry(key: str, *, hidden: bool = False) -> Entry:
    return Entry(key, Checkable(credential(make_token())), hidden=hidden)


def verdict(
    key: str = "token",
    outcome: Outcome = Outcome.SUFFICIENT,
    *,
    host: str = "github.com",
    facts: Facts = FACTS,
    role: Role = Role.USER,
    hidden: bool = False,
    **others: object,
) -> Verdict:
    asked = outcome not in (Outcome.SKIPPED, Outcome.MALFORMED)
    found = Judged(
        entry(key, hidden=hidden),
        {role: Finding(outcome, reason="does")},
        HOSTS.find(host),
        host,
        facts if asked else Facts(),
        checked_at=NOW if asked else None,
        **others,  # type: ignore[arg-type]
    )
    return decide(found, Settings(), NOW)


def mark(
    subject: Subject, verdicts: Mapping[str, Verdict], unchecked: tuple[str, ...] = (), roles: frozenset[Role] = USER
) -> SecretObject:
    """The Secret with its marks; a second review of it, knowing the same, has nothing to change."""
    entries = {key: verdict.judged.entry for key, verdict in verdicts.items()} | {key: entry(key) for key in unchecked}
    assert subject.object is not None
    result = patched(subject.object, patch_for(subject, roles, verdicts, entries, HOSTS))
    again = patch_for(replace(subject, object=result), roles, verdicts, entries, HOSTS)
    assert again == (), "reinvocation must change nothing"
    return result


def create(**others: object) -> Subject:
    return make_subject(make_user_secret(**{"name": "u", **others}))  # type: ignore[arg-type]


def update(old: SecretObject, **others: object) -> Subject:
    return make_subject(replace(old, **others), old)  # type: ignore[arg-type]


def test_one_entry_is_described_in_plain_values() -> None:
    """Every fact that is known, and none that isn't."""
    facts = replace(FACTS, expires_at=datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), probed="acme/apps")
    result = mark(create(), {"token": verdict(facts=facts)})
    assert marks(result.labels) == {"role": "user", "provider": "github", "validation": "passed"}
    assert marks(result.annotations) == {
        "host": "github.com",
        "account": "octocat",
        "token-type": "classic",
        "scopes": "read:org,repo",
        "expires-at": "2027-01-01T00:00:00Z",
        "probed": "acme/apps",
        "validated-at": "2026-11-23T12:00:00Z",
        "encryption": "none",
    }


def test_several_entries_are_json_objects_by_entry() -> None:
    """In an order that never varies; what one of them doesn't have, it isn't in."""
    verdicts = {"carol": verdict("carol"), "bob": verdict("bob", Outcome.SKIPPED, skips={Role.USER: Skip("s", "so")})}
    result = mark(create(), verdicts)
    assert result.annotations[P + "host"] == '{"bob":"github.com","carol":"github.com"}'
    assert result.annotations[P + "account"] == '{"carol":"octocat"}'
    assert result.annotations[P + "skip-reason"] == '{"bob":"so"}'
    assert result.annotations[P + "validation"] == '{"bob":"skipped","carol":"passed"}'
    assert result.labels[P + "validation"] == "skipped"


@pytest.mark.parametrize("roles", [RUNTIME, USER, RUNTIME | USER])
def test_the_role_label_names_all_roles(roles: frozenset[Role]) -> None:
    """Runtime first."""
    result = mark(create(), {"token": verdict()}, roles=roles)
    assert result.labels[P + "role"] == {1: str(min(roles)), 2: "runtime.user"}[len(roles)]


def test_the_provider_label_names_all_kinds() -> None:
    """Of all entries."""
    result = mark(create(), {"a": verdict("a"), "b": verdict("b", host="gitlab.com"), "c": verdict("c")})
    assert result.labels[P + "provider"] == "github.gitlab"


def test_a_host_that_is_not_declared_has_no_provider() -> None:
    """Its kind isn't certain; its name is told."""
    result = mark(create(), {"token": verdict(outcome=Outcome.UNKNOWN_HOST, host="git.acme.dev")})
    assert marks(result.labels) == {"role": "user", "validation": "unsupported"}
    assert result.annotations[P + "host"] == "git.acme.dev"


@pytest.mark.parametrize("outcome", [Outcome.UNVERIFIED, Outcome.SKIPPED, Outcome.UNSUPPORTED, Outcome.MALFORMED])
def test_what_was_not_validated_has_no_time_of_validation(outcome: Outcome) -> None:
    """It would be untrue, and another each time."""
    assert P + "validated-at" not in mark(create(), {"token": verdict(outcome=outcome)}).annotations


def test_a_value_that_somebody_else_encrypted_is_external() -> None:
    """In the annotation `encryption`."""
    judged = Judged(
        Entry("token", External("is a JWE")),
        {Role.USER: Finding(Outcome.UNSUPPORTED, reason="is a JWE")},
    )
    result = mark(create(), {"token": decide(judged, Settings(), NOW)})
    assert result.annotations[P + "encryption"] == "external"


def test_what_a_user_sends_under_our_prefix_is_replaced_by_ours() -> None:
    """Forged marks are worth nothing, also those that we would not write."""
    forged = {P + "validation": "passed", P + "role": "user", P + "checked": "yes"}
    subject = create(labels=forged, annotations={P + "account": "root", P + "attestation": "x", "other": "stays"})
    result = mark(subject, {"token": verdict(outcome=Outcome.SKIPPED)})
    assert marks(result.labels) == {"role": "user", "provider": "github", "validation": "skipped"}
    assert marks(result.annotations) == {"host": "github.com", "encryption": "none"}
    assert result.annotations["other"] == "stays"


def test_users_own_annotations_under_our_prefix_stay() -> None:
    """We read them and never write them."""
    own = {P + "skip-validation": "user", P + "notifications": "off"}
    subject = create(annotations=own)
    assert own.items() <= mark(subject, {"token": verdict()}).annotations.items()
    assert removal_for(subject) == ()


@pytest.mark.parametrize("name", [{"name": "git-default-1"}, {"name": "", "generate_name": "git-default-"}])
def test_the_platforms_own_labels_are_filled_in_at_create(name: dict[str, str]) -> None:
    """On a git-default-* Secret."""
    result = mark(create(**name), {"token": verdict()})
    assert result.labels["io.codefresh.integration-type"] == "git"
    assert result.labels["io.codefresh.integration-name"] == "default"


def test_the_platforms_own_labels_are_not_changed_where_they_are() -> None:
    """Only what is absent is filled in."""
    result = mark(create(name="git-default-1", labels={"io.codefresh.integration-name": "mine"}), {"token": verdict()})
    assert result.labels["io.codefresh.integration-name"] == "mine"
    assert result.labels["io.codefresh.integration-type"] == "git"


def test_the_platforms_own_labels_are_not_put_on_others() -> None:
    """Neither on other Secrets nor on an UPDATE of a Secret that never had both."""
    assert "io.codefresh.integration-type" not in mark(create(), {"token": verdict()}).labels
    stored = make_user_secret(name="git-default-1")
    assert "io.codefresh.integration-type" not in mark(update(stored), {"token": verdict()}).labels


def test_the_platforms_own_labels_return_when_a_write_removes_both() -> None:
    """Sealed Secrets replaces all labels with those of its template."""
    stored = mark(create(name="git-default-1"), {"token": verdict()})
    written = mark(make_subject(make_user_secret(name="git-default-1"), stored), {"token": verdict()})
    assert written.labels["io.codefresh.integration-type"] == "git"
    assert written.labels["io.codefresh.integration-name"] == "default"


# --- updates --------------------------------------------------------------------------------------------------------


def stored(*verdicts: Verdict) -> SecretObject:
    return mark(create(), {verdict.judged.entry.key: verdict for verdict in verdicts})


def test_an_update_without_changed_entries_changes_no_mark() -> None:
    """What was found stays true."""
    for old in (stored(verdict()), stored(verdict("bob"), verdict("carol", Outcome.INVALID))):
        keys = (
            ("token",) if len(marks(old.annotations)) and P + "validation" not in old.annotations else ("bob", "carol")
        )
        assert patch_for(update(old), USER, {}, {key: entry(key) for key in keys}, HOSTS) == ()


def test_marks_that_an_update_takes_off_or_forges_come_back() -> None:
    """As the stored Secret has them, and not as the request has them."""
    old = stored(verdict(outcome=Outcome.INVALID))
    without = mark(update(old, labels={}, annotations={}), {}, ("token",))
    forged = mark(update(old, labels={P + "validation": "passed"}, annotations={P + "account": "x"}), {}, ("token",))
    for result in (without, forged):
        assert marks(result.labels) == marks(old.labels)
        assert marks(result.annotations) == marks(old.annotations)


def test_a_secret_that_was_never_checked_gets_no_marks_by_a_relabelling() -> None:
    """And loses forged ones: an audit tells by them what was checked."""
    old = make_user_secret(name="u")
    result = mark(update(old, labels={P + "validation": "passed"}), {}, ("token",))
    assert marks(result.labels) == {}


def test_a_partial_update_keeps_what_was_last_found_of_the_others() -> None:
    """And the label stays the worst of all."""
    old = stored(verdict("bob", Outcome.INVALID), verdict("carol"))
    facts = replace(FACTS, account="other")
    result = mark(update(old), {"carol": verdict("carol", facts=facts)}, ("bob",))
    assert json.loads(result.annotations[P + "account"]) == {"bob": "octocat", "carol": "other"}
    assert json.loads(result.annotations[P + "validation"]) == {"bob": "warned", "carol": "passed"}
    assert result.labels[P + "validation"] == "warned"


def test_an_entry_that_becomes_good_improves_the_label() -> None:
    """Worst of what is there now, and not of what once was."""
    old = stored(verdict("bob", Outcome.INVALID), verdict("carol"))
    result = mark(update(old), {"bob": verdict("bob")}, ("carol",))
    assert result.labels[P + "validation"] == "passed"


def test_a_second_entry_turns_plain_values_into_objects() -> None:
    """The first keeps what was found of it."""
    old = stored(verdict("bob", Outcome.INVALID))
    result = mark(update(old), {"carol": verdict("carol", host="gitlab.com")}, ("bob",))
    assert json.loads(result.annotations[P + "host"]) == {"bob": "github.com", "carol": "gitlab.com"}
    assert json.loads(result.annotations[P + "validation"]) == {"bob": "warned", "carol": "passed"}
    assert marks(result.labels) == {"role": "user", "provider": "github.gitlab", "validation": "warned"}


def test_an_entry_that_is_removed_takes_its_marks_along() -> None:
    """What remains is one entry, in plain values, and its own label and provider."""
    old = stored(verdict("bob", Outcome.INVALID, host="gitlab.com"), verdict("carol"))
    result = mark(update(old), {}, ("carol",))
    assert marks(result.annotations) == marks(stored(verdict("carol")).annotations)
    assert marks(result.labels) == {"role": "user", "provider": "github", "validation": "passed"}


def test_the_last_entry_leaves_no_facts_behind() -> None:
    """A Secret without users says nothing of a token that is gone."""
    result = mark(update(stored(verdict(outcome=Outcome.INVALID))), {})
    assert marks(result.annotations) == {}
    assert marks(result.labels) == {"role": "user", "validation": "passed"}


def test_what_nobody_ever_checked_is_unverified_beside_what_was() -> None:
    """An entry put in while no webhook ran isn't called good, and doesn't inherit another's facts."""
    old = stored(verdict("bob"))
    result = mark(update(old), {"dave": verdict("dave")}, ("bob", "carol"))
    assert json.loads(result.annotations[P + "validation"])["carol"] == "unverified"
    assert json.loads(result.annotations[P + "account"]) == {"dave": "octocat"}
    assert result.labels[P + "validation"] == "unverified"


@pytest.mark.parametrize(
    "odd", ["{", "{}", "[]", '{"bob":5}', "{" * 9999, '{"bob":"nonsense"}', "nonsense"], ids=range(7)
)
def test_marks_that_somebody_spoilt_are_unverified(odd: str) -> None:
    """An annotation that isn't ours any more neither crashes the review nor is believed."""
    old = stored(verdict("bob"), verdict("carol"))
    old = replace(old, annotations={**old.annotations, P + "validation": odd, P + "host": odd})
    result = mark(update(old), {"carol": verdict("carol")}, ("bob",))
    assert json.loads(result.annotations[P + "validation"])["bob"] == "unverified"
    assert result.labels[P + "validation"] == "unverified"


def test_a_role_that_is_dropped_leaves_the_rest() -> None:
    """The label goes with the rule; what was found stays."""
    old = mark(create(), {"token": verdict()}, roles=RUNTIME | USER)
    result = mark(update(old), {}, ("token",))
    assert marks(result.labels) == {"role": "user", "provider": "github", "validation": "passed"}
    assert marks(result.annotations) == marks(old.annotations)


def test_a_host_that_is_no_longer_declared_keeps_its_provider() -> None:
    """What was last found of an unchanged entry stays."""
    old = stored(verdict())
    old = replace(
        old,
        labels={**old.labels, P + "provider": "gitlab"},
        annotations={**old.annotations, P + "host": "git.acme.dev"},
    )
    assert mark(update(old), {}, ("token",)).labels[P + "provider"] == "gitlab"


def test_taking_the_role_away_takes_all_marks_off() -> None:
    """Nobody keeps them true any more; everything else stays."""
    old = stored(verdict())
    old = replace(old, labels={**old.labels, "a": "b"}, annotations={**old.annotations, "c": "d"})
    result = patched(old, removal_for(update(old)))
    assert (result.labels, result.annotations) == ({"a": "b"}, {"c": "d"})


def test_a_deletion_has_nothing_to_patch() -> None:
    """There is no new object."""
    subject = make_subject(None, make_secret())
    assert patch_for(subject, USER, {}, {}, HOSTS) == ()
    assert removal_for(subject) == ()


def test_a_key_that_is_a_token_is_in_no_annotation() -> None:
    """Annotations are shown to more people than data."""
    key = make_token("k")
    result = mark(create(), {key: verdict(key, Outcome.MALFORMED, hidden=True), "bob": verdict("bob")})
    assert key not in json.dumps([dict(result.labels), dict(result.annotations)])
    assert result.labels[P + "validation"] == "warned"


# --- properties -----------------------------------------------------------------------------------------------------

names = st.sampled_from(["bob", "carol", "dave"])
outcomes = st.sampled_from(list(Outcome))
foreign = st.dictionaries(
    st.sampled_from([P + "validation", P + "host", P + "role", P + "x", P + "skip-validation", "a", ARGOCD_TYPE]),
    st.text('{}":bobpassed,', max_size=12),
    max_size=4,
)
hosts = st.sampled_from(["github.com", "gitlab.com", "git.acme.dev"])
found = st.dictionaries(names, st.tuples(outcomes, hosts), min_size=1)


@given(found, foreign, foreign)
def test_a_second_review_of_the_patched_secret_changes_nothing(
    entries: dict[str, tuple[Outcome, str]], labels: dict[str, str], annotations: dict[str, str]
) -> None:
    """Whatever was sent along, the same findings give the same marks; `mark` asserts it."""
    verdicts = {key: verdict(key, outcome, host=host) for key, (outcome, host) in entries.items()}
    sent = make_secret(labels=labels, annotations=annotations)
    result = mark(make_subject(sent), verdicts)
    plain = mark(make_subject(make_secret()), verdicts)
    for ours, expected in ((result.labels, plain.labels), (result.annotations, plain.annotations)):
        assert {k: v for k, v in marks(ours).items() if k != "skip-validation"} == marks(expected)
    assert {k: v for k, v in result.labels.items() if not k.startswith(P)} == {
        k: v for k, v in labels.items() if not k.startswith(P)
    }


@given(found, found)
def test_marks_after_partial_updates_are_those_of_a_fresh_secret(
    before: dict[str, tuple[Outcome, str]], after: dict[str, tuple[Outcome, str]]
) -> None:
    """Entries judged one write at a time end like entries judged at once."""
    first = {key: verdict(key, outcome, host=host) for key, (outcome, host) in before.items()}
    old = mark(make_subject(make_secret()), first)
    second = {
        key: verdict(key, outcome, host=host)
        for key, (outcome, host) in after.items()
        if before.get(key) != (outcome, host)
    }
    unchecked = tuple(key for key in after if key not in second)
    at_once = {key: verdict(key, outcome, host=host) for key, (outcome, host) in after.items()}
    result = mark(update(old), second, unchecked)
    fresh = mark(make_subject(make_secret()), at_once)
    assert marks(result.annotations) == marks(fresh.annotations)
    assert marks(result.labels) == marks(fresh.labels)


@given(foreign, foreign, foreign, foreign)
def test_no_stored_marks_can_fail_a_review(
    labels: dict[str, str], annotations: dict[str, str], old_labels: dict[str, str], old_annotations: dict[str, str]
) -> None:
    """Whatever somebody left under our prefix while no webhook ran."""
    old = make_secret(labels=old_labels, annotations=old_annotations)
    subject = make_subject(make_secret(labels=labels, annotations=annotations), old)
    mark(subject, {"bob": verdict("bob")}, ("carol",))
    mark(subject, {}, ("carol", "dave"))
    mark(subject, {}, ())


def test_the_patch_of_a_runtime_secret_touches_only_our_marks() -> None:
    """Argo CD's own label and annotations stay as they are."""
    secret = make_runtime_secret(annotations={"managed-by": "argocd.argoproj.io"})
    result = mark(make_subject(secret), {"password": verdict("password", role=Role.RUNTIME)}, roles=RUNTIME)
    assert result.labels[ARGOCD_TYPE] == "repo-creds"
    assert result.annotations["managed-by"] == "argocd.argoproj.io"


def test_times_are_written_in_utc() -> None:
    """RFC 3339, with Z."""
    assert NOW.tzinfo is UTC
    assert mark(create(), {"token": verdict()}).annotations[P + "validated-at"].endswith("Z")
