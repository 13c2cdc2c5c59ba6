"""A simulated Bitbucket Cloud: the API and Git over HTTP, as a client with a token sees them."""

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
