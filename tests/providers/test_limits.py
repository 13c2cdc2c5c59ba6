from __future__ import annotations

import math

import pytest

from webhook.providers.limits import LONGEST_PAUSE, Pauses


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
