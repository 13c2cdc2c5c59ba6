"""A simulated Gitea or Forgejo: the API and Git over HTTP, as a client with a token sees them."""

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
