"""The contract between the core and one provider.

A provider knows its API and nothing of Kubernetes. It turns a `Question` into an `Answer` in at most two rounds
of concurrent requests, and never guesses: what it can't prove is `Outcome.UNVERIFIED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from webhook.providers.findings import Answer, Question
from webhook.providers.profile import Profile


class ProviderUnavailable(Exception):
    """The provider said nothing that means anything: a time-out, a cut connection, a 5xx, a rate limit, HTML.

    Its text is a clause that stands after the host's name ("github.com …"), made by us alone: it quotes nothing
    that came over the network.

    Attributes:
        transient: waiting can help, as after a rate limit, a 5xx, a time-out or a failed connection. Everything else
            stays as it is until something changes.
        remedy: a whole sentence that says what must change, where that is known; empty for transient failures.
        request: the number of the request that failed, see `Reply.request`.
    """

    request: int | None = None

    def __init__(self, clause: str = "", *, transient: bool = False, remedy: str = "") -> None:
        super().__init__(clause)
        self.transient = transient
        self.remedy = remedy


class NotTheProvider404(ProviderUnavailable):
    """A web server or a proxy answered 404 itself, and not the provider."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response, read to its end.

    Attributes:
        status: 200 to 499, without 3xx.
        headers: names in lower case.
        body: the decoded JSON, or bytes where they were asked for; None where there was none, or where a 4xx came with
            something else (a proxy's page, Bitbucket's plain text), so that its status alone speaks.
        moved: the path that answered, in place of the one that was asked for, where the repository was renamed or moved
            and the provider's redirect was followed (see `redirects`); empty otherwise.
        request: the number of the request in its inspection, from 0; None outside of one.
    """

    status: int
    # Neither is shown by repr: an App's installation token comes in a body.
    headers: Mapping[str, str] = field(repr=False)
    body: object = field(default=None, repr=False)
    moved: str = ""
    request: int | None = field(default=None, compare=False)


class DeadlineExceeded(ProviderUnavailable):
    """There was no answer in time."""

    def __init__(self, clause: str = "") -> None:
        super().__init__(clause, transient=True)


def is_transient(*said: object) -> bool:
    """Whether a request among those that `said` is about failed in a way that waiting can mend."""
    return any(isinstance(one, ProviderUnavailable) and one.transient for one in said)


class Api(Protocol):
    """The API of one host, as one inspection sees it: its deadline, TLS and limits are already in force."""

    @property
    def needed_by(self) -> float:
        """When whoever asked first needs the answer, by the event loop's clock; what it can do without is left out."""
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
            path: what follows the host's `api_url`, beginning with a slash, percent-encoded.
            headers: at least the credential's own; nothing else carries it.
            json: the body, if any.
            from_root: `path` is a whole one on the API's host and port, for what a provider has beside its API.
            raw: the body is wanted as bytes, whatever it is; of one that is too large, its beginning is enough.

        Raises:
            ProviderUnavailable: a time-out, a connection that failed or was cut, TLS that can't be verified, an address
                that must not be connected to, any other redirect, a 5xx, a rate limit, a body that isn't JSON, that is
                too large or that was cut off.
        """
        ...


class Provider(Protocol):
    """One kind of Git provider."""

    @property
    def profile(self) -> Profile:
        """What is known of it without asking; its `kind` says which hosts it answers for."""
        ...

    async def inspect(self, question: Question, api: Api) -> Answer:
        """Ask the provider about one credential.

        Raises:
            ProviderUnavailable: nothing was learnt; the caller makes it `Outcome.UNVERIFIED` for every role.
        """
        ...

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """Whether `reply` says that we ask too often, and how long to wait."""
        ...


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The provider asks us to wait.

    Attributes:
        seconds: how long, from now; at least 1.
        whole_host: it is about our address and not about this credential's account alone.
    """

    seconds: float
    whole_host: bool
