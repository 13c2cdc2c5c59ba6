"""What a GitLab installation knows: users and bots, nested groups, projects and tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import cache
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr, SecretStr, model_validator

from webhook.simulator.gitlab.scopes import held
from webhook.simulator.provider import HostModel, Model, ignoring_case
from webhook.simulator.tokenvalues import gitlab_legacy, gitlab_oauth, gitlab_routable

# A world file is the one place a secret may be written to: made at run time, mode 0600, for another process to serve.
StoredSecret = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")]


class Level(IntEnum):
    """What a member may do in a group or project (GitLab docs: api/access_requests, valid access levels)."""

    NONE = 0
    MINIMAL = 5
    GUEST = 10
    PLANNER = 15
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50


def _level(value: object) -> object:
    return Level[value.upper()] if isinstance(value, str) and value.upper() in Level.__members__ else value


LevelName = Annotated[
    Level, BeforeValidator(_level), PlainSerializer(lambda level: level.name.lower(), when_used="json")
]
Visibility = Literal["public", "internal", "private"]


class AccountType(StrEnum):
    """Whom an account stands for. GitLab gives every project and group token a bot of its own."""

    PERSON = "person"
    PROJECT_BOT = "project-bot"
    GROUP_BOT = "group-bot"
    SERVICE_ACCOUNT = "service-account"


class Account(Model):
    """A user, in GitLab's wide sense: bots and service accounts are users too."""

    username: str
    id: int
    name: str | None = None
    type: AccountType = AccountType.PERSON
    state: Literal["active", "blocked", "deactivated", "blocked_pending_approval"] = "active"

    @property
    def bot(self) -> bool:
        """What ``GET /user`` says; a service account is one as well (GitLab: has_user_type.rb, BOT_USER_TYPES)."""
        return self.type is not AccountType.PERSON


class Group(Model):
    """A group or subgroup; its members are members of all that is below it."""

    path: str
    """The full path, such as ``acme/platform``."""
    id: int
    visibility: Visibility = "private"
    members: dict[str, LevelName] = Field(default_factory=dict)
    enforces_fine_grained: bool = False
    """Refuses the older kind of personal access token, here and below (only a top-level group of gitlab.com can)."""


class Hook(Model):
    """A project webhook."""

    id: int
    url: str


class Project(Model):
    """A project and its direct members; those of the groups above it come on top."""

    path: str
    """With its namespace, such as ``acme/apps``."""
    id: int
    visibility: Visibility = "private"
    members: dict[str, LevelName] = Field(default_factory=dict)
    invited: dict[str, LevelName] = Field(default_factory=dict)
    """Groups whose members may come in, at this level at most; ``permissions`` says nothing of them (gitlab#337623)."""
    code_readers: list[str] = Field(default_factory=list)
    """Users whose custom role lets them read code, however low their level (GitLab docs: user/custom_roles)."""
    former_paths: list[str] = Field(default_factory=list)
    """Paths that it had before it was renamed or moved."""
    marked_for_deletion_on: date | None = None
    repository_access_level: Literal["enabled", "private", "disabled"] = "enabled"
    archived: bool = False
    empty: bool = False
    default_branch: str = "main"
    hooks: list[Hook] = Field(default_factory=list)
    files: list[str] = Field(default_factory=lambda: ["README.md"])

    @property
    def namespace(self) -> str:
        """The group, or the user, that it belongs to."""
        return self.path.rpartition("/")[0]


class TokenKind(StrEnum):
    """The kinds of token (GitLab docs: security/tokens)."""

    PERSONAL = "personal"
    IMPERSONATION = "impersonation"
    PROJECT = "project"
    GROUP = "group"
    SERVICE_ACCOUNT = "service-account"
    FINE_GRAINED = "fine-grained"
    OAUTH = "oauth"
    DEPLOY = "deploy"
    CI_JOB = "ci-job"
    FEED = "feed"
    RUNNER = "runner"


PERSONAL_KINDS = frozenset(
    {
        TokenKind.PERSONAL,
        TokenKind.IMPERSONATION,
        TokenKind.PROJECT,
        TokenKind.GROUP,
        TokenKind.SERVICE_ACCOUNT,
        TokenKind.FINE_GRAINED,
    }
)
"""Kinds that are personal access tokens in GitLab's database, for users and bots."""

PREFIXES: Mapping[TokenKind, str] = {
    **dict.fromkeys(PERSONAL_KINDS, "glpat-"),
    TokenKind.OAUTH: "",
    TokenKind.DEPLOY: "gldt-",
    TokenKind.CI_JOB: "glcbt-64_",
    TokenKind.FEED: "glft-",
    TokenKind.RUNNER: "glrt-",
}


class GranularScope(Model):
    """One line of what a fine-grained token may do: where, and what."""

    access: Literal["user", "instance", "all_memberships", "personal_projects", "selected_memberships"]
    permissions: list[str] = Field(default_factory=list)
    project_id: int | None = None
    group_id: int | None = None


class Token(Model):
    """A token of any kind. Its value follows from ``seed`` and ``name`` unless ``fixed_value`` is given."""

    name: str
    kind: TokenKind = TokenKind.PERSONAL
    owner: str | None = None
    """The user, bot or service account that it acts as; a deploy token's own user name."""
    seed: str = "simulator"
    style: Literal["routable", "legacy"] = "routable"
    """Of those that are personal access tokens: ``legacy`` is the prefix and 20 characters."""
    prefix: str | None = None
    """An administrator of a self-managed GitLab chooses it, also the empty one; ``None``: as GitLab does."""
    fixed_value: StoredSecret | None = Field(default=None, repr=False)

    scopes: list[str] = Field(default_factory=list)
    granular_scopes: list[GranularScope] = Field(default_factory=list)
    description: str | None = None
    created_at: datetime | None = None
    expires_at: date | None = None
    """It ends as this day begins, 00:00 UTC."""
    expires_in: int | None = None
    """OAuth: seconds from ``created_at``; ``None``: it does not expire."""
    revoked: bool = False
    requires_dpop: bool = False
    """Its owner demands a proof of possession with each request, which no mere token can give."""
    project: str | None = None
    """Deploy and CI job tokens: the one project they are for."""
    application: str = "4d1c9a"
    """OAuth: the start of the application's uid."""

    @model_validator(mode="after")
    def _fine_grained_has_one_scope(self) -> Token:
        if self.kind is TokenKind.FINE_GRAINED and self.scopes != ["granular"]:
            self.scopes = ["granular"]
        return self

    @property
    def value(self) -> str:
        """The token itself."""
        if self.fixed_value is not None:
            return self.fixed_value.get_secret_value()
        return _token_value(self.kind, self.style, self.prefix, f"{self.seed}/gitlab/{self.kind}/{self.name}")

    @property
    def id(self) -> int:
        """Its number in GitLab's database."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{self.name}".encode()).digest()[:3], "big") + 1

    @property
    def holds(self) -> frozenset[str]:
        """Its scopes with all that they imply."""
        return held(self.scopes)

    @property
    def personal(self) -> bool:
        """Whether ``/personal_access_tokens/self`` knows it."""
        return self.kind in PERSONAL_KINDS

    def expired(self, now: datetime) -> bool:
        """Whether its last day is over, or an OAuth token's last second."""
        if self.expires_in is not None and self.created_at is not None:
            return self.created_at + timedelta(seconds=self.expires_in) <= now
        return self.expires_at is not None and self.expires_at <= now.astimezone(UTC).date()


@cache
def _token_value(kind: TokenKind, style: str, prefix: str | None, seed: str) -> str:
    chosen = PREFIXES[kind] if prefix is None else prefix
    if kind is TokenKind.OAUTH:
        return gitlab_oauth(seed)
    if kind in PERSONAL_KINDS and style == "routable":
        return gitlab_routable(chosen, seed)
    return gitlab_legacy(chosen, seed)


class GitLabHost(HostModel):
    """One GitLab: gitlab.com, or a self-managed one, possibly below a path of its host."""

    named_by: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "accounts": ("username",),
        "groups": ("path",),
        "projects": ("path",),
        "tokens": ("name",),
    }
    kind: Literal["gitlab"] = "gitlab"
    name: str = "gitlab.com"
    version: str = "19.6.0-ee"
    """Endpoints that are newer than this aren't there."""
    path_prefix: str = ""
    """``/gitlab`` for a GitLab at ``https://host/gitlab``."""

    accounts: dict[str, Account] = Field(default_factory=dict)
    groups: dict[str, Group] = Field(default_factory=dict)
    projects: dict[str, Project] = Field(default_factory=dict)
    tokens: dict[str, Token] = Field(default_factory=dict)

    sends_rate_limit_headers: bool = False
    """``RateLimit-*`` and ``Retry-After`` are missing from many 429 (gitlab#365728)."""
    self_includes_granular_scopes: bool = False
    """Whether ``/personal_access_tokens/self`` has them is uncertain (gitlab#632314); by id they are always there."""
    old_granular_wording: bool = False
    """Refuse fine-grained tokens in the words that GitLab had at first."""
    impersonation_disabled: bool = False
    proxy_decodes_slashes: bool = False
    """A reverse proxy turns ``%2F`` into ``/`` on the way, so that no path names a project (GitLab docs: api/rest)."""
    git_attempts: int | None = None
    """After so many bad Basic credentials for Git an address is banned for an hour; ``None``: never."""

    _by_value: dict[str, str] = PrivateAttr(default_factory=dict)

    def add(self, *things: Account | Group | Project | Token) -> None:
        """Put users, groups, projects and tokens into this host."""
        for thing in things:
            match thing:
                case Account():
                    self.accounts[thing.username] = thing
                case Group():
                    self.groups[thing.path] = thing
                case Project():
                    self.projects[thing.path] = thing
                case Token():
                    self.tokens[thing.name] = thing

    def named_tokens(self) -> Mapping[str, Token]:
        return self.tokens

    def at_least(self, major: int, minor: int) -> bool:
        """Whether this GitLab is as new as that."""
        parts = self.version.split("-")[0].split(".")
        return (int(parts[0]), int(parts[1])) >= (major, minor)

    def account(self, username: str | None) -> Account | None:
        """By user name, in any letter case."""
        return ignoring_case(self.accounts, username) if username is not None else None

    def project(self, reference: str) -> Project | None:
        """By number, or by path in any letter case."""
        if reference.isdecimal():
            return next((one for one in self.projects.values() if one.id == int(reference)), None)
        return ignoring_case(self.projects, reference)

    def moved_project(self, path: str) -> Project | None:
        """The project that was at this path, in any letter case, before it was renamed or moved."""
        return next(
            (one for one in self.projects.values() if path.lower() in (former.lower() for former in one.former_paths)),
            None,
        )

    def group(self, reference: str) -> Group | None:
        """The same for a group."""
        if reference.isdecimal():
            return next((one for one in self.groups.values() if one.id == int(reference)), None)
        return ignoring_case(self.groups, reference)

    def lineage(self, path: str) -> Iterator[Group]:
        """The group of this full path, where it is one, and all groups above it."""
        while path:
            if (group := ignoring_case(self.groups, path)) is not None:
                yield group
            path = path.rpartition("/")[0]

    def group_level(self, username: str | None, path: str) -> Level:
        """A user's highest level in a group, inherited ones included."""
        levels = (group.members.get(username, Level.NONE) for group in self.lineage(path) if username is not None)
        return max(levels, default=Level.NONE)

    def sees_project(self, username: str | None, project: Project) -> bool:
        """Return whether a project exists for a user or an anonymous caller."""
        if project.visibility == "public" or (project.visibility == "internal" and username is not None):
            return True
        return self.project_level(username, project) >= Level.GUEST

    def sees_group(self, username: str | None, group: Group) -> bool:
        """The same for a group, which members of anything below it see too (GitLab: GroupPolicy, has_projects)."""
        if group.visibility == "public" or (group.visibility == "internal" and username is not None):
            return True
        below = f"{group.path}/".lower()
        return self.group_level(username, group.path) >= Level.GUEST or any(
            self.project_level(username, project) >= Level.GUEST
            for project in self.projects.values()
            if project.path.lower().startswith(below)
        )

    def project_level(self, username: str | None, project: Project) -> Level:
        """A user's highest level in a project, from its own members and those of the groups above."""
        if username is None:
            return Level.NONE
        own = Level.OWNER if project.namespace.lower() == username.lower() else Level.NONE
        direct = project.members.get(username, Level.NONE)
        levels = [min(most, self.group_level(username, group)) for group, most in project.invited.items()]
        return max(own, direct, self.group_level(username, project.namespace), *levels)

    def token_presented(self, secret: str) -> Token | None:
        """The token that a caller shows, whatever its state."""
        for attempt in range(2):
            name = self._by_value.get(secret)
            token = self.tokens.get(name) if name is not None else None
            if token is not None and token.value == secret:
                return token
            if attempt == 0:  # tokens may have been added or exchanged since the index was made
                self._by_value = {token.value: name for name, token in self.tokens.items()}
        return None
