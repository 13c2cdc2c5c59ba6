"""A ready-made world with one of everything: for the demonstration, for tests and for Tilt.

Nothing in here is a secret: token values and keys are made when the world is.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from webhook.simulator.bitbucket.scenes import bitbucket_org
from webhook.simulator.bitbucket_server.scenes import bitbucket_acme_dev
from webhook.simulator.gitea.scenes import gitea_acme_dev
from webhook.simulator.github import (
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
from webhook.simulator.gitlab.scenes import gitlab_acme_dev, gitlab_com
from webhook.simulator.world import World

RUNTIME_PERMISSIONS: Permissions = {
    "administration": "write",
    "contents": "write",
    "metadata": "read",
    "repository_hooks": "write",
}
"""What a runtime token needs of a fine-grained token or an App (Webhooks is called ``repository_hooks`` by the API)."""

USER_PERMISSIONS: Permissions = {"contents": "write", "metadata": "read"}


def _without(permission: str) -> Permissions:
    return {name: level for name, level in RUNTIME_PERMISSIONS.items() if name != permission}


def example_world(now: datetime, seed: str = "example") -> World:
    """github.com, the Enterprise Server ``git.acme.dev``, the tenant ``acme.ghe.com``, and one of each other kind."""
    return World.of(
        github_com(now, seed),
        enterprise_server(now, seed),
        tenant(now, seed),
        gitlab_com(now, seed),
        gitlab_acme_dev(now, seed),
        bitbucket_org(now, seed),
        bitbucket_acme_dev(now, seed),
        gitea_acme_dev(seed),
    )


def github_com(now: datetime, seed: str) -> GitHubHost:
    """github.com: octocat's and acme's things, and organisations whose policies refuse good tokens."""
    host = GitHubHost(name="github.com")
    _accounts(host)
    _repositories(host)
    _classic_tokens(host, now, seed)
    _fine_grained_tokens(host, now, seed)
    _apps(host, now, seed)
    return host


def _accounts(host: GitHubHost) -> None:
    host.add(
        Account(login="octocat", id=583231, name="The Octocat"),
        Account(login="hubot", id=480938, name="Hubot"),
        Account(login="mona", id=1024025, name="Mona, who was suspended", suspended=True),
        Account(login="reader", id=2180001, name="Reads acme, no more"),
        Account(login="acme", id=9001, type="Organization", members={"octocat": "admin", "hubot": "member"}),
        Account(login="sso-corp", id=9002, type="Organization", members={"octocat": "admin"}, saml=True),
        Account(login="strict-corp", id=9003, type="Organization", members={"octocat": "admin"}, forbids_classic=True),
        Account(
            login="short-lived-corp",
            id=9004,
            type="Organization",
            members={"octocat": "admin"},
            fine_grained_max_days=366,
        ),
        Account(
            login="walled-corp",
            id=9005,
            type="Organization",
            members={"octocat": "admin"},
            ip_allow_list=["192.0.2.0/24"],
        ),
    )


def _repositories(host: GitHubHost) -> None:
    acme = {"octocat": Role.ADMIN, "hubot": Role.WRITE, "reader": Role.READ}
    host.add(
        Repository(
            owner="acme",
            name="apps",
            id=101,
            roles=acme,
            hooks=[Hook(id=501, url="https://ci.example.com/hooks/acme")],
            keys=[DeployKey(id=601, title="builds", key="ssh-ed25519 AAAA")],
        ),
        Repository(owner="acme", name="shared-configuration", id=102, roles=acme),
        Repository(owner="acme", name="website", id=103, private=False, roles=acme),
        Repository(owner="acme", name="attic", id=104, archived=True, roles=acme),
        Repository(owner="acme", name="empty", id=105, empty=True, roles=acme),
        Repository(owner="octocat", name="hello-world", id=111, private=False),
        Repository(owner="octocat", name="diary", id=112),
        *(
            Repository(owner=owner, name="apps", id=121 + index, roles={"octocat": Role.ADMIN})
            for index, owner in enumerate(("sso-corp", "strict-corp", "short-lived-corp", "walled-corp"))
        ),
    )


def _classic_tokens(host: GitHubHost, now: datetime, seed: str) -> None:
    runtime = ["repo", "admin:repo_hook"]

    def classic(name: str, *scopes: str, owner: str = "octocat", expires: timedelta | None = None) -> Token:
        expires_at = None if expires is None else now + expires
        created = now - timedelta(days=30)
        return Token(name=name, seed=seed, owner=owner, scopes=list(scopes), created_at=created, expires_at=expires_at)

    legacy = classic("legacy-classic", *runtime)
    legacy.style = "legacy"
    revoked = classic("revoked", *runtime)
    revoked.revoked = True
    otp = classic("otp", *runtime)
    otp.requires_otp = True
    authorized = classic("sso-authorized", *runtime)
    authorized.sso_authorized = ["sso-corp"]
    host.add(
        classic("good-classic", *runtime),
        classic("weak-classic", "repo", "read:org"),
        classic("hooks-only-classic", "admin:repo_hook"),
        classic("public-only-classic", "public_repo", "admin:repo_hook"),
        classic("wide-classic", "repo", "admin:repo_hook", "admin:org", "workflow", "user"),
        classic("user-classic", "repo", expires=timedelta(days=90)),
        classic("no-scope-classic"),
        classic("reader-classic", *runtime, owner="reader"),
        classic("writer-classic", *runtime, owner="hubot"),
        classic("suspended-user", *runtime, owner="mona"),
        classic("expired", *runtime, expires=-timedelta(hours=1)),
        classic("expiring", *runtime, expires=timedelta(days=5)),
        legacy,
        revoked,
        otp,
        authorized,
        Token(name="good-oauth", kind=TokenKind.OAUTH, seed=seed, owner="octocat", scopes=runtime),
        Token(name="refresh", kind=TokenKind.REFRESH, seed=seed, owner="octocat"),
    )


def _fine_grained_tokens(host: GitHubHost, now: datetime, seed: str) -> None:
    def fine_grained(name: str, permissions: Permissions, owner: str = "acme", days: int | None = 90) -> Token:
        return Token(
            name=name,
            kind=TokenKind.FINE_GRAINED,
            seed=seed,
            owner="octocat",
            resource_owner=owner,
            permissions=dict(permissions),
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )

    selected = fine_grained("selected-fine-grained", RUNTIME_PERMISSIONS)
    selected.repository_selection, selected.repositories = "selected", ["acme/apps"]
    pending = fine_grained("pending-fine-grained", RUNTIME_PERMISSIONS)
    pending.approval = "pending"
    public = fine_grained("public-fine-grained", {})
    public.repository_selection = "public"
    local_time = fine_grained("local-time-fine-grained", RUNTIME_PERMISSIONS)
    local_time.expiry_zone = "+0100"
    reader = fine_grained("reader-fine-grained", RUNTIME_PERMISSIONS)
    reader.owner = "reader"
    writer = fine_grained("writer-fine-grained", RUNTIME_PERMISSIONS)
    writer.owner = "hubot"
    expired = fine_grained("expired-fine-grained", RUNTIME_PERMISSIONS)
    expired.created_at, expired.expires_at = now - timedelta(days=91), now - timedelta(days=1)
    host.add(
        fine_grained("good-fine-grained", RUNTIME_PERMISSIONS),
        fine_grained("user-fine-grained", USER_PERMISSIONS),
        fine_grained("weak-fine-grained", {"contents": "read", "metadata": "read"}),
        fine_grained("read-only-fine-grained", {name: "read" for name in RUNTIME_PERMISSIONS}),
        fine_grained("no-hooks-fine-grained", _without("repository_hooks")),
        fine_grained("no-admin-fine-grained", _without("administration")),
        fine_grained("unlimited-fine-grained", RUNTIME_PERMISSIONS, owner="short-lived-corp", days=None),
        fine_grained("walled-fine-grained", RUNTIME_PERMISSIONS, owner="walled-corp"),
        fine_grained("own-fine-grained", RUNTIME_PERMISSIONS, owner="octocat"),
        fine_grained("expiring-fine-grained", RUNTIME_PERMISSIONS, days=5),
        selected,
        pending,
        public,
        local_time,
        reader,
        writer,
        expired,
    )


def _apps(host: GitHubHost, now: datetime, seed: str) -> None:
    """Four Apps, since an App is installed once on an account: good, suspended, without Webhooks, on one repository."""

    def app(number: int, slug: str, permissions: Permissions, **installed: object) -> None:
        host.add(
            App(id=number, client_id=f"Iv23li{number}", slug=slug, owner="acme", permissions=dict(permissions)),
            Installation.model_validate(
                {"id": number + 1000, "app_id": number, "account": "acme", "permissions": permissions, **installed}
            ),
        )

    selected = ["acme/apps"]
    app(2001, "good-app", RUNTIME_PERMISSIONS)
    app(2002, "suspended-app", RUNTIME_PERMISSIONS, suspended_at=now - timedelta(days=1), suspended_by="octocat")
    app(2003, "no-hooks-app", _without("repository_hooks"))
    app(2004, "selected-app", RUNTIME_PERMISSIONS, repository_selection="selected", repositories=selected)
    host.add(
        App(id=2005, client_id="Iv23li2005", slug="uninstalled-app", owner="acme", permissions=RUNTIME_PERMISSIONS)
    )

    def installation_token(name: str, number: int, style: str = "modern") -> Token:
        return Token.model_validate(
            {
                "name": name,
                "kind": TokenKind.INSTALLATION,
                "style": style,
                "seed": seed,
                "permissions": dict(host.installations[number].permissions),
                "repository_selection": host.installations[number].repository_selection,
                "repositories": list(host.installations[number].repositories),
                "app_id": number - 1000,
                "installation_id": number,
                "created_at": now,
                "expires_at": now + timedelta(hours=1),
            }
        )

    host.add(
        installation_token("good-installation", 3001),
        installation_token("long-installation", 3001, "stateless"),
        installation_token("suspended-installation", 3002),
        installation_token("no-hooks-installation", 3003),
        installation_token("selected-installation", 3004),
        Token(
            name="good-app-user",
            kind=TokenKind.APP_USER,
            seed=seed,
            owner="octocat",
            app_id=2001,
            created_at=now,
            expires_at=now + timedelta(hours=8),
        ),
        Token(name="weak-app-user", kind=TokenKind.APP_USER, seed=seed, owner="octocat", app_id=2003),
    )


def enterprise_server(now: datetime, seed: str) -> GitHubHost:
    """git.acme.dev: an Enterprise Server with its API at ``/api/v3``, no rate limits, no stateless tokens."""
    host = GitHubHost(name="git.acme.dev", variant="server")
    _small_company(host)
    fine_grained = Token(
        name="ghes-good-fine-grained",
        kind=TokenKind.FINE_GRAINED,
        seed=seed,
        owner="octocat",
        resource_owner="platform",
        permissions=dict(RUNTIME_PERMISSIONS),
        created_at=now,
        expires_at=now + timedelta(days=90),
    )
    host.add(
        Token(name="ghes-good-classic", seed=seed, owner="octocat", scopes=["repo", "admin:repo_hook"]),
        Token(name="ghes-weak-classic", seed=seed, owner="octocat", scopes=["repo"]),
        Token(name="ghes-expired", seed=seed, owner="octocat", scopes=["repo"], expires_at=now - timedelta(days=1)),
        fine_grained,
        App(id=31, client_id="Iv1.ghes31", slug="ghes-app", owner="platform", permissions=RUNTIME_PERMISSIONS),
        Installation(id=41, app_id=31, account="platform", permissions=dict(RUNTIME_PERMISSIONS)),
    )
    return host


def tenant(now: datetime, seed: str) -> GitHubHost:
    """acme.ghe.com: GitHub Enterprise Cloud with data residency, its API at ``https://api.acme.ghe.com``."""
    host = GitHubHost(name="acme.ghe.com", variant="ghe.com")
    _small_company(host)
    host.add(
        Token(name="ghe-good-classic", seed=seed, owner="octocat", scopes=["repo", "admin:repo_hook"], created_at=now),
        Token(name="ghe-weak-classic", seed=seed, owner="octocat", scopes=["repo"], created_at=now),
    )
    return host


def _small_company(host: GitHubHost) -> None:
    host.add(
        Account(login="octocat", id=2, name="The Octocat"),
        Account(login="platform", id=3, type="Organization", members={"octocat": "admin"}),
        Repository(owner="platform", name="apps", id=11, roles={"octocat": Role.ADMIN}),
        Repository(owner="platform", name="shared-configuration", id=12, roles={"octocat": Role.ADMIN}),
    )
