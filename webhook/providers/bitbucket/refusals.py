"""Obstacles for a valid token that have nothing to do with its scopes, with the remedy for each.

Each row is one obstacle. Waiting helps only for maintenance. Texts are matched and never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from webhook.providers.base import Reply

_MAX_TEXT = 2000
"""Characters of a reply's text that are matched."""

_QUOTED = re.compile(r"(?<!\w)'[^']{0,100}'(?!\w)|\"[^\"]{0,100}\"")
"""Quoted names, which users chose."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One known obstacle.

    Attributes:
        reason: the obstacle, as a clause that is complete by itself.
        remedy: a whole sentence that says what to do; empty if waiting is enough.
        text: matches Bitbucket's own text in lower case; None for a row without text.
        status: a status that identifies it without a text, in an error document of Bitbucket; 0 for none.
        transient: waiting may help.
        unknown_token: Bitbucket did not check the token, so nothing is known about it.
    """

    reason: str
    remedy: str = ""
    text: re.Pattern[str] | None = None
    status: int = 0
    transient: bool = False
    unknown_token: bool = False


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "does not accept logins of this account after too many invalid ones",
        "Have its owner log in at https://id.atlassian.com once.",
        # conduktor/kafka-security-manager#68.
        re.compile(r"too many invalid (?:password|login) attempts"),
        unknown_token=True,
    ),
    Refusal(
        "the IP allow list of the workspace does not contain the address of this webhook",
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
        "the workspace has more users than its plan allows, so its private repositories are read-only",
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
    """Return the known obstacle that one of Bitbucket's error documents names; None for others."""
    # A 404 only names what does not exist, and the author of the URL chose that name.
    if not isinstance(reply, Reply) or reply.status < 400 or reply.status == 404 or not is_error_document(reply):
        return None
    text = _QUOTED.sub("", text_of(reply))
    for row in REFUSALS:
        if reply.status == row.status or (row.text is not None and row.text.search(text)):
            return row
    return None


def is_error_document(reply: Reply) -> bool:
    """Return whether this is Bitbucket's own error and not the page of a proxy."""
    return isinstance(reply.body, Mapping) and reply.body.get("type") == "error"


def text_of(reply: Reply) -> str:
    """Return Bitbucket's own text in lower case, for matching; it is never shown."""
    error = reply.body.get("error") if isinstance(reply.body, Mapping) else None
    texts = [error.get("message"), error.get("detail")] if isinstance(error, Mapping) else []
    return " ".join(text for text in texts if isinstance(text, str))[:_MAX_TEXT].lower()
