"""What a fine-grained token may do, and where (GitLab docs: auth/tokens/fine_grained_access_tokens)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from webhook.simulator.exchange import Reply
from webhook.simulator.gitlab import replies
from webhook.simulator.gitlab.model import (
    PERSONAL_KINDS,
    GitLabHost,
    GranularScope,
    Group,
    Level,
    Project,
    Token,
    TokenKind,
)

Boundary = Literal["user", "instance", "group", "project"]


@dataclass(frozen=True, slots=True)
class Permission:
    """What an endpoint asks of a fine-grained token."""

    boundary: Boundary
    action: str
    resource: str
    """In the words of the documentation, such as ``Personal Access Token``."""

    @property
    def label(self) -> str:
        """As in refusals and in the documentation: ``Code: Push``."""
        return f"{self.resource}: {self.action.capitalize()}"

    @property
    def name(self) -> str:
        """As in GitLab's sources (config/authz/permission_groups): ``push_code``."""
        return f"{self.action}_{self.resource.lower().replace(' ', '_')}"

    def is_one_of(self, held: list[str]) -> bool:
        """In either spelling: which one ``granular_scopes`` uses is documented nowhere."""
        return self.name in held or self.label in held


def refusal_text(host: GitLabHost, token: Token, permission: Permission, place: Project | Group | None) -> str | None:
    """Why a token may not do that there: it is fine-grained and lacks it, or it isn't, and has to be."""
    if token.kind is TokenKind.FINE_GRAINED:
        held = any(
            permission.is_one_of(scope.permissions) and _reaches(host, token, scope, permission.boundary, place)
            for scope in token.granular_scopes
        )
        if held:
            return None
    elif token.kind not in PERSONAL_KINDS or not _is_enforced(host, place):
        return None
    return replies.granular_text(permission.boundary, permission.name, permission.label, old=host.old_granular_wording)


def refusal(host: GitLabHost, token: Token, permission: Permission, place: Project | Group | None) -> Reply | None:
    """The same as the API says it."""
    text = refusal_text(host, token, permission, place)
    return None if text is None else replies.insufficient_granular_scope(text)


def _is_enforced(host: GitLabHost, place: Project | Group | None) -> bool:
    return place is not None and any(group.enforces_fine_grained for group in host.lineage(place.path))


def _reaches(
    host: GitLabHost, token: Token, scope: GranularScope, boundary: Boundary, place: Project | Group | None
) -> bool:
    if boundary in ("user", "instance"):
        return scope.access == boundary
    if place is None:
        return False
    if scope.access == "all_memberships":
        level = host.group_level(token.owner, place.path)
        if isinstance(place, Project):
            level = host.project_level(token.owner, place)
        return level >= Level.GUEST
    if scope.access == "personal_projects":
        return isinstance(place, Project) and place.namespace.lower() == (token.owner or "").lower()
    if scope.access != "selected_memberships":
        return False
    if isinstance(place, Project) and place.id == scope.project_id:
        return True
    return any(group.id == scope.group_id for group in host.lineage(place.path))
