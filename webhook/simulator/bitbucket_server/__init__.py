"""Bitbucket Server and Data Center, as seen by whoever holds an HTTP access token."""

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
