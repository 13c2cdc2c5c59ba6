"""What a Gitea or Forgejo knows: people, organisations, repositories and scoped tokens."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr

from webhook.simulator.provider import HostModel, Model, ignoring_case
from webhook.simulator.tokenvalues import gitea_token

# A world file is the one place a secret may be written to: made at run time, mode 0600, for another process to serve.
StoredSecret = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")]

Category = Literal[
    "activitypub", "admin", "issue", "misc", "notification", "organization", "package", "repository", "user"
]
Scope = Literal[
    "all",
    "public-only",
    "read:activitypub",
    "write:activitypub",
    "read:admin",
    "write:admin",
    "read:issue",
    "write:issue",
    "read:misc",
    "write:misc",
    "read:notification",
    "write:notification",
    "read:organization",
    "write:organization",
    "read:package",
    "write:package",
    "read:repository",
    "write:repository",
    "read:user",
    "write:user",
]


class Role(IntEnum):
    """What a person may do in a repository, in Gitea's order."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3
    OWNER = 4


def _role(value: object) -> object:
    return Role[value.upper()] if isinstance(value, str) and value.upper() in Role.__members__ else value


RoleName = Annotated[Role, BeforeValidator(_role), PlainSerializer(lambda role: role.name.lower(), when_used="json")]


class User(Model):
    """A person."""

    login: str
    id: int
    full_name: str = ""
    admin: bool = False
    """Of the whole site: everything is open to them, as far as their token goes."""
    prohibited: bool = False
    """May not sign in, whatever their token holds."""


class Organization(Model):
    """An organisation. Its owners own its repositories."""

    name: str
    id: int
    owners: list[str] = Field(default_factory=list)


class Hook(Model):
    """A repository's webhook."""

    id: int
    url: str
    type: str = "gitea"
    events: list[str] = Field(default_factory=lambda: ["push"])


class Repository(Model):
    """A repository and what each collaborator may do in it."""

    owner: str
    name: str
    id: int
    private: bool = True
    archived: bool = False
    mirror: bool = False
    empty: bool = False
    former_names: list[str] = Field(default_factory=list)
    """``owner/name`` that it had before it, or its owner, was renamed."""
    collaborators: dict[str, RoleName] = Field(default_factory=dict)
    hooks: list[Hook] = Field(default_factory=list)

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"


class Token(Model):
    """A person's token. Its value follows from ``seed`` and ``name`` unless ``fixed_value`` is given; it never ends."""

    name: str
    owner: str
    seed: str = "simulator"
    fixed_value: StoredSecret | None = Field(default=None, repr=False)
    scopes: list[Scope] = Field(default_factory=list)
    repositories: list[str] | None = None
    """Forgejo 15: those that it is restricted to, by ``owner/name``. It reads all that is public as well."""
    revoked: bool = False

    @property
    def value(self) -> str:
        """The token itself."""
        if self.fixed_value is not None:
            return self.fixed_value.get_secret_value()
        return gitea_token(f"{self.seed}/{self.name}")

    @property
    def public_only(self) -> bool:
        """Restricted to what is public. It grants nothing, and ``all`` doesn't include it."""
        return "public-only" in self.scopes

    def holds(self, scope: str) -> bool:
        """Whether it has the scope of a category: writing includes reading, and ``all`` includes every category."""
        return not {"all", scope, scope.replace("read:", "write:")}.isdisjoint(self.scopes)


class GiteaHost(HostModel):
    """One Gitea, or one Forgejo."""

    named_by: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "users": ("login",),
        "organizations": ("name",),
        "tokens": ("name",),
        "repositories": ("owner", "name"),
    }
    kind: Literal["gitea"] = "gitea"
    flavour: Literal["gitea", "forgejo"] = "gitea"
    version: str = "1.22.6"
    """A Forgejo's own, without the ``+gitea-…`` that it puts behind."""

    users: dict[str, User] = Field(default_factory=dict)
    organizations: dict[str, Organization] = Field(default_factory=dict)
    repositories: dict[str, Repository] = Field(default_factory=dict)
    tokens: dict[str, Token] = Field(default_factory=dict)

    tells_scopes: bool = False
    """Newer versions of Gitea tell in a refusal what the token has, beside what it lacks."""
    tells_of_tokens: bool = False
    """Those of 2026 and later have an endpoint that tells a token of itself (``GET /token``)."""
    version_needs_scope: bool = False
    """1.20.0 and 1.20.1 tell tokens their version only with ``read:misc`` (go-gitea/gitea#26035)."""
    requires_sign_in: bool = False
    """Anonymous requests are rejected (``REQUIRE_SIGNIN_VIEW``)."""
    push_to_create: bool = False
    """Whether a push to a repository that isn't there makes it (``ENABLE_PUSH_CREATE_USER`` and ``_ORG``)."""

    def add(self, *things: User | Organization | Repository | Token) -> None:
        """Put people, organisations, repositories and tokens into this host."""
        for thing in things:
            match thing:
                case User():
                    self.users[thing.login] = thing
                case Organization():
                    self.organizations[thing.name] = thing
                case Repository():
                    self.repositories[thing.full_name] = thing
                case Token():
                    self.tokens[thing.name] = thing

    def named_tokens(self) -> Mapping[str, Token]:
        return self.tokens

    def user(self, login: str) -> User | None:
        """By login, in any letter case."""
        return ignoring_case(self.users, login)

    def organization(self, name: str) -> Organization | None:
        """By name, in any letter case."""
        return ignoring_case(self.organizations, name)

    def repository(self, owner: str, name: str) -> Repository | None:
        """By owner and name, in any letter case."""
        return ignoring_case(self.repositories, f"{owner}/{name}")

    def token_presented(self, secret: str) -> Token | None:
        """The token with this value, whatever its state."""
        return next((token for token in self.tokens.values() if token.value == secret), None)

    def renamed(self, owner: str, name: str) -> Repository | None:
        """The repository that had this name before, in any letter case."""
        former = f"{owner}/{name}".lower()
        return next(
            (one for one in self.repositories.values() if former in (old.lower() for old in one.former_names)), None
        )

    def role(self, user: User | None, repository: Repository, token: Token | None = None) -> Role:
        """Return the role of a user in a repository, from all sources; every caller reads a public one.

        Args:
            token: the person's, which may be restricted to certain repositories.
        """
        floor = Role.NONE if repository.private else Role.READ
        if user is None:
            return floor
        if token is not None and token.repositories is not None and repository.full_name not in token.repositories:
            return floor
        organization = self.organization(repository.owner)
        owners = [repository.owner] if organization is None else organization.owners
        if user.admin or user.login.lower() in (owner.lower() for owner in owners):
            return Role.OWNER
        return max(floor, repository.collaborators.get(user.login, Role.NONE))
