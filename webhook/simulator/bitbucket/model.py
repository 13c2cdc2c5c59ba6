"""What Bitbucket Cloud knows: accounts, workspaces with their projects and repositories, and tokens."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from functools import cache
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr, SecretStr, model_validator

from webhook.simulator.bitbucket.scopes import held, is_for_access_tokens
from webhook.simulator.exchange import Credentials
from webhook.simulator.provider import HostModel, Model
from webhook.simulator.tokenvalues import (
    atlassian_access_token,
    atlassian_api_token,
    bitbucket_app_password,
    bitbucket_oauth,
)

# A world file is the one place a secret may be written to: made at run time, mode 0600, for another process to serve.
StoredSecret = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")]


class Permission(IntEnum):
    """What a person may do in a repository, in Bitbucket's order."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


def _permission(value: object) -> object:
    return Permission[value.upper()] if isinstance(value, str) and value.upper() in Permission.__members__ else value


PermissionName = Annotated[
    Permission, BeforeValidator(_permission), PlainSerializer(lambda level: level.name.lower(), when_used="json")
]


class TokenKind(StrEnum):
    """The kinds of token, in the words of ``X-Credential-Type``."""

    API_TOKEN = "api_token"  # noqa: S105 - a kind, no token
    REPOSITORY = "repo_access_token"
    PROJECT = "project_access_token"
    WORKSPACE = "workspace_access_token"
    OAUTH = "oauth"
    APP_PASSWORD = "apppassword"  # noqa: S105


ACCESS_TOKENS = frozenset({TokenKind.REPOSITORY, TokenKind.PROJECT, TokenKind.WORKSPACE})
"""Kinds that belong to a repository, project or workspace, and to no person."""


def made_up_uuid(name: str) -> str:
    """A UUID in Bitbucket's braces, always the same for a name."""
    return f"{{{uuid.uuid5(uuid.NAMESPACE_URL, name)}}}"


class Account(Model):
    """A person, who is someone else to each side: by e-mail to the API, by nickname to Git."""

    nickname: str
    """What Atlassian's documentation calls the Bitbucket username."""
    email: str
    account_id: str
    display_name: str = ""

    @property
    def uuid(self) -> str:
        """``{…}``."""
        return made_up_uuid(f"account/{self.nickname}")


class Project(Model):
    """A project of a workspace."""

    key: str
    name: str = ""


class Workspace(Model):
    """What owns projects and repositories."""

    slug: str
    name: str = ""
    members: dict[str, Literal["owner", "collaborator", "member"]] = Field(default_factory=dict)
    """By nickname. An owner administers every repository."""
    projects: list[Project] = Field(default_factory=list)

    @property
    def uuid(self) -> str:
        """``{…}``."""
        return made_up_uuid(f"workspace/{self.slug}")


class Hook(Model):
    """A repository webhook."""

    uuid: str
    url: str
    description: str = ""
    events: list[str] = Field(default_factory=lambda: ["repo:push"])
    active: bool = True


class Repository(Model):
    """A repository and what each person may do in it."""

    workspace: str
    slug: str
    project: str = ""
    """Key of its project."""
    private: bool = True
    empty: bool = False
    main_branch: str = "main"
    permissions: dict[str, PermissionName] = Field(default_factory=dict)
    """By nickname, besides what the workspace's owners have anyhow."""
    hooks: list[Hook] = Field(default_factory=list)
    renamed_from: list[str] = Field(default_factory=list)
    """Its former slugs, under which its own document answers, too. Whether Bitbucket does so is unknown."""

    @property
    def full_name(self) -> str:
        """``workspace/slug``."""
        return f"{self.workspace}/{self.slug}"

    @property
    def uuid(self) -> str:
        """``{…}``."""
        return made_up_uuid(f"repository/{self.full_name}")


class Token(Model):
    """A token of any kind. Its value follows from ``seed`` and ``name`` unless ``fixed_value`` is given."""

    name: str
    kind: TokenKind = TokenKind.API_TOKEN
    owner: str | None = None
    """Nickname of the person it belongs to; access tokens have none."""
    bound_to: str | None = None
    """Access tokens: ``workspace/repository``, ``workspace/PROJECT`` or ``workspace``, by their kind."""
    seed: str = "simulator"
    fixed_value: StoredSecret | None = Field(default=None, repr=False)

    scopes: list[str] = Field(default_factory=list)
    """In the order in which headers list them. An API token with none is one that was made without scopes."""
    expires_at: datetime | None = None
    revoked: bool = False

    @model_validator(mode="after")
    def _holds_what_its_kind_can(self) -> Token:
        if self.kind in ACCESS_TOKENS:
            if self.bound_to is None or self.owner is not None:
                raise ValueError("an access token belongs to a repository, project or workspace, and to no user")
            if not all(is_for_access_tokens(scope) for scope in self.scopes):
                raise ValueError("an access token can't hold a scope of a person's account")
        elif self.owner is None or self.bound_to is not None:
            raise ValueError(f"an {self.kind} belongs to a person, and is bound to nothing")
        granular = [scope.endswith(":bitbucket") for scope in self.scopes]
        if any(granular) if self.kind is not TokenKind.API_TOKEN else not all(granular):
            raise ValueError(f"a scope is not of the vocabulary of an {self.kind}")
        return self

    @property
    def value(self) -> str:
        """The token itself."""
        if self.fixed_value is not None:
            return self.fixed_value.get_secret_value()
        return _token_value(self.kind, f"{self.seed}/{self.kind}/{self.name}")

    @property
    def holds(self) -> frozenset[str]:
        """Its scopes with all that they imply: nothing, for an API token."""
        return frozenset(self.scopes) if self.kind is TokenKind.API_TOKEN else held(self.scopes)


@cache
def _token_value(kind: TokenKind, seed: str) -> str:
    if kind is TokenKind.API_TOKEN:
        return atlassian_api_token(seed)
    if kind is TokenKind.APP_PASSWORD:
        return bitbucket_app_password(seed)
    return bitbucket_oauth(seed) if kind is TokenKind.OAUTH else atlassian_access_token(seed)


Found = TypeVar("Found", Workspace, Repository)


class BitbucketHost(HostModel):
    """Bitbucket Cloud, of which there is one, with switches for what sources disagree on."""

    named_by: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "accounts": ("nickname",),
        "workspaces": ("slug",),
        "tokens": ("name",),
        "repositories": ("workspace", "slug"),
    }
    kind: Literal["bitbucket"] = "bitbucket"
    name: str = "bitbucket.org"

    accounts: dict[str, Account] = Field(default_factory=dict)
    workspaces: dict[str, Workspace] = Field(default_factory=dict)
    repositories: dict[str, Repository] = Field(default_factory=dict)
    tokens: dict[str, Token] = Field(default_factory=dict)

    accepts_bearer_api_tokens: bool = False
    """Whether a user's API token counts as ``Bearer`` too: some say so, others were refused."""
    accepts_app_passwords: bool = False
    """As it was before 2026-07-28."""
    app_password_git_status: Literal[401, 410] = 410
    """What Git hears of an app password: 410 by the amended announcement, 401 by the first one."""
    user_gone_for_api_tokens: bool = False
    """One source says that ``GET /2.0/user`` answers API tokens with 410; others were answered."""
    unauthorized_as_text: bool = False
    """A 401 was recorded as JSON, and as plain text with ``WWW-Authenticate``."""
    hides_repositories: bool = True
    """404 for a repository that the caller has no part in; else the 403 that the documentation and old replies have."""
    names_workspace_permission: bool = False
    """Entries of ``GET /2.0/user/workspaces`` say ``permission`` instead of ``administrator``."""
    retry_after_as_date: bool = False
    """``Retry-After`` is seen in seconds and as a date."""

    _by_value: dict[str, str] = PrivateAttr(default_factory=dict)
    _made: int = PrivateAttr(default=0)

    def add(self, *things: Account | Workspace | Repository | Token) -> None:
        """Put accounts, workspaces, repositories and tokens into this host."""
        for thing in things:
            match thing:
                case Account():
                    self.accounts[thing.nickname] = thing
                case Workspace():
                    self.workspaces[thing.slug] = thing
                case Repository():
                    self.repositories[thing.full_name] = thing
                case Token():
                    self.tokens[thing.name] = thing

    def named_tokens(self) -> Mapping[str, Token]:
        return self.tokens

    def new_uuid(self) -> str:
        """A UUID that nothing here has yet."""
        self._made += 1
        return made_up_uuid(f"{self.name}/{self._made}")

    def workspace(self, slug_or_uuid: str) -> Workspace | None:
        """By slug, or by UUID in its braces, which the API takes everywhere as well."""
        return _found(self.workspaces, slug_or_uuid)

    def repository(self, workspace: str, slug_or_uuid: str) -> Repository | None:
        """By workspace and slug, in any letter case, or by UUIDs."""
        owner = self.workspace(workspace)
        if owner is None:
            return None
        inside = [one for one in self.repositories.values() if one.workspace == owner.slug]
        former = {old: one for one in inside for old in one.renamed_from}
        return _found({**former, **{one.slug: one for one in inside}}, slug_or_uuid)

    def token_presented(self, credentials: Credentials) -> Token | None:
        """The token that a caller shows, whatever its state and however it is shown."""
        for attempt in range(2):
            name = self._by_value.get(credentials.secret)
            token = self.tokens.get(name) if name is not None else None
            if token is not None and token.value == credentials.secret:
                return token
            if attempt == 0:  # tokens may have been added or exchanged since the index was made
                self._by_value = {token.value: name for name, token in self.tokens.items()}
        return None

    def permission(self, nickname: str | None, repository: Repository) -> Permission:
        """Return a user's permission in a repository, without what a public repository grants to every caller."""
        if nickname is None:
            return Permission.NONE
        workspace = self.workspaces.get(repository.workspace)
        if workspace is not None and workspace.members.get(nickname) == "owner":
            return Permission.ADMIN
        return repository.permissions.get(nickname, Permission.NONE)


def _found(entries: Mapping[str, Found], slug_or_uuid: str) -> Found | None:
    lowered = slug_or_uuid.lower()
    return next((one for slug, one in entries.items() if lowered in (slug.lower(), one.uuid)), None)
