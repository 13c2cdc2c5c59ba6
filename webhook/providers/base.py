"""The interface between the core and one provider.

A provider knows its API and nothing of Kubernetes. It turns a `Question` into an `Answer` in at most two rounds of
concurrent requests, and never guesses: what it cannot prove is `Outcome.UNVERIFIED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from webhook.providers.findings import Answer, Question
from webhook.providers.profile import Profile


class ProviderUnavailable(Exception):
    """No meaningful response: a timeout, a cut connection, a 5xx, a rate limit, HTML.

    The text is a clause that follows the host's name ("github.com …"). It quotes nothing from the network.

    Attributes:
        transient: waiting can help, as after a rate limit, a 5xx, a timeout or a failed connection. Everything else
            lasts until something is changed.
        remedy: a whole sentence that says what must change, if that is known; empty for transient failures.
        request: the number of the request that failed, see `Reply.request`.
    """

    request: int | None = None

    def __init__(self, clause: str = "", *, transient: bool = False, remedy: str = "") -> None:
        super().__init__(clause)
        self.transient = transient
        self.remedy = remedy


class NotTheProvider404(ProviderUnavailable):
    """A web server or a proxy answered 404, and not the provider."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response.

    Attributes:
        status: 200 to 499, without 3xx.
        headers: names in lower case.
        body: the decoded JSON, or bytes if they were requested; None if there was no body, or if a 4xx has another one
            (a proxy's page, Bitbucket's plain text), so that only its status counts.
        moved: the path that answered instead of the requested one, if the repository was renamed or moved and the
            provider's redirect was followed (see `redirects`); empty otherwise.
        request: the number of the request in its inspection, from 0; None outside of one.
    """

    status: int
    # Hidden in repr: an App's installation token comes in a body.
    headers: Mapping[str, str] = field(repr=False)
    body: object = field(default=None, repr=False)
    moved: str = ""
    request: int | None = field(default=None, compare=False)


class DeadlineExceeded(ProviderUnavailable):
    """No response before the deadline."""

    def __init__(self, clause: str = "") -> None:
        super().__init__(clause, transient=True)


def is_transient(*responses: object) -> bool:
    """Return whether one of these requests failed in a way that waiting can fix."""
    return any(isinstance(one, ProviderUnavailable) and one.transient for one in responses)


class Api(Protocol):
    """The API of one host for one inspection, with its deadline, TLS and limits."""

    @property
    def needed_by(self) -> float:
        """When the first caller needs the answer, by the event loop's clock. Optional requests are left out then."""
        ...

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        json: object = None,
        from_root: bool = False,
        raw: bool = False,
    ) -> Reply:
        """Send one request to the host's API, and follow the redirect of a renamed or moved repository.

        Args:
            method: the HTTP method.
            path: the path below the host's `api_url`, with a leading slash, percent-encoded.
            headers: at least the one with the credential, which is in no other place.
            json: the body; None for no body.
            from_root: `path` is absolute on the API's host and port, for endpoints outside of the API.
            raw: return the body as bytes. Only the beginning of a body that is too large is returned.

        Raises:
            ProviderUnavailable: a timeout, a connection that failed or was cut, a certificate that cannot be verified,
                an address that is not allowed, any other redirect, a 5xx, a rate limit, or a body that is not JSON, is
                too large or was cut off.
        """
        ...


class Provider(Protocol):
    """One kind of Git provider."""

    @property
    def profile(self) -> Profile:
        """The profile; its `kind` says which hosts the provider is for."""
        ...

    async def inspect(self, question: Question, api: Api) -> Answer:
        """Check one credential at the provider.

        Raises:
            ProviderUnavailable: nothing is known; the caller makes it `Outcome.UNVERIFIED` for every role.
        """
        ...

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """Return how long to wait if `reply` is about a rate limit; None for other replies."""
        ...


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A rate limit.

    Attributes:
        seconds: how long to wait, at least 1.
        whole_host: the limit is for the address of this webhook, and not only for the credential's account.
    """

    seconds: float
    whole_host: bool
