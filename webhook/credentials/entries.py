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
    """Where an entry's token goes, as its Secret says it; what that means is `resolve`'s matter."""

    url: GitUrl | None = None
    host: str | None = None
    provider: str | None = field(default=None, repr=False)  # whatever somebody wrote there
    app_base_url: GitUrl | None = None
    open_ended: bool = False  # Argo CD takes the URL for the beginning of others, and it may end inside a name
    argocd: ArgoUrl | None = None  # what Argo CD makes of the URL; None where it doesn't read the Secret
    own_url: bool = False  # the URL stands in the entry's own JSON, and not under a key of the Secret
    not_git: str = ""  # what the Secret holds unless its host is a Git host: "a credential of a Helm repository"


@dataclass(frozen=True, slots=True)
class Checkable:
    """A credential that a provider can be asked about."""

    credential: Credential
    destination: Destination = field(default_factory=Destination)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """There is nothing to check about it; `what` names it for people: "an SSH key"."""

    what: str


@dataclass(frozen=True, slots=True)
class External:
    """A value that another program has encrypted; `how` says how we know.

    Attributes:
        destination: where it goes, if that may not be a Git host.
    """

    how: str
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """It can't be used.

    Attributes:
        why: a clause that stands after the entry's name.
        key: the key of `data` that is wrong, where it isn't the entry's own.
        destination: where it goes, if that may not be a Git host.
    """

    why: str
    key: str = ""
    destination: Destination | None = None


Content = Checkable | Unsupported | External | Malformed


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of a Secret, together with where it goes.

    Attributes:
        key: the key of `data` that holds it, empty where none does.
        origin: a keyed digest of what it was read from, where `content` doesn't hold that, so that a changed one is
            seen to have changed.
        hidden: the key is itself a token (somebody's slip), and is never shown.
        kid: the key that has sealed its value; empty where that is stored in plain text. Sealing changes no token.
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
    """A value of `data` isn't base64. The API server never sends such a thing."""

    def __init__(self, key: str) -> None:
        super().__init__("a value is not valid base64" if name_holds_token(key) else f"data.{key} is not valid base64")
