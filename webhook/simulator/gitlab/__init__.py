"""A simulated GitLab (gitlab.com or self-managed, also below a path), as a client with a token sees it."""

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
