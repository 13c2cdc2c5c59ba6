"""Which scopes a token has: listed by the newest versions, proven by probes in the others."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.evidence import source
from webhook.providers.findings import Conclusion, Finding, Outcome, Proof, Source
from webhook.providers.gitea import replies
from webhook.providers.gitea.profile import DESCRIBED
from webhook.providers.gitea.requests import Responses
from webhook.providers.requirements import Requirement
from webhook.providers.text import plain
from webhook.text import join

ACCOUNT = "read:user"
"""The scope that shows a token's account."""
_FIRST_WITH_CATEGORIES = (1, 20)  # Gitea's release notes of 1.20: "Redesign Scoped Access Tokens"
_FIRST_RESTRICTED = (15, 0)
"""Since Forgejo 15 a token can be restricted to repositories. It then has scopes of repositories and issues only
(home-operations/konflate#494). Versions of Gitea begin with 1."""


def listed(responses: Responses, *, secret: str) -> tuple[str, ...] | None:
    """Return all scopes of the token, if a reply lists them: ``GET /token`` since 2026, rejections since 1.23."""
    scopes = replies.itself(responses.itself)[0]
    if scopes is None:
        scopes = next((held for one in responses.about_token if (held := replies.held(one)) is not None), None)
    return None if scopes is None else tuple(scope for scope in scopes if plain(scope, secret=secret))


def has(scope: str, responses: Responses, held: tuple[str, ...] | None) -> bool | str:
    """Return whether the token has a scope, or a clause that says why that is not known.

    Args:
        held: all its scopes, if they are listed.
    """
    if held is not None:
        return not {"all", scope, scope.replace("read:", "write:", 1)}.isdisjoint(held)
    response = responses.probes.get(scope)
    if response is None:
        return f"does not say whether this {DESCRIBED} has {scope}"
    if isinstance(response, ProviderUnavailable):
        return f"{response} when queried for {scope}"
    if replies.missing(response) == scope:
        return False
    return _with_categories(responses) if passed(response) else f"answers {response.status} when queried for {scope}"


def passed(reply: Reply) -> bool:
    """Return whether a probe got a reply that only a token with its scope gets."""
    if replies.login(reply) is not None or replies.is_public_only(reply):
        return True
    return reply.status in (404, 422) and replies.is_giteas(reply)


def _with_categories(responses: Responses) -> bool | str:
    """Return whether this version checks these scopes first, or a clause that says why that is not known.

    Gitea 1.19 had scopes with other names and checked them later; before, there were none. 1.20.0 and 1.20.1 show their
    version only to tokens with read:misc; the rejection names that scope (go-gitea/gitea#26035).
    """
    number = replies.version(responses.version)
    if number is not None:
        if number >= _FIRST_WITH_CATEGORIES:
            return True
        return f"is version {number[0]}.{number[1]}, whose tokens have other scopes: these were added in 1.20"
    if any(replies.names_categories(one) for one in responses.about_token):
        return True
    if isinstance(responses.version, ProviderUnavailable):
        return f"{responses.version} when asked for its version"
    return "does not say which version it is"


def may_be_restricted(responses: Responses, known: Mapping[str, bool | str]) -> bool:
    """Return whether the token may be restricted to repositories, so it cannot have ``read:user``."""
    number = replies.version(responses.version)
    return known[ACCOUNT] is False and number is not None and number >= _FIRST_RESTRICTED


def proven(known: Mapping[str, bool | str], responses: Responses) -> tuple[str, ...]:
    """Return the scopes that probes proved; a visible repository proves at least ``read:repository``."""
    scopes = [scope for scope, there in known.items() if there is True]
    sees = isinstance(responses.named, Reply) and responses.named.status == 200
    if sees and _with_categories(responses) is True and not {"write:repository", "read:repository"} & {*scopes}:
        scopes.append("read:repository")
    return tuple(scopes)


def judge(needed: Requirement, known: Mapping[str, bool | str], *, transient: bool) -> Finding:
    """Return whether a token has what a role needs.

    Args:
        transient: waiting may help if the result is unverified.
    """
    lacks = tuple(scope for scope in needed.scopes if known[scope] is False)
    if lacks:
        return Finding(Outcome.INSUFFICIENT, lacks)
    unknown = dict.fromkeys(clause for scope in needed.scopes if isinstance(clause := known[scope], str))
    if not unknown:
        return Finding(Outcome.SUFFICIENT)
    return Finding(Outcome.UNVERIFIED, reason=join(unknown), transient=transient)


def proofs(needed: Requirement, known: Mapping[str, bool | str], responses: Responses) -> tuple[Proof, ...]:
    """Return what the responses prove about each scope."""
    found = []
    for scope in needed.scopes:
        meaning = known[scope]
        if isinstance(meaning, str):
            conclusion, why = Conclusion.OPEN, meaning
        else:
            conclusion, why = Conclusion.PROVEN if meaning else Conclusion.MISSING, ""
        found.append(Proof(scope, conclusion, _sources(scope, responses), why))
    return tuple(found)


def _sources(scope: str, responses: Responses) -> tuple[Source, ...]:
    if replies.itself(responses.itself)[0] is not None:
        return source(responses.itself, "scopes")
    rejection = next((one for one in responses.about_token if replies.held(one) is not None), None)
    if rejection is not None:
        return source(rejection, "message")
    return source(responses.probes.get(scope))


def account(responses: Responses, *, secret: str) -> str | None:
    """Return the token's account for display; None if it is not shown."""
    names = (replies.itself(responses.itself)[1], replies.login(responses.probes.get(ACCOUNT)))
    return next(filter(None, (plain(name, secret=secret) for name in names)), None)


def is_public_only(responses: Responses, held: tuple[str, ...]) -> bool:
    """Return whether the token reaches no private repository."""
    return "public-only" in held or any(map(replies.is_public_only, responses.about_token))
