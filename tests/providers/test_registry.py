"""A line in the registry is all that a provider needs to be there for everybody: nothing else lists the kinds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from webhook.providers import PROVIDERS
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Level, Role
from webhook.settings.model import Settings
from webhook.settings.source import parse_settings
from webhook.simulator.server import SITES

KIND = r"\bKind\([\"']"
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", PROVIDERS)
def test_each_kind_can_be_declared(kind: Kind) -> None:
    """Its API is where the provider says."""
    host = parse_settings(f"providers: [{{host: git.acme.dev, kind: {kind}}}]").hosts().find("git.acme.dev")
    assert host is not None
    assert (host.kind, host.api_url) == (kind, PROVIDERS[kind].profile.api_url("git.acme.dev"))
    assert json.dumps(kind) in json.dumps(Settings.model_json_schema())


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize("role", list(Role))
def test_what_each_kind_needs_is_stated_in_its_own_words(kind: Kind, role: Role) -> None:
    """So that a configuration could say the same."""
    profile = PROVIDERS[kind].profile
    needed = profile.defaults[role]
    assert needed.scopes or needed.permissions
    assert all(profile.vocabulary.scope(scope) == scope for scope in needed.scopes)
    levels = set(profile.vocabulary.levels.values())
    for name, level in needed.permissions:
        assert (name, level) in levels or level in profile.vocabulary.permissions[name]
    assert all(isinstance(level, Level) for _, level in needed.permissions)


def test_each_kind_can_be_simulated() -> None:
    """No provider is there that nobody can try."""
    assert PROVIDERS.keys() == SITES.keys()


def test_nobody_else_lists_the_kinds() -> None:
    """Outside of providers and simulator, nothing names those that only a registry line brings in."""
    places = [*ROOT.glob("webhook/*.py"), *ROOT.glob("webhook/admission/*.py"), *ROOT.glob("manifests/base/*")]
    named = re.compile(r"\bgitea\b", re.IGNORECASE)
    # The map in webhook/__init__.py names the packages, and a test of its own compares it with them.
    texts = {place.name: place.read_text() for place in places if place.is_file() and place.name != "__init__.py"}
    assert not [name for name, text in texts.items() if named.search(text)]


def test_no_other_module_names_a_kind() -> None:
    """What depends on a kind is in its profile. The demo may name the hosts that it simulates."""
    places = [place.relative_to(ROOT).as_posix() for place in ROOT.glob("webhook/**/*.py")]
    others = [
        place for place in places if not place.startswith(("webhook/providers/", "webhook/simulator/", "webhook/demo"))
    ]
    assert not [place for place in others if re.search(r"\bKind\([\"']", (ROOT / place).read_text())]
