"""A simulated GitHub (github.com, Enterprise Server and ghe.com), as a client with a token sees it."""

from webhook.simulator.github.model import (
    Account,
    App,
    DeployKey,
    GitHubHost,
    Hook,
    Installation,
    Permissions,
    Repository,
    Role,
    Token,
    TokenKind,
)
from webhook.simulator.github.site import GitHubSite

__all__ = [
    "Account",
    "App",
    "DeployKey",
    "GitHubHost",
    "GitHubSite",
    "Hook",
    "Installation",
    "Permissions",
    "Repository",
    "Role",
    "Token",
    "TokenKind",
]
