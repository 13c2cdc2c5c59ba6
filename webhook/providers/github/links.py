"""Where a better token is made, with the right boxes ticked."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from webhook.findings import Question
from webhook.hosts import Host
from webhook.requirements import union


def new_classic(question: Question, *also: str) -> str:
    """A sentence with a link that makes a classic token with the scopes of all roles, and `also` these."""
    scopes = tuple(dict.fromkeys((*union(question.requirements.values()).scopes, *also)))
    noun = {1: "it", 2: "both"}.get(len(scopes), "all of them")
    query = f"scopes={quote(','.join(scopes), safe=',:')}&description={quote(_purpose(question))}"
    return f"Make one that has {noun}: {question.host.web_url}/settings/tokens/new?{query}"


def new_fine_grained(question: Question) -> str:
    """A sentence with a link that makes a fine-grained token with the permissions of all roles.

    Enterprise Server doesn't know the template's parameters (GitHub docs: pre-filling fine-grained token details is
    for github.com and GHE.com).
    """
    page = f"{question.host.web_url}/settings/personal-access-tokens/new"
    if not _is_cloud(question.host):
        return f"Make one that has all of them: {page}"
    parameters = {"name": _purpose(question)[:40]}
    if question.path:
        parameters["target_name"] = question.path[0]
    permissions = union(question.requirements.values()).permissions
    parameters |= {name: str(level) for name, level in permissions}
    return f"Make one that has all of them: {page}?{urlencode(parameters, quote_via=quote)}"


def new_token(question: Question, *, fine_grained: bool) -> str:
    """A sentence with a link for a token that is of no use any more."""
    link = (new_fine_grained if fine_grained else new_classic)(question)
    return f"Make a new one: {link.partition(': ')[2]}"


def _purpose(question: Question) -> str:
    return f"git-token-webhook {' and '.join(question.requirements)}"


def _is_cloud(host: Host) -> bool:
    return host.name == "github.com" or host.name.endswith(".ghe.com")
