"""Gitea and Forgejo, as seen by whoever holds a token."""

from webhook.simulator.gitea.model import GiteaHost, Hook, Organization, Repository, Role, Token, User
from webhook.simulator.gitea.site import GiteaSite

__all__ = [
    "GiteaHost",
    "GiteaSite",
    "Hook",
    "Organization",
    "Repository",
    "Role",
    "Token",
    "User",
]
