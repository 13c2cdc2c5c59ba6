"""bitbucket.org as the example world has it: the workspace acme, and a token for each thing that can be wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

from webhook.simulator.bitbucket.model import (
    Account,
    BitbucketHost,
    Hook,
    Permission,
    Project,
    Repository,
    Token,
    TokenKind,
    Workspace,
    made_up_uuid,
)

API_SCOPES = (
    "read:user:bitbucket",
    "read:workspace:bitbucket",
    "read:webhook:bitbucket",
    "write:webhook:bitbucket",
    "read:repository:bitbucket",
    "write:repository:bitbucket",
    "admin:repository:bitbucket",
)
"""Account R, Workspace membership R, Webhooks RW, Repositories R, W and Admin, of a person's API token."""

ACCESS_TOKEN_SCOPES = ("repository", "repository:write", "repository:admin", "webhook")
"""The same as far as an access token can hold it."""

OAUTH_SCOPES = ("account", "team", "repository:write", "repository:admin", "webhook")
"""The same in the older vocabulary, in which ``repository:write`` includes ``repository``."""


def bitbucket_org(now: datetime, seed: str) -> BitbucketHost:
    """bitbucket.org: ada owns acme, brook may write there and carol read."""
    host = BitbucketHost()
    people = {"brook": Permission.WRITE, "carol": Permission.READ}
    host.add(
        *(
            Account(nickname=name, email=f"{name}@acme.example", account_id=f"712020:{number}", display_name=display)
            for number, (name, display) in enumerate(
                (("ada", "Ada of Acme"), ("brook", "Brook"), ("carol", "Carol"), ("dana", "Dana, who isn't at Acme")),
                101,
            )
        ),
        Workspace(
            slug="acme",
            name="Acme",
            members={"ada": "owner", "brook": "member", "carol": "collaborator"},
            projects=[Project(key="PLAT", name="Platform"), Project(key="WEB", name="Web")],
        ),
        Workspace(slug="dana", members={"dana": "owner"}, projects=[Project(key="OWN")]),
        Repository(
            workspace="acme",
            slug="apps",
            project="PLAT",
            permissions=people,
            hooks=[Hook(uuid=made_up_uuid("hook/ci"), url="https://ci.example.com/hooks/acme")],
        ),
        Repository(workspace="acme", slug="shared-configuration", project="PLAT", permissions=people),
        Repository(workspace="acme", slug="website", project="WEB", private=False, permissions=people),
        Repository(workspace="acme", slug="empty", project="WEB", empty=True, permissions=people),
        Repository(workspace="dana", slug="diary", project="OWN"),
    )
    _api_tokens(host, now, seed)
    _other_tokens(host, now, seed)
    return host


def _api_tokens(host: BitbucketHost, now: datetime, seed: str) -> None:
    def api_token(name: str, *without: str, owner: str = "ada", days: int = 90) -> Token:
        scopes = [scope for scope in API_SCOPES if not scope.startswith(without)]
        expires = now + timedelta(days=days)
        return Token(name=f"bitbucket-{name}", seed=seed, owner=owner, scopes=scopes, expires_at=expires)

    unscoped = api_token("unscoped")
    unscoped.scopes = []
    revoked = api_token("revoked")
    revoked.revoked = True
    host.add(
        api_token("good-runtime"),
        api_token("good-user", owner="brook"),
        api_token("no-webhooks", "read:webhook", "write:webhook"),
        api_token("write-only", "read:repository", "read:webhook"),
        api_token("no-account", "read:user"),
        api_token("reader", owner="carol"),
        api_token("outsider", owner="dana"),
        api_token("expired", days=-1),
        unscoped,
        revoked,
    )


def _other_tokens(host: BitbucketHost, now: datetime, seed: str) -> None:
    def access_token(name: str, kind: TokenKind, bound_to: str, *scopes: str) -> Token:
        held = list(scopes or ACCESS_TOKEN_SCOPES)
        return Token(name=f"bitbucket-{name}", kind=kind, seed=seed, bound_to=bound_to, scopes=held)

    host.add(
        access_token("workspace-token", TokenKind.WORKSPACE, "acme"),
        access_token("project-token", TokenKind.PROJECT, "acme/PLAT"),
        access_token("repo-token", TokenKind.REPOSITORY, "acme/apps"),
        access_token("weak-repo-token", TokenKind.REPOSITORY, "acme/apps", "repository"),
        Token(
            name="bitbucket-oauth",
            kind=TokenKind.OAUTH,
            seed=seed,
            owner="ada",
            scopes=list(OAUTH_SCOPES),
            expires_at=now + timedelta(hours=2),
        ),
        Token(
            name="bitbucket-app-password",
            kind=TokenKind.APP_PASSWORD,
            seed=seed,
            owner="ada",
            scopes=["pipeline", "pullrequest:write", "account"],
        ),
    )
