"""Secrets that take long to read are parsed outside of the event loop, with the same decisions."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.support.factories import Desk, make_subject, make_token, make_user_secret
from webhook.credentials import extract as extraction
from webhook.decision import Allow, Deny, Stage
from webhook.review import write
from webhook.review.write import is_large
from webhook.subject import SecretObject

GOOD = make_token("g")
PADDING = "all work and no play " * 2000
MANY = {f"user{number:04}": "" for number in range(2000)}


@pytest.fixture
def desk() -> Desk:
    return Desk({GOOD: ("repo",)})


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[int]]:
    """The threads in which Secrets were extracted."""
    seen: set[int] = set()
    extract = extraction.extract

    def extract_and_note(*arguments: object) -> object:
        seen.add(threading.get_ident())
        return extract(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "extract", extract_and_note)
    yield seen


def large(token: str = GOOD) -> SecretObject:
    return make_user_secret({"token": token, "note": PADDING})


@pytest.mark.parametrize("old", [None, large()])
async def test_a_large_secret_is_extracted_in_another_thread(
    desk: Desk, threads: set[int], old: SecretObject | None
) -> None:
    """Both versions of it."""
    await desk.review(make_subject(large(), old), Stage.VALIDATE)
    assert threads and threading.get_ident() not in threads


async def test_a_usual_secret_is_extracted_at_once(desk: Desk, threads: set[int]) -> None:
    """Another thread would cost more than the work."""
    await desk.review(make_subject(make_user_secret({"token": GOOD})), Stage.VALIDATE)
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    "secret",
    [large(), make_user_secret(MANY), make_user_secret({"token": GOOD}, annotations={"a": PADDING})],
    ids=["value", "keys", "annotation"],
)
def test_length_and_number_make_a_secret_large(secret: SecretObject) -> None:
    """In the new version or in the stored one."""
    small = make_user_secret({"token": GOOD})
    assert is_large(make_subject(secret)) and is_large(make_subject(small, secret))
    assert not is_large(make_subject(small, small))


async def test_a_large_secret_is_judged_like_any_other(desk: Desk) -> None:
    """Its size neither allows nor denies."""
    assert isinstance(await desk.decide(make_subject(large()), Stage.VALIDATE), Allow)
    assert isinstance(await desk.decide(make_subject(large(make_token("w"))), Stage.VALIDATE), Deny)


async def test_many_encrypted_values_are_denied(desk: Desk) -> None:
    """They cost no request, but time for each."""
    encrypted = {"encryptionIV": "x", **{f"user{number:04}": "secret" for number in range(3000)}}
    decision = await desk.decide(make_subject(make_user_secret(encrypted)), Stage.VALIDATE)
    assert isinstance(decision, Deny) and "This write changes 3000 tokens, more than the 2048" in decision.message
