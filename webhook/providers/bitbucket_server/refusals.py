"""Obstacles for a valid token that have nothing to do with its permissions, with the remedy for each.

Each row is one obstacle. Waiting helps only for maintenance and for a user directory that does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.bitbucket_server import git

Response = Reply | ProviderUnavailable
"""The outcome of one request. Failures are values, because the other requests may still succeed."""

_MAX_TEXT = 2000
"""Characters of a reply's text that are matched."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One known obstacle.

    Attributes:
        reason: the obstacle, as a clause that is complete by itself.
        remedy: a whole sentence that says what to do; empty if waiting is enough.
        exceptions: last names of exceptions of ``com.atlassian.bitbucket`` that identify it.
        status: a status that identifies it without a text, in Bitbucket's own reply; 0 for none.
        text: matches Bitbucket's own text in lower case; None for a row without text.
        transient: waiting may help.
        unknown_token: Bitbucket did not check the token, so nothing is known about it.
    """

    reason: str
    remedy: str = ""
    exceptions: frozenset[str] = frozenset()
    status: int = 0
    text: re.Pattern[str] | None = None
    transient: bool = False
    unknown_token: bool = False


CAPTCHA = Refusal(
    "does not accept logins of this account until its owner signs in with a browser and solves a CAPTCHA",
    "Have its owner do that once.",
    exceptions=frozenset({"CaptchaRequiredAuthenticationException"}),  # recorded (PROVIDERS.md, section 8)
    text=re.compile(r"\bcaptcha\b"),
    unknown_token=True,
)
ARCHIVED = Refusal(
    "the repository is archived, so no one can push to it",
    "Have an administrator of the repository unarchive it, or use another one.",
    # Atlassian: archive a repository.
    exceptions=frozenset({"RepositoryArchivedException", "ArchivedRepositoryException"}),
    text=re.compile(r"\brepository (?:is|has been) archived|\barchived repositor"),
)
REFUSALS: tuple[Refusal, ...] = (
    CAPTCHA,
    Refusal(
        "the owner of this token has no license to use Bitbucket",
        "Have an administrator of Bitbucket grant its owner the permission Bitbucket User, or use another account's "
        "token.",
        # Atlassian community 788968: What does UNLICENSED user mean in Bitbucket Server.
        exceptions=frozenset({"NoAccessAuthenticationException"}),
        text=re.compile(r"not (?:currently )?licensed to use"),
    ),
    Refusal(
        "the owner of this token is deactivated",
        "Have an administrator of Bitbucket activate its owner again, or use another account's token.",
        # Atlassian: Bitbucket API, com.atlassian.bitbucket.auth.
        exceptions=frozenset({"InactiveUserAuthenticationException"}),
    ),
    Refusal(
        "the password of this token's owner has expired",
        "Have its owner set a new password, or use another account's token.",
        # Atlassian: Bitbucket API, com.atlassian.bitbucket.auth.
        exceptions=frozenset({"ExpiredPasswordAuthenticationException"}),
    ),
    Refusal(
        "Git over HTTPS is disabled on this server",
        "Have an administrator of Bitbucket enable SCM access over HTTP(S) in the server settings.",
        # jira.atlassian.com BSERV-11161: "SCM access over HTTP(S) has been disabled".
        text=re.compile(r"(?:scm access|git|hosting) over https?(?:\(s\))? (?:has been|is) disabled"),
    ),
    Refusal(
        "the license of this server has expired or has too few users, so no one can push",
        "Have an administrator of Bitbucket renew or extend the license.",
        # Atlassian KB: Git push returns error code 402; What happens when a Bitbucket Data Center license expires.
        status=402,
        text=re.compile(r"licen[cs]e[a-z ]{0,40}(?:expired|exceeded|invalid|limit)|too many (?:licensed )?users"),
    ),
    Refusal(
        "this host is a read-only mirror",
        "Use the URL of the primary server.",
        text=re.compile(r"\bmirrors? (?:is|are) read.?only|read.?only mirror|push(?:es|ing)? to (?:a|the|this) mirror"),
    ),
    ARCHIVED,
    Refusal(
        "basic authentication is disabled on this server",
        "Store the token under bearerToken, or have an administrator of Bitbucket enable basic authentication.",
        # Atlassian: disable basic authentication.
        text=re.compile(r"basic auth(?:entication)? (?:has been|is) disabled"),
    ),
    Refusal(
        "HTTP access tokens are disabled on this server",
        "Have an administrator of Bitbucket enable them.",
        # Atlassian: Bitbucket config properties, feature.personal.access.tokens.
        text=re.compile(r"(?:personal|http) access tokens? (?:have been|has been|are|is) disabled"),
    ),
    Refusal(
        "the owner of this token must set up two-step verification",
        "Have its owner set it up in a browser.",
        text=re.compile(r"two-(?:step|factor) (?:verification|authentication)"),
    ),
    Refusal(
        "the address of this webhook is not on an IP allow list",
        "Add the outgoing address of the cluster to that list.",
        text=re.compile(
            r"\bip (?:address )?(?:allow|white) ?list|ip address[a-z0-9.: ]{0,60} not (?:allowed|permitted)"
        ),
    ),
    Refusal(
        "this is unavailable for legal reasons",
        "Ask the administrators of Bitbucket.",
        status=451,  # RFC 7725
    ),
    Refusal(
        "its user directory does not answer",
        # Atlassian: Bitbucket API, com.atlassian.bitbucket.auth.
        exceptions=frozenset({"AuthenticationSystemException"}),
        transient=True,
    ),
    Refusal(
        "the server is in maintenance",
        text=re.compile(r"\b(?:in|under|for) (?:scheduled )?maintenance\b|maintenance mode"),
        transient=True,
    ),
)


def refusal_in(reply: Response) -> Refusal | None:
    """Return the known obstacle that a reply names; None for others.

    Args:
        reply: from the API, or from Git as bytes.
    """
    if not isinstance(reply, Reply) or not (reply.status >= 400 or isinstance(reply.body, bytes)):
        return None
    if reply.status == 404:  # it names what does not exist, and the author of the URL chose that name
        return None
    exceptions, text = exceptions_of(reply), _text_of(reply)
    for row in REFUSALS:
        if exceptions & row.exceptions or (reply.status == row.status and is_own(reply)):
            return row
        if row.text is not None and row.text.search(text):
            return row
    return None


def is_own(reply: Reply) -> bool:
    """Return whether a reply is Bitbucket's own: the page of a proxy has neither its request id nor its errors."""
    return "x-arequestid" in reply.headers or bool(_errors_of(reply))


def exceptions_of(reply: Response) -> frozenset[str]:
    """Return the last names of the exceptions that a reply lists: ``AuthorisationException``."""
    names = [error.get("exceptionName") for error in _errors_of(reply)]
    return frozenset(name.rpartition(".")[2] for name in names if isinstance(name, str))


def _errors_of(reply: Response) -> list[Mapping[object, object]]:
    body = reply.body if isinstance(reply, Reply) else None
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return [error for error in errors if isinstance(error, Mapping)] if isinstance(errors, list) else []


def _text_of(reply: Reply) -> str:
    """Return Bitbucket's own text in lower case, for matching; it is never shown."""
    if isinstance(reply.body, bytes):
        # With status 200 only an error is Bitbucket's text: users choose the names of branches.
        text = git.error_in(reply.body) if reply.status == 200 else reply.body[:_MAX_TEXT].decode(errors="replace")
        return text[:_MAX_TEXT].lower()
    texts = [error.get("message") for error in _errors_of(reply)]
    if isinstance(reply.body, Mapping):
        texts.append(reply.body.get("message"))
    return " ".join(text for text in texts if isinstance(text, str))[:_MAX_TEXT].lower()
