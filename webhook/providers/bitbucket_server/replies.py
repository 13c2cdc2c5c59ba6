"""Reading Bitbucket Server's replies: who signed in, why somebody is refused. Pure: a reply in, its meaning out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from webhook.providers.base import ProviderUnavailable, RateLimit, Reply
from webhook.providers.bitbucket_server.refusals import Refusal, Said, exceptions_of, refusal_in
from webhook.providers.findings import Finding, Outcome

DESCRIBED = "HTTP access token"

# Exceptions of com.atlassian.bitbucket, by their last name (recorded and publicly quoted responses).
_FORBIDDEN = "AuthorisationException"
_WRONG = frozenset({"IncorrectPasswordAuthenticationException", "AuthenticationException"})

# Every reply of Bitbucket's own has it; that of a proxy that asks for a sign-in of its own has none.
_OWN = "x-arequestid"
_FIRST_WITH_TOKENS = (5, 5)  # Atlassian: Bitbucket Server 5.5 release notes
# The user behind tokens of projects and repositories; 2 is recorded for repositories, on Data Center 9.4.
_SERVICE_USER = re.compile(r"access-token-user/(\d+)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an accepted token is.

    Attributes:
        name: of the person who signs in with it; empty where Bitbucket (or a proxy before it) doesn't tell.
        is_service: it is no person's, but a project's or a repository's.
        of_project, of_repository: which of the two it is, where that is known.
    """

    name: str = ""
    is_service: bool = False
    of_project: bool = False
    of_repository: bool = False


@dataclass(frozen=True, slots=True)
class Open:
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
        """Whether a person must remove an obstacle first."""
        return self.refusal is not None and not self.refusal.transient and not self.refusal.unknown_token


def unanswered(silence: ProviderUnavailable) -> Open:
    """What it means that a request brought no answer."""
    return Open(f"it {silence}", transient=silence.transient)


def by_refusal(refusal: Refusal) -> Open:
    """What a known obstacle means for one permission."""
    return Open(refusal.reason, refusal, transient=refusal.transient)


def owner_of(reply: Said) -> Owner | None:
    """Who signed in, by ``X-AUSERNAME``, which is URL-encoded; None for nobody (recorded responses)."""
    header = reply.headers.get("x-ausername", "") if isinstance(reply, Reply) else ""
    name = unquote(header).strip()
    if not name or name.lower() == "anonymous":
        return None
    if (service := _SERVICE_USER.match(unquote(name))) is not None:  # some proxies encode a header once more
        return Owner(is_service=True, of_project=service[1] == "1", of_repository=service[1] == "2")
    return Owner(name)


_CORRECT_API_URL = "Declare the host with an apiUrl that ends with its context path."


def sign_in(server: Said, others: Iterable[Said], *, proven: bool) -> Owner | Refusal | Finding:
    """Return whose the token is, or why it is not accepted.

    Unknown is whether a bad token is refused everywhere or, at what is open to all, taken for none: both are a
    refusal. Likewise whether a refusal for want of a permission names who signed in: whoever is named in any reply
    to the token has signed in.

    Args:
        server: to ``GET application-properties``, which is open to all.
        others: to the same token.
        proven: one of them showed what nobody sees who hasn't signed in; a proxy may take the header away.

    Raises:
        ProviderUnavailable: nothing was learnt.
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
        raise ProviderUnavailable(f"answers {server.status} when asked who it is, and not as Bitbucket does")
    if version < _FIRST_WITH_TOKENS:
        shown = ".".join(map(str, version))
        reason = f"is Bitbucket Server {shown}, which knows no HTTP access tokens: they came with 5.5"
        return Finding(Outcome.INVALID, reason=reason)
    if _OWN not in server.headers:
        raise ProviderUnavailable("does not tell who signed in; a proxy between may have taken that header away")
    reason = f"answers as if nobody had signed in: this {DESCRIBED} is wrong, revoked or expired"
    return Finding(Outcome.INVALID, reason=reason)


def _refusal(reply: Reply) -> Finding:
    """What a 401 means that names nobody.

    Raises:
        ProviderUnavailable: it says nothing of this token.
    """
    exceptions = exceptions_of(reply)
    if exceptions & _WRONG or (not exceptions and _OWN in reply.headers):
        return Finding(Outcome.INVALID, reason=f"refuses this {DESCRIBED}: it is wrong, revoked or expired")
    raise ProviderUnavailable("answers 401 without saying why, which may be a proxy's doing or a user directory's")


def granted(reply: Said, shows: Callable[[Mapping[object, object]], bool]) -> bool | Open:
    """Return whether an accepted token may see what was asked for, or why that isn't known.

    Bitbucket answers 401, and not 403, for want of a permission (recorded without credentials, and quoted with them).

    Args:
        shows: whether a document is what was asked for, which a proxy's or another program's isn't.
    """
    if isinstance(reply, ProviderUnavailable):
        return unanswered(reply)
    if reply.status == 200:
        shown = isinstance(reply.body, Mapping) and shows(reply.body)
        return shown or Open("it answers 200, and not as Bitbucket does")
    if (refusal := refusal_in(reply)) is not None:
        return by_refusal(refusal)
    if reply.status == 401 and (owner_of(reply) is not None or _FORBIDDEN in exceptions_of(reply)):
        return False
    if reply.status == 404 and "NoSuchProjectException" in exceptions_of(reply):
        return Open("it says that there is no such project")
    if reply.status == 404 and "NoSuchRepositoryException" in exceptions_of(reply):
        return Open("it says that there is no such repository")
    return Open(f"it answers {reply.status}")


def a_page(body: Mapping[object, object]) -> bool:
    """Whether this is one page of a list (Atlassian: REST API, paged APIs)."""
    return isinstance(body.get("values"), list) and isinstance(body.get("isLastPage"), bool)


def called(member: str, name: str) -> Callable[[Mapping[object, object]], bool]:
    """Whether something is the one that was asked for, in any letter case."""

    def is_it(body: Mapping[object, object]) -> bool:
        told = body.get(member)
        return isinstance(told, str) and told.lower() == name.lower()

    return is_it


def version_of(reply: Reply) -> tuple[int, ...] | None:
    """The server's version as numbers: ``(8, 19, 12)``."""
    text = reply.body.get("version") if isinstance(reply.body, Mapping) else None
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text) if isinstance(text, str) else None
    return tuple(int(number) for number in found.groups() if number) if found else None


def rows_of(reply: Said) -> list[Mapping[object, object]]:
    """The entries of one page."""
    body = reply.body if isinstance(reply, Reply) and reply.status == 200 else None
    values = body.get("values") if isinstance(body, Mapping) else None
    return _listed(values)


def is_last_page(reply: Said) -> bool:
    """Whether a list ends with this page."""
    body = reply.body if isinstance(reply, Reply) else None
    return isinstance(body, Mapping) and body.get("isLastPage") is True


def _listed(value: object) -> list[Mapping[object, object]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def rate_limit(reply: Reply) -> RateLimit | None:
    """Each person has a limit of their own, if any (Atlassian: improving instance stability with rate limiting)."""
    if reply.status != 429:
        return None
    after = reply.headers.get("retry-after", "").strip()
    return RateLimit(max(1.0, float(after)) if re.fullmatch("[0-9]{1,6}", after) else 60.0, whole_host=False)
