"""The story of one review, from Secret to decision, with only the provider and the API server made up."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import (
    ARGOCD_TYPE,
    INTEGRATION,
    NOW,
    SKIP,
    Desk,
    FakeCluster,
    allowed,
    denied,
    encode,
    make_runtime_secret,
    make_secret,
    make_subject,
    make_token,
    make_user_secret,
    marks,
    patched,
)
from webhook.decision import Allow, Deny, Stage
from webhook.providers.findings import Facts
from webhook.review.conclusion import Reviewed
from webhook.subject import Operation, SecretObject

GOOD, USERS, WEAK, DEAD = (make_token(name) for name in "guwd")
TOKENS = {GOOD: ("admin:repo_hook", "repo"), USERS: ("repo",), WEAK: ("read:org",)}
GITLAB_TOKEN = make_token("l", "glpat-")


@pytest.fixture
def desk() -> Desk:
    return Desk(TOKENS)


def runtime(token: str = GOOD, **data: str | bytes) -> SecretObject:
    return make_runtime_secret({"url": "https://github.com/acme", "username": "git", "password": token, **data})


def users(**tokens: str | bytes) -> SecretObject:
    return make_user_secret(tokens)


# --- which Secrets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", list(Stage))
async def test_another_secret_is_nobodys_business(desk: Desk, stage: Stage) -> None:
    """Allowed silently, whatever is in it."""
    secret = make_secret({"password": WEAK}, labels={"team": "a"})
    assert await desk.review(make_subject(secret), stage) == Reviewed(Allow())
    assert desk.provider.asked == []


@pytest.mark.parametrize("operation", [Operation.DELETE, Operation.CONNECT])
async def test_what_writes_nothing_is_allowed(desk: Desk, operation: Operation) -> None:
    """A bad token may always be deleted."""
    assert await desk.decide(make_subject(None, runtime(WEAK), operation=operation)) == Allow()


async def test_a_deletion_timestamp_in_a_new_object_means_nothing(desk: Desk) -> None:
    """Anybody can write one: on CREATE, and on UPDATE of a Secret that isn't being deleted."""
    secret = replace(runtime(WEAK), deleting=True)
    assert isinstance(await desk.decide(make_subject(secret)), Deny)
    assert isinstance(await desk.decide(make_subject(secret, runtime(GOOD))), Deny)


async def test_a_good_token_is_stored_with_its_marks(desk: Desk) -> None:
    """The whole way: mutate, patch, validate."""
    stored = await desk.store(runtime())
    assert marks(stored.labels) == {"role": "runtime", "provider": "github", "validation": "passed"}
    assert marks(stored.annotations)["account"] == "octocat"
    assert marks(stored.annotations)["validated-at"] == "2026-11-23T12:00:00Z"


async def test_one_write_asks_the_provider_once(desk: Desk) -> None:
    """Both calls and a reinvocation share one answer, and the reinvocation changes nothing."""
    stored = await desk.store(runtime())
    again = await desk.decide(make_subject(stored), Stage.MUTATE)
    assert allowed(again).patch == ()
    assert len(desk.provider.asked) == 1


async def test_a_weak_runtime_token_is_refused_with_what_it_lacks(desk: Desk) -> None:
    """422 with a cause for the entry, and a message that holds it."""
    denial = denied(await desk.decide(make_subject(runtime(USERS))))
    sentence = (
        "github.com says that this classic token of octocat has repo; a runtime token also needs admin:repo_hook. "
        "Make a better one."
    )
    assert (denial.code, denial.reason) == (422, "Invalid")
    assert [(cause.field, cause.message) for cause in denial.causes] == [("data.password", sentence)]
    assert denial.message == f"runtime/runtime-repo-creds-secret: data.password: {sentence}"


async def test_a_users_token_needs_less(desk: Desk) -> None:
    """The role decides."""
    assert isinstance(await desk.decide(make_subject(users(token=USERS))), Allow)
    assert isinstance(await desk.decide(make_subject(users(token=WEAK))), Deny)


async def test_a_secret_of_both_roles_needs_what_both_need(desk: Desk) -> None:
    """In one cause that names both, where it fails both."""
    both = make_runtime_secret({"password": USERS}, name="git-default-1")
    assert "runtime token" in denied(await desk.decide(make_subject(both))).message
    weak = make_runtime_secret({"password": WEAK}, name="git-default-1")
    (cause,) = denied(await desk.decide(make_subject(weak))).causes
    assert "a runtime token also needs" in cause.message
    assert "a user token also needs" in cause.message


async def test_both_roles_and_type_helm_still_check_the_user(desk: Desk) -> None:
    """A second label isn't a way out of the first rule."""
    secret = make_runtime_secret({"password": WEAK, "type": "helm"}, name="git-default-1")
    assert isinstance(await desk.decide(make_subject(secret)), Deny)


async def test_mutate_denies_no_bad_token(desk: Desk) -> None:
    """`/validate` alone enforces."""
    assert isinstance(await desk.decide(make_subject(runtime(DEAD)), Stage.MUTATE), Allow)


async def test_validate_patches_nothing(desk: Desk) -> None:
    """It couldn't."""
    assert allowed(await desk.decide(make_subject(runtime()))).patch == ()


async def test_validate_enforces_without_mutate(desk: Desk) -> None:
    """Also where forged marks say that all is well."""
    forged = {"git-token-webhook/validation": "passed", "git-token-webhook/role": "runtime"}
    secret = runtime(WEAK)
    secret = replace(secret, labels={**secret.labels, **forged}, annotations={"git-token-webhook/attestation": "x"})
    assert isinstance(await desk.decide(make_subject(secret)), Deny)


async def test_a_rule_of_ones_own_may_need_something_else() -> None:
    """Several rules of one role: what all of them need."""
    desk = Desk(
        TOKENS,
        """
        rules:
          - {name: repositories, role: runtime, labels: {argocd.argoproj.io/secret-type: repository},
             requirements: {github: {scopes: [repo]}}}
          - {name: strict, role: runtime, labels: {strict: "yes"},
             requirements: {github: {scopes: ["admin:repo_hook"]}}}
        """,
    )
    data = {"url": "https://github.com/acme/apps", "password": USERS}
    assert isinstance(await desk.decide(make_subject(make_secret(data, labels={ARGOCD_TYPE: "repository"}))), Allow)
    strict = make_secret(data, labels={ARGOCD_TYPE: "repository", "strict": "yes"})
    assert isinstance(await desk.decide(make_subject(strict)), Deny)


@pytest.mark.parametrize("url", ["HTTPS://GitHub.COM/acme/apps", "https://x:y@github.com/acme/apps"])
async def test_a_rule_by_url_is_not_escaped_by_spelling(url: str) -> None:
    """The Secret is looked at, however its URL is written."""
    rule = (
        "{name: r, role: runtime, labels: {argocd.argoproj.io/secret-type: repository}, urls: ['https://github.com/*']}"
    )
    desk = Desk(TOKENS, f"rules: [{rule}]")
    secret = make_secret({"url": url, "password": WEAK}, labels={ARGOCD_TYPE: "repository"})
    assert isinstance(await desk.decide(make_subject(secret)), Deny)
    elsewhere = make_secret({"url": "https://gitlab.com/x", "password": WEAK}, labels={ARGOCD_TYPE: "repository"})
    assert await desk.decide(make_subject(elsewhere)) == Allow()


# --- updates --------------------------------------------------------------------------------------------------------


async def test_an_update_that_changes_no_entry_asks_nobody(desk: Desk) -> None:
    """A provider's outage never blocks a relabelling."""
    stored = await desk.store(runtime())
    desk.provider.silent = True
    desk.now += timedelta(days=1)
    relabelled = replace(stored, labels={**stored.labels, "team": "a"}, annotations={**stored.annotations, "b": "c"})
    assert await desk.store(relabelled, stored) == relabelled
    assert len(desk.provider.asked) == 1


async def test_a_secret_that_was_never_checked_may_be_relabelled(desk: Desk) -> None:
    """Even with a bad token: the write makes nothing worse."""
    old = runtime(DEAD)
    assert await desk.decide(make_subject(replace(old, annotations={"a": "b"}), old)) == Allow(
        audit_annotations={"roles": "runtime"}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"password": WEAK},
        {"bearerToken": WEAK},
        {"password": "", "bearerToken": DEAD},
        {"url": "https://gitlab.com/acme"},
        {"url": "https://u:p@github.com/acme"},
        {"githubAppEnterpriseBaseUrl": "nonsense"},
    ],
)
async def test_a_changed_token_or_url_is_checked_like_a_new_one(desk: Desk, change: dict[str, str]) -> None:
    """A rotated token, another key, another place."""
    stored = await desk.store(runtime())
    changed = replace(stored, data={**stored.data, **{key: encode(value) for key, value in change.items()}})
    assert isinstance(await desk.decide(make_subject(changed, stored)), Deny)


async def test_a_token_that_moves_to_another_key_is_checked(desk: Desk) -> None:
    """An entry is its key, its token and its place."""
    old = users(bob=WEAK)
    assert isinstance(await desk.decide(make_subject(users(carol=WEAK), old)), Deny)


async def test_a_changed_username_is_checked(desk: Desk) -> None:
    """Some tokens work with one user name alone."""
    await desk.decide(make_subject(runtime(username="other"), runtime()))
    assert len(desk.provider.asked) == 1


async def test_what_was_let_in_malformed_can_not_be_rotated(desk: Desk) -> None:
    """The old one stays as it is; a new one has to be right."""
    old = runtime(GOOD, url="nonsense")
    assert isinstance(await desk.decide(make_subject(replace(old, annotations={"a": "b"}), old)), Allow)
    assert isinstance(await desk.decide(make_subject(runtime(WEAK, url="nonsense"), old)), Deny)


async def test_helm_turned_into_git_is_checked(desk: Desk) -> None:
    """A token that was nobody's business becomes one's."""
    old = runtime(WEAK, type="helm", url="https://charts.acme.dev")
    assert isinstance(await desk.decide(make_subject(old)), Allow)
    assert isinstance(await desk.decide(make_subject(runtime(WEAK, type="git"), old)), Deny)


@pytest.mark.parametrize("kind", ["helm", "oci"])
async def test_a_type_does_not_hide_a_token_for_a_git_host(desk: Desk, kind: str) -> None:
    """Argo CD finds credentials by URL alone."""
    assert isinstance(await desk.decide(make_subject(runtime(WEAK, type=kind))), Deny)
    assert isinstance(await desk.decide(make_subject(runtime(GOOD, type=kind))), Allow)


async def test_what_is_unsupported_is_so_at_an_undeclared_host() -> None:
    """A strict setting for undeclared hosts says nothing of credentials that can't be checked at any host."""
    strict = Desk(configuration="onUnknownHost: deny")
    url = {"url": "https://git.other.dev/acme"}
    for data in ({"sshPrivateKey": "key"}, {"password": "gldt-" + "a1B2" * 5}):
        assert isinstance(await strict.decide(make_subject(make_runtime_secret(url | data))), Allow)
    assert isinstance(await strict.decide(make_subject(make_runtime_secret(url | {"password": "s3cretvalue"}))), Deny)


async def test_a_malformed_url_is_named_once_by_its_own_key(desk: Desk) -> None:
    """Also where two tokens go there."""
    secret = make_runtime_secret({"url": "https://github.co", "password": WEAK, "bearerToken": WEAK})
    denied = await desk.decide(make_subject(secret))
    assert isinstance(denied, Deny)
    assert [cause.field for cause in denied.causes] == ["data.url"]


@pytest.mark.parametrize("labels", [{ARGOCD_TYPE: "repo-creds"}, {INTEGRATION: "git"}])
async def test_a_label_put_on_later_is_checked_like_a_new_secret(desk: Desk, labels: dict[str, str]) -> None:
    """With the same data."""
    old = make_secret({"password": WEAK})
    assert isinstance(await desk.decide(make_subject(replace(old, labels=labels), old)), Deny)


async def test_a_second_role_put_on_later_is_checked(desk: Desk) -> None:
    """A user's token isn't good enough for the runtime."""
    old = make_user_secret({"password": USERS})
    later = replace(old, labels={ARGOCD_TYPE: "repo-creds"})
    assert isinstance(await desk.decide(make_subject(later, old)), Deny)


async def test_a_second_label_of_the_same_role_asks_nobody(desk: Desk) -> None:
    """It matches no role that it did not match before."""
    old = users(token=DEAD)
    assert isinstance(await desk.decide(make_subject(replace(old, labels={INTEGRATION: "git"}), old)), Allow)
    assert desk.provider.asked == []


async def test_a_role_that_goes_asks_nobody(desk: Desk) -> None:
    """What stays was checked."""
    old = make_runtime_secret({"password": GOOD}, name="git-default-1")
    assert isinstance(await desk.decide(make_subject(replace(old, labels={}), old)), Allow)
    assert desk.provider.asked == []


async def test_taking_the_label_off_is_allowed_and_takes_the_marks_along(desk: Desk) -> None:
    """And is never undone."""
    stored = await desk.store(runtime())
    without = {key: value for key, value in stored.labels.items() if key != ARGOCD_TYPE}
    result = await desk.store(replace(stored, labels=without), stored)
    assert (result.labels, result.annotations) == ({}, {})


async def test_an_old_secret_that_can_not_be_decoded_excuses_nothing(desk: Desk) -> None:
    """Then all entries are new."""
    old = replace(runtime(), data={"password": "%"})
    assert isinstance(await desk.decide(make_subject(runtime(WEAK), old)), Deny)


# --- several users --------------------------------------------------------------------------------------------------


async def test_all_entries_that_fail_are_named_in_one_message(desk: Desk) -> None:
    """With a cause for each, and none for the good one."""
    denial = denied(await desk.decide(make_subject(users(bob=WEAK, carol=USERS, dave=DEAD, eve=""))))
    assert [cause.field for cause in denial.causes] == ["data.bob", "data.dave", "data.eve"]
    assert all(f"{cause.field}: {cause.message}" in denial.message for cause in denial.causes)


async def test_only_the_entries_that_changed_are_checked(desk: Desk) -> None:
    """One user's dead token doesn't block another's new one, and its label stays."""
    lenient = Desk(TOKENS, "mode: warn")
    stored = await lenient.store(users(bob=DEAD, carol=USERS))
    assert stored.labels["git-token-webhook/validation"] == "warned"
    changed = replace(stored, data={**stored.data, "carol": encode(GOOD)})
    result = await desk.store(changed, stored)
    assert desk.provider.tokens_asked_about == [GOOD]
    assert json.loads(result.annotations["git-token-webhook/validation"]) == {"bob": "warned", "carol": "passed"}
    assert result.labels["git-token-webhook/validation"] == "warned"


async def test_a_users_secret_may_be_empty(desk: Desk) -> None:
    """Before the first user, and after the last."""
    empty = make_user_secret({})
    assert isinstance(await desk.decide(make_subject(empty)), Allow)
    stored = await desk.store(users(bob=USERS))
    assert set(marks((await desk.store(replace(stored, data={}), stored)).annotations)) == set()


async def test_each_entry_goes_to_its_own_host(desk: Desk) -> None:
    """And to no other."""
    desk.gitlab.tokens[GITLAB_TOKEN] = ("write_repository", "read_api")
    document = json.dumps({"token": GITLAB_TOKEN, "url": "https://gitlab.com/acme"})
    await desk.store(users(bob=USERS, carol=document))
    assert desk.provider.tokens_asked_about == [USERS]
    assert desk.gitlab.tokens_asked_about == [GITLAB_TOKEN]


# --- decisions ------------------------------------------------------------------------------------------------------


async def test_no_answer_denies_and_says_that_a_retry_may_pass(desk: Desk) -> None:
    """What isn't known is not called good."""
    desk.provider.silent = True
    assert "a retry may pass" in denied(await desk.decide(make_subject(runtime()))).message


async def test_on_unverified_warn_lets_it_in_with_a_warning_and_a_label() -> None:
    """The outage shows."""
    desk = Desk(TOKENS, "onUnverified: warn")
    desk.provider.silent = True
    stored, decision = await desk.write(runtime())
    assert "answered 502" in allowed(decision).warnings[0]
    assert stored.labels["git-token-webhook/validation"] == "unverified"


async def test_mode_warn_turns_a_denial_into_a_warning() -> None:
    """With the same sentence, what would have become of it, and the label that tells it."""
    strict = denied(await Desk(TOKENS).decide(make_subject(runtime(WEAK))))
    stored, decision = await Desk(TOKENS, "mode: warn").write(runtime(WEAK))
    sentence = strict.message.removeprefix("runtime/runtime-repo-creds-secret: ")
    assert allowed(decision).warnings == (f"{sentence} With mode: enforce, this write would be denied.",)
    assert stored.labels["git-token-webhook/validation"] == "warned"


async def test_what_a_setting_of_its_own_lets_in_would_be_let_in_by_enforce_as_well() -> None:
    """So nothing else is claimed in `mode: warn`."""
    warned = allowed(await Desk(TOKENS, "{mode: warn, onInsufficient: warn}").decide(make_subject(runtime(WEAK))))
    assert "would be refused" not in str(warned.warnings)


@pytest.mark.parametrize(
    "secret",
    [
        runtime(WEAK),
        runtime(DEAD),
        runtime(""),
        runtime(url="nonsense"),
        runtime(GITLAB_TOKEN),
        make_runtime_secret({}),
        replace(runtime(), data={"password": "%"}),
        replace(runtime(), annotations={SKIP: "true"}),
    ],
    ids=range(8),
)
async def test_mode_warn_denies_nothing_at_all(secret: SecretObject) -> None:
    """Neither what is malformed nor who lacks a right; in neither stage."""
    desk = Desk(TOKENS, "mode: warn\nonUnsupported: deny\nonUnknownHost: deny", FakeCluster())
    desk.provider.silent = secret.annotations != {}
    _, decision = await desk.write(secret)
    assert allowed(decision).warnings


async def test_a_host_that_is_not_declared_is_allowed_with_a_warning_and_asked_nothing(desk: Desk) -> None:
    """Nothing is sent there."""
    stored, decision = await desk.write(runtime(url="https://git.acme.dev/acme"))
    assert "git.acme.dev is not a declared Git host" in allowed(decision).warnings[0]
    assert stored.labels["git-token-webhook/validation"] == "unsupported"
    assert desk.provider.asked == []


async def test_on_unknown_host_deny_refuses_it() -> None:
    """Where all hosts are meant to be declared."""
    decision = await Desk(TOKENS, "onUnknownHost: deny").decide(make_subject(runtime(url="https://git.acme.dev/acme")))
    assert denied(decision).causes[0].field == "data.password"


UNSUPPORTED = [
    make_runtime_secret({"url": "ssh://git@github.com/acme", "sshPrivateKey": "key"}),
    make_runtime_secret({"url": "https://charts.acme.dev", "type": "helm", "password": "p"}),
    make_runtime_secret({"url": "https://github.com/acme", "password": b"\xff\xfe"}),
    make_user_secret({"token": "0af1" * 16, "encryptionIV": "0" * 32}),
]


@pytest.mark.parametrize("secret", UNSUPPORTED, ids=range(4))
async def test_what_is_unsupported_is_allowed_and_both_stages_warn(desk: Desk, secret: SecretObject) -> None:
    """Nobody is asked."""
    for stage in Stage:
        (warning,) = allowed(await desk.decide(make_subject(secret), stage)).warnings
        assert "cannot be checked" in warning
    assert (await desk.store(secret)).labels["git-token-webhook/validation"] == "unsupported"
    assert desk.provider.asked == []


@pytest.mark.parametrize("secret", UNSUPPORTED, ids=range(4))
async def test_on_unsupported_deny_refuses_it(secret: SecretObject) -> None:
    """Where only checked credentials are wanted."""
    assert isinstance(await Desk(TOKENS, "onUnsupported: deny").decide(make_subject(secret)), Deny)


async def test_a_prefix_that_contradicts_the_host_is_refused_and_sent_nowhere(desk: Desk) -> None:
    """It would hand the token to a stranger."""
    message = denied(await desk.decide(make_subject(runtime(GITLAB_TOKEN)))).message
    assert "is a GitLab token, but goes to github.com, which is GitHub" in message
    assert desk.provider.asked == desk.gitlab.asked == []


async def test_http_is_checked_with_a_warning(desk: Desk) -> None:
    """Git would send the token in clear."""
    (warning,) = allowed(await desk.decide(make_subject(runtime(url="http://github.com/acme")))).warnings
    assert "unencrypted" in warning


async def test_bad_base64_is_denied_as_invalid(desk: Desk) -> None:
    """By both stages, since neither can read it."""
    for stage in Stage:
        denial = denied(await desk.decide(make_subject(replace(runtime(), data={"password": "%"})), stage))
        assert (denial.code, denial.message) == (
            422,
            "runtime/runtime-repo-creds-secret: data: data.password is not valid base64.",
        )


async def test_an_expired_token_is_refused_and_one_that_ends_soon_warned_of(desk: Desk) -> None:
    """By the provider's own date."""
    desk.provider.facts[GOOD] = Facts("classic", "classic token", "octocat", expires_at=NOW + timedelta(days=3))
    (warning,) = allowed(await desk.decide(make_subject(runtime()))).warnings
    assert "expires in 3 days" in warning
    desk.now += timedelta(days=4)
    assert "expired on 2026-11-26" in denied(await desk.decide(make_subject(runtime()))).message


async def test_a_kind_that_this_version_can_not_check_is_unsupported(desk: Desk) -> None:
    """In a sentence whose subject is the host."""
    secret = runtime(make_token("b", "ATATT"), url="https://bitbucket.org/acme")
    (warning,) = allowed(await desk.decide(make_subject(secret))).warnings
    assert warning.startswith("data.password: bitbucket.org is a bitbucket host, which this version cannot check")


async def test_the_audit_log_says_what_was_found(desk: Desk) -> None:
    """Roles and validation; keys without slash."""
    decision = await desk.decide(make_subject(runtime(WEAK)))
    assert decision.audit_annotations == {"roles": "runtime", "validation": "denied"}


# --- skips ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configuration", "cluster"),
    [
        ("installer: {skipValidation: true}", None),
        ("", FakeCluster(namespace_annotation="true")),
        ("", FakeCluster(namespace_annotation="runtime")),
    ],
    ids=range(3),
)
async def test_a_skip_asks_nobody_and_always_shows(configuration: str, cluster: FakeCluster | None) -> None:
    """Warning, label, annotation, audit annotation, and what the metric counts."""
    desk = Desk(TOKENS, configuration, cluster)
    stored = await desk.store(runtime(DEAD))
    reviewed = await desk.review(make_subject(stored))
    assert desk.provider.asked == []
    assert stored.labels["git-token-webhook/validation"] == "skipped"
    assert stored.annotations["git-token-webhook/skip-reason"]
    assert "is not validated" in allowed(reviewed.decision).warnings[0]
    assert reviewed.decision.audit_annotations["validation"] == "skipped"
    assert reviewed.decision.audit_annotations["skip-reason"]
    assert reviewed.describe()["skips"]


async def test_where_one_role_is_skipped_the_other_is_checked() -> None:
    """And the worst of both is the label."""
    desk = Desk(TOKENS, "installer: {skipValidation: true}")
    secret = make_runtime_secret({"password": USERS}, name="git-default-1")
    stored, decision = await desk.write(secret)
    assert isinstance(decision, Allow)
    assert stored.labels["git-token-webhook/validation"] == "skipped"
    assert [set(question.requirements) for question in desk.provider.asked] == [{"user"}]
    weak = make_runtime_secret({"password": WEAK}, name="git-default-1")
    assert isinstance(await desk.decide(make_subject(weak)), Deny)


async def test_who_may_skip_is_not_checked() -> None:
    """By the annotation on the Secret."""
    desk = Desk(TOKENS, cluster=FakeCluster(may=frozenset({"root"})))
    secret = replace(runtime(DEAD), annotations={SKIP: "TRUE "})
    stored = await desk.store(secret, requester="root")
    assert stored.annotations[SKIP] == "TRUE "
    assert desk.provider.asked == []


async def test_a_requester_without_the_right_to_skip_is_denied() -> None:
    """422 with a cause, also with a good token: on a 403 kubectl apply would print the patch, token and all."""
    desk = Desk(TOKENS, cluster=FakeCluster(may=frozenset({"root"})))
    secret = replace(runtime(GOOD), annotations={SKIP: "true"})
    denial = denied(await desk.decide(make_subject(secret, requester="mallory")))
    assert (denial.code, denial.reason) == (422, "Invalid")
    (cause,) = denial.causes
    assert cause.field == "metadata.annotations"
    assert cause.message.startswith("mallory may not use the annotation")
    assert denial.message == f"runtime/runtime-repo-creds-secret: metadata.annotations: {cause.message}"


async def test_a_weak_token_is_named_beside_the_missing_right_to_skip() -> None:
    """Everything that has to be changed, at once."""
    desk = Desk(TOKENS, cluster=FakeCluster())
    denial = denied(await desk.decide(make_subject(replace(runtime(WEAK), annotations={SKIP: "true"}))))
    assert [cause.field for cause in denial.causes] == ["metadata.annotations", "data.password"]


async def test_in_mode_warn_a_forbidden_skip_is_a_warning_and_skips_nothing() -> None:
    """The token is judged as if the annotation weren't there."""
    desk = Desk(TOKENS, "mode: warn", FakeCluster())
    warnings = allowed(await desk.decide(make_subject(replace(runtime(WEAK), annotations={SKIP: "true"})))).warnings
    assert len(desk.provider.asked) == 1
    assert ["may not use the annotation" in warning for warning in warnings].count(True) == 1
    assert any("also needs" in warning for warning in warnings)


@pytest.mark.parametrize("cluster", [None, FakeCluster(down=True)], ids=["none", "down"])
async def test_where_the_api_server_can_not_be_asked_the_annotation_is_not_honoured(
    cluster: FakeCluster | None,
) -> None:
    """The token is checked; a good one is allowed, with the reason why it was checked."""
    desk = Desk(TOKENS, cluster=cluster)
    annotated = {SKIP: "true"}
    assert isinstance(await desk.decide(make_subject(replace(runtime(WEAK), annotations=annotated))), Deny)
    decision = allowed(await desk.decide(make_subject(replace(runtime(GOOD), annotations=annotated))))
    assert any("skips nothing" in warning for warning in decision.warnings)


async def test_a_dubious_annotation_is_reported_and_skips_nothing() -> None:
    """In a warning to whoever writes."""
    desk = Desk(TOKENS, cluster=FakeCluster(may=frozenset({"alice"})))
    denial = denied(await desk.decide(make_subject(replace(runtime(WEAK), annotations={SKIP: "yes"}))))
    assert any("use true, runtime, user or false" in warning for warning in denial.warnings)


# --- time -----------------------------------------------------------------------------------------------------------


async def test_a_decision_that_is_late_is_a_denial(desk: Desk) -> None:
    """What isn't known is not called good."""
    denial = denied(desk.reviewer.late(make_subject(runtime()), Stage.VALIDATE))
    assert (denial.code, [cause.field for cause in denial.causes]) == (422, ["data"])


@pytest.mark.parametrize("setting", ["mode: warn", "onUnverified: warn"])
async def test_a_late_decision_respects_the_settings(setting: str) -> None:
    """With the same sentence as a warning."""
    decision = Desk(TOKENS, setting).reviewer.late(make_subject(runtime()), Stage.VALIDATE)
    assert "in time" in allowed(decision).warnings[0]


async def test_a_late_mutation_is_allowed_and_marked_as_unverified(desk: Desk) -> None:
    """Mutate denies nothing, and nothing is known of the token."""
    late = allowed(desk.reviewer.late(make_subject(runtime()), Stage.MUTATE))
    assert marks(patched(runtime(), late.patch).labels) == {"role": "runtime", "validation": "unverified"}


@pytest.mark.parametrize("stage", list(Stage))
async def test_what_asks_nobody_is_allowed_late_as_well(desk: Desk, stage: Stage) -> None:
    """Another Secret, an update that leaves all as it was, and a deletion that goes on."""
    assert desk.reviewer.late(make_subject(make_secret({"password": WEAK})), stage) == Allow()
    assert desk.reviewer.late(make_subject(replace(runtime(), annotations={"a": "b"}), runtime()), stage) == Allow()
    deleting = replace(runtime(), deleting=True)
    assert desk.reviewer.late(make_subject(deleting, deleting), stage) == Allow()


class HangingCluster(FakeCluster):
    """An API server that never answers."""

    async def platform_flag(self, namespace: str) -> str | None:
        await asyncio.sleep(60)
        raise AssertionError("waited too long")


async def test_an_api_server_that_hangs_leaves_time_for_the_provider() -> None:
    """The token is checked nonetheless, and what the configuration skips stays skipped."""
    desk = Desk(TOKENS, "installer: {skipValidation: true}", HangingCluster())
    secret = make_runtime_secret({"password": USERS}, name="git-default-1")
    deadline = asyncio.get_running_loop().time() + 0.4
    reviewed = await desk.reviewer.review(make_subject(secret), Stage.VALIDATE, deadline)
    decision = allowed(reviewed.decision)
    assert any("in time" in warning for warning in decision.warnings)
    assert reviewed.describe()["outcomes"] == {"data.password": {"runtime": "skipped", "user": "sufficient"}}


# --- nothing leaks --------------------------------------------------------------------------------------------------

PLAIN = "s3cretvalue" * 3


@pytest.mark.parametrize(
    "data",
    [
        {"token": WEAK},
        {"token": PLAIN, "username": PLAIN},
        {"token": WEAK, "provider": WEAK},
        {"token": WEAK, "host": GITLAB_TOKEN},
        {"token": WEAK, "url": f"https://{WEAK}@github.com"},
        {"token": WEAK, "url": f"https://github.com/{WEAK}"},
        {"token": PLAIN, "host": PLAIN},
        {"token": PLAIN, "url": f"https://{PLAIN}.acme.dev"},
        {WEAK: WEAK},
        {PLAIN: PLAIN, "bob": WEAK},
        {"bob": json.dumps({"token": WEAK, "username": WEAK, "provider": WEAK})},
        {"bob": "{" + WEAK},
        {"token": WEAK + "\n"},
        {"token": b"\xff" + WEAK.encode()},
        {"token": WEAK, "encryptionIV": WEAK},
    ],
    ids=range(15),
)
@pytest.mark.parametrize("configuration", ["", "mode: warn"])
async def test_no_decision_mark_or_log_line_holds_a_token(data: dict[str, str | bytes], configuration: str) -> None:
    """Wherever somebody put it."""
    desk = Desk(TOKENS, configuration, FakeCluster(flag=WEAK))
    secret = replace(make_user_secret(data), annotations={SKIP: WEAK})
    mutated = await desk.review(make_subject(secret), Stage.MUTATE)
    validated = await desk.review(make_subject(secret), Stage.VALIDATE)
    stored = patched(secret, allowed(mutated.decision).patch)
    ours = {name: value for name, value in marks(stored.annotations).items() if name != "skip-validation"}
    text = repr((mutated, validated, mutated.describe(), validated.describe(), marks(stored.labels), ours)).lower()
    for token in (WEAK, PLAIN, GITLAB_TOKEN):
        assert token.lower() not in text
        assert encode(token).lower() not in text


keys = st.sampled_from("token password username url host provider type encryptionIV bob carol".split()) | st.text(
    "abcdefghijklmnopqrstuvwxyz-._0123456789", min_size=1, max_size=20
)
documents = st.fixed_dictionaries({"token": st.sampled_from([GOOD, USERS, WEAK, DEAD])}).map(json.dumps)
values = st.binary(max_size=20) | st.sampled_from(
    [GOOD, USERS, WEAK, DEAD, GITLAB_TOKEN, "https://github.com/acme", "https://gitlab.com", "helm", "github", ""]
).map(str.encode)


@given(
    st.dictionaries(keys, values | documents.map(str.encode), max_size=5),
    st.sampled_from([make_runtime_secret({}), make_user_secret({}), make_runtime_secret({}, name="git-default-1")]),
    st.sampled_from(["", "mode: warn", "onUnverified: warn\nonUnsupported: deny"]),
    st.booleans(),
)
async def test_any_secret_can_be_reviewed_and_is_marked_once(
    data: dict[str, bytes], kind: SecretObject, configuration: str, silent: bool
) -> None:
    """No content ends a review without a decision; what is patched once needs no second patch; nothing leaks."""
    desk = Desk(TOKENS, configuration)
    desk.provider.silent = silent
    secret = replace(kind, data={key: encode(value) for key, value in data.items()})
    stored, decision = await desk.write(secret)
    desk.now += timedelta(seconds=1)
    assert allowed(await desk.decide(make_subject(stored), Stage.MUTATE)).patch == ()
    assert allowed(await desk.decide(make_subject(stored, stored), Stage.MUTATE)).patch == ()
    bad = stored.labels.get("git-token-webhook/validation") in {"warned", "unverified"}
    assert isinstance(decision, Allow) or bad or "unsupported" in stored.labels.values()
    if isinstance(decision, Allow) and not configuration:
        assert not bad, "what would be denied was allowed"
    shown = repr((decision, marks(stored.annotations), marks(stored.labels)))
    assert not any(token in shown for token in (GOOD, USERS, WEAK, DEAD, GITLAB_TOKEN))


async def test_a_review_describes_itself_for_a_log(desk: Desk) -> None:
    """Names and outcomes."""
    reviewed = await desk.review(make_subject(runtime(WEAK)))
    assert reviewed.decision.audit_annotations["validation"] == "denied"
    assert reviewed.describe() == {
        "roles": ["runtime"],
        "validation": "denied",
        "providers": ["github"],
        "hosts": ["github.com"],
        "outcomes": {"data.password": {"runtime": "insufficient"}},
        "cached": False,
        "attested": False,
        "skips": [],
    }
    assert (await desk.review(make_subject(make_secret()))).describe() == {}
