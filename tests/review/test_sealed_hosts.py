"""A sealed value opens for the host that its token is for, and for no other host."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr

from tests.keyring.rings import key_text, make_ring
from tests.support.factories import Desk, allowed, denied, encode, make_token, make_user_secret
from webhook.cluster.secrets import Stored, StoredSecrets
from webhook.credentials.entries import Checkable
from webhook.credentials.extract import extract
from webhook.credentials.matching import classify
from webhook.credentials.sealed_hosts import named_host
from webhook.decision import Decision
from webhook.keyring.jwe import Closed, Place, Why, is_bound, open_sealed, open_value, seal
from webhook.keyring.key import derive_key, parse_key
from webhook.keyring.opener import Opener
from webhook.names import LAST_APPLIED
from webhook.settings.model import Encryption
from webhook.settings.source import parse_settings
from webhook.subject import SecretObject
from webhook.tokens.reseal import KeyNotThere, plan, reseal
from webhook.tokens.unseal import StaysClosed, open_one

ADA = make_token("a")
PLAIN = "0123456789abcdefghij"  # a token whose shape names no provider
TOKENS = {token: ("repo", "admin:repo_hook") for token in (ADA, PLAIN)}
RING = make_ring("2026-10", "2026-11")
OLD, NEW = RING.keys
HOSTS = """
providers:
- {host: git.acme.dev, kind: github}
- {host: git.mallory.dev, kind: github}
- {host: gitlab.mallory.dev, kind: gitlab}
"""


def desk(text: str = HOSTS) -> Desk:
    settings = parse_settings(text).model_copy(update={"encryption": Encryption(mode="seal", keys_dir=Path("keys"))})
    return Desk(TOKENS, settings, ring=RING)


def text_of(secret: SecretObject, key: str) -> str:
    return base64.b64decode(secret.data[key]).decode()


def host_of(secret: SecretObject, key: str = "token") -> str | None:
    """The host that a stored value is bound to."""
    return open_value(text_of(secret, key), Place(secret.namespace, key), RING).host


def with_data(secret: SecretObject, **changes: str | None) -> SecretObject:
    """The stored Secret with other values, as a patch of it leaves the rest."""
    data = {**secret.data, **{key: encode(text) for key, text in changes.items() if text is not None}}
    return replace(secret, data={key: value for key, value in data.items() if changes.get(key, "") is not None})


def assert_closed(desk: Desk, decision: Decision, asked: int) -> None:
    """It was denied for its host, and nobody was asked."""
    denial = denied(decision)
    assert "opens for no other host" in denial.message, denial.message
    assert ADA not in denial.message
    assert PLAIN not in denial.message
    assert len(desk.provider.asked) + len(desk.gitlab.asked) == asked


@pytest.mark.parametrize(
    ("data", "key", "host"),
    [
        ({"token": ADA}, "token", "github.com"),
        ({"token": ADA, "url": "https://git.acme.dev/acme"}, "token", "git.acme.dev"),
        ({"token": ADA, "host": "git.acme.dev"}, "token", "git.acme.dev"),
        ({"token": PLAIN, "provider": "gitlab", "host": "gitlab.mallory.dev"}, "token", "gitlab.mallory.dev"),
        ({"token": PLAIN, "url": "https://git.other.dev/acme"}, "token", "git.other.dev"),
        ({"ada": json.dumps({"token": ADA, "url": "https://git.acme.dev"})}, "ada", "git.acme.dev"),
        (
            {"ada": json.dumps({"token": ADA, "host": "git.acme.dev"}), "url": "https://github.com"},
            "ada",
            "git.acme.dev",
        ),
        (
            {"ada": json.dumps({"token": ADA, "provider": "github"}), "url": "https://git.acme.dev"},
            "ada",
            "git.acme.dev",
        ),
    ],
    ids=["prefix", "url", "host", "provider and host", "unknown host", "JSON url", "JSON host", "JSON provider"],
)
async def test_a_value_is_bound_to_the_host_that_the_check_asks(data: dict[str, str], key: str, host: str) -> None:
    """One resolution for both: the entry's own url, host or provider, then the Secret's, then prefix and default."""
    here = desk(HOSTS + "mode: warn")
    stored = await here.store(make_user_secret(dict(data)))
    assert host_of(stored, key) == host
    asked = [question.host.name for question in (*here.provider.asked, *here.gitlab.asked)]
    assert set(asked) <= {host}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://git.mallory.dev"},
        {"url": "https://git.mallory.dev/acme/apps.git"},
        {"url": None, "host": "git.mallory.dev"},
        {"url": "https://git.acme.dev:8443"},
        {"url": "https://unknown.dev"},
        {"url": None},
        {"url": None, "provider": "gitlab"},
        {"url": "https://gitlab.mallory.dev"},
    ],
    ids=["url", "repository", "host", "port", "undeclared", "default", "provider", "another kind"],
)
@pytest.mark.parametrize("value", [PLAIN, json.dumps({"token": PLAIN})], ids=["token", "JSON"])
async def test_a_later_write_of_another_host_does_not_open_it(value: str, change: dict[str, str | None]) -> None:
    """That host would get the plaintext of a token that only the one before may have."""
    here = desk()
    stored = await here.store(make_user_secret({"bob": value, "url": "https://git.acme.dev"}))
    asked = len(here.provider.asked)
    _, decision = await here.write(with_data(stored, **change), stored)
    assert_closed(here, decision, asked)


async def test_a_copy_in_another_secret_opens_for_its_host_alone() -> None:
    """The same key and namespace, and another url beside it."""
    here = desk()
    stored = await here.store(make_user_secret({"token": PLAIN, "url": "https://git.acme.dev"}))
    copy = make_user_secret({"token": text_of(stored, "token"), "url": "https://git.acme.dev"}, name="git-default-copy")
    allowed((await here.write(copy))[1])
    asked = len(here.provider.asked)
    _, decision = await here.write(with_data(copy, url="https://git.mallory.dev"))
    assert_closed(here, decision, asked)


async def test_a_copy_under_another_key_does_not_open() -> None:
    """Whatever host stands beside it."""
    here = desk()
    stored = await here.store(make_user_secret({"ada": PLAIN, "url": "https://git.acme.dev"}))
    copy = make_user_secret({"bob": text_of(stored, "ada"), "url": "https://git.acme.dev"}, name="git-default-copy")
    assert "opens nowhere else" in denied((await here.write(copy))[1]).message


async def test_json_around_a_sealed_value_does_not_open_it() -> None:
    """With a url of its own."""
    here = desk()
    stored = await here.store(make_user_secret({"bob": PLAIN, "url": "https://git.acme.dev"}))
    wrapped = json.dumps({"token": text_of(stored, "bob"), "url": "https://git.mallory.dev"})
    asked = len(here.provider.asked)
    denied((await here.write(with_data(stored, bob=wrapped), stored))[1])
    assert len(here.provider.asked) == asked


async def test_in_warn_mode_it_is_let_in_closed() -> None:
    """Nothing is sent, and nothing in it is sealed again."""
    here = desk(HOSTS + "mode: warn")
    stored = await here.store(make_user_secret({"token": PLAIN, "url": "https://git.acme.dev"}))
    asked = len(here.provider.asked)
    moved, decision = await here.write(with_data(stored, url="https://git.mallory.dev"), stored)
    assert "opens for no other host" in " ".join(allowed(decision).warnings)
    assert moved.data["token"] == stored.data["token"]
    assert len(here.provider.asked) == asked


@pytest.mark.parametrize(
    "url",
    [
        "https://GIT.Acme.dev/acme",
        "https://git.acme.dev.",
        "https://git.acme.dev:443/acme/apps.git",
        "http://git.acme.dev:80",
    ],
)
async def test_another_spelling_of_the_host_opens_it(url: str) -> None:
    """Letter case, a trailing dot and the scheme's own port make no other host."""
    here = desk()
    stored = await here.store(make_user_secret({"token": PLAIN, "url": "https://git.acme.dev"}))
    again = await here.store(with_data(stored, url=url), stored)
    assert again.data["token"] == stored.data["token"]


@pytest.mark.parametrize(
    "url", ["https://www.github.com/acme", "https://WWW.GitHub.com.:443", "git@ssh.github.com:a/b"]
)
async def test_an_alias_of_github_opens_it(url: str) -> None:
    """www. and ssh. of github.com are the same host, and so is no url at all."""
    here = desk()
    stored = await here.store(make_user_secret({"token": ADA}))
    again = await here.store(with_data(stored, url=url), stored)
    assert again.data["token"] == stored.data["token"]


async def test_the_token_itself_is_sealed_for_the_new_host() -> None:
    """Who knows the token may move it; kubectl's annotation has the new value as well."""
    here = desk()
    first = make_user_secret({"token": PLAIN, "url": "https://git.acme.dev"})
    stored = await here.store(first)
    applied = {"data": {"token": encode(PLAIN), "url": encode("https://git.mallory.dev")}}
    annotations = {LAST_APPLIED: json.dumps(applied)}
    moved = await here.store(replace(with_data(first, url="https://git.mallory.dev"), annotations=annotations), stored)
    assert host_of(moved) == "git.mallory.dev"
    assert json.loads(moved.annotations[LAST_APPLIED])["data"]["token"] == moved.data["token"]


async def test_the_same_token_for_the_same_host_stays_as_it_is() -> None:
    """Byte for byte, whichever way the host is written."""
    here = desk()
    stored = await here.store(make_user_secret({"token": ADA}))
    again = await here.store(make_user_secret({"token": ADA, "url": "https://www.github.com/acme"}), stored)
    assert again.data["token"] == stored.data["token"]


async def test_a_value_without_a_certain_host_opens_for_none() -> None:
    """It was sealed in warn mode beside a url that can't be read."""
    here = desk(HOSTS + "mode: warn")
    stored = await here.store(make_user_secret({"token": PLAIN, "url": "https://a b"}))
    assert host_of(stored) == ""
    _, decision = await here.write(with_data(stored, url="https://git.mallory.dev"), stored)
    assert "is sealed for no certain host" in " ".join(allowed(decision).warnings)
    assert here.provider.asked == []


# --- Values that were sealed before hosts were bound -----------------------------------------------------------------


def earlier(token: str = PLAIN, key: str = "token") -> str:
    """A value as earlier versions sealed it."""
    return seal(SecretStr(token), Place("runtime", key), NEW)


async def test_a_value_without_a_host_opens_where_it_was_valid() -> None:
    """And is stored as it is when its Secret or its token is written again."""
    here = desk()
    secret = make_user_secret({"token": earlier(), "url": "https://git.acme.dev"})
    stored = await here.store(secret)
    again = await here.store(with_data(stored, token=PLAIN, username="ada"), stored)
    assert again.data["token"] == stored.data["token"]
    assert [question.host.name for question in here.provider.asked] == ["git.acme.dev"]


async def test_a_value_without_a_host_does_not_move_to_another_one() -> None:
    """The stored Secret says which host it was valid for."""
    here = desk()
    stored = await here.store(make_user_secret({"token": earlier(), "url": "https://git.acme.dev"}))
    asked = len(here.provider.asked)
    _, decision = await here.write(with_data(stored, url="https://git.mallory.dev"), stored)
    assert_closed(here, decision, asked)
    moved = await here.store(with_data(stored, token=PLAIN, url="https://git.mallory.dev"), stored)
    assert host_of(moved) == "git.mallory.dev"


@pytest.mark.parametrize("data", [{"url": "https://git.acme.dev"}, {"host": "git.acme.dev"}])
async def test_reseal_binds_a_value_to_its_host(data: Mapping[str, str]) -> None:
    """Also one that the active key has sealed; once."""
    here = desk()
    stored = await here.store(make_user_secret({"token": earlier(), **data}))
    planned = plan(stored, RING, here.now, here.settings)
    assert set(planned.data) == {"token"}
    moved = replace(stored, data={**stored.data, **planned.data})
    assert host_of(moved) == "git.acme.dev"
    assert plan(moved, RING, here.now, here.settings).data == {}
    assert (await here.store(moved, stored)).data["token"] == moved.data["token"]


async def test_reseal_keeps_the_host_of_a_bound_value() -> None:
    """Whatever the Secret around it says: otherwise it would be a way to move it."""
    value = seal(SecretStr(PLAIN), Place("runtime", "token", host="git.acme.dev"), OLD)
    secret = make_user_secret({"token": value, "url": "https://git.mallory.dev"})
    planned = plan(secret, RING, desk().now, desk().settings)
    assert host_of(replace(secret, data={**secret.data, **planned.data})) == "git.acme.dev"


def test_reseal_leaves_a_value_whose_host_is_uncertain() -> None:
    """The configuration of the command names another host than the webhook has found, or the Secret none."""
    found = make_user_secret({"token": earlier()}, annotations={"git-token-webhook/host": "git.acme.dev"})
    planned = plan(found, RING, desk().now)
    assert (planned.data, "--config" in planned.left[0]) == ({}, True)
    none = make_user_secret({"token": earlier(), "url": "https://a b"})
    planned = plan(none, RING, desk().now)
    assert (planned.data, "add its url" in planned.left[0]) == ({}, True)


# --- Elsewhere -------------------------------------------------------------------------------------------------------


async def test_unseal_shows_no_token_beside_another_host() -> None:
    """A pipeline would send it there; without a url the host isn't named, and the person decides."""
    stored = await desk().store(make_user_secret({"token": PLAIN, "url": "https://git.acme.dev"}))
    assert open_one(stored, None, RING)[1].plaintext.get_secret_value() == PLAIN
    assert open_one(with_data(stored, url=None), None, RING)[1].plaintext.get_secret_value() == PLAIN
    for url in ("https://git.mallory.dev", "https://git.mallory.dev/%20"):
        with pytest.raises(StaysClosed, match="opens for no other host"):
            open_one(with_data(stored, url=url), None, RING)


def test_programs_name_the_host_that_they_send_it_to() -> None:
    """In any spelling; values from before have none."""
    text = key_text()
    key = derive_key(parse_key(text.encode()), "a")
    value = seal(SecretStr(ADA), Place("runtime", "token", host="github.com"), key)
    assert open_sealed(value, text, namespace="runtime", key="token", host="WWW.github.com:443") == ADA
    with pytest.raises(Closed, match=r"is sealed for github\.com, and opens for no other host") as error:
        open_sealed(value, text, namespace="runtime", key="token", host="git.mallory.dev")
    assert error.value.why is Why.OTHER_HOST
    unbound = seal(SecretStr(ADA), Place("runtime", "token"), key)
    assert open_sealed(unbound, text, namespace="runtime", key="token", host="github.com") == ADA
    assert (is_bound(value), is_bound(unbound), is_bound(ADA)) == (True, False, False)


def test_the_longest_header_is_ours() -> None:
    """Of the longest namespace, key and host that there are."""
    place = Place("n" * 63, "k" * 253, host="h" * 253 + ":65535")
    assert open_value(seal(SecretStr(ADA), place, NEW), place, RING).host == place.host


def test_what_audits_and_token_commands_read_is_bound_as_well() -> None:
    """Every opener compares hosts."""
    value = seal(SecretStr(PLAIN), Place("runtime", "token", host="git.acme.dev"), NEW)
    secret = make_user_secret({"token": value, "url": "https://git.mallory.dev"})
    settings = parse_settings(HOSTS)
    opener = Opener(RING, settings.hosts(), settings.defaults.user_host)
    (entry,) = extract(secret, classify(secret, settings.all_rules), opener).values()
    assert not isinstance(entry.content, Checkable)
    assert named_host(secret, SecretStr(PLAIN)) == "git.mallory.dev"


@pytest.mark.parametrize(
    ("before", "after", "failed"),
    [
        (None, None, ""),
        ("sealed", "sealed", ""),
        (None, "sealed", ""),
        ("sealed", "none", "for another host"),
        ("sealed", "external", None),
    ],
    ids=["without a webhook", "opened", "new marks", "other host there", "key not there"],
)
async def test_reseal_goes_by_what_the_webhook_makes_of_it(
    before: str | None, after: str | None, failed: str | None
) -> None:
    """It tries each write in a dry run first, and stores nothing that the webhook can't open."""

    def stored(mark: str | None, secret: SecretObject) -> Stored:
        annotations = {"git-token-webhook/encryption": mark} if mark else {}
        return Stored(replace(secret, annotations=annotations), "1", "uid")

    class Cluster:
        written = False

        async def change(self, stored_: Stored, change: object, *, dry_run: bool = False) -> Stored:
            self.written |= not dry_run
            return stored(after, stored_.secret)

    cluster = Cluster()
    secret = make_user_secret({"token": seal(SecretStr(ADA), Place("runtime", "token", host="github.com"), OLD)})
    moving = reseal(cast(StoredSecrets, cluster), stored(before, secret), RING, desk().now)
    if failed is None:
        with pytest.raises(KeyNotThere):
            await moving
    else:
        moved = await moving
        assert failed in moved.failed
        assert bool(moved.values) is not bool(failed)
    assert cluster.written is (failed == "")
