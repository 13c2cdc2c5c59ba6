from __future__ import annotations

import math

import pytest

from webhook.providers.limits import LONGEST_PAUSE, MOST_REFUSED, REFUSED_WITHIN, Pauses, SignIns


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


def test_a_pause_of_the_host_is_about_everybody(pauses: Pauses) -> None:
    """The longer one of both counts."""
    pauses.begin("github.com", None, 60)
    pauses.begin("github.com", b"one", 90)
    assert pauses.remaining("github.com", b"two") == 60
    assert pauses.remaining("github.com", b"one") == 90


def test_a_shorter_pause_does_not_end_a_longer_one(pauses: Pauses) -> None:
    """An answer that was under way when the longer one came says less."""
    pauses.begin("github.com", b"one", 60)
    pauses.begin("github.com", b"one", 5)
    assert pauses.remaining("github.com", b"one") == 60


@pytest.mark.parametrize(
    ("asked", "got"), [(-5, 1), (0, 1), (math.inf, LONGEST_PAUSE), (math.nan, LONGEST_PAUSE), (1e9, LONGEST_PAUSE)]
)
def test_a_pause_has_bounds(pauses: Pauses, asked: float, got: float) -> None:
    """A provider's clock that is wrong must not silence us for a year."""
    assert pauses.begin("github.com", b"one", asked) == got


def test_pauses_do_not_fill_the_memory(pauses: Pauses) -> None:
    """Users make as many tokens as they like; the longest pauses are kept."""
    pauses.begin("github.com", None, 3000)
    for number in range(30_000):
        pauses.begin("github.com", str(number).encode(), 60)
    assert len(pauses._ends) <= 10_000
    assert pauses.remaining("github.com", b"any") == 3000


@pytest.fixture
def sign_ins(clock: Clock) -> SignIns:
    return SignIns(clock)


def refuse(sign_ins: SignIns, clock: Clock, times: int, *, seconds: float = 0.0, first: int = 0) -> None:
    """A host refuses as many tokens of one tenant, one every so many seconds."""
    for number in range(first, first + times):
        sign_ins.note("github.com", "noisy", f"wrong-{number}".encode(), 401)
        clock.now += seconds


def test_too_many_refusals_end_when_the_oldest_is_old(sign_ins: SignIns, clock: Clock) -> None:
    """The wait is told to the second, and one further refusal after it begins the next."""
    refuse(sign_ins, clock, MOST_REFUSED - 1, seconds=0.5)
    assert sign_ins.remaining("github.com", "noisy", b"new") == 0
    refuse(sign_ins, clock, 1, first=1000)
    wait = sign_ins.remaining("github.com", "noisy", b"new")
    assert wait == REFUSED_WITHIN - 0.5 * (MOST_REFUSED - 1)
    clock.now += wait
    assert sign_ins.remaining("github.com", "noisy", b"new") == 0
    refuse(sign_ins, clock, 1, first=2000)
    assert sign_ins.remaining("github.com", "noisy", b"new") == 0.5


def test_one_wrong_credential_counts_once(sign_ins: SignIns, clock: Clock) -> None:
    """However many requests an inspection makes with it: a tenant with one wrong token can try a better one."""
    for _ in range(5 * MOST_REFUSED):
        refuse(sign_ins, clock, 1)
    assert sign_ins.remaining("github.com", "noisy", b"new") == 0


def test_refusals_are_about_one_tenant_at_one_host(sign_ins: SignIns, clock: Clock) -> None:
    """Others go on."""
    refuse(sign_ins, clock, MOST_REFUSED)
    assert sign_ins.remaining("github.com", "noisy", b"new") > 0
    assert sign_ins.remaining("github.com", "quiet", b"new") == 0
    assert sign_ins.remaining("git.acme.dev", "noisy", b"new") == 0


def test_a_credential_that_was_accepted_goes_on_until_it_is_refused(sign_ins: SignIns, clock: Clock) -> None:
    """Wrong tokens beside it don't stop a good one, whoever brings it; revoked, it is as any other."""
    sign_ins.note("github.com", "noisy", b"good", 200)
    refuse(sign_ins, clock, MOST_REFUSED)
    assert sign_ins.remaining("github.com", "noisy", b"good") == 0
    sign_ins.note("github.com", "noisy", b"good", 401)
    assert sign_ins.remaining("github.com", "noisy", b"good") > 0


def test_a_refusal_before_success_does_not_count(sign_ins: SignIns, clock: Clock) -> None:
    """Some credentials can only be tried in one way after the other."""
    for number in range(2 * MOST_REFUSED):
        for status in (401, 200):
            sign_ins.note("github.com", "busy", str(number).encode(), status)
    assert sign_ins.remaining("github.com", "busy", b"new") == 0


@pytest.mark.parametrize("status", [403, 404, 422])
def test_other_refusals_say_nothing_about_the_credential(sign_ins: SignIns, status: int) -> None:
    """GitHub's "too many login attempts" is a 403, and no proof of a good token."""
    for number in range(2 * MOST_REFUSED):
        sign_ins.note("github.com", "a", str(number).encode(), status)
    assert sign_ins.remaining("github.com", "a", b"new") == 0
    assert not sign_ins._accepted


def test_sign_ins_do_not_fill_the_memory(sign_ins: SignIns) -> None:
    """Anybody can bring any number of tokens and namespaces."""
    for number in range(30_000):
        sign_ins.note("github.com", f"tenant-{number}", str(number).encode(), 401)
        sign_ins.note("github.com", "one", str(number).encode(), 200)
    assert len(sign_ins._refused) <= 10_000
    assert len(sign_ins._accepted) <= 10_000
