"""Tokens in Secrets, replaced, added and taken away, as values in and out."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.support.factories import encode, make_runtime_secret, make_token, make_user_secret
from webhook.credentials.matching import classify
from webhook.keyring.jwe import Place, seal
from webhook.keyring.opener import Opener
from webhook.keyring.ring import ephemeral_keyring
from webhook.names import LAST_APPLIED
from webhook.settings.model import Settings
from webhook.subject import SecretObject
from webhook.tokens.changes import Change, NewToken, NotPossible, created, with_token, without_token

RULES = Settings().all_rules
OLD, NEW = make_token("old"), make_token("new")
URL = "https://github.com/acme"


def secret(data: Mapping[str, str], **others: Any) -> SecretObject:
    return make_user_secret(data, **{"namespace": "platform"} | others)


def runtime(data: Mapping[str, str]) -> SecretObject:
    return make_runtime_secret(data)


def new(token: str = NEW, **said: str) -> NewToken:
    return NewToken(SecretStr(token), **said)


def put(before: SecretObject, user: str | None = None, token: NewToken | None = None) -> dict[str, str]:
    """The Secret's data afterwards, as text."""
    return data_of(with_token(before, classify(before, RULES), user, token or new(), None), before)


def taken(before: SecretObject, user: str | None = None) -> Change:
    return without_token(before, classify(before, RULES), user)


def data_of(change: Change, before: SecretObject) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in change.applied_to(before).data.items()}


class TestARuntime:
    def test_its_password_is_replaced(self) -> None:
        """What stands beside it stays."""
        before = {"url": URL, "username": "octocat", "password": OLD}
        assert put(runtime(before)) == before | {"password": NEW}

    def test_its_bearer_token_is_replaced(self) -> None:
        """A token stays in the key that it was in."""
        assert put(runtime({"url": URL, "bearerToken": OLD})) == {"url": URL, "bearerToken": NEW}

    def test_a_password_gets_a_username(self) -> None:
        """Argo CD sends no password without one."""
        assert put(runtime({"url": URL}))["username"] == "git"

    def test_the_url_changes_with_it(self) -> None:
        """A token of another host brings its URL."""
        after = put(runtime({"url": URL, "username": "a", "password": OLD}), None, new(url="https://gitlab.com/acme"))
        assert after == {"url": "https://gitlab.com/acme", "username": "a", "password": NEW}

    @pytest.mark.parametrize("key", ["sshPrivateKey", "githubAppPrivateKey"])
    def test_what_is_no_token_is_not_replaced_by_one(self, key: str) -> None:
        """Argo CD would use the token from then on, and nobody may have meant that."""
        with pytest.raises(NotPossible, match="which a token would replace"):
            put(runtime({"url": URL, key: "key", "githubAppID": "1"}))

    def test_it_has_no_users(self) -> None:
        """Its one token is everybody's."""
        with pytest.raises(NotPossible, match="omit --user"):
            put(runtime({"url": URL, "password": OLD}), "alice")

    def test_its_deletion_takes_the_whole_secret(self) -> None:
        """A credential template without a credential would be malformed."""
        assert taken(runtime({"url": URL, "password": OLD})).whole


class TestUsers:
    def test_one_is_added(self) -> None:
        """The others stay as they are."""
        assert put(secret({"alice": OLD}), "bob") == {"alice": OLD, "bob": NEW}

    def test_the_first_one_is_added(self) -> None:
        """A Secret without data has room for it."""
        assert put(secret({}), "alice") == {"alice": NEW}

    def test_what_a_value_says_besides_is_kept(self) -> None:
        """A rotated token goes where the old one went."""
        before = json.dumps({"token": OLD, "url": URL, "username": "alice"})
        assert json.loads(put(secret({"alice": before}), "alice")["alice"]) == {
            "token": NEW,
            "url": URL,
            "username": "alice",
        }

    def test_a_new_url_takes_the_place_of_a_host(self) -> None:
        """Both together would name two hosts."""
        before = json.dumps({"token": OLD, "host": "github.com"})
        after = json.loads(put(secret({"alice": before}), "alice", new(url="https://gitlab.com"))["alice"])
        assert after == {"token": NEW, "url": "https://gitlab.com"}

    def test_the_only_token_is_replaced(self) -> None:
        """Where a Secret is one user's, nobody has to say whose."""
        assert put(secret({"accessToken": OLD, "username": "alice"})) == {"accessToken": NEW, "username": "alice"}

    def test_of_several_one_must_be_named(self) -> None:
        """The wrong user's token would be lost."""
        with pytest.raises(NotPossible, match="--user: alice, bob"):
            put(secret({"alice": OLD, "bob": OLD}))

    @pytest.mark.parametrize("user", ["url", "token", "a b", "", "x" * 254])
    def test_an_id_must_be_a_key_that_means_nothing_else(self, user: str) -> None:
        """A user called url would change where all tokens go."""
        with pytest.raises(NotPossible, match="cannot be a user's id"):
            put(secret({"alice": OLD}), user)

    def test_a_token_is_no_id(self) -> None:
        """It would stand in the open, and in this message too if it were repeated."""
        with pytest.raises(NotPossible) as refused:
            put(secret({}), NEW)
        assert NEW not in str(refused.value)

    def test_one_is_taken_away(self) -> None:
        """The others stay."""
        before = secret({"alice": OLD, "bob": OLD, "url": URL})
        assert data_of(taken(before, "alice"), before) == {"bob": OLD, "url": URL}

    def test_with_the_last_one_all_goes(self) -> None:
        """A URL without tokens would be malformed; a Secret without data is what it was before the first user."""
        before = secret({"alice": OLD, "url": URL})
        assert data_of(taken(before, "alice"), before) == {}

    def test_one_who_has_none_is_told(self) -> None:
        """A wrong id is no success."""
        with pytest.raises(NotPossible, match="holds no token of bob"):
            taken(secret({"alice": OLD}), "bob")


class TestSealed:
    def sealed(self) -> tuple[SecretObject, Opener]:
        ring = ephemeral_keyring()
        document = SecretStr(json.dumps({"token": OLD, "url": URL}))
        text = seal(document, Place("platform", "alice"), ring.active(datetime.now(UTC)))
        return secret({"alice": text}, annotations={"git-token-webhook/encryption": "sealed"}), Opener(ring)

    def test_what_it_says_is_kept_by_who_holds_the_keys(self) -> None:
        """The new value is in plain text: the webhook seals it on its way in."""
        before, opener = self.sealed()
        change = with_token(before, classify(before, RULES), "alice", new(), opener)
        assert json.loads(data_of(change, before)["alice"]) == {"token": NEW, "url": URL}

    def test_without_the_keys_its_url_is_not_lost_silently(self) -> None:
        """The token might then go to another host."""
        before, _ = self.sealed()
        with pytest.raises(NotPossible, match="--keys"):
            put(before, "alice")


class TestWhatIsThere:
    def test_a_secret_that_no_rule_matches_is_left_alone(self) -> None:
        """It is nobody's business here."""
        with pytest.raises(NotPossible, match="no rule matches"):
            put(secret({"password": "x"}, name="database"))

    def test_an_immutable_one_can_not_be_changed(self) -> None:
        """The API server would say so less clearly."""
        with pytest.raises(NotPossible, match="immutable"):
            put(secret({"alice": OLD}, immutable=True), "alice")

    def test_a_new_users_secret_is_the_platforms(self) -> None:
        """Its name says what it is."""
        made, key = created("platform", "git-default-acme", "alice", new())
        assert (key, dict(made.labels)) == ("alice", {"io.codefresh.integration-type": "git"})

    def test_a_new_runtimes_secret_is_a_template_of_argo_cd(self) -> None:
        """With all that Argo CD needs to use it."""
        made, _ = created("platform", "acme", None, new(url=URL))
        assert {key: base64.b64decode(value).decode() for key, value in made.data.items()} == {
            "type": "git",
            "url": URL,
            "username": "git",
            "password": NEW,
        }

    def test_a_new_runtimes_secret_needs_a_url(self) -> None:
        """Nothing else would say whose token it is."""
        with pytest.raises(NotPossible, match="--url"):
            created("platform", "acme", None, new())


class TestKubectlsAnnotation:
    def change(self, applied: str, user: str = "alice") -> str | None:
        before = secret({"alice": OLD, "bob": OLD}, annotations={LAST_APPLIED: applied})
        return with_token(before, classify(before, RULES), user, new(), None).annotations[LAST_APPLIED]

    def test_the_old_token_goes(self) -> None:
        """It would have stayed readable there, whatever the data says."""
        after = self.change(json.dumps({"kind": "Secret", "stringData": {"alice": OLD, "bob": "b"}}))
        assert json.loads(after or "") == {
            "kind": "Secret",
            "data": {"alice": encode(NEW)},
            "stringData": {"bob": "b"},
        }

    @given(st.text(max_size=60) | st.from_type(type(None)).map(json.dumps) | st.lists(st.integers()).map(json.dumps))
    def test_what_can_not_be_read_goes_whole(self, text: str) -> None:
        """Nobody knows what it holds."""
        try:
            readable = isinstance(json.loads(text), dict)
        except ValueError:
            readable = False
        assert (self.change(text) is None) is not readable
