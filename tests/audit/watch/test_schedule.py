"""When each Secret is looked at again, for any uid, time and interval."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from webhook.audit.watch.schedule import SOONEST, Schedule, fresh_for, next_check, place, retry, turn

uids = st.uuids().map(str)
times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
intervals = st.timedeltas(timedelta(seconds=1), timedelta(days=30))
ends = st.lists(st.timedeltas(timedelta(seconds=-100), timedelta(days=60)), max_size=3)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
UID = str(UUID(int=1))


@given(uids, times, intervals, ends, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_each_is_looked_at_within_the_interval_and_at_each_end(
    uid: str, now: datetime, interval: timedelta, left: list[timedelta], warn_within: timedelta
) -> None:
    """Later than now, not by more than the interval, and never beyond the end of one of its tokens."""
    coming = [now + one for one in left]
    due = next_check(uid, now, interval, ends=coming, warn_within=warn_within)
    assert now < due <= now + interval
    for end in coming:
        if end > now:
            assert due <= end
            if end - warn_within > now:
                assert due <= end - warn_within


@given(uids, times, st.timedeltas(timedelta(seconds=2), timedelta(days=60)))
def test_what_ends_is_looked_at_more_and_more_often_but_not_for_ever(uid: str, now: datetime, left: timedelta) -> None:
    """Each look takes half of the time that is left, until a minute is left; the last one is at the very end."""
    end, looks, moment = now + left, 0, now
    while moment < end:
        following = next_check(uid, moment, timedelta(days=365), ends=[end])
        assert following == end or following - moment >= SOONEST
        moment, looks = following, looks + 1
    assert moment >= end
    assert looks <= 20  # two months are 2**17 minutes, and the regular turn may come in between


@given(uids, times, intervals)
def test_a_turn_is_a_secrets_own(uid: str, now: datetime, interval: timedelta) -> None:
    """Whoever starts whenever comes to the same moment, so that neither a restart nor another leader moves it."""
    first = turn(uid, now, interval)
    between = now + (first - now) / 2
    assert abs(turn(uid, between, interval) - first) < timedelta(milliseconds=1)
    second = turn(uid, first, interval)
    assert abs(second - first - interval) < timedelta(milliseconds=1)


def test_many_are_spread_evenly() -> None:
    """Of ten thousand in six hours, no minute has more than three times its share."""
    interval = timedelta(hours=6)
    uids = [str(UUID(int=number * 7919)) for number in range(10_000)]
    minutes = Counter(int((turn(uid, NOW, interval) - NOW).total_seconds() // 60) for uid in uids)
    assert len(minutes) >= 360
    assert max(minutes.values()) < 3 * 10_000 / 360


@given(uids, times, intervals, st.integers(1, 10_000), st.floats(0, 10_000))
def test_silence_is_asked_again_less_and_less_often(
    uid: str, now: datetime, interval: timedelta, attempt: int, pause: float
) -> None:
    """Never before whoever is asked wants it, and within the hour or the interval all the same."""
    due = retry(uid, now, interval, attempt, pause)
    later = retry(uid, now, interval, attempt + 1, pause)
    assert now + timedelta(seconds=pause) <= due <= later
    longest = max(min(timedelta(hours=1), interval), timedelta(seconds=pause + 30))
    assert due <= now + longest + timedelta(microseconds=1)


@given(uids, times, intervals, st.timedeltas(timedelta(seconds=-10), timedelta(days=60)))
def test_an_answer_is_old_before_the_same_secret_is_looked_at_again(
    uid: str, now: datetime, interval: timedelta, left: timedelta
) -> None:
    """So that each Secret's turn really asks, where no other has asked about the same token since its last one."""
    now = turn(uid, now, interval)
    due = next_check(uid, now, interval, ends=[now + left])
    fresh = timedelta(seconds=fresh_for(now + left, now, interval))
    assert timedelta(0) <= fresh
    assert now + fresh < due + timedelta(milliseconds=1)


def test_who_is_next() -> None:
    """The last word on each counts, and nobody is taken twice or too early."""
    schedule = Schedule()
    schedule.set("a", NOW + timedelta(seconds=5))
    schedule.set("b", NOW + timedelta(seconds=3))
    schedule.set("a", NOW + timedelta(seconds=1))
    schedule.set("c", NOW + timedelta(seconds=4))
    schedule.hasten("c", NOW + timedelta(seconds=2))
    schedule.hasten("c", NOW + timedelta(seconds=9))
    schedule.hasten("unknown", NOW)
    schedule.drop("b")
    assert schedule.next == NOW + timedelta(seconds=1)
    assert schedule.take(NOW) is None
    assert schedule.overdue(NOW + timedelta(seconds=2)) == 1
    assert [schedule.take(NOW + timedelta(seconds=5)) for _ in range(3)] == ["a", "c", None]
    assert schedule.next is None
    assert len(schedule) == 0


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 50)), max_size=60))
def test_no_plan_is_lost(plans: list[tuple[str, int]]) -> None:
    """However often things are planned anew: each comes once, in order."""
    schedule, last = Schedule(), dict[str, int]()
    for uid, second in plans:
        schedule.set(uid, NOW + timedelta(seconds=second))
        last[uid] = second
    taken = []
    while (found := schedule.take(NOW + timedelta(days=1))) is not None:
        taken.append(last.pop(found))
    assert taken == sorted(taken)
    assert not last


@given(uids)
def test_a_place_is_within_the_interval(uid: str) -> None:
    """And the same each time."""
    assert 0 <= place(uid) < 1
    assert place(uid) == place(uid)
