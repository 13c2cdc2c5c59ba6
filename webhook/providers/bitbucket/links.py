"""Sentences and links for creating a better token. Bitbucket's pages take no scopes from a link."""

from __future__ import annotations

from webhook.providers.bitbucket.kinds import API_TOKEN, PROJECT_TOKEN, REPOSITORY_TOKEN, WORKSPACE_TOKEN, TokenKind
from webhook.providers.bitbucket.targets import named
from webhook.providers.bitbucket.vocabulary import in_both_vocabularies, in_words_of
from webhook.providers.findings import Question
from webhook.providers.requirements import union
from webhook.text import join

API_TOKENS = "https://id.atlassian.com/manage-profile/security/api-tokens"
"""The page for API tokens: an Atlassian account does not belong to one host."""


def new_token(question: Question, kind: TokenKind) -> str:
    """Return how to make a token of this kind with the scopes that all roles need, as far as it can hold them."""
    if kind.is_access_token:
        return f"Make another one with {_scopes(question, kind)}: {_access_tokens_page(question, kind)}"
    return f"Make {_api_token(question)}"


def new_credentials(question: Question) -> str:
    """Return what to do if the token or the e-mail address stored beside it may be wrong."""
    return f"Store the e-mail address of the token's own account as username, or make {_api_token(question)}"


def _api_token(question: Question) -> str:
    return f"an API token with {_scopes(question, API_TOKEN)} (Create API token with scopes, Bitbucket): {API_TOKENS}"


def permissions(question: Question, name: str, account: str) -> str:
    """Return how to give an account a missing permission in a repository."""
    return f"Give {account} that permission: {question.host.web_url}/{name}/admin/permissions"


def wider_token(question: Question, name: str) -> str:
    """Return how to make an access token for a repository that this one does not reach."""
    return f"Make an access token there: {question.host.web_url}/{name}/admin/access-tokens"


def _scopes(question: Question, kind: TokenKind) -> str:
    needed = union(map(in_both_vocabularies, question.requirements.values())).scopes
    asked, _ = in_words_of(needed, api_token=kind.has_api_scopes)
    return join(scope for scope in asked if kind.can_hold(scope)) or "the scopes that are needed"


def _access_tokens_page(question: Question, kind: TokenKind) -> str:
    # Bitbucket docs: create a repository, project, workspace access token.
    web_url, name = question.host.web_url, named(question.path)
    if name is not None and kind not in (PROJECT_TOKEN, WORKSPACE_TOKEN):
        return f"{web_url}/{name}/admin/access-tokens"
    workspace = named((*question.path[:1], "any"))
    if workspace is None:
        return f"{web_url} (Settings, Access tokens)"
    workspace = question.path[0]
    if kind is PROJECT_TOKEN:
        return f"{web_url}/{workspace}/workspace/projects (Project settings, Access tokens)"
    if kind is REPOSITORY_TOKEN:
        return f"{web_url}/{workspace}/workspace/repositories (Repository settings, Access tokens)"
    return f"{web_url}/{workspace}/workspace/settings/access-tokens"
