"""Reading GitHub's replies: refusals told apart, rate limits, scopes, dates. Pure: a reply in, its meaning out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from webhook.findings import Finding, Outcome
from webhook.providers.base import NoAnswer, RateLimit, Reply
from webhook.providers.text import plain

# Logins: letters, digits, single hyphens; underscores for managed users, [bot] for Apps (GitHub docs: usernames).
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})(?:\[bot\])?\Z")
_SCOPE = re.compile(r"[a-z][a-z_]{0,39}(?::[a-z][a-z_]{0,39})?\Z")
_SSO_ORGANISATION = re.compile(r"/orgs/([A-Za-z0-9-]{1,100})/sso")
_FORBIDDING_ORGANISATION = re.compile(
    r"['`\"]([A-Za-z0-9-]{1,100})['`\"] organi[sz]ation|^['`\"]?([A-Za-z0-9-]{1,100})['`\"]? forbids"
)


def login_of(body: object, key: str = "login") -> str | None:
    """An account's login, or None where there is none that looks like one."""
    value = body.get(key) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) and _LOGIN.match(value) else None


def scopes_of(reply: Reply) -> tuple[str, ...] | None:
    """What ``X-OAuth-Scopes`` lists, sorted; None where there is no such header (recorded responses).

    The order and the spacing vary. A name that looks like none of GitHub's is left out: it is no scope that could
    be asked for.
    """
    header = reply.headers.get("x-oauth-scopes")
    if header is None:
        return None
    return tuple(sorted({scope for part in header.split(",") if _SCOPE.match(scope := part.strip())}))


def expiry_of(reply: Reply) -> datetime | None:
    """When the token ends, by ``github-authentication-token-expiration``, which has two layouts (go-github #2649)."""
    text = reply.headers.get("github-authentication-token-expiration", "").strip()
    for layout in ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S %z"):
        try:
            moment = datetime.strptime(text, layout)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def message_of(reply: Reply) -> str:
    """GitHub's own text in lower case, to be looked into and never shown."""
    body = reply.body
    message = body.get("message") if isinstance(body, Mapping) else None
    return message.lower() if isinstance(message, str) else ""


def is_own(reply: Reply) -> bool:
    """Whether an error is told as GitHub does it, which a gateway or a sign-in page before it doesn't.

    Every error of its API has a text and a link to its documentation, and every reply a request's id (recorded
    responses).
    """
    if not message_of(reply) or not isinstance(reply.body, Mapping):
        return False
    return isinstance(reply.body.get("documentation_url"), str) or "x-github-request-id" in reply.headers


def accepted_permissions(reply: Reply) -> frozenset[str]:
    """The permissions that ``X-Accepted-GitHub-Permissions`` names; none where it says nothing.

    Alternatives are separated by ``;``, members of one by ``,`` (GitHub docs: permissions required for fine-grained
    tokens).
    """
    header = reply.headers.get("x-accepted-github-permissions", "")
    return frozenset(part.partition("=")[0].strip() for part in re.split("[;,]", header) if "=" in part)


def rate_limit(reply: Reply, now: datetime) -> RateLimit | None:
    """Whether GitHub asks us to wait (GitHub docs: rate limits for the REST API; go-github).

    The primary limit counts for the token's account. The secondary one may be about our address.
    """
    if reply.status not in (403, 429):
        return None
    headers = reply.headers
    url = reply.body.get("documentation_url") if isinstance(reply.body, Mapping) else None
    documented = isinstance(url, str) and url.endswith(("secondary-rate-limits", "#abuse-rate-limits"))
    # What is documented as secondary is that, even when the account has just used up the primary one as well.
    if headers.get("x-ratelimit-remaining") == "0" and not documented:
        reset = _number(headers.get("x-ratelimit-reset"))
        return RateLimit(max(1.0, reset - now.timestamp()) if reset is not None else 60.0, whole_host=False)
    if not documented and reply.status != 429 and "rate limit" not in message_of(reply):
        return None
    return RateLimit(max(1.0, _number(headers.get("retry-after")) or 60.0), whole_host=True)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,12}", text.strip()) else None


def refuse_foreign(reply: Reply) -> None:
    """Take no 401 for GitHub's that isn't.

    Raises:
        NoAnswer: it is somebody else's.
    """
    if not is_own(reply) and "bad credentials" not in message_of(reply):
        raise NoAnswer("answers 401 in words that aren't GitHub's; a proxy between may want a sign-in of its own")


def refusal(reply: Reply, described: str, web_url: str, *, secret: str = "") -> tuple[Finding, str] | None:
    """What a 401 or 403 that is not about a missing permission means, and what to do; None where it is none.

    Texts vary between versions: only their stable parts are looked for (recorded responses).

    Args:
        secret: the credential; an organisation's name that tells a part of it is not shown.

    Raises:
        NoAnswer: it says nothing of this token.
    """
    text = message_of(reply)
    if reply.status == 401:
        if "otp" in text or "x-github-otp" in reply.headers:
            reason = "asks for a second factor, as it does for passwords: this is none of its tokens"
            return Finding(Outcome.INVALID, reason=reason), ""
        refuse_foreign(reply)
        return Finding(Outcome.INVALID, reason=f"refuses this {described}: it is wrong, revoked or expired"), ""
    if reply.status != 403:
        return None
    if "login attempt" in text:
        raise NoAnswer("refuses to look at any sign-in for a while, after too many that failed")
    header = reply.headers.get("x-github-sso", "")
    if header.startswith("required") or "saml enforcement" in text:
        return _single_sign_on(header, described, web_url, secret)
    if "forbids access via" in text:
        organisation = _forbidding(reply, secret)
        reason = f"accepts this {described}, but {organisation} forbids tokens like it"
        if "lifetime" in text:
            reason = f"accepts this {described}, but {organisation} forbids tokens that live as long as it"
        return Finding(Outcome.BLOCKED, reason=reason), "Use a GitHub App, or a token that its policy allows."
    if "ip allow list" in text:
        reason = f"accepts this {described}, but the organisation's IP allow list keeps out the address of this webhook"
        remedy = "Add the cluster's outgoing address to the organisation's IP allow list."
        return Finding(Outcome.BLOCKED, reason=reason), remedy
    if "suspended" in text:
        reason = f"accepts this {described}, but its account or installation is suspended"
        return Finding(Outcome.BLOCKED, reason=reason), "Have the suspension lifted, or use another account's token."
    return None


def _single_sign_on(header: str, described: str, web_url: str, secret: str) -> tuple[Finding, str]:
    # The header's URL carries an authorization request; only the organisation in it is shown.
    found = _SSO_ORGANISATION.search(header)
    name = plain(found[1], secret=secret) if found else ""
    organisation = f"the organisation {name}" if name else "the organisation"
    reason = (
        f"accepts this {described}, but {organisation} lets in no token that isn't authorised for its single sign-on"
    )
    where = f" ({web_url}/orgs/{name}/sso)" if name else ""
    return Finding(
        Outcome.BLOCKED, reason=reason
    ), f"Authorise it there{where}: {web_url}/settings/tokens, Configure SSO."


def _forbidding(reply: Reply, secret: str) -> str:
    body = reply.body
    message = body.get("message") if isinstance(body, Mapping) else None
    found = _FORBIDDING_ORGANISATION.search(message) if isinstance(message, str) else None
    name = plain(found[1] or found[2], secret=secret) if found else ""
    return f"the organisation {name}" if name else "the organisation"
