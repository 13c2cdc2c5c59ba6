"""Where a better token is made."""

from __future__ import annotations

from urllib.parse import urlsplit

from webhook.providers.bitbucket_server.profile import PROJECT
from webhook.providers.bitbucket_server.targets import Place
from webhook.providers.findings import Question
from webhook.providers.requirements import union
from webhook.text import join


def new_token(question: Question, place: Place) -> str:
    """A sentence with the page of a person's own tokens, whose boxes no link ticks; they are named as shown there.

    Its owner is part of it: a token can never do more than they, and Bitbucket doesn't tell which of the two lacks
    something (Atlassian: HTTP access tokens).
    """
    wanted = [
        f"{'Project' if resource == PROJECT else 'Repository'} {level}"
        for resource, level in union(question.requirements.values()).permissions
    ]
    where = f" on {place.name}" if place.name else ""
    return (
        f"Make one with {join(wanted)}, as a user who has these rights{where}, under Manage account > HTTP access "
        f"tokens: {web_url(question, place)}/plugins/servlet/access-tokens/manage"
    )


def web_url(question: Question, place: Place) -> str:
    """Where people look at the server in a browser, context path included."""
    return f"{question.host.web_url}{urlsplit(question.host.api_url).path.rstrip('/')}{place.context}"
