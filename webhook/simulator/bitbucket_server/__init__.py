"""A simulated Bitbucket Server or Data Center, as a client with an HTTP access token sees it."""

from webhook.simulator.bitbucket_server.model import (
    BitbucketServerHost,
    Level,
    Project,
    Repository,
    Token,
    TokenKind,
    User,
    Webhook,
)
from webhook.simulator.bitbucket_server.site import BitbucketServerSite

__all__ = [
    "BitbucketServerHost",
    "BitbucketServerSite",
    "Level",
    "Project",
    "Repository",
    "Token",
    "TokenKind",
    "User",
    "Webhook",
]
