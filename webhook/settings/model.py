"""The configuration file as frozen values: parsed once, complete, and refused with the reason if it is wrong.

Every key is optional. Unknown keys are errors that name the nearest known key, except under `installer`,
`app-proxy` and `global`, where a platform's values file has more than we read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from webhook.names import ARGOCD_SECRET_TYPE, INTEGRATION_TYPE
from webhook.providers import PROVIDERS, urls
from webhook.providers.findings import Outcome, RepositoryNeed
from webhook.providers.hosts import Host, Kind
from webhook.providers.known_hosts import Hosts, derived_api_url
from webhook.providers.requirements import Level, Requirement, Role, union
from webhook.settings.errors import UNKNOWN_KEYS, WRONG_NAMES

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:(?:\d+(?:\.\d+)?)(?:ms|s|m|h|d))+\Z")


def parse_duration(text: object) -> timedelta:
    """A duration such as ``4s``, ``500ms``, ``1h30m`` or ``14d``.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str) or not _DURATION.match(text):
        raise ValueError("write a duration with its unit, such as 500ms, 4s, 3m, 12h or 14d")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError("is longer than any duration can be") from None


def _duration(value: object) -> object:
    return value if isinstance(value, timedelta) else parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["4s", "14d"]}),
]


def _by_default(text: str) -> Any:
    """A duration that has a default, which the schema shows as people write it."""
    return Field(default=parse_duration(text), json_schema_extra={"default": text})


class _Section(BaseModel):
    """A part of the file: frozen, in camelCase, and strict about its keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        validate_default=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _pass_over_empty_keys(cls, value: Any) -> Any:
        """A key without a value (``providers:`` with nothing but comments below) is as if it weren't there."""
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, value: Any) -> Any:
        if cls.model_config.get("extra") == "forbid" and isinstance(value, Mapping):
            known = {name: field.alias or name for name, field in cls.model_fields.items()}
            unknown = [key for key in value if key not in known and key not in known.values()]
            if unknown:
                hints = {str(key): _hint(key, list(known.values())) for key in unknown}
                raise PydanticCustomError(UNKNOWN_KEYS, "unknown keys", {"hints": hints})
        return value


class _PlatformSection(_Section):
    """A part of the platform's own values file, of which we read only what we know."""

    model_config = ConfigDict(extra="ignore")


def _hint(key: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(key)[:100], known, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
    return f"unknown key {str(key)[:60]!r}; {suggestion}"


def _flag_text(value: object) -> object:
    """Whatever a values file has there: what is neither true nor false is told of, and stops nothing."""
    return value if isinstance(value, bool | str) else type(value).__name__


Flag = Annotated[bool | str, BeforeValidator(_flag_text)]


class Installer(_PlatformSection):
    """The platform installer's section."""

    skip_validation: Flag = False
    """Runtime tokens are not validated, on CREATE and on UPDATE."""


class AppProxyConfig(_PlatformSection):
    """The platform's app-proxy configuration."""

    skip_git_permission_validation: Flag = "false"
    """User tokens are not validated; runtime tokens not on UPDATE."""


class AppProxy(_PlatformSection):
    """The platform's app-proxy section."""

    config: AppProxyConfig = AppProxyConfig()
    """What it is told."""


def _known_kind(value: str) -> Kind:
    if value in PROVIDERS:
        return Kind(value)
    near = difflib.get_close_matches(value, list(PROVIDERS), n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(PROVIDERS)}"
    raise ValueError(f"there is no such kind of provider; {suggestion}")


KnownKind = Annotated[Kind, AfterValidator(_known_kind), WithJsonSchema({"type": "string", "enum": list(PROVIDERS)})]


def _canonical_host(value: str) -> str:
    try:
        return urls.parse_host(value)
    except urls.MalformedUrl as error:
        raise ValueError(f"{error} (write only the host, such as git.acme.dev or git.acme.dev:8443)") from None


HostName = Annotated[str, AfterValidator(_canonical_host)]


class ProviderSettings(_Section):
    """A host that tokens may be sent to, besides the built-in ones; it may also override one of those."""

    host: HostName
    """Its name, with the port where that isn't 443."""
    kind: KnownKind
    """What runs there."""
    api_url: str | None = None
    """Where its API begins; derived from host and kind when absent."""
    ca_file: Path | None = None
    """Certificates (PEM) that the host's own is checked against."""

    @field_validator("api_url")
    @classmethod
    def _https_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parsed = urls.parse_git_url(value)
        except urls.MalformedUrl as error:
            raise ValueError(str(error)) from None
        if parsed.scheme != "https" or parsed.insecure:
            raise ValueError("must begin with https://: tokens are never sent in clear")
        return value.rstrip("/")

    def doubt_about_api_url(self) -> str | None:
        """A whole sentence where `api_url` can hardly be where an API of this kind begins."""
        if self.api_url is None:
            return None
        usual = urlsplit(derived_api_url(self.host, self.kind)).path
        own = urlsplit(self.api_url).path
        if usual and not own.endswith(usual):
            return f"{self.host}: the apiUrl of a {self.kind} host usually ends in {usual}; this one doesn't."
        if not usual and f"{own}/".partition("/rest/")[1]:
            return f"{self.host}: the apiUrl of a {self.kind} host ends before /rest; this one doesn't."
        return None

    def as_host(self) -> Host:
        """The host that this declares."""
        api_url = self.api_url or derived_api_url(self.host, self.kind)
        return Host(self.host, self.kind, api_url, self.ca_file, declared=True)


class RequirementSettings(_Section):
    """One cell of the requirement table; what is absent keeps its default."""

    scopes: tuple[str, ...] | None = None
    """What tokens with scopes must hold."""
    permissions: dict[str, Level] | None = None
    """What fine-grained tokens and Apps must hold."""
    levels: tuple[str, ...] | None = None
    """What tokens with levels must hold, such as Bitbucket Server's PROJECT_ADMIN and REPO_WRITE."""
    granular: tuple[str, ...] | None = None
    """What GitLab's fine-grained tokens must hold, in the words of their granular_scopes, such as 'Code: Push'."""

    def checked_for(self, kind: Kind) -> Self:
        """The same with the provider's own names.

        Raises:
            ValueError: a name that the provider doesn't have, with the nearest one that it has.
        """
        vocabulary = PROVIDERS[kind].profile.vocabulary
        permissions = self.permissions
        if permissions is not None:
            named = [(vocabulary.permission(name, level), level) for name, level in permissions.items()]
            permissions = dict(named)
            if len(permissions) != len(named):
                raise ValueError("the same permission stands there under two names")
        if self.levels is not None:
            levels = [Requirement(permissions=(vocabulary.level(name),)) for name in self.levels]
            permissions = dict(union(levels).permissions)
        scopes, granular = self.scopes, self.granular
        if scopes is not None:
            scopes = tuple(vocabulary.scope(name) for name in scopes)
        if granular is not None:
            granular = tuple(vocabulary.granular_permission(name) for name in granular)
        return self.model_copy(update={"permissions": permissions, "scopes": scopes, "granular": granular})

    def over(self, default: Requirement) -> Requirement:
        """The requirement that this makes of the default one."""
        return Requirement(
            scopes=default.scopes if self.scopes is None else self.scopes,
            permissions=default.permissions if self.permissions is None else tuple(self.permissions.items()),
            granular=default.granular if self.granular is None else self.granular,
        )


_Place = TypeVar("_Place", bound=tuple[Kind, *tuple[str, ...]])


def _checked(cells: Mapping[_Place, RequirementSettings]) -> dict[_Place, RequirementSettings]:
    """The cells with their providers' own names; every cell that has a wrong one is told of, by its place."""
    checked: dict[_Place, RequirementSettings] = {}
    wrong: dict[str, str] = {}
    for place, cell in cells.items():
        try:
            checked[place] = cell.checked_for(place[0])
        except ValueError as error:
            wrong[".".join(place)] = str(error)
    if wrong:
        raise PydanticCustomError(WRONG_NAMES, "wrong names", {"wrong": wrong})
    return checked


def _repository_url(value: str) -> str:
    try:
        url = urls.parse_git_url(value)
    except urls.MalformedUrl as error:
        raise ValueError(f"a repository's URL {error}") from None
    if url.scheme != "https" or url.insecure:
        raise ValueError("a repository's URL must begin with https://, as tokens only go there")
    if len(url.path) < 2:
        raise ValueError("a repository's URL must name a repository, and not only a host or an owner")
    return value


RepositoryUrl = Annotated[str, AfterValidator(_repository_url)]


class Repositories(_Section):
    """Repositories that a runtime token of their host must reach, besides the one that its Secret's URL names."""

    write: tuple[RepositoryUrl, ...] = ()
    """To be written to, such as the platform's Shared Configuration Repository."""
    read: tuple[RepositoryUrl, ...] = ()
    """To be read, such as those that Argo CD syncs from."""
    applications: bool = False
    """Also every repository that Argo CD Applications sync with this credential (longest URL prefix, as it picks)."""

    def needs(self) -> dict[str, tuple[RepositoryNeed, ...]]:
        """What each host's runtime tokens must reach; what is to be written to needs no mention among the others."""
        wanted: dict[str, dict[tuple[str, ...], Level]] = {}
        for level, declared in ((Level.WRITE, self.write), (Level.READ, self.read)):
            for url in map(urls.parse_git_url, declared):
                wanted.setdefault(url.host, {}).setdefault(url.path, level)
        return {
            host: tuple(RepositoryNeed(path, level) for path, level in paths.items()) for host, paths in wanted.items()
        }


class Rule(_Section):
    """Which Secrets hold Git credentials, and in which role. All selectors that are given must match."""

    name: str = Field(min_length=1)
    """What it is called in messages; another name than a built-in rule's."""
    role: Role
    """What the tokens in these Secrets are for."""
    labels: dict[str, str] = {}
    """Labels with exactly these values."""
    names: tuple[str, ...] = ()
    """Globs, one of which the name must match."""
    namespaces: tuple[str, ...] = ()
    """Globs, one of which the namespace must match."""
    urls: tuple[str, ...] = ()
    """Globs, one of which the Secret's ``url`` must match."""
    requirements: dict[KnownKind, RequirementSettings] = {}
    """What a token that this rule matches needs, instead of its role's requirement."""

    @field_validator("requirements")
    @classmethod
    def _known_names(cls, value: dict[Kind, RequirementSettings]) -> dict[Kind, RequirementSettings]:
        checked = _checked({(kind,): requirement for kind, requirement in value.items()})
        return {kind: requirement for (kind, *_), requirement in checked.items()}

    @model_validator(mode="after")
    def _selects_something(self) -> Self:
        if not self.labels and not self.names:
            raise ValueError("needs labels or names: without them it would match every Secret")
        return self


BUILTIN_RULES = (
    Rule(name="argocd-repo-creds", role=Role.RUNTIME, labels={ARGOCD_SECRET_TYPE: "repo-creds"}),
    Rule(name="git-default", role=Role.USER, names=("git-default-*",)),
    Rule(name="git-default", role=Role.USER, labels={INTEGRATION_TYPE: "git"}),
)

Effect = Literal["deny", "warn"]


class OAuthApp(_Section):
    """An OAuth app of a GitHub host with the device flow enabled, for ``token authorize``."""

    host: HostName
    """The host that the app belongs to."""
    client_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """The client id of the app. It is public; no client secret is needed."""
    url: str | None = None
    """The address of the host's web pages. Defaults to ``https://HOST``."""

    @field_validator("url")
    @classmethod
    def _https_only(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("https://"):
            raise ValueError("must begin with https://: tokens are never sent in clear")
        return value


class Expiry(_Section):
    """When the end of a token's life is worth a warning."""

    warn_within: Duration = _by_default("14d")
    """Warn of a token that ends sooner than that."""


class Defaults(_Section):
    """What holds where a Secret doesn't say."""

    user_host: HostName = "github.com"
    """The host of a user's token that names none."""


class Encryption(_Section):
    """How user tokens are stored, and the keys for that and for attestations."""

    mode: Literal["annotate", "seal"] = "annotate"
    """`annotate` stores tokens as they are and says so; `seal` stores what only the key ring opens."""
    keys_dir: Path | None = None
    """The key ring: a folder of key files; without one, attestations are good for one process alone."""
    key_activation: Duration = _by_default("3m")
    """How long after it appeared a new key seals and signs: until then, other replicas may not have it yet."""

    @model_validator(mode="after")
    def _seals_by_keys_that_last(self) -> Self:
        if self.mode == "seal" and self.keys_dir is None:
            raise ValueError(
                "mode: seal needs keysDir, since what an ephemeral key sealed could never be opened again; "
                "make a key ring with `git-token-webhook keys generate`"
            )
        return self


class Requesters(_Section):
    """Requesters by user name or group; each entry is a glob such as ``system:serviceaccount:argocd:*``."""

    deny: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Their skip annotation on a Secret never counts, whatever rights they have."""


class ExemptionSettings(_Section):
    """Who may skip the check."""

    requesters: Requesters = Requesters()
    """Whose skip annotation on a Secret counts."""


class Limits(_Section):
    """How long and how much."""

    provider_timeout: Duration = _by_default("4s")
    """For one request to a provider."""
    decision_timeout: Duration = _by_default("8s")
    """For a whole decision; the API server's own timeout lowers it."""
    concurrency: PositiveInt = 64
    """Requests to one host at the same time."""
    cache_ttl: Duration = _by_default("60s")
    """How long a good answer is used again; bad ones at most a sixth of it, and never more than 10 s."""
    cache_entries: PositiveInt = 4096
    """How many answers are remembered; those longest unused go first."""
    tokens_per_write: PositiveInt = 256
    """Tokens of one Secret that one write may change: sixteen at a time, more could not be checked in time."""

    @field_validator("provider_timeout", "decision_timeout")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be more than nothing")
        return value


_FLAG = {"true": True, "false": False, "": False}


def parse_flag(value: bool | str) -> bool | None:
    """A skip flag's value: True, False, or None where it is neither (and so skips nothing, and is reported)."""
    if isinstance(value, bool):
        return value
    return _FLAG.get(value.strip().lower())


class Settings(_Section):
    """The whole file. Every key is optional."""

    mode: Literal["enforce", "warn"] = "enforce"
    """`warn` turns every denial into a warning: for a first roll-out."""
    on_dry_run: Literal["enforce", "warn"] = "enforce"
    """`warn` turns every denial of a dry run into a warning: for the server-side diff of GitOps tools."""
    installer: Installer = Installer()
    """From the platform's values file, where it may hold more."""
    app_proxy: AppProxy = Field(default=AppProxy(), alias="app-proxy")
    """From the platform's values file, where it may hold more."""
    global_: dict[Any, Any] = Field(default={}, alias="global", validation_alias=AliasChoices("global"), repr=False)
    """From the platform's values file; nothing in it is read."""
    providers: tuple[ProviderSettings, ...] = ()
    """Hosts that tokens may be sent to, besides github.com, gitlab.com, bitbucket.org and *.ghe.com."""
    requirements: dict[KnownKind, dict[Role, RequirementSettings]] = {}
    """What a token of each role needs at each kind of provider, where that isn't the default."""
    repositories: Repositories = Repositories()
    """What a runtime token must reach besides what its Secret's URL names."""
    rules: tuple[Rule, ...] = ()
    """Which other Secrets hold tokens; added to the built-in rules."""
    builtin_rules: bool = True
    """Whether the built-in rules hold: Argo CD's repo-creds, and users' git-default-*."""
    on_insufficient: Effect = "deny"
    """What happens with a token that lacks something."""
    on_invalid: Effect = "deny"
    """What happens with a token that its provider rejects."""
    on_blocked: Effect = "deny"
    """What happens with a token that an organisation's policy, an IP allow list or a suspension blocks."""
    on_unverified: Effect = "deny"
    """What happens with a token that cannot be verified, for example because the provider is unavailable."""
    on_unknown_host: Effect = "warn"
    """What happens with a token for a host that is neither built in nor declared."""
    on_unsupported: Effect = "warn"
    """What happens with a credential that no provider can verify, such as an SSH key."""
    expiry: Expiry = Expiry()
    """Which tokens cause a warning because they expire soon."""
    defaults: Defaults = Defaults()
    """Values for a Secret that does not state them."""
    encryption: Encryption = Encryption()
    """The form in which user tokens are stored, and the keys."""
    oauth: tuple[OAuthApp, ...] = ()
    """OAuth apps with which users authorize tokens instead of pasting them."""
    exemptions: ExemptionSettings = ExemptionSettings()
    """Whose skip annotations count."""
    limits: Limits = Limits()
    """Times and amounts that are never exceeded."""

    @field_validator("requirements")
    @classmethod
    def _known_names(
        cls, value: dict[Kind, dict[Role, RequirementSettings]]
    ) -> dict[Kind, dict[Role, RequirementSettings]]:
        checked = _checked({(kind, role): cell for kind, roles in value.items() for role, cell in roles.items()})
        return {kind: {role: checked[kind, role] for role in roles} for kind, roles in value.items()}

    @field_validator("providers")
    @classmethod
    def _each_host_once(cls, value: tuple[ProviderSettings, ...]) -> tuple[ProviderSettings, ...]:
        hosts = [provider.host for provider in value]
        if twice := {host for host in hosts if hosts.count(host) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} is declared twice")
        return value

    @model_validator(mode="after")
    def _hosts_are_known(self) -> Self:
        hosts = self.hosts()
        wrong: dict[str, str] = {}
        if unknown := sorted(name for name in self.repositories.needs() if hosts.find(name) is None):
            wrong["repositories"] = f"{', '.join(unknown)} is not a known host; declare it under providers"
        if hosts.find(self.defaults.user_host) is None:
            wrong["defaults.userHost"] = f"{self.defaults.user_host} is not a known host; declare it under providers"
        if wrong:
            raise PydanticCustomError(WRONG_NAMES, "unknown hosts", {"wrong": wrong})
        return self

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """The rules in force, built-in ones first."""
        return (*BUILTIN_RULES, *self.rules) if self.builtin_rules else self.rules

    def hosts(self) -> Hosts:
        """The hosts that tokens may be sent to."""
        return Hosts(provider.as_host() for provider in self.providers)

    def requirement(self, kind: Kind, role: Role, override: RequirementSettings | None = None) -> Requirement:
        """What a token of `role` needs at a provider of `kind`, where a rule's own cell may replace it."""
        requirement = PROVIDERS[kind].profile.defaults[role]
        cell = override or self.requirements.get(kind, {}).get(role)
        return requirement if cell is None else cell.over(requirement)

    def effect(self, outcome: Outcome) -> Effect:
        """Whether `outcome` denies or warns."""
        return "warn" if self.mode == "warn" else self.own_effect(outcome)

    def own_effect(self, outcome: Outcome) -> Effect:
        """The same, as if `mode` were `enforce`."""
        effects: dict[Outcome, Effect] = {
            Outcome.INSUFFICIENT: self.on_insufficient,
            Outcome.INVALID: self.on_invalid,
            Outcome.BLOCKED: self.on_blocked,
            Outcome.UNVERIFIED: self.on_unverified,
            Outcome.UNKNOWN_HOST: self.on_unknown_host,
            Outcome.UNSUPPORTED: self.on_unsupported,
            Outcome.MALFORMED: "deny",
        }
        return effects.get(outcome, "warn")
