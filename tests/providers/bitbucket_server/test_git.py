"""What an advertisement of Git's proves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.providers.bitbucket_server.git import FETCH, PUSH, advertised

ID = b"0123456789abcdef0123456789abcdef01234567"


def packet(line: bytes) -> bytes:
    return f"{len(line) + 4:04x}".encode() + line


def advertisement(line: bytes, service: str = PUSH) -> bytes:
    """As Git's smart HTTP has it (gitprotocol-http)."""
    return packet(f"# service={service}\n".encode()) + b"0000" + packet(line) + b"0000"


@pytest.mark.parametrize(
    "line",
    [
        ID + b" refs/heads/main\0report-status\n",
        ID + b"0123456789abcdef01234567 refs/heads/main\0object-format=sha256\n",
        b"0" * 40 + b" capabilities^{}\0report-status\n",
        b"version 1\n",
    ],
)
def test_references_are_shown_to_who_may_push(line: bytes) -> None:
    """In either hash, and where there are none yet."""
    assert advertised(advertisement(line), PUSH) is True


def test_a_repository_without_anything_may_be_fetched() -> None:
    """Some servers then say nothing at all."""
    assert advertised(packet(b"# service=git-upload-pack\n") + b"00000000", FETCH) is True


def test_version_2_begins_at_once() -> None:
    """It has no line for the service."""
    assert advertised(packet(b"version 2\n") + packet(b"agent=git/2\n") + b"0000", FETCH) is True


@pytest.mark.parametrize("text", [b"ERR You do not have permission to push", b"ERR You are not PERMITTED to push\n"])
def test_an_error_that_speaks_of_permission_is_a_refusal(text: bytes) -> None:
    """It comes with status 200, as of some of Bitbucket's."""
    assert advertised(advertisement(text), PUSH) is False


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"0000",
        b"<html>",
        b"ffff# service=git-receive-pack\n",
        b"0003",
        b"-001",
        packet(b"# service=git-receive-pack\n"),
        packet(b"# service=git-receive-pack\n") + b"0000",
        packet(b"# service=git-receive-pack\n") + packet(ID + b" x"),
        advertisement(ID + b" refs/heads/main", FETCH),
        advertisement(b"ERR Repository is offline\n"),
        advertisement(b"hello\n"),
        advertisement(ID),
        {"values": []},
    ],
)
def test_anything_else_proves_nothing(body: object) -> None:
    """Of another service, cut off, of a proxy, an error about something else."""
    assert advertised(body, PUSH) is None


@given(st.binary(max_size=200), st.integers(0, 60))
def test_damage_is_never_taken_for_more(noise: bytes, at: int) -> None:
    """Whatever stands in the place of a good advertisement's end: it is the same, or it proves nothing."""
    good = advertisement(ID + b" refs/heads/main\0report-status\n")
    assert advertised(good[:at] + noise, PUSH) in (None, False) or (good[:at] + noise)[:31] == good[:31]


@given(st.binary(max_size=200))
def test_noise_proves_nothing(noise: bytes) -> None:
    """And breaks nothing."""
    assert advertised(noise, PUSH) in (None, True if b"version " in noise else None)
