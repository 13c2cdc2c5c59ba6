"""What a Bitbucket Server knows: people, projects, repositories and HTTP access tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainSerializer, PrivateAttr, SecretStr, field_validator, model_validator

from webhook.simulator.provider import HostModel, Model, ignoring_case
from webhook.simulator.tokenvalues import DIGITS, bitbucket_server_token, random_text

# A world file is the one place a secret may be written to: made at run time, mode 0600, for another process to serve.
StoredSecret = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")]

GlobalPermission = Literal["LICENSED_USER", "PROJECT_CREATE", "ADMIN", "SYS_ADMIN"]
ProjectPermission = Literal["PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"]
RepositoryPermission = Literal["REPO_READ", "REPO_WRITE", "REPO_ADMIN"]


class Level(IntEnum):
    """What a permission of either kind allows; each includes those before it."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def of(cls, permission: str | None) -> Level:
        """``PROJECT_WRITE`` and ``REPO_WRITE`` are both ``WRITE``."""
        return cls.NONE if permission is None else cls[permission.partition("_")[2]]


class TokenKind(StrEnum):
    """Whose a token is (Atlassian: HTTP access tokens). Those of projects and repositories came with Data Center."""

    USER = "user"
    PROJECT = "project"
    REPOSITORY = "repository"


class User(Model):
    """A person. ``name`` is what they sign in with; the slug, which URLs have, is made from it."""

    slug: str
    id: int
    name: str = ""
    display_name: str | None = None
    global_permission: GlobalPermission | None = "LICENSED_USER"
    """``None``: has no licence and may do nothing; administrators have ``PROJECT_ADMIN`` everywhere."""
    active: bool = True
    failed_logins: int = 0
    """Bad passwords in a row. Too many, and a CAPTCHA must be solved in a browser."""

    @model_validator(mode="before")
    @classmethod
    def _name_is_slug(cls, data: Any) -> Any:
        return {"name": data.get("slug"), **data} if isinstance(data, dict) else data


class Project(Model):
    """A project; a person's own has the key ``~slug``."""

    key: str
    id: int
    name: str | None = None
    public: bool = False
    permissions: dict[str, ProjectPermission] = Field(default_factory=dict)
    """By a person's slug."""
    default_permission: ProjectPermission | None = None
    """The permission of every licensed user."""


class Webhook(Model):
    """A repository's webhook."""

    id: int
    name: str
    url: str
    events: list[str] = Field(default_factory=lambda: ["repo:refs_changed"])


class Repository(Model):
    """A repository. Its slug, which URLs have, is made from its name."""

    project: str
    slug: str
    id: int
    name: str = ""
    public: bool = False
    archived: bool = False
    empty: bool = False
    permissions: dict[str, RepositoryPermission] = Field(default_factory=dict)
    """By a person's slug, in addition to what they have on the project."""
    webhooks: list[Webhook] = Field(default_factory=list)
    moved_from: list[str] = Field(default_factory=list)
    """Its old addresses, ``KEY/slug``, under which it answers as long as no other repository takes them."""

    @model_validator(mode="before")
    @classmethod
    def _name_is_slug(cls, data: Any) -> Any:
        return {"name": data.get("slug"), **data} if isinstance(data, dict) else data

    @property
    def full_name(self) -> str:
        """``KEY/slug``."""
        return f"{self.project}/{self.slug}"


class Token(Model):
    """An HTTP access token. Its value follows from ``seed`` and ``name`` unless ``fixed_value`` is given."""

    name: str
    kind: TokenKind = TokenKind.USER
    owner: str
    """A person's slug, a project's key, or ``KEY/slug`` of a repository, as its kind is."""
    seed: str = "simulator"
    style: Literal["prefixed", "plain"] = "prefixed"
    """``plain``: without ``BBDC-``, as older versions made them."""
    fixed_value: StoredSecret | None = Field(default=None, repr=False)

    permissions: list[ProjectPermission | RepositoryPermission] = Field(default_factory=list)
    """As the API lists them, such as ``PROJECT_READ`` and ``REPO_WRITE``."""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked: bool = False

    @model_validator(mode="after")
    def _repository_permission_is_no_lower(self) -> Token:
        """Atlassian's table of possible combinations: a repository permission as high as the project's, or higher."""
        listed = [one for one in self.permissions if one.startswith("REPO_")]
        if listed and self._highest("REPO_") < self._highest("PROJECT_"):
            raise ValueError(f"{listed[0]} is lower than the project permission beside it, which can't be made")
        if self.kind is TokenKind.REPOSITORY and self.project_level:
            raise ValueError("a repository's token holds no project permission")
        return self

    def _highest(self, prefix: str) -> Level:
        return max((Level.of(one) for one in self.permissions if one.startswith(prefix)), default=Level.NONE)

    @property
    def value(self) -> str:
        """The token itself."""
        if self.fixed_value is not None:
            return self.fixed_value.get_secret_value()
        return _token_value(self.number, f"{self.seed}/{self.kind}/{self.name}", self.style)

    @property
    def number(self) -> str:
        """The token's id in the API, which is not secret."""
        return random_text(f"{self.seed}/{self.name}/number", 12, DIGITS)

    @property
    def project_level(self) -> Level:
        """The most it may do with a project."""
        return self._highest("PROJECT_")

    @property
    def repository_level(self) -> Level:
        """The most it may do with a repository; inherited from the project permission."""
        return max(self._highest("REPO_"), self._highest("PROJECT_"))


@cache
def _token_value(number: str, seed: str, style: str) -> str:
    return bitbucket_server_token(number, seed, "BBDC-" if style == "prefixed" else "")


class BitbucketServerHost(HostModel):
    """One Bitbucket Server or Data Center."""

    named_by: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "users": ("slug",),
        "projects": ("key",),
        "tokens": ("name",),
        "repositories": ("project", "slug"),
    }
    kind: Literal["bitbucket-server"] = "bitbucket-server"
    context_path: str = ""
    """``/bitbucket`` where it isn't at the root of its host."""
    version: str = "8.19.12"

    users: dict[str, User] = Field(default_factory=dict)
    projects: dict[str, Project] = Field(default_factory=dict)
    repositories: dict[str, Repository] = Field(default_factory=dict)
    tokens: dict[str, Token] = Field(default_factory=dict)

    ignores_bad_tokens: bool = False
    """Whether a bad Bearer token counts as none: open endpoints answer, others refuse anonymous access. Unknown."""
    filter_ignores_tokens: bool = False
    """Whether ``?permission=`` shows what the person may do, however little their token may. Unknown."""
    names_caller_in_refusals: bool = True
    """``X-AUSERNAME`` on a 401 for a missing permission: seen in public (jenkinsci/bitbucket-branch-source-plugin#331),
    though never recorded by us."""
    names_anonymous: bool = False
    """``X-AUSERNAME: anonymous`` for a caller who didn't sign in, as other Atlassian products have it."""
    lists_tokens_to_tokens: bool = False
    """Whether a caller who signed in by a token may see which tokens there are. Unknown."""
    captcha_after: int | None = 5
    """So many bad passwords in a row lock an account behind a CAPTCHA; ``None``: never."""

    _by_value: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("context_path")
    @classmethod
    def _context_path_is_a_path(cls, value: str) -> str:
        if value and (not value.startswith("/") or value.endswith("/")):
            raise ValueError("a context path begins with a slash and doesn't end with one")
        return value

    def add(self, *things: User | Project | Repository | Token) -> None:
        """Put people, projects, repositories and tokens into this host."""
        for thing in things:
            match thing:
                case User():
                    self.users[thing.slug] = thing
                case Project():
                    self.projects[thing.key] = thing
                case Repository():
                    self.repositories[thing.full_name] = thing
                case Token():
                    self.tokens[thing.name] = thing

    def named_tokens(self) -> Mapping[str, Token]:
        return self.tokens

    def user(self, slug: str) -> User | None:
        """By slug, in any letter case."""
        return ignoring_case(self.users, slug)

    def user_signing_in(self, name: str) -> User | None:
        """By the name that people sign in with."""
        return next((one for one in self.users.values() if one.name.lower() == name.lower()), None)

    def project(self, key: str) -> Project | None:
        """By key, in any letter case: clone URLs have it in lower case."""
        return ignoring_case(self.projects, key)

    def repository(self, key: str, slug: str) -> Repository | None:
        """By its project's key and its slug, in any letter case; also by those that it had before it was moved."""
        name = f"{key}/{slug}"
        known = ignoring_case(self.repositories, name)
        moved = (one for one in self.repositories.values() if name.lower() in map(str.lower, one.moved_from))
        return known or next(moved, None)

    def token_presented(self, secret: str) -> Token | None:
        """The token with this value, whatever its state."""
        for attempt in range(2):
            name = self._by_value.get(secret)
            token = self.tokens.get(name) if name is not None else None
            if token is not None and token.value == secret:
                return token
            if attempt == 0:  # tokens may have been added or exchanged since the index was made
                self._by_value = {token.value: name for name, token in self.tokens.items()}
        return None

    def is_locked(self, user: User) -> bool:
        """Return whether the user must solve a CAPTCHA before a password is checked again."""
        return self.captcha_after is not None and user.failed_logins >= self.captcha_after

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version)[:3])

    @property
    def confines_tokens(self) -> bool:
        """Whether tokens work below ``/rest`` and ``/scm`` only: since 8.9.22, 8.19.12 and 9.3.2.

        Atlassian KB: access tokens no longer work as expected after upgrading Bitbucket Data Center.
        """
        since: dict[tuple[int, ...], tuple[int, ...]] = {(8, 9): (8, 9, 22), (8, 19): (8, 19, 12)}
        return self.release >= since.get(self.release[:2], (9, 3, 2))
