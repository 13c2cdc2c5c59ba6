"""The configuration file as frozen values.

Every key is optional. Unknown keys are errors that name the nearest known key, except under `installer`, `app-proxy`
and `global`, because a platform's values file has more keys than we use.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, PositiveInt, field_validator, model_validator
from pydantic_core import PydanticCustomError

from webhook.providers import PROVIDERS
from webhook.providers.findings import Outcome
from webhook.providers.hosts import Kind
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Requirement, Role
from webhook.settings.errors import WRONG_NAMES
from webhook.settings.hosts import HostName, KnownKind, OAuthApp, ProviderSettings
from webhook.settings.requirements import Repositories, RequirementSettings, checked
from webhook.settings.rules import BUILTIN_RULES, Rule
from webhook.settings.values import Duration, Flag, PlatformSection, Section, by_default


class Installer(PlatformSection):
    """The section of the platform's installer."""

    skip_validation: Flag = False
    """Runtime tokens are not validated, on CREATE and on UPDATE."""


class AppProxyConfig(PlatformSection):
    """The platform's app-proxy configuration."""

    skip_git_permission_validation: Flag = "false"
    """User tokens are not validated; runtime tokens not on UPDATE."""


class AppProxy(PlatformSection):
    """The platform's app-proxy section."""

    config: AppProxyConfig = AppProxyConfig()
    """The configuration of app-proxy."""


Effect = Literal["deny", "warn"]


class Expiry(Section):
    """Warnings about the expiry of tokens."""

    warn_within: Duration = by_default("14d")
    """Warn about a token that expires within this time."""


class Defaults(Section):
    """Defaults for Secrets."""

    user_host: HostName = "github.com"
    """The host of a user's token that does not name one."""


class Encryption(Section):
    """The form in which user tokens are stored, and the keys for that and for attestations."""

    mode: Literal["annotate", "seal"] = "annotate"
    """`annotate` stores tokens in plain text and says so; `seal` encrypts them with the key ring."""
    keys_dir: Path | None = None
    """The key ring, a folder of key files. Without it, attestations are valid in one process only."""
    key_activation: Duration = by_default("3m")
    """How long a new key is only accepted before it also signs and seals, so that all replicas have it."""

    @model_validator(mode="after")
    def _seals_by_keys_that_last(self) -> Self:
        if self.mode == "seal" and self.keys_dir is None:
            raise ValueError(
                "mode: seal needs keysDir, because values that an ephemeral key sealed could never be opened again; "
                "make a key ring with `git-token-webhook keys generate`"
            )
        return self


class Requesters(Section):
    """Requesters by user name or group; each entry is a glob such as ``system:serviceaccount:argocd:*``."""

    deny: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Requesters whose skip annotation on a Secret never counts, whatever permissions they have."""


class ExemptionSettings(Section):
    """Who can skip the check."""

    requesters: Requesters = Requesters()
    """Whose skip annotation on a Secret counts."""


class Limits(Section):
    """Time limits and amounts."""

    provider_timeout: Duration = by_default("4s")
    """Time limit of one request to a provider."""
    decision_timeout: Duration = by_default("8s")
    """Time limit of a decision; the timeout of the API server can shorten it."""
    concurrency: PositiveInt = 64
    """Concurrent requests to one host."""
    cache_ttl: Duration = by_default("60s")
    """How long a positive response is cached. Others are cached for a sixth of that, and at most 10 s."""
    cache_entries: PositiveInt = 4096
    """Number of cached responses; the least recently used are evicted first."""
    tokens_per_write: PositiveInt = 256
    """Number of tokens that one write can change. More could not be checked in time."""

    @field_validator("provider_timeout", "decision_timeout")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be more than 0s")
        return value


class Settings(Section):
    """The configuration file. Every key is optional."""

    mode: Literal["enforce", "warn"] = "enforce"
    """`warn` turns every denial into a warning: for a first roll-out."""
    on_dry_run: Literal["enforce", "warn"] = "enforce"
    """`warn` turns every denial of a dry run into a warning: for the server-side diff of GitOps tools."""
    installer: Installer = Installer()
    """From the platform's values file; other keys in it are ignored."""
    app_proxy: AppProxy = Field(default=AppProxy(), alias="app-proxy")
    """From the platform's values file; other keys in it are ignored."""
    global_: dict[Any, Any] = Field(default={}, alias="global", validation_alias=AliasChoices("global"), repr=False)
    """From the platform's values file; nothing in it is read."""
    providers: tuple[ProviderSettings, ...] = ()
    """Hosts that tokens may be sent to, besides github.com, gitlab.com, bitbucket.org and *.ghe.com."""
    requirements: dict[KnownKind, dict[Role, RequirementSettings]] = Field(default={})
    """What a token of each role needs at each kind of provider, instead of the default."""
    repositories: Repositories = Repositories()
    """Repositories that a runtime token must reach besides the one that its Secret's URL names."""
    rules: tuple[Rule, ...] = ()
    """Which other Secrets hold tokens; added to the built-in rules."""
    builtin_rules: bool = True
    """Whether the built-in rules apply: Argo CD's repo-creds, and users' git-default-*."""
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
        named = checked({(kind, role): cell for kind, roles in value.items() for role, cell in roles.items()})
        return {kind: {role: named[kind, role] for role in roles} for kind, roles in value.items()}

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
        """All rules that apply, the built-in ones first."""
        return (*BUILTIN_RULES, *self.rules) if self.builtin_rules else self.rules

    def hosts(self) -> Hosts:
        """Return the hosts that tokens may be sent to."""
        return Hosts(provider.as_host() for provider in self.providers)

    def requirement(self, kind: Kind, role: Role, override: RequirementSettings | None = None) -> Requirement:
        """Return what a token of a role needs at a kind of provider; `override` replaces the table's cell."""
        requirement = PROVIDERS[kind].profile.defaults[role]
        cell = override or self.requirements.get(kind, {}).get(role)
        return requirement if cell is None else cell.over(requirement)

    def effect(self, outcome: Outcome) -> Effect:
        """Return whether an outcome denies or warns."""
        return "warn" if self.mode == "warn" else self.own_effect(outcome)

    def own_effect(self, outcome: Outcome) -> Effect:
        """Return the same as if `mode` were `enforce`."""
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
