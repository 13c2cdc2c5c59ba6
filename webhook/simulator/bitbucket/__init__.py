"""Bitbucket Cloud, as seen by whoever holds a token."""

from webhook.simulator.bitbucket.model import (
    Account,
    BitbucketHost,
    Hook,
    Project,
    Repository,
    Token,
    TokenKind,
    Workspace,
)
from webhook.simulator.bitbucket.site import BitbucketSite

__all__ = [
    "Account",
    "BitbucketHost",
    "BitbucketSite",
    "Hook",
    "Project",
    "Repository",
    "Token",
    "TokenKind",
    "Workspace",
]
