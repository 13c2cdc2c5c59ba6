"""The entries of a credential Secret: one for each token."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import SecretStr

from webhook.argocd import ArgoUrl
from webhook.providers.findings import Credential
from webhook.providers.token_shapes import name_holds_token
from webhook.providers.urls import GitUrl


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of a token as its Secret names it. `resolve` interprets it.

    Attributes:
        provider: unchecked text of the requester.
        open_ended: Argo CD uses the URL as a prefix, and it may end inside a name.
        argocd: the URL as Argo CD compares it; None for a Secret that Argo CD does not read.
        own_url: the URL is in the entry's own JSON, not under a key of the Secret.
        not_git: what the Secret holds unless its host is a Git host, such as "a credential of a Helm repository".
    """

    url: GitUrl | None = None
    host: str | None = None
    provider: str | None = field(default=None, repr=False)
    app_base_url: GitUrl | None = None
    open_ended: bool = False
    argocd: ArgoUrl | None = None
    own_url: bool = False
    not_git: str = ""


@dataclass(frozen=True, slots=True)
class Checkable:
    """A credential that its provider can check."""

    credential: Credential
    destination: Destination = field(default_factory=Destination)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A credential that cannot be checked. `what` names it in messages, such as "an SSH key"."""

    what: str


@dataclass(frozen=True, slots=True)
class External:
    """A value that another program has encrypted.

    Attributes:
        how: how this is known, as a clause.
        destination: set if it may not be a Git host.
    """

    how: str
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """A value that cannot be used.

    Attributes:
        why: a clause that follows the name of the entry.
        key: the key of `data` that is wrong, if it is not the entry's own.
        destination: set if it may not be a Git host.
    """

    why: str
    key: str = ""
    destination: Destination | None = None


Content = Checkable | Unsupported | External | Malformed


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of a Secret and its destination.

    Attributes:
        key: the key of `data` that holds it; empty if none does.
        origin: a keyed digest of the values that it was read from, if `content` does not have them, to detect changes.
        hidden: the key is itself a token, by mistake, and must not be shown.
        kid: the id of the key that sealed the value; empty if it is in plain text. Sealing is no change of a token.
    """

    key: str
    content: Content
    origin: SecretStr = field(default=SecretStr(""), repr=False)
    hidden: bool = False
    kid: str = field(default="", compare=False)

    @property
    def field(self) -> str:
        """The path that a denial names."""
        return f"data.{self.key}" if self.key and not self.hidden else "data"

    def __repr__(self) -> str:
        return f"Entry({self.field!r}, {self.content!r})"


class Undecodable(ValueError):
    """A value of `data` is not base64. The API server never sends one."""

    def __init__(self, key: str) -> None:
        super().__init__("a value is not valid base64" if name_holds_token(key) else f"data.{key} is not valid base64")
