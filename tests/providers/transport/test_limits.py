from __future__ import annotations

import math

import pytest

from webhook.providers.transport.limits import (
    ACCEPTED_FOR,
    MAX_ACCEPTED,
    MAX_HOST_PAUSE,
    MAX_PAUSE,
    MAX_PAUSES,
    MAX_REJECTED,
    MAX_REJECTIONS,
    REJECTED_WITHIN,
    FailedLogins,
    Pauses,
)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses(clock: Clock) -> Pauses:
    return Pauses(clock)


def test_a_pause_ends(pauses: Pauses, clock: Clock) -> None:
    """When its time is over, and not a moment before."""
    pauses.begin("github.com", b"one", 60)
    clock.now += 59
    assert pauses.remaining("github.com", b"one") == 1
    clock.now += 1
    assert pauses.remaining("github.com", b"one") == 0


def test_a_pause_is_about_one_credential_at_one_host(pauses: Pauses) -> None:
    """Others go on, and so does this one elsewhere."""
    pauses.begin("github.com", b"one", 60)
    assert pauses.remaining("github.com", b"two") == 0
    assert pauses.remaining("gitlab.com", b"one") == 0


def hear(pauses: Pauses, tenant: str, credential: bytes, seconds: float = 60, host: str = "github.com") -> None:
    """A limit that the host says is about our address."""
    pauses.begin(host, credential, seconds, tenant=tenant, whole_host=True)


def test_one_token_pauses_no_host(pauses: Pauses) -> None:
    """However often it hears the limit: anybody could stop a host for all others."""
    for _ in range(3):
        hear(pauses, "noisy", b"one")
    assert pauses.remaining("github.com", b"one") == 60
    assert pauses.remaining("github.com", b"other") == 0


def test_tokens_of_one_namespace_pause_no_host(pauses: Pauses) -> None:
    """They may all be one person's."""
    for number in range(100):
        hear(pauses, "noisy", str(number).encode())
    assert pauses.remaining("github.com", b"other") == 0


def test_two_tokens_of_one_account_pause_no_host(pauses: Pauses) -> None:
    """Whoever has two namespaces has no more accounts for that; letter case makes no other one."""
    pauses.note_account("github.com", b"one", "Octocat")
    pauses.note_account("github.com", b"two", "octocat")
    hear(pauses, "noisy", b"one")
    hear(pauses, "noisy-2", b"two")
    assert pauses.remaining("github.com", b"other") == 0


@pytest.mark.parametrize("account", ["hubot", None])
def test_a_second_account_pauses_the_host(pauses: Pauses, account: str | None) -> None:
    """Of another namespace; one whose account isn't known counts as another."""
    pauses.note_account("github.com", b"one", "octocat")
    if account is not None:
        pauses.note_account("github.com", b"two", account)
    hear(pauses, "a", b"one", 60)
    hear(pauses, "b", b"two", 90)
    assert pauses.remaining("github.com", b"other") == 60
    assert pauses.remaining("github.com", b"two") == 90
    assert pauses.remaining("gitlab.com", b"other") == 0


def test_without_namespaces_another_token_is_enough(pauses: Pauses) -> None:
    """An audit asks for its operator alone."""
    hear(pauses, "", b"one")
    hear(pauses, "", b"two")
    assert pauses.remaining("github.com", b"other") == 60


def test_what_was_heard_long_ago_pauses_no_host(pauses: Pauses, clock: Clock) -> None:
    """The two must hear the limit at the same time."""
    hear(pauses, "a", b"one", 60)
    clock.now += 60
    hear(pauses, "b", b"two", 60)
    assert pauses.remaining("github.com", b"other") == 0


def test_a_host_is_paused_for_five_minutes_at_most(pauses: Pauses, clock: Clock) -> None:
    """Then one request shows whether the limit still holds, and two accounts must hear it once more."""
    hear(pauses, "a", b"one", 3600)
    hear(pauses, "b", b"two", 3600)
    assert pauses.remaining("github.com", b"other") == MAX_HOST_PAUSE == 300
    clock.now += MAX_HOST_PAUSE
    assert pauses.remaining("github.com", b"other") == 0
    assert pauses.remaining("github.com", b"one") == 3300
    hear(pauses, "c", b"three", 3600)
    assert pauses.remaining("github.com", b"other") == 0
    hear(pauses, "d", b"four", 3600)
    assert pauses.remaining("github.com", b"other") == MAX_HOST_PAUSE


def test_a_limit_of_the_account_alone_pauses_no_host(pauses: Pauses) -> None:
    """Two accounts may use up what each of them has."""
    for tenant, credential in (("a", b"one"), ("b", b"two"), ("c", b"three")):
        pauses.begin("github.com", credential, 60, tenant=tenant)
    assert pauses.remaining("github.com", b"other") == 0


def test_a_shorter_pause_does_not_end_a_longer_one(pauses: Pauses) -> None:
    """An answer that was under way when the longer one came says less."""
    pauses.begin("github.com", b"one", 60)
    pauses.begin("github.com", b"one", 5)
    assert pauses.remaining("github.com", b"one") == 60


@pytest.mark.parametrize(
    ("asked", "got"), [(-5, 1), (0, 1), (math.inf, MAX_PAUSE), (math.nan, MAX_PAUSE), (1e9, MAX_PAUSE)]
)
def test_a_pause_has_bounds(pauses: Pauses, asked: float, got: float) -> None:
    """A provider's clock that is wrong must not silence us for a year."""
    assert pauses.begin("github.com", b"one", asked) == got


def test_pauses_do_not_fill_the_memory(pauses: Pauses) -> None:
    """Users make as many tokens as they like; the longest pauses are kept, and keys are of one length."""
    pauses.begin("github.com", b"long", 3000)
    for number in range(30_000):
        hear(pauses, f"tenant-{number}", str(number).encode(), host=f"{number}.ghe.com" + "x" * 1000)
        pauses.note_account("github.com", str(number).encode(), f"account-{number}")
    assert len(pauses) <= 3 * MAX_PAUSES
    assert pauses.remaining("github.com", b"long") == 3000
    assert all(len(key) == 16 for key in (*pauses._ends, *pauses._reports, *pauses._accounts))


def test_pauses_that_are_over_are_dropped(pauses: Pauses, clock: Clock) -> None:
    """Nobody has to ask about them for that."""
    for number in range(1000):
        pauses.begin("github.com", str(number).encode(), 60)
    clock.now += 60
    pauses.begin("github.com", b"new", 60)
    assert len(pauses) == 1


@pytest.fixture
def logins(clock: Clock) -> FailedLogins:
    return FailedLogins(clock)


def refuse(logins: FailedLogins, clock: Clock, times: int, *, seconds: float = 0.0, first: int = 0) -> None:
    """A host refuses as many tokens of one tenant, one every so many seconds."""
    for number in range(first, first + times):
        logins.note("github.com", "noisy", f"wrong-{number}".encode(), 401)
        clock.now += seconds


def test_too_many_refusals_end_when_the_oldest_is_old(logins: FailedLogins, clock: Clock) -> None:
    """The wait is told to the second, and one further refusal after it begins the next."""
    refuse(logins, clock, MAX_REJECTED - 1, seconds=0.5)
    assert logins.remaining("github.com", "noisy", b"new") == 0
    refuse(logins, clock, 1, first=1000)
    wait = logins.remaining("github.com", "noisy", b"new")
    assert wait == REJECTED_WITHIN - 0.5 * (MAX_REJECTED - 1)
    clock.now += wait
    assert logins.remaining("github.com", "noisy", b"new") == 0
    refuse(logins, clock, 1, first=2000)
    assert logins.remaining("github.com", "noisy", b"new") == 0.5


def test_one_wrong_credential_counts_once(logins: FailedLogins, clock: Clock) -> None:
    """However many requests an inspection makes with it: a tenant with one wrong token can try a better one."""
    for _ in range(5 * MAX_REJECTED):
        refuse(logins, clock, 1)
    assert logins.remaining("github.com", "noisy", b"new") == 0


def test_refusals_are_about_one_tenant_at_one_host(logins: FailedLogins, clock: Clock) -> None:
    """Others go on."""
    refuse(logins, clock, MAX_REJECTED)
    assert logins.remaining("github.com", "noisy", b"new") > 0
    assert logins.remaining("github.com", "quiet", b"new") == 0
    assert logins.remaining("git.acme.dev", "noisy", b"new") == 0


def test_a_credential_that_was_accepted_goes_on_until_it_is_refused(logins: FailedLogins, clock: Clock) -> None:
    """Wrong tokens beside it don't stop a good one, whoever brings it; revoked, it is as any other."""
    logins.note("github.com", "noisy", b"good", 200)
    refuse(logins, clock, MAX_REJECTED)
    assert logins.remaining("github.com", "noisy", b"good") == 0
    logins.note("github.com", "noisy", b"good", 401)
    assert logins.remaining("github.com", "noisy", b"good") > 0


def test_a_refusal_before_success_does_not_count(logins: FailedLogins, clock: Clock) -> None:
    """Some credentials can only be tried in one way after the other."""
    for number in range(2 * MAX_REJECTED):
        for status in (401, 200):
            logins.note("github.com", "busy", str(number).encode(), status)
    assert logins.remaining("github.com", "busy", b"new") == 0


@pytest.mark.parametrize("status", [403, 404, 422])
def test_other_refusals_say_nothing_about_the_credential(logins: FailedLogins, status: int) -> None:
    """GitHub's "too many login attempts" is a 403, and no proof of a good token."""
    for number in range(2 * MAX_REJECTED):
        logins.note("github.com", "a", str(number).encode(), status)
    assert logins.remaining("github.com", "a", b"new") == 0
    assert not logins._accepted


def test_failed_logins_do_not_fill_the_memory(logins: FailedLogins) -> None:
    """Neither many tenants with many tokens each, nor accepted ones."""
    for number in range(40_000):
        logins.note("github.com", f"tenant-{number // 50}" + "x" * 1000, str(number).encode(), 401)
        logins.note("github.com", "one", f"good-{number}".encode(), 200)
    assert len(logins) <= MAX_REJECTIONS + MAX_ACCEPTED
    assert sum(map(len, logins._by_tenant.values())) == len(logins._rejected)
    assert all(len(key) == 16 for key in (*logins._accepted, *logins._by_tenant))


def test_failed_logins_expire(logins: FailedLogins, clock: Clock) -> None:
    """The next one drops what no longer counts."""
    refuse(logins, clock, MAX_REJECTED)
    logins.note("github.com", "noisy", b"good", 200)
    clock.now += ACCEPTED_FOR
    logins.note("github.com", "other", b"wrong", 401)
    logins.note("github.com", "other", b"right", 200)
    assert len(logins) == 2
    assert len(logins._by_tenant) == 1


def test_an_acceptance_expires(logins: FailedLogins, clock: Clock) -> None:
    """A token that was good an hour ago may have been revoked since."""
    logins.note("github.com", "noisy", b"good", 200)
    clock.now += ACCEPTED_FOR
    refuse(logins, clock, MAX_REJECTED)
    assert logins.remaining("github.com", "noisy", b"good") > 0
