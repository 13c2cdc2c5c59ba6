"""The uids of a list are passed on at its end; other objects do not exist any more."""

from __future__ import annotations

from datetime import UTC, datetime

from webhook.cluster.listing import Listed
from webhook.cluster.watch import ListTracker
from webhook.subject import SecretObject


class Harness:
    def __init__(self) -> None:
        self.lists: list[set[str]] = []
        self.updated: list[str] = []
        self.tracker = ListTracker(
            lambda one: self.updated.append(one.uid),
            lambda one: None,
            self.lists.append,
            counts=lambda uid: uid != "uncounted",
        )

    def see(self, *uids: str) -> None:
        for uid in uids:
            self.tracker.updated(Listed(SecretObject("team", uid), uid, "1", datetime.now(UTC)))


def test_a_list_passes_on_its_uids() -> None:
    """Those that do not count are passed on as updates alone."""
    harness = Harness()
    harness.tracker.list_started()
    harness.see("a", "b", "uncounted")
    harness.tracker.list_completed()
    assert harness.lists == [{"a", "b"}]
    assert harness.updated == ["a", "b", "uncounted"]


def test_a_list_that_starts_again_forgets_the_first_part() -> None:
    """After a 410, the API server lists from the beginning."""
    harness = Harness()
    harness.tracker.list_started()
    harness.see("a")
    harness.tracker.list_started()
    harness.see("b")
    harness.tracker.list_completed()
    assert harness.lists == [{"b"}]


def test_changes_between_two_lists_do_not_count() -> None:
    """Only a list says what exists."""
    harness = Harness()
    harness.tracker.list_started()
    harness.see("a")
    harness.tracker.list_completed()
    harness.see("b")
    harness.tracker.list_started()
    harness.tracker.list_completed()
    assert harness.lists == [{"a"}, set()]
