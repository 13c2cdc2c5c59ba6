"""Spellings that once carried a token past the check."""

from __future__ import annotations

import json

import pytest

from tests.credentials.test_extract import TOKEN, user, why
from webhook.argocd import ArgoUrl, Origins


@pytest.mark.parametrize("field", ["provider", "username"])
def test_a_token_in_a_described_field_of_json_is_found(field: str) -> None:
    """Also where the URL decides, so that the provider is not used."""
    document = {"token": TOKEN, "url": "https://github.com", field: "ghp_" + "w" * 36}
    assert "could be a token" in why(user({"bob": json.dumps(document)})["bob"].content)


def test_a_dotted_capital_i_is_lower_cased_as_in_go() -> None:
    """Python makes two characters of it."""
    assert ArgoUrl.of("https://g\u0130thub.com/acme", "repo-creds").may_be_at(Origins.of("github.com"))
