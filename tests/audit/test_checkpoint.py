"""The file of an interrupted audit: what it brings back, and what it refuses."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from webhook.audit.checkpoint import Earlier, Judged, Record
from webhook.audit.questions import Told
from webhook.errors import ConfigurationError
from webhook.providers.findings import Answer, Facts, Finding, Outcome
from webhook.providers.requirements import Role
from webhook.report.model import Attested, Place, Row, Severity

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROW = Row(
    Place("ns", "name", "data.token"),
    ("user",),
    Outcome.SUFFICIENT,
    Severity.WARNING,
    ("git-default",),
    outcomes={"user": Outcome.SUFFICIENT},
    warnings=("One.",),
    scopes=("repo",),
    expires_at=NOW,
    attested=Attested.NEVER,
    token=3,
)
ANSWER = Answer({Role.USER: Finding(Outcome.SUFFICIENT)}, Facts("classic", "classic token", "octocat", ("repo",), NOW))
TOLD = Told(3, "question", ANSWER, NOW)
SECRET = Judged("", "uid", "7", "ns", "name", (ROW,))


def left_behind(path: Path, now: datetime = NOW) -> None:
    """By an audit that was interrupted."""
    with Record(path, "run", now) as record:
        record.answered(TOLD)
        record.judged(SECRET)


def found_again(path: Path, now: datetime = NOW) -> Earlier:
    """By the audit after it."""
    with Record(path, "run", now) as record:
        return record.earlier


def test_what_was_found_comes_back_whole(tmp_path: Path) -> None:
    """Rows and answers, as they were."""
    path = tmp_path / "state"
    left_behind(path)
    earlier = found_again(path)
    assert earlier.still_holds("", "uid", "7") == SECRET
    assert earlier.answers == {3: [TOLD]}
    assert earlier.holders() == {3: [(SECRET, ROW)]}


def test_a_secret_that_was_written_since_is_judged_anew(tmp_path: Path) -> None:
    """Its resourceVersion is another one."""
    path = tmp_path / "state"
    left_behind(path)
    assert found_again(path).still_holds("", "uid", "8") is None


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_half_a_line_at_the_end_is_none(tmp_path: Path, cut: int) -> None:
    """Killed while it was written; what stands before it counts, and what comes is written behind that."""
    path = tmp_path / "state"
    left_behind(path)
    path.write_bytes(path.read_bytes()[:-cut])
    with Record(path, "run", NOW) as record:
        assert record.earlier.answers == {3: [TOLD]}
        assert record.earlier.secrets == {}
        record.judged(SECRET)
    assert found_again(path).still_holds("", "uid", "7") == SECRET


def test_what_is_older_than_a_day_counts_no_more(tmp_path: Path) -> None:
    """A token may have been revoked since."""
    path = tmp_path / "state"
    left_behind(path)
    earlier = found_again(path, NOW + timedelta(days=2))
    assert (earlier.secrets, earlier.answers) == ({}, {})


@pytest.mark.parametrize("content", ["", "just text\n", '{"type": "audit"}\n'], ids=["empty", "text", "JSON"])
def test_any_other_file_is_left_alone(tmp_path: Path, content: str) -> None:
    """A slip of the pen must not destroy what somebody wrote; an empty one is as good as none."""
    path = tmp_path / "state"
    path.write_text(content)
    if not content:
        assert found_again(path).secrets == {}
        return
    with pytest.raises(ConfigurationError, match="is not a checkpoint of an audit"):
        Record(path, "run", NOW)
    assert path.read_text() == content


def test_another_audits_file_is_refused(tmp_path: Path) -> None:
    """By another configuration, the same token may be judged otherwise."""
    path = tmp_path / "state"
    left_behind(path)
    with pytest.raises(ConfigurationError, match="is the checkpoint of an audit with another scope"):
        Record(path, "another", NOW)


def test_at_a_complete_end_it_goes(tmp_path: Path) -> None:
    """Nobody needs it any more."""
    path = tmp_path / "state"
    left_behind(path)
    with Record(path, "run", NOW) as record:
        record.remove()
    assert not path.exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """In a folder for all, somebody else may have laid it: what it leads to stays as it is."""
    (tmp_path / "precious").write_text("keep me")
    (tmp_path / "state").symlink_to(tmp_path / "precious")
    with pytest.raises(ConfigurationError, match="is a symbolic link"):
        found_again(tmp_path / "state")
    assert (tmp_path / "precious").read_text() == "keep me"


@pytest.mark.parametrize("mode", [0o620, 0o602], ids=["group", "others"])
def test_a_file_that_other_users_can_write_is_rejected(tmp_path: Path, mode: int) -> None:
    """Another user could have written that a token is sufficient."""
    path = tmp_path / "state"
    left_behind(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="other users can write to it"):
        found_again(path)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Nobody waits for what may come through it."""
    os.mkfifo(tmp_path / "state")
    with pytest.raises(ConfigurationError, match="is not a regular file"):
        found_again(tmp_path / "state")


def test_two_audits_at_once_don_t_share_it(tmp_path: Path) -> None:
    """Each would write between the other's lines."""
    path = tmp_path / "state"
    with Record(path, "run", NOW), pytest.raises(ConfigurationError, match="another audit uses it"):
        found_again(path)
    found_again(path)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """It holds names and accounts."""
    left_behind(tmp_path / "state")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600
