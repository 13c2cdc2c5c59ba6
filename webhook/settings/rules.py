"""The configuration of rules: which Secrets hold Git credentials, and in which role."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from webhook.names import ARGOCD_SECRET_TYPE, INTEGRATION_TYPE
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Role
from webhook.settings.hosts import KnownKind
from webhook.settings.requirements import RequirementSettings, checked
from webhook.settings.values import Section


class Rule(Section):
    """Which Secrets hold Git credentials, and in which role. All given selectors must match."""

    name: str = Field(min_length=1)
    """Its name in messages; a built-in rule should not have the same name."""
    role: Role
    """What the tokens in these Secrets are for."""
    labels: dict[str, str] = Field(default={})
    """Labels with exactly these values."""
    names: tuple[str, ...] = ()
    """Globs, one of which the name must match."""
    namespaces: tuple[str, ...] = ()
    """Globs, one of which the namespace must match."""
    urls: tuple[str, ...] = ()
    """Globs, one of which the Secret's ``url`` must match."""
    requirements: dict[KnownKind, RequirementSettings] = Field(default={})
    """What a matching token needs, instead of the requirement of its role."""

    @field_validator("requirements")
    @classmethod
    def _known_names(cls, value: dict[Kind, RequirementSettings]) -> dict[Kind, RequirementSettings]:
        named = checked({(kind,): requirement for kind, requirement in value.items()})
        return {kind: requirement for (kind, *_), requirement in named.items()}

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
