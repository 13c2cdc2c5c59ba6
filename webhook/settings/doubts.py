"""Warnings about settings that are valid and yet switch a check off, or have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from webhook.providers import PROVIDERS
from webhook.providers.hosts import Kind
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Role
from webhook.settings.model import Settings
from webhook.settings.requirements import RequirementSettings
from webhook.settings.rules import BUILTIN_RULES, Rule
from webhook.settings.values import parse_flag

LONGEST_REVIEW = timedelta(seconds=10)
"""timeoutSeconds of the webhook configurations in the manifests."""
_MARGIN = timedelta(seconds=1.25)  # what a decision keeps free of it (admission.handler)


def doubts(settings: Settings) -> list[str]:
    """Return a sentence for each setting that is valid, but hardly intended."""
    return [
        *_skip_flags(settings),
        *_providers(settings),
        *_keys(settings),
        *_rules(settings),
        *_requirements(settings),
        *_timeouts(settings),
    ]


def _skip_flags(settings: Settings) -> Iterator[str]:
    flags = {
        "installer.skipValidation": (settings.installer.skip_validation, "runtime tokens are not checked"),
        "app-proxy.config.skipGitPermissionValidation": (
            settings.app_proxy.config.skip_git_permission_validation,
            "user tokens are not checked, and runtime tokens are not checked on UPDATE",
        ),
    }
    for name, (value, effect) in flags.items():
        flag = parse_flag(value)
        if flag is None:
            yield f"{name} is neither true nor false, so it skips nothing."
        elif flag:
            yield f"{name} is true: {effect}."


def _providers(settings: Settings) -> Iterator[str]:
    builtin = Hosts(())
    for provider in settings.providers:
        usual = builtin.find(provider.host)
        if usual is not None and usual.kind != provider.kind:
            yield (
                f"providers: {provider.host} is declared as {provider.kind}, but it is a {usual.kind} host; "
                "its tokens cannot be verified."
            )
        if provider.ca_file is not None and not provider.ca_file.is_file():
            yield f"{provider.host}: caFile {provider.ca_file} does not exist, so requests to the host fail."
        if (doubt := provider.doubt_about_api_url()) is not None:
            yield doubt


def _keys(settings: Settings) -> Iterator[str]:
    folder = settings.encryption.keys_dir
    if folder is not None and not folder.is_dir():
        yield f"encryption.keysDir: the folder {folder} does not exist here; the server does not start without it."


def _rules(settings: Settings) -> Iterator[str]:
    builtin = {rule.name for rule in BUILTIN_RULES} if settings.builtin_rules else set()
    for name in sorted(builtin & {rule.name for rule in settings.rules}):
        yield f"rules: {name} is also the name of a built-in rule; both apply (without it: builtinRules: false)."
    for rule in settings.rules:
        if not rule.labels and any(set(glob) == {"*"} for glob in rule.names) and _is_everywhere(rule):
            yield f"rules: {rule.name} matches every Secret."
    if not settings.all_rules:
        yield "rules: there is no rule, so no Secret is checked."


def _is_everywhere(rule: Rule) -> bool:
    narrow = (*rule.namespaces, *rule.urls)
    return not narrow or all(set(glob) == {"*"} for glob in narrow)


def _requirements(settings: Settings) -> Iterator[str]:
    cells = [
        (f"requirements.{kind}.{role}", kind, role, cell)
        for kind, roles in settings.requirements.items()
        for role, cell in roles.items()
    ]
    cells += [
        (f"rules: requirements.{kind} of {rule.name}", kind, rule.role, cell)
        for rule in settings.rules
        for kind, cell in rule.requirements.items()
    ]
    for name, kind, role, cell in cells:
        if what := _emptied(kind, role, cell):
            yield f"{name}: {what} is empty, so every valid token of that form is sufficient."


def _emptied(kind: Kind, role: Role, cell: RequirementSettings) -> str:
    """Return which part of a default requirement a cell replaces by nothing."""
    default = PROVIDERS[kind].profile.defaults[role]
    parts = {
        "scopes": (default.scopes, cell.scopes),
        "levels" if cell.levels is not None else "permissions": (default.permissions, cell.permissions),
        "granular": (default.granular, cell.granular),
    }
    return ", ".join(name for name, (usual, own) in parts.items() if usual and own is not None and not own)


def _timeouts(settings: Settings) -> Iterator[str]:
    limits = settings.limits
    if limits.decision_timeout > LONGEST_REVIEW - _MARGIN:
        yield (
            f"limits.decisionTimeout: with the manifests' timeoutSeconds of {LONGEST_REVIEW.seconds}, a decision ends "
            f"after {(LONGEST_REVIEW - _MARGIN).total_seconds():g} s; a longer time has no effect."
        )
    if limits.provider_timeout > limits.decision_timeout:
        yield "limits.providerTimeout is longer than limits.decisionTimeout, which ends the request first."
