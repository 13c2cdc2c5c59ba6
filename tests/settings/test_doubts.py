"""Settings that are valid and switch a check off are reported."""

from __future__ import annotations

import pytest

from webhook.settings.doubts import doubts
from webhook.settings.source import parse_settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "requirements: {github: {runtime: {scopes: []}}}",
            "requirements.github.runtime: scopes is empty, so every valid token of that form is sufficient.",
        ),
        (
            "requirements: {bitbucket-server: {user: {levels: []}}}",
            "requirements.bitbucket-server.user: levels is empty, so every valid token of that form is sufficient.",
        ),
        (
            "rules: [{name: all, role: user, labels: {a: b}, requirements: {github: {permissions: {}}}}]",
            "rules: requirements.github of all: permissions is empty, so every valid token of that form is sufficient.",
        ),
        ("rules: [{name: all, role: user, names: ['*']}]", "rules: all matches every Secret."),
        ("rules: [{name: all, role: user, names: ['**'], namespaces: ['*']}]", "rules: all matches every Secret."),
        ("builtinRules: false", "rules: there is no rule, so no Secret is checked."),
        (
            "limits: {decisionTimeout: 12s}",
            "limits.decisionTimeout: with the manifests' timeoutSeconds of 10, a decision ends after 8.75 s; "
            "a longer time has no effect.",
        ),
        (
            "limits: {providerTimeout: 8500ms}",
            "limits.providerTimeout is longer than limits.decisionTimeout, which ends the request first.",
        ),
        (
            "providers: [{host: github.com, kind: gitlab}]",
            "providers: github.com is declared as gitlab, but it is a github host; its tokens cannot be verified.",
        ),
        ("installer: {skipValidation: true}", "installer.skipValidation is true: runtime tokens are not checked."),
    ],
)
def test_a_setting_that_is_hardly_intended_is_reported(text: str, expected: str) -> None:
    """As a sentence; the configuration stays valid."""
    assert expected in doubts(parse_settings(text))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "requirements: {github: {runtime: {scopes: [repo]}}}",
        "rules: [{name: few, role: user, names: ['*'], namespaces: ['team-*']}]",
        "rules: [{name: few, role: user, names: ['*'], labels: {a: b}}]",
        "providers: [{host: github.com, kind: github}]",
    ],
)
def test_a_usual_setting_is_not_reported(text: str) -> None:
    """Warnings that always come are not read."""
    assert doubts(parse_settings(text)) == []
