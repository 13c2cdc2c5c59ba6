"""What somebody who may write Secrets does to those who share the webhook with them."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from tests.factories import Desk, denied, make_subject
from webhook.credentials import Malformed, extract
from webhook.findings import Answer, Question
from webhook.matching import Match, classify
from webhook.providers.base import Api
from webhook.providers.github.keys import load_app_key
from webhook.settings import Settings
from webhook.subject import SecretObject


def user_secret(data: Mapping[str, str]) -> tuple[SecretObject, Match]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    secret = SecretObject("team", "git-default-a", data=encoded)
    return secret, classify(secret, Settings().all_rules)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: {f"user-{i}": f"value-{i:08d}" for i in range(10_000)}, id="tokens"),
        pytest.param(lambda: {f"user-{i}": f"value {i:08d}" for i in range(10_000)}, id="malformed"),
        pytest.param(lambda: {f"{i:05d}{'a' * 60}": "a" * 8 + f"{i:05d}" for i in range(10_000)}, id="alike"),
        pytest.param(
            lambda: {"sshPrivateKey": "k" * 500_000, **{f"user-{i}": "a b" for i in range(10_000)}}, id="shared"
        ),
    ],
)
def test_ten_thousand_entries_are_read_in_little_time(data: Callable[[], dict[str, str]]) -> None:
    """Reading happens where everybody's reviews do, and took minutes, or gigabytes, when each looked at all others."""
    secret, match = user_secret(data())
    started = time.process_time()
    entries = extract(secret, match)
    assert time.process_time() - started < 5
    assert len(entries) == 10_000


@pytest.mark.parametrize("where", ["{}", "a-{}", "{}-z", "a-{}-z"])
def test_a_value_is_found_in_a_key_among_others_like_it(where: str) -> None:
    """Also where other values begin like it, go on after it, or stand before and after it in order."""
    value = "qwertyuiop"
    others = {"b": f"{value}x", "c": f"{value[:8]}zz", "d": "a" * 10, "e": "z" * 10}
    secret, match = user_secret({where.format(value): value, **others})
    hidden = [entry for entry in extract(secret, match).values() if entry.hidden]
    assert [entry.key for entry in hidden] == [where.format(value)]
    assert isinstance(hidden[0].content, Malformed)


def der(*numbers: int) -> bytes:
    """A PKCS #1 key of these numbers, whether or not they belong together."""

    def element(tag: int, content: bytes) -> bytes:
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
        if 128 <= size < 256:
            length = bytes([0x81, size])
        return bytes([tag]) + length + content

    return element(0x30, b"".join(element(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers))


def test_an_app_key_that_takes_long_to_sign_is_none() -> None:
    """A factor with more bits than the key costs eight seconds of arithmetic a signature, which nothing can stop."""
    real = rsa.generate_private_key(65537, 2048).private_numbers()
    n, e = real.public_numbers.n, real.public_numbers.e
    large = (1 << 10_000) - 1
    crafted = [
        (0, n, e, real.d, large, large - 2, large - 4, large - 6, 3),
        (0, n, e, real.d, real.p, real.q, large, large, real.iqmp),
        (0, n, e, real.d, 1, n, real.dmp1, real.dmq1, real.iqmp),
        (0, n, n - 2, real.d, real.p, real.q, real.dmp1, real.dmq1, real.iqmp),
    ]
    for numbers in crafted:
        begin, end = ("-----" + word + " RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
        text = base64.encodebytes(der(*numbers)).decode()
        with pytest.raises(ValueError, match="belong together"):
            load_app_key(SecretStr(f"{begin}\n{text}{end}\n"))


def test_a_token_without_prefix_is_seen_beside_the_one_under_token() -> None:
    """Old tokens of GitHub and others are forty hexadecimal digits, and get past nobody as some other value."""
    secret, match = user_secret({"token": secrets.token_hex(20), "alice": secrets.token_hex(20), "note": "for CI"})
    assert extract(secret, match).keys() == {"token", "alice"}


def test_a_key_that_shows_the_token_inside_its_json_is_never_shown() -> None:
    """Also where nothing about the token's shape gives it away."""
    token = secrets.token_urlsafe(15)
    secret, match = user_secret({f"a.{token}": json.dumps({"token": token})})
    (entry,) = extract(secret, match).values()
    assert entry.hidden
    assert entry.field == "data"
    assert isinstance(entry.content, Malformed)


async def test_one_secret_has_few_of_its_entries_asked_about_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Secret with thousands of entries took every turn at the provider, and its neighbours were too late."""
    desk = Desk()
    inspect, now, most = desk.provider.inspect, 0, 0

    async def counted(question: Question, api: Api) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return await inspect(question, api)

    monkeypatch.setattr(desk.provider, "inspect", counted)
    secret, _ = user_secret({f"user-{i}": f"value-{i:08d}" for i in range(200)})
    assert len(denied(await desk.decide(make_subject(secret))).causes) == 200
    assert most == 16
