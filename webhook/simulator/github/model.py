"""What a GitHub installation knows: accounts, repositories, tokens, Apps and the policies of its organisations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr, SecretStr, model_validator

from webhook.simulator.exchange import Credentials
from webhook.simulator.github.device_flow import DeviceFlows
from webhook.simulator.github.scopes import held, normalised
from webhook.simulator.provider import HostModel, Model, ignoring_case
from webhook.simulator.tokenvalues import github_fine_grained, github_legacy, github_prefixed, github_stateless

# A world file is the one place a secret may be written to: made at run time, mode 0600, for another process to serve.
StoredSecret = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")]


class Role(IntEnum):
    """What a person may do in a repository, in GitHub's order."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5


def _role(value: object) -> object:
    return Role[value.upper()] if isinstance(value, str) and value.upper() in Role.__members__ else value


RoleName = Annotated[Role, BeforeValidator(_role), PlainSerializer(lambda role: role.name.lower(), when_used="json")]

Level = Literal["read", "write", "admin"]
LEVELS: tuple[Level, ...] = ("read", "write", "admin")
Permissions = dict[str, Level]


class TokenKind(StrEnum):
    """The kinds of token (GitHub docs: about-authentication-to-github)."""

    CLASSIC = "classic"
    OAUTH = "oauth"
    FINE_GRAINED = "fine-grained"
    APP_USER = "app-user"
    INSTALLATION = "installation"
    REFRESH = "refresh"


SCOPED = frozenset({TokenKind.CLASSIC, TokenKind.OAUTH})
"""Kinds that hold OAuth scopes; the others hold permissions."""


class Account(Model):
    """A person or an organisation, with the organisation's policies."""

    login: str
    id: int
    type: Literal["User", "Organization"] = "User"
    name: str | None = None
    suspended: bool = False

    members: dict[str, Literal["member", "admin"]] = Field(default_factory=dict)
    saml: bool = False
    """SAML single sign-on is enforced: classic and OAuth tokens must have been authorised for the organisation."""
    forbids_classic: bool = False
    restricts_oauth_apps: bool = False
    """OAuth Apps need an owner's approval, which none has."""
    fine_grained_max_days: int | None = None
    """Longest permitted lifetime of a fine-grained token; 366 is GitHub's default."""
    ip_allow_list: list[str] | None = None
    """The networks that may send requests; ``None`` allows all."""


class Hook(Model):
    """A repository webhook."""

    id: int
    url: str
    events: list[str] = Field(default_factory=lambda: ["push"])
    active: bool = True


class DeployKey(Model):
    """A deploy key."""

    id: int
    title: str
    key: str
    read_only: bool = True


class Repository(Model):
    """A repository and what each person may do in it."""

    owner: str
    name: str
    id: int
    private: bool = True
    archived: bool = False
    disabled: bool = False
    blocked: Literal["dmca", "tos", "unavailable"] | None = None
    """The reason why GitHub shows it to no one."""
    former_names: list[str] = Field(default_factory=list)
    """``owner/name`` that it had before it was renamed or transferred; requests for them are redirected."""
    empty: bool = False
    default_branch: str = "main"
    roles: dict[str, RoleName] = Field(default_factory=dict)
    hook_managers: list[str] = Field(default_factory=list)
    """People whose custom role manages webhooks, whatever their role shows."""
    hooks: list[Hook] = Field(default_factory=list)
    keys: list[DeployKey] = Field(default_factory=list)
    files: list[str] = Field(default_factory=list)
    refs: list[str] = Field(default_factory=list)
    merges: list[str] = Field(default_factory=list)

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"


class Token(Model):
    """A token of any kind. Its value follows from ``seed`` and ``name`` unless ``fixed_value`` is given."""

    name: str
    kind: TokenKind = TokenKind.CLASSIC
    owner: str | None = None
    """The person it belongs to; installation tokens have none."""
    seed: str = "simulator"
    style: Literal["modern", "legacy", "stateless"] = "modern"
    """``legacy``: 40 hexadecimal characters; ``stateless``: the long ``ghs_APPID_JWT``."""
    fixed_value: StoredSecret | None = Field(default=None, repr=False)

    scopes: list[str] = Field(default_factory=list)
    normalised: bool = True
    """False: the header lists implied scopes too, as recordings of old tokens do."""

    permissions: Permissions = Field(default_factory=dict)
    resource_owner: str | None = None
    """Fine-grained: the account whose repositories it is for; the owner's own unless said otherwise."""
    repository_selection: Literal["all", "selected", "public"] = "all"
    repositories: list[str] = Field(default_factory=list)
    """``owner/name`` of the selected ones."""
    approval: Literal["approved", "pending"] = "approved"
    """Fine-grained: an organisation's approval; until then the token reads public data only."""

    app_id: int | None = None
    installation_id: int | None = None

    created_at: datetime | None = None
    expires_at: datetime | None = None
    expiry_zone: str = "UTC"
    """How the expiry header is written: ``UTC``, or an offset such as ``+0100`` (recorded for fine-grained tokens)."""
    revoked: bool = False
    sso_authorized: list[str] = Field(default_factory=list)
    """Organisations with SAML that this classic or OAuth token was authorised for."""
    requires_otp: bool = False
    """Answer 401 and ask for a one-time password."""

    @model_validator(mode="after")
    def _metadata_comes_with_any_permission(self) -> Token:
        if self.permissions and "metadata" not in self.permissions:
            self.permissions["metadata"] = "read"
        return self

    @property
    def value(self) -> str:
        """The token itself."""
        if self.fixed_value is not None:
            return self.fixed_value.get_secret_value()
        return _token_value(self.kind, self.style, f"{self.seed}/{self.kind}/{self.name}", self.app_id or 1)

    @property
    def holds(self) -> frozenset[str]:
        """Its scopes with all that they imply."""
        return held(self.scopes)

    @property
    def scopes_header(self) -> str | None:
        """``X-OAuth-Scopes``: a list, empty for an App's user token, absent for other kinds (recorded responses)."""
        if self.kind in SCOPED:
            return ", ".join(normalised(self.scopes) if self.normalised else self.scopes)
        return "" if self.kind is TokenKind.APP_USER else None

    @property
    def expiry_header(self) -> str | None:
        """``github-authentication-token-expiration``, in either recorded layout; installation tokens send none."""
        if self.expires_at is None or self.kind is TokenKind.INSTALLATION:
            return None
        if self.expiry_zone == "UTC":
            return self.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        zone = datetime.strptime(self.expiry_zone, "%z").tzinfo
        return self.expires_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %z")


@cache
def _token_value(kind: TokenKind, style: str, seed: str, app_id: int) -> str:
    if style == "legacy":
        return github_legacy(seed)
    if kind is TokenKind.FINE_GRAINED:
        return github_fine_grained(seed)
    if style == "stateless":
        return github_stateless(app_id, seed)
    prefixes = {"classic": "ghp_", "oauth": "gho_", "app-user": "ghu_", "installation": "ghs_", "refresh": "ghr_"}
    return github_prefixed(prefixes[kind], seed)


@cache
def _key_pair(slug: str) -> tuple[str, str]:
    """Private and public PEM, once for each App in a process: making an RSA key takes a while."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


class App(Model):
    """A GitHub App. Without keys one is generated, as GitHub's "Generate a private key" does."""

    id: int
    client_id: str
    slug: str
    owner: str
    permissions: Permissions = Field(default_factory=dict)
    events: list[str] = Field(default_factory=list)
    public_key: str | None = None
    private_key: StoredSecret | None = Field(default=None, repr=False)
    """PKCS#1 PEM, as GitHub hands it out; only here so that a demo can put it into a Secret."""

    @model_validator(mode="before")
    @classmethod
    def _generate_key(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("public_key"):
            return data
        private, public = _key_pair(str(data.get("slug")))
        return {**data, "private_key": SecretStr(private), "public_key": public}

    @property
    def private_key_pem(self) -> str:
        """The private key, where the world has it."""
        if self.private_key is None:
            raise LookupError(f"the world holds only the public key of the App {self.slug}")
        return self.private_key.get_secret_value()


class Installation(Model):
    """An App installed on an account."""

    id: int
    app_id: int
    account: str
    permissions: Permissions = Field(default_factory=dict)
    events: list[str] = Field(default_factory=list)
    repository_selection: Literal["all", "selected"] = "all"
    repositories: list[str] = Field(default_factory=list)
    suspended_at: datetime | None = None
    suspended_by: str | None = None


class GitHubHost(HostModel):
    """One GitHub: github.com, an Enterprise Server, or a tenant of ghe.com."""

    named_by: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "accounts": ("login",),
        "tokens": ("name",),
        "apps": ("slug",),
        "installations": ("id",),
        "repositories": ("owner", "name"),
    }
    kind: Literal["github"] = "github"
    name: str = "github.com"
    variant: Literal["github.com", "server", "ghe.com"] = "github.com"
    version: str = "3.17.2"
    """Of an Enterprise Server."""
    private_mode: bool = False
    """Whether an Enterprise Server rejects anonymous requests."""

    accounts: dict[str, Account] = Field(default_factory=dict)
    repositories: dict[str, Repository] = Field(default_factory=dict)
    tokens: dict[str, Token] = Field(default_factory=dict)
    apps: dict[str, App] = Field(default_factory=dict)
    installations: dict[int, Installation] = Field(default_factory=dict)

    validates_before_authorizing: bool = False
    """The order in which write endpoints look at the body and at the caller's rights is documented nowhere."""
    sends_accepted_permissions: bool = True
    """``X-Accepted-GitHub-Permissions`` is missing from most recorded responses, so it can be left out."""
    lists_unselected_repositories: bool = False
    """Whether ``GET /user/repos`` shows a fine-grained token private repositories outside its selection: unknown."""
    stateless_installation_tokens: bool | None = None
    """The long form of ``ghs_`` (not on Enterprise Server); ``None``: as the variant does."""
    rate_limit: int | None = None
    """Requests an hour for each person or installation; 0: no limit; ``None``: 5000, none on an Enterprise Server."""
    anonymous_rate_limit: int | None = None
    """The same for each address without credentials; ``None``: 60, none on an Enterprise Server."""
    login_attempts: int | None = None
    """The number of failed logins after which an address is blocked for a minute; ``None``: no limit."""

    device_flows: DeviceFlows = Field(default_factory=DeviceFlows)
    """The OAuth apps, and the codes of their device flows."""

    _by_value: dict[str, str] = PrivateAttr(default_factory=dict)

    def add(self, *things: Account | Repository | Token | App | Installation) -> None:
        """Put accounts, repositories, tokens, Apps and installations into this host."""
        for thing in things:
            match thing:
                case Account():
                    self.accounts[thing.login] = thing
                case Repository():
                    self.repositories[thing.full_name] = thing
                case Token():
                    self.tokens[thing.name] = thing
                case App():
                    self.apps[thing.slug] = thing
                case Installation():
                    self.installations[thing.id] = thing

    def named_tokens(self) -> Mapping[str, Token]:
        return self.tokens

    def account(self, login: str) -> Account | None:
        """By login, in any letter case, as GitHub compares them."""
        return self.accounts.get(login) or ignoring_case(self.accounts, login)

    def repository(self, owner: str, name: str) -> Repository | None:
        """By owner and name, in any letter case."""
        full = f"{owner}/{name}"
        return self.repositories.get(full) or ignoring_case(self.repositories, full)

    def moved_repository(self, owner: str, name: str) -> Repository | None:
        """The repository that had this name before."""
        full = f"{owner}/{name}".lower()
        found = (one for one in self.repositories.values() if full in (former.lower() for former in one.former_names))
        return next(found, None)

    def app(self, app_id: int) -> App | None:
        """By its number."""
        return next((app for app in self.apps.values() if app.id == app_id), None)

    def token_presented(self, credentials: Credentials) -> Token | None:
        """The token that a caller shows, whatever its state. Basic takes it as password, or alone as user name."""
        secret = credentials.secret
        if credentials.scheme == "basic" and secret in ("", "x-oauth-basic"):
            secret = credentials.username
        for attempt in range(2):
            name = self._by_value.get(secret)
            token = self.tokens.get(name) if name is not None else None
            if token is not None and token.value == secret:
                return token
            if attempt == 0:  # tokens may have been added or exchanged since the index was made
                self._by_value = {token.value: name for name, token in self.tokens.items()}
        return None

    def role(self, login: str | None, repository: Repository) -> Role:
        """Return a user's role in a repository, without what a public repository grants to every caller."""
        if login is None:
            return Role.NONE
        if login.lower() == repository.owner.lower():
            return Role.ADMIN
        owner = self.account(repository.owner)
        if owner is not None and owner.members.get(login) == "admin":
            return Role.ADMIN
        return repository.roles.get(login, Role.NONE)

    def mint(self, installation: Installation, permissions: Permissions, repositories: list[str], long: bool) -> Token:
        """A fresh installation token, good for an hour."""
        now = self.now().replace(microsecond=0)
        number = sum(1 for token in self.tokens.values() if token.installation_id == installation.id) + 1
        token = Token(
            name=f"minted-{installation.id}-{number}",
            kind=TokenKind.INSTALLATION,
            style="stateless" if long else "modern",
            seed=f"{self.name}/{now.isoformat()}",
            permissions=permissions,
            repository_selection="selected" if repositories else installation.repository_selection,
            repositories=repositories or installation.repositories,
            app_id=installation.app_id,
            installation_id=installation.id,
            created_at=now,
            expires_at=now + timedelta(hours=1),
        )
        self.add(token)
        return token
