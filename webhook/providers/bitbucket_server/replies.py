"""Read single replies of Bitbucket Server: who signed in, what is granted, why a token is rejected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from webhook.providers.base import ProviderUnavailable, RateLimit, Reply
from webhook.providers.bitbucket_server.refusals import Refusal, Response, exceptions_of, refusal_in
from webhook.providers.findings import Finding, Outcome

DESCRIBED = "HTTP access token"

# Exceptions of com.atlassian.bitbucket, by their last name (recorded and publicly quoted responses).
_FORBIDDEN = "AuthorisationException"
_WRONG = frozenset({"IncorrectPasswordAuthenticationException", "AuthenticationException"})

# Every reply of Bitbucket has it; that of a proxy that requires its own sign-in does not.
_OWN = "x-arequestid"
_FIRST_WITH_TOKENS = (5, 5)  # Atlassian: Bitbucket Server 5.5 release notes
# The user behind tokens of projects and repositories; 2 is recorded for repositories, on Data Center 9.4.
_SERVICE_USER = re.compile(r"access-token-user/(\d+)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of an accepted token.

    Attributes:
        name: of the user; empty if Bitbucket does not say it or a proxy removes it.
        is_service: the token belongs to a project or a repository, not to a user.
        of_project, of_repository: which of the two, if that is known.
    """

    name: str = ""
    is_service: bool = False
    of_project: bool = False
    of_repository: bool = False


@dataclass(frozen=True, slots=True)
class Unproven:
    """Why a permission is neither proven nor disproven.

    Attributes:
        why: a clause.
        refusal: the known obstacle, if it is one.
        transient: waiting can help.
    """

    why: str
    refusal: Refusal | None = None
    transient: bool = False

    @property
    def blocks(self) -> bool:
        """Whether an obstacle must be removed first."""
        return self.refusal is not None and not self.refusal.transient and not self.refusal.unknown_token


def unanswered(failure: ProviderUnavailable) -> Unproven:
    """Return the reason for a request without a reply."""
    return Unproven(f"it {failure}", transient=failure.transient)


def by_refusal(refusal: Refusal) -> Unproven:
    """Return the reason for a known obstacle."""
    return Unproven(refusal.reason, refusal, transient=refusal.transient)


def owner_of(reply: Response) -> Owner | None:
    """Return who signed in, from ``X-AUSERNAME``, which is URL-encoded; None for no one (recorded responses)."""
    header = reply.headers.get("x-ausername", "") if isinstance(reply, Reply) else ""
    name = unquote(header).strip()
    if not name or name.lower() == "anonymous":
        return None
    if (service := _SERVICE_USER.match(unquote(name))) is not None:  # some proxies encode a header once more
        return Owner(is_service=True, of_project=service[1] == "1", of_repository=service[1] == "2")
    return Owner(name)


_CORRECT_API_URL = "Declare the host with an apiUrl that ends with its context path."


def sign_in(server: Response, others: Iterable[Response], *, proven: bool) -> Owner | Refusal | Finding:
    """Return the owner of the token, or why it is not accepted.

    It is not known whether an invalid token is rejected everywhere or ignored at endpoints that are open to all; both
    count as rejected. Nor is it known whether a reply that denies a permission names the user; a user named in any
    reply has signed in.

    Args:
        server: the response to ``GET application-properties``, which is open to all.
        others: the other responses to the same token.
        proven: one of them showed what only signed-in users see; a proxy may remove the header.

    Raises:
        ProviderUnavailable: the responses say nothing about the token.
    """
    others = list(others)
    if (owner := next(filter(None, map(owner_of, (server, *others))), None)) is not None:
        return owner
    if proven:
        return Owner()
    if isinstance(server, ProviderUnavailable):
        raise server
    if (refusal := next(filter(None, map(refusal_in, (server, *others))), None)) is not None:
        if refusal.unknown_token or refusal.transient:
            raise ProviderUnavailable(refusal.reason, transient=refusal.transient, remedy=refusal.remedy)
        return refusal
    if server.status == 401:
        return _refusal(server)
    if server.status == 404:
        raise ProviderUnavailable(
            "answers 404 where its API should be: apiUrl may lack its context path", remedy=_CORRECT_API_URL
        )
    version = version_of(server)
    if server.status != 200 or version is None:
        raise ProviderUnavailable(f"answers {server.status} when asked for its version, and not as Bitbucket does")
    if version < _FIRST_WITH_TOKENS:
        shown = ".".join(map(str, version))
        reason = f"is Bitbucket Server {shown}, which has no HTTP access tokens: they were added in 5.5"
        return Finding(Outcome.INVALID, reason=reason)
    if _OWN not in server.headers:
        raise ProviderUnavailable("does not say who signed in; a proxy in between may have removed that header")
    reason = f"answers as if no one had signed in: this {DESCRIBED} is wrong, revoked or expired"
    return Finding(Outcome.INVALID, reason=reason)


def _refusal(reply: Reply) -> Finding:
    """Return the finding for a 401 that names no user.

    Raises:
        ProviderUnavailable: it says nothing about this token.
    """
    exceptions = exceptions_of(reply)
    if exceptions & _WRONG or (not exceptions and _OWN in reply.headers):
        return Finding(Outcome.INVALID, reason=f"rejects this {DESCRIBED}: it is wrong, revoked or expired")
    raise ProviderUnavailable("answers 401 without saying why; a proxy or a user directory may be the cause")


def granted(reply: Response, shows: Callable[[Mapping[object, object]], bool]) -> bool | Unproven:
    """Return whether an accepted token may see what was requested, or why that is not known.

    Bitbucket answers 401, not 403, if a permission is missing (recorded without credentials, and quoted with them).

    Args:
        shows: whether a document is what was requested, and not that of a proxy or another program.
    """
    if isinstance(reply, ProviderUnavailable):
        return unanswered(reply)
    if reply.status == 200:
        shown = isinstance(reply.body, Mapping) and shows(reply.body)
        return shown or Unproven("it answers 200, and not as Bitbucket does")
    if (refusal := refusal_in(reply)) is not None:
        return by_refusal(refusal)
    if reply.status == 401 and (owner_of(reply) is not None or _FORBIDDEN in exceptions_of(reply)):
        return False
    if reply.status == 404 and "NoSuchProjectException" in exceptions_of(reply):
        return Unproven("it says that there is no such project")
    if reply.status == 404 and "NoSuchRepositoryException" in exceptions_of(reply):
        return Unproven("it says that there is no such repository")
    return Unproven(f"it answers {reply.status}")


def a_page(body: Mapping[object, object]) -> bool:
    """Return whether this is one page of a list (Atlassian: REST API, paged APIs)."""
    return isinstance(body.get("values"), list) and isinstance(body.get("isLastPage"), bool)


def called(member: str, name: str) -> Callable[[Mapping[object, object]], bool]:
    """Return a check whether a document has this name, in any letter case."""

    def is_it(body: Mapping[object, object]) -> bool:
        value = body.get(member)
        return isinstance(value, str) and value.lower() == name.lower()

    return is_it


def version_of(reply: Reply) -> tuple[int, ...] | None:
    """Return the server's version as numbers: ``(8, 19, 12)``."""
    text = reply.body.get("version") if isinstance(reply.body, Mapping) else None
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text) if isinstance(text, str) else None
    return tuple(int(number) for number in found.groups() if number) if found else None


def rows_of(reply: Response) -> list[Mapping[object, object]]:
    """Return the entries of one page."""
    body = reply.body if isinstance(reply, Reply) and reply.status == 200 else None
    values = body.get("values") if isinstance(body, Mapping) else None
    return _listed(values)


def is_last_page(reply: Response) -> bool:
    """Return whether a list ends with this page."""
    body = reply.body if isinstance(reply, Reply) else None
    return isinstance(body, Mapping) and body.get("isLastPage") is True


def _listed(value: object) -> list[Mapping[object, object]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def rate_limit(reply: Reply) -> RateLimit | None:
    """Return how long to wait: limits are per user (Atlassian: improving instance stability with rate limiting)."""
    if reply.status != 429:
        return None
    after = reply.headers.get("retry-after", "").strip()
    return RateLimit(max(1.0, float(after)) if re.fullmatch("[0-9]{1,6}", after) else 60.0, whole_host=False)
