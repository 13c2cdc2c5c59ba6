"""Refusals that say nothing of a token's scopes: what Bitbucket says, and what a person must do about it.

Each row is one obstacle. None passes by waiting, except for maintenance. Texts are looked into and never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from webhook.providers.base import Reply

_LOOKED_AT = 2000
"""Characters of a reply's text that are looked into."""

_QUOTED = re.compile(r"(?<!\w)'[^']{0,100}'(?!\w)|\"[^\"]{0,100}\"")
"""Names that others chose."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One known obstacle.

    Attributes:
        reason: what is in the way, as a clause that stands on its own.
        remedy: a whole sentence that says what to do; empty where waiting is all.
        text: what Bitbucket's own text has in it, in lower case; None for a row without text.
        status: a status that tells it by itself, in an error document of Bitbucket's; 0 for none.
        transient: waiting may help.
        unknown_token: the token was not looked at, so that nothing is known about it.
    """

    reason: str
    remedy: str = ""
    text: re.Pattern[str] | None = None
    status: int = 0
    transient: bool = False
    unknown_token: bool = False


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "does not look at logins of this account after too many invalid ones",
        "Have its owner log in at https://id.atlassian.com once.",
        # conduktor/kafka-security-manager#68.
        re.compile(r"too many invalid (?:password|login) attempts"),
        unknown_token=True,
    ),
    Refusal(
        "the IP allow list of the workspace keeps out the address of this webhook",
        "Add the cluster's outgoing address to the workspace's IP allow list.",
        # "an admin must whitelist your IP" (Atlassian community); Bitbucket docs: control access to private content.
        re.compile(r"\bip\b.{0,200}(?:white|allow) ?list|(?:white|allow) ?list.{0,200}\bip\b"),
    ),
    Refusal(
        "the workspace requires two-step verification, which its account does not have",
        "Have the account's owner enable two-step verification.",
        # Bitbucket docs: require two-step verification for a workspace.
        re.compile(r"two-?(?:step|factor)\b|\b2(?:sv|fa)\b"),
    ),
    Refusal(
        "the workspace has more users than its plan allows, so that its private repositories are read-only",
        "Have an administrator of the workspace remove users or upgrade its plan.",
        # Atlassian KB: Your push failed because the account has exceeded its user limit; sent with status 402.
        re.compile(r"exceeded its user limit|\buser limit\b|restricted to read-?only"),
        status=402,
    ),
    Refusal(
        "this needs the Premium plan, which the workspace does not have",
        "Have an administrator of the workspace upgrade its plan, or use an API token or a repository access token.",
        # Bitbucket docs: access tokens of projects and workspaces are a Premium feature.
        re.compile(r"\bpremium\b"),
    ),
    Refusal(
        "its account was not moved to an Atlassian account",
        "Have the account's owner sign in to Bitbucket with a browser and follow what it asks for.",
        re.compile(r"(?:transfer|upgrade|link|connect|migrate|move) your bitbucket|(?:to|with|an) atlassian account\b"),
    ),
    Refusal(
        "its account or workspace is suspended or deactivated",
        "Have Atlassian's support or an administrator of the organization activate it again, or use another account.",
        re.compile(
            r"\b(?:account|user|workspace)\b[a-z0-9_' ]{0,60}\b(?:suspended|deactivated|inactive|blocked|closed)\b"
        ),
    ),
    Refusal(
        "the account's e-mail address is not confirmed",
        "Have the account's owner confirm it.",
        re.compile(r"(?:confirm|verify) your (?:primary )?e-?mail"),
    ),
    Refusal(
        "the organization requires single sign-on",
        "Use an account that the organization manages, or an access token of the workspace.",
        # Atlassian: SAML single sign-on.
        re.compile(r"single sign-?on|\bsso\b|\bsaml\b"),
    ),
    Refusal(
        "a policy of the organization does not allow it",
        "Have an administrator of the organization allow it in its policies.",
        # Atlassian: data security policies, authentication policies.
        re.compile(r"\b(?:security|access|authentication|token|organi[sz]ation(?:'s)?|admin(?:'s)?) polic(?:y|ies)\b"),
    ),
    Refusal(
        "it is unavailable for legal reasons",
        "Ask an administrator of the workspace.",
        re.compile(r"\bdmca\b|\blegal reasons\b|\btake-?down\b"),
        status=451,  # RFC 7725
    ),
    Refusal(
        "it is in maintenance",
        text=re.compile(r"\b(?:in|under|for) (?:scheduled )?maintenance\b|maintenance mode"),
        transient=True,
    ),
)


def refusal_in(reply: object) -> Refusal | None:
    """Return what a refusal in an error document of Bitbucket's is about, where that is known."""
    # A 404 only says that something isn't there, and names it: whoever wrote the URL chose that name.
    if not isinstance(reply, Reply) or reply.status < 400 or reply.status == 404 or not is_error_document(reply):
        return None
    text = _QUOTED.sub("", text_of(reply))
    for row in REFUSALS:
        if reply.status == row.status or (row.text is not None and row.text.search(text)):
            return row
    return None


def is_error_document(reply: Reply) -> bool:
    """Whether this is an error of Bitbucket's own, and not the page of a proxy."""
    return isinstance(reply.body, Mapping) and reply.body.get("type") == "error"


def text_of(reply: Reply) -> str:
    """Bitbucket's own text in lower case, to be looked into and never shown."""
    error = reply.body.get("error") if isinstance(reply.body, Mapping) else None
    texts = [error.get("message"), error.get("detail")] if isinstance(error, Mapping) else []
    return " ".join(text for text in texts if isinstance(text, str))[:_LOOKED_AT].lower()
