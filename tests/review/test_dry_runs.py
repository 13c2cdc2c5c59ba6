"""Dry runs: of Argo CD, which masks values, and of others, which a setting lets pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.factories import (
    Desk,
    allowed,
    denied,
    encode,
    make_runtime_secret,
    make_subject,
    make_token,
    make_user_secret,
    marks,
    patched,
)
from webhook.decision import Allow, Stage
from webhook.subject import SecretObject

GOOD, WEAK = make_token("g"), make_token("w")
TOKENS = {GOOD: ("admin:repo_hook", "repo"), WEAK: ("read:org",)}
MASK, SECOND = "++++++++", "++++++++++++"


def masked(secret: SecretObject, **values: str) -> SecretObject:
    """The Secret with these texts in place of its base64."""
    return replace(secret, data={**secret.data, **values})


def all_masked(secret: SecretObject) -> SecretObject:
    return masked(secret, **dict.fromkeys(secret.data, MASK))


SECRETS = {
    "runtime": make_runtime_secret({"url": "https://github.com/acme", "username": "git", "password": WEAK}),
    "App": make_runtime_secret({"url": "https://github.com/acme", "githubAppID": "1", "githubAppPrivateKey": "x"}),
    "user": make_user_secret({"token": WEAK, "username": "octocat"}),
    "users": make_user_secret({"anna": WEAK, "ben": WEAK}),
    "both": make_runtime_secret({"url": "https://github.com", "password": WEAK}, name="git-default-a"),
}


@pytest.mark.parametrize("mode", ["", "mode: warn"])
@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("kind", SECRETS)
async def test_a_dry_run_with_masks_is_allowed_with_a_warning(kind: str, stage: Stage, mode: str) -> None:
    """Argo CD's diff of a good token's Secret would fail otherwise; nobody is asked."""
    desk, secret = Desk(TOKENS, mode), SECRETS[kind]
    for old in (None, secret):
        decision = allowed(await desk.decide(make_subject(all_masked(secret), old, dry_run=True), stage))
        assert [("has masked" in warning) for warning in decision.warnings] == [True]
    assert desk.provider.asked == []


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("configuration", ["", "onDryRun: warn"])
async def test_masks_are_never_stored(kind: str, configuration: str) -> None:
    """Outside of a dry run they would replace the token."""
    decision = denied(await Desk(TOKENS, configuration).decide(make_subject(all_masked(SECRETS[kind]))))
    assert "is a mask that Argo CD shows" in decision.message


async def test_a_dry_run_judges_what_is_not_masked() -> None:
    """Another user's token in the same Secret."""
    secret = masked(make_user_secret({"anna": GOOD, "ben": WEAK}), anna=SECOND)
    denial = denied(await Desk(TOKENS).decide(make_subject(secret, dry_run=True)))
    assert [cause.field for cause in denial.causes] == ["data.ben"]


async def test_a_masked_dry_run_changes_no_marks() -> None:
    """So that Argo CD finds no difference to what is stored."""
    desk = Desk(TOKENS)
    stored = await desk.store(make_runtime_secret({"url": "https://github.com/acme", "password": GOOD}))
    applied = all_masked(stored)
    decision = allowed(await desk.decide(make_subject(applied, stored, dry_run=True), Stage.MUTATE))
    result = patched(applied, decision.patch)
    assert (result.labels, result.annotations) == (stored.labels, stored.annotations)


@pytest.mark.parametrize("value", ["++++", "+++++++", "++++++++++", "AAAA++++", encode(MASK)])
async def test_what_only_looks_like_a_mask_is_judged(value: str) -> None:
    """Eight plus signs in base64, and four more for each further value."""
    secret = masked(SECRETS["runtime"], password=value)
    assert "has masked" not in repr(await Desk(TOKENS).decide(make_subject(secret, dry_run=True)))


async def test_on_dry_run_warn_turns_denials_of_dry_runs_into_warnings() -> None:
    """One bad token would make a whole Application unknown; the write itself is still denied."""
    desk = Desk(TOKENS, "onDryRun: warn")
    denial = denied(await desk.decide(make_subject(SECRETS["runtime"])))
    (warning,) = allowed(await desk.decide(make_subject(SECRETS["runtime"], dry_run=True))).warnings
    assert (
        warning
        == f"{denial.causes[0].field}: {denial.causes[0].message} Without a dry run, this write would be denied."
    )
    assert isinstance(desk.reviewer.late(make_subject(SECRETS["runtime"], dry_run=True), Stage.VALIDATE), Allow)


async def test_a_dry_run_is_judged_by_default() -> None:
    """It says beforehand what would become of the write."""
    denied(await Desk(TOKENS).decide(make_subject(SECRETS["runtime"], dry_run=True)))


async def test_the_would_be_denial_is_stored_as_a_message() -> None:
    """For those whose tools show no warnings."""
    desk = Desk(TOKENS, "mode: warn")
    stored = await desk.store(SECRETS["users"])
    message = marks(stored.annotations)["message"]
    assert message.startswith('{"anna":"github.com says that this classic token of octocat has read:org')
    one = await desk.store(SECRETS["user"])
    assert marks(one.annotations)["message"].startswith(
        "github.com says that this classic token of octocat has read:org"
    )
    assert WEAK not in message


async def test_the_last_warning_is_stored_as_a_message() -> None:
    """Without the name of its entry, which the annotation's own form says."""
    desk = Desk(TOKENS)
    secret = make_runtime_secret({"url": "http://github.com/acme", "password": GOOD})
    stored = await desk.store(secret)
    assert marks(stored.annotations)["message"].startswith("The URL begins with http://")
    fixed = replace(stored, data={**stored.data, "url": encode("https://github.com/acme")})
    assert "message" not in marks((await desk.store(fixed, stored)).annotations)


async def test_a_stored_message_is_bounded() -> None:
    """An API server may refuse a Secret whose annotations are too large."""
    desk = Desk(TOKENS, "mode: warn")
    desk.provider.tokens[WEAK] = tuple(f"scope-number-{number:040}" for number in range(60))
    message = marks((await desk.store(SECRETS["user"])).annotations)["message"]
    assert len(message) == 1024
    assert message.endswith("…")


async def test_what_was_not_judged_says_why() -> None:
    """Too many tokens at once, in `mode: warn`."""
    desk = Desk(TOKENS, "mode: warn\nlimits: {tokensPerWrite: 1}")
    stored = await desk.store(SECRETS["users"])
    assert marks(stored.annotations)["message"].startswith("This write changes 2 tokens")
