"""Links to pages where users create a better token, with the right permissions selected."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from webhook.providers.findings import Question
from webhook.providers.github.vocabulary import display
from webhook.providers.hosts import Host
from webhook.providers.requirements import union
from webhook.text import join


def new_classic(question: Question, *also: str) -> str:
    """Return a sentence with a link to create a classic token with the scopes of all roles, and also these."""
    noun = {1: "it", 2: "both"}.get(len(_scopes(question, also)), "all of them")
    return f"Make one that has {noun}: {_classic_page(question, also)}"


def new_fine_grained(question: Question) -> str:
    """Return a sentence with a link to create a fine-grained token, and the permissions that all roles need."""
    permissions = union(question.requirements.values()).permissions
    needed = join(display(name, level) for name, level in permissions) or "the permissions that are needed"
    return f"Make one that has {needed}: {_fine_grained_page(question)}"


def new_token(question: Question, *, fine_grained: bool) -> str:
    """Return a sentence with a link to replace a token that is not valid any more."""
    return f"Make a new one: {_fine_grained_page(question) if fine_grained else _classic_page(question, ())}"


# A message may be read as JSON, where "&" is written as \u0026, so that a link has one parameter at most.


def _classic_page(question: Question, also: Iterable[str]) -> str:
    scopes = quote(",".join(_scopes(question, also)), safe=",:")
    return f"{question.host.web_url}/settings/tokens/new?scopes={scopes}"


def _scopes(question: Question, also: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*union(question.requirements.values()).scopes, *also)))


def _fine_grained_page(question: Question) -> str:
    """Return the page for a new token, with the owner of its repositories selected if that is known.

    Enterprise Server doesn't know the template's parameters (GitHub docs: pre-filling fine-grained token details is
    for github.com and GHE.com).
    """
    page = f"{question.host.web_url}/settings/personal-access-tokens/new"
    if not question.path or not _is_cloud(question.host):
        return page
    return f"{page}?target_name={quote(question.path[0], safe='')}"


def _is_cloud(host: Host) -> bool:
    return host.name == "github.com" or host.name.endswith(".ghe.com")
