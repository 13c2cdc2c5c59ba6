"""The two sets of scopes at Bitbucket: those of access and OAuth tokens, and those of API tokens.

For example, ``repository:write`` and ``write:repository:bitbucket`` allow the same. In the first set a scope can imply
others; in the second none does: write does not include read (Bitbucket docs: OAuth 2.0 scopes; Forge app and API token
scopes).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from webhook.providers.requirements import Requirement
from webhook.providers.vocabulary import Vocabulary, with_implied

# `repository:admin` and `project:admin` imply nothing, not even read. The documentation does not say that
# `account:write`, `team:write`, `pipeline:write` and `runner:write` imply read, but Bitbucket's pages select both, so a
# header lists both or one that means both.
IMPLIED: dict[str, tuple[str, ...]] = {
    "repository:write": ("repository",),
    "pullrequest": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write"),
    "project": ("repository",),
    "issue:write": ("issue",),
    "snippet:write": ("snippet",),
    "account:write": ("account",),
    "team:write": ("team",),
    "pipeline:write": ("pipeline",),
    "runner:write": ("runner",),
}

# What an API token must hold to do what a scope of the older set allows. Deleting webhooks is left out: nothing that
# needs `webhook` here deletes any. What a scope implies in the older set is listed in the newer one.
_OF_API_TOKENS: dict[str, str] = {
    "account": "read:user",
    "account:write": "read:user write:user",
    "email": "read:user",
    "team": "read:workspace",
    "team:write": "read:workspace admin:workspace",
    "repository": "read:repository",
    "repository:write": "read:repository write:repository",
    "repository:admin": "admin:repository",
    "repository:delete": "delete:repository",
    "pullrequest": "read:pullrequest read:repository",
    "pullrequest:write": "read:pullrequest write:pullrequest read:repository write:repository",
    "project": "read:project read:repository",
    "project:write": "admin:project",
    "project:admin": "admin:project",
    "webhook": "read:webhook write:webhook",
    "pipeline": "read:pipeline",
    "pipeline:write": "read:pipeline write:pipeline",
    "pipeline:variable": "admin:pipeline",
    "runner": "read:runner",
    "runner:write": "read:runner write:runner",
    "issue": "read:issue",
    "issue:write": "read:issue write:issue",
    "wiki": "read:wiki write:wiki",
    "snippet": "read:snippet",
    "snippet:write": "read:snippet write:snippet",
}
# The reverse; a scope without an entry has no counterpart.
_OF_OTHER_TOKENS: dict[str, str] = {
    "read:user": "account",
    "write:user": "account:write",
    "read:workspace": "team",
    "admin:workspace": "team:write",
    "read:repository": "repository",
    "write:repository": "repository:write",
    "admin:repository": "repository:admin",
    "delete:repository": "repository:delete",
    "read:pullrequest": "pullrequest",
    "write:pullrequest": "pullrequest:write",
    "read:project": "project",
    "admin:project": "project:admin",
    "read:webhook": "webhook",
    "write:webhook": "webhook",
    "delete:webhook": "webhook",
    "read:pipeline": "pipeline",
    "write:pipeline": "pipeline:write",
    "admin:pipeline": "pipeline:variable",
    "read:runner": "runner",
    "write:runner": "runner:write",
    "read:issue": "issue",
    "write:issue": "issue:write",
    "delete:issue": "issue:write",
    "read:wiki": "wiki",
    "write:wiki": "wiki",
    "read:snippet": "snippet",
    "write:snippet": "snippet:write",
    "delete:snippet": "snippet:write",
}
_ENDING = ":bitbucket"
_API_ONLY = (
    "read:ssh-key write:ssh-key delete:ssh-key read:gpg-key write:gpg-key delete:gpg-key "
    "read:permission write:permission delete:permission read:package write:package delete:package read:test write:test"
).split()
_GENERIC = ("read:account", "read:me")
"""Scopes of Atlassian that an API token may list and that allow nothing at Bitbucket."""

_OTHER_SCOPES = frozenset(_OF_API_TOKENS)
_API_SCOPES = frozenset(f"{name}{_ENDING}" for name in (*_OF_OTHER_TOKENS, *_API_ONLY))


def in_both_vocabularies(needed: Requirement) -> Requirement:
    """Return the requirement with the scopes of both sets."""
    both = (*needed.scopes, *(scope for api in (True, False) for scope in in_words_of(needed.scopes, api_token=api)[0]))
    return replace(needed, scopes=tuple(dict.fromkeys(both)))


VOCABULARY = Vocabulary(
    scopes=frozenset({*_OTHER_SCOPES, *_API_SCOPES, *_GENERIC}),
    aliases={
        **{scope.removesuffix(_ENDING): scope for scope in _API_SCOPES},
        **{f"{scope}:read": scope for scope in _OTHER_SCOPES if ":" not in scope},
        "webhook:write": "webhook",
        "workspace": "team",
    },
    complete=in_both_vocabularies,
)


def is_of_api_tokens(scope: str) -> bool:
    """Return whether a scope belongs to the set of API tokens."""
    return scope.endswith(_ENDING) or scope in _GENERIC


def in_words_of(scopes: Iterable[str], *, api_token: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Translate required scopes into the set of a kind of token.

    If the requirement names scopes of both sets, those of the token's set count; otherwise all are translated.

    Returns:
        The scopes, and those of the requirement that have no counterpart in the token's set.
    """
    given = tuple(scopes)
    own = tuple(scope for scope in given if is_of_api_tokens(scope) == api_token)
    table = _OF_API_TOKENS if api_token else _OF_OTHER_TOKENS
    counterparts = {scope: table.get(scope.removesuffix(_ENDING), "").split() for scope in given if scope not in own}
    ending = _ENDING if api_token else ""
    translated = dict.fromkeys(f"{name}{ending}" for names in counterparts.values() for name in names)
    if not api_token:  # `repository` beside `repository:write` would only make the list longer
        translated = {scope: None for scope in translated if not _is_implied(scope, translated)}
    return own or tuple(translated), tuple(scope for scope, names in counterparts.items() if not names)


def held(scopes: Iterable[str], *, api_token: bool) -> frozenset[str]:
    """Return the scopes with those that they imply; scopes of API tokens imply none."""
    return frozenset(scopes) if api_token else with_implied(scopes, IMPLIED)


def _is_implied(scope: str, others: Iterable[str]) -> bool:
    return any(scope in held(IMPLIED.get(other, ()), api_token=False) for other in others)
