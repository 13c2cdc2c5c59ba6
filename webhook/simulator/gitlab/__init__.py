"""GitLab, as seen by whoever holds a token: gitlab.com and self-managed, also below a path."""

from webhook.simulator.gitlab.model import (
    Account,
    AccountType,
    GitLabHost,
    GranularScope,
    Group,
    Hook,
    Level,
    Project,
    Token,
    TokenKind,
)
from webhook.simulator.gitlab.site import GitLabSite

__all__ = [
    "Account",
    "AccountType",
    "GitLabHost",
    "GitLabSite",
    "GranularScope",
    "Group",
    "Hook",
    "Level",
    "Project",
    "Token",
    "TokenKind",
]
