"""Sentences and links for creating a better token."""

from __future__ import annotations

from urllib.parse import urlsplit

from webhook.providers.bitbucket_server.profile import PROJECT
from webhook.providers.bitbucket_server.targets import Target
from webhook.providers.findings import Question
from webhook.providers.requirements import union
from webhook.text import join


def new_token(question: Question, target: Target) -> str:
    """Return how to make a better token, with the permissions as the page names them.

    The sentence names the owner's rights too: a token can never do more than its owner, and Bitbucket does not say
    which of the two lacks a permission (Atlassian: HTTP access tokens).
    """
    wanted = [
        f"{'Project' if resource == PROJECT else 'Repository'} {level}"
        for resource, level in union(question.requirements.values()).permissions
    ]
    where = f" on {target.name}" if target.name else ""
    return (
        f"Make one with {join(wanted)}, as a user who has these rights{where}, under Manage account, then HTTP access "
        f"tokens: {web_url(question, target)}/plugins/servlet/access-tokens/manage"
    )


def web_url(question: Question, target: Target) -> str:
    """Return the server's URL for browsers, with the context path."""
    return f"{question.host.web_url}{urlsplit(question.host.api_url).path.rstrip('/')}{target.context}"
