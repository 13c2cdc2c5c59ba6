"""GitLab in the ready-made world: gitlab.com, and one of a company's own below a path."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

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

PROJECT_BOT = "project_8001_bot_5d41402abc4b2a76b9719d911017c592"
GROUP_BOT = "group_7001_bot_7d793037a0760186574b0282f2f435e7"
SERVICE_ACCOUNT = "service_account_group_7001_9f86d081884c7d65"


def gitlab_com(now: datetime, seed: str) -> GitLabHost:
    """gitlab.com: the group acme, whose tokens are of every kind and in every state."""
    host = GitLabHost()
    _people(host)
    _places(host)
    _tokens(host, now, seed)
    _fine_grained_tokens(host, now, seed)
    return host


def _people(host: GitLabHost) -> None:
    host.add(
        Account(username="alice", id=6001, name="Alice, who maintains acme"),
        Account(username="bob", id=6002, name="Bob, who reports bugs"),
        Account(username="carol", id=6003, name="Carol, who was blocked", state="blocked"),
        Account(username="dave", id=6004, name="Dave, who works elsewhere"),
        Account(username=PROJECT_BOT, id=6101, name="apps", type=AccountType.PROJECT_BOT),
        Account(username=GROUP_BOT, id=6102, name="platform", type=AccountType.GROUP_BOT),
        Account(username=SERVICE_ACCOUNT, id=6103, name="Argo CD", type=AccountType.SERVICE_ACCOUNT),
    )


def _places(host: GitLabHost) -> None:
    staff = {
        "alice": Level.MAINTAINER,
        "bob": Level.REPORTER,
        "carol": Level.MAINTAINER,
        GROUP_BOT: Level.MAINTAINER,
        SERVICE_ACCOUNT: Level.MAINTAINER,
    }
    hook = Hook(id=5001, url="https://ci.example.com/hooks/acme")
    host.add(
        Group(path="acme", id=7001, members=staff),
        Group(path="acme/platform", id=7002, members={"bob": Level.DEVELOPER}),
        Group(path="strict-corp", id=7003, members={"alice": Level.OWNER}, enforces_fine_grained=True),
        Group(path="elsewhere", id=7004, members={"dave": Level.OWNER}),
        Project(path="acme/apps", id=8001, hooks=[hook], members={PROJECT_BOT: Level.MAINTAINER}),
        Project(path="acme/shared-configuration", id=8002),
        Project(path="acme/platform/charts", id=8003),
        Project(path="acme/website", id=8004, visibility="public"),
        Project(path="acme/attic", id=8005, archived=True),
        Project(path="acme/empty", id=8006, empty=True),
        Project(path="strict-corp/apps", id=8007),
        Project(path="elsewhere/apps", id=8008),
        Project(path="alice/notes", id=8009),
    )


def _tokens(host: GitLabHost, now: datetime, seed: str) -> None:
    def token(name: str, *scopes: str, owner: str = "alice", days: int = 90, **more: Any) -> Token:
        given = {"name": f"gitlab-{name}", "seed": seed, "owner": owner, "scopes": list(scopes), "created_at": now}
        return Token.model_validate({"expires_at": (now + timedelta(days=days)).date(), **given, **more})

    host.add(
        token("good-runtime", "api", owner=SERVICE_ACCOUNT, kind=TokenKind.SERVICE_ACCOUNT, expires_at=None),
        token("group-runtime", "api", owner=GROUP_BOT, kind=TokenKind.GROUP),
        token("person-runtime", "api"),
        token("good-user", "write_repository", "read_api"),
        token("wide", "api", "read_user", "write_repository", "sudo"),
        token("weak", "read_api"),
        token("write-only", "write_repository"),
        token("read-repository", "read_repository"),
        token("read-user", "read_user"),
        token("self-rotating", "api", "self_rotate"),
        token("expired", "api", days=-1),
        token("expiring-soon", "api", days=5),
        token("revoked", "api", revoked=True),
        token("blocked-user", "api", owner="carol"),
        token("reporter", "api", owner="bob"),
        token("outsider", "api", owner="dave"),
        token("legacy-form", "api", style="legacy"),
        token("impersonation", "api", kind=TokenKind.IMPERSONATION),
        token("needs-proof", "api", requires_dpop=True),
        token("project-bot", "api", owner=PROJECT_BOT, kind=TokenKind.PROJECT),
        token("oauth", "api", kind=TokenKind.OAUTH, expires_at=None, expires_in=7200),
        token("oauth-weak", "read_api", kind=TokenKind.OAUTH, expires_at=None),
        token("oauth-expired", "api", kind=TokenKind.OAUTH, expires_at=None, expires_in=0),
        token(
            "deploy",
            "read_repository",
            owner="gitlab+deploy-token-9001",
            kind=TokenKind.DEPLOY,
            project="acme/apps",
        ),
        token("ci-job", kind=TokenKind.CI_JOB, project="acme/apps"),
        token("feed", kind=TokenKind.FEED),
        token("runner", kind=TokenKind.RUNNER),
    )


def _fine_grained_tokens(host: GitLabHost, now: datetime, seed: str) -> None:
    """One that may tell of itself, one that may not, and one for a single project."""
    about_itself = GranularScope(access="user", permissions=["read_personal_access_token", "read_user"])
    code = ["read_project", "download_code", "push_code", "read_webhook", "create_webhook"]

    def token(name: str, *scopes: GranularScope) -> Token:
        return Token(
            name=f"gitlab-{name}",
            kind=TokenKind.FINE_GRAINED,
            seed=seed,
            owner="alice",
            granular_scopes=list(scopes),
            created_at=now,
            expires_at=(now + timedelta(days=90)).date(),
        )

    everywhere = GranularScope(access="all_memberships", permissions=code)
    in_acme = GranularScope(access="selected_memberships", permissions=code, group_id=7001)
    in_apps = GranularScope(
        access="selected_memberships", permissions=["read_project", "download_code"], project_id=8001
    )
    host.add(
        token("fine-grained", about_itself, everywhere),
        token("fine-grained-acme", about_itself, in_acme),
        token("fine-grained-weak", about_itself, in_apps),
        token("fine-grained-silent", everywhere),
    )


def gitlab_acme_dev(now: datetime, seed: str) -> GitLabHost:
    """gitlab.acme.dev: a company's own, at ``/gitlab`` of its host, with a token prefix of its own."""
    host = GitLabHost(name="gitlab.acme.dev", version="17.11.4-ee", path_prefix="/gitlab")
    bot = "group_2_bot_0cc175b9c0f1b6a831c399e269772661"
    soon = (now + timedelta(days=90)).date()
    made: dict[str, Any] = {"seed": seed, "created_at": now, "expires_at": soon}
    host.add(
        Account(username="alice", id=1, name="Alice"),
        Account(username=bot, id=2, name="platform", type=AccountType.GROUP_BOT),
        Group(path="acme", id=2, members={"alice": Level.OWNER, bot: Level.MAINTAINER}),
        Group(path="web", id=5, members={"alice": Level.REPORTER, bot: Level.DEVELOPER}),
        Project(path="acme/apps", id=3),
        Project(path="acme/shared-configuration", id=4),
        Project(path="web/site", id=6),
        Project(path="web/settings", id=7),
        Token(name="own-gitlab-good-runtime", kind=TokenKind.GROUP, owner=bot, scopes=["api"], prefix="acme-", **made),
        Token(name="own-gitlab-good-user", owner="alice", scopes=["read_api", "write_repository"], **made),
        Token(name="own-gitlab-bare", owner="alice", scopes=["api"], prefix="", style="legacy", **made),
        Token(name="own-gitlab-weak", owner="alice", scopes=["read_api"], **made),
        Token(name="own-gitlab-expired", owner="alice", scopes=["api"], seed=seed, expires_at=now.date()),
    )
    return host
