"""The Bitbucket Server of the example world, ``https://bitbucket.acme.dev/bitbucket``."""

from __future__ import annotations

from datetime import datetime, timedelta

from webhook.simulator.bitbucket_server.model import (
    BitbucketServerHost,
    Project,
    ProjectPermission,
    Repository,
    RepositoryPermission,
    Token,
    TokenKind,
    User,
    Webhook,
)

JANE = "jane.doe_acme.dev"


def bitbucket_acme_dev(now: datetime, seed: str) -> BitbucketServerHost:
    """Jane administers the project ACME, where Hubot may write and a reader may read one repository."""
    host = BitbucketServerHost(name="bitbucket.acme.dev", context_path="/bitbucket")
    host.add(
        User(slug=JANE, id=101, name="jane.doe@acme.dev", display_name="Jane Doe"),
        User(slug="hubot", id=102),
        User(slug="reader", id=103, display_name="Reads one repository"),
        User(slug="mona", id=104, display_name="Mona, who has no licence", global_permission=None),
        Project(key="ACME", id=1, name="Acme Platform", permissions={JANE: "PROJECT_ADMIN", "hubot": "PROJECT_WRITE"}),
        Project(key="OPS", id=2, name="Operations", permissions={JANE: "PROJECT_READ"}),
        Project(key=f"~{JANE}", id=3, name="Jane Doe"),
        Repository(
            project="ACME",
            slug="apps",
            id=11,
            permissions={"reader": "REPO_READ"},
            webhooks=[Webhook(id=501, name="builds", url="https://ci.example.com/hooks/acme")],
        ),
        Repository(project="ACME", slug="shared-configuration", id=12, name="Shared Configuration"),
        Repository(project="ACME", slug="website", id=13, public=True),
        Repository(project="ACME", slug="attic", id=14, archived=True),
        Repository(project="ACME", slug="empty", id=15, empty=True),
        Repository(project="OPS", slug="runbooks", id=21),
        Repository(project=f"~{JANE}", slug="diary", id=31),
    )
    _tokens(host, now, seed)
    return host


def _tokens(host: BitbucketServerHost, now: datetime, seed: str) -> None:
    def token(
        name: str,
        *permissions: ProjectPermission | RepositoryPermission,
        owner: str = JANE,
        kind: TokenKind = TokenKind.USER,
        expires: timedelta | None = None,
    ) -> Token:
        expires_at = None if expires is None else now + expires
        created = now - timedelta(days=30)
        return Token(
            name=name,
            kind=kind,
            seed=seed,
            owner=owner,
            permissions=list(permissions),
            created_at=created,
            expires_at=expires_at,
        )

    plain = token("server-plain", "PROJECT_ADMIN", "REPO_ADMIN")
    plain.style = "plain"
    revoked = token("server-revoked", "PROJECT_ADMIN", "REPO_ADMIN")
    revoked.revoked = True
    host.add(
        token("server-good-runtime", "PROJECT_ADMIN", "REPO_ADMIN"),
        token("server-good-user", "PROJECT_READ", "REPO_WRITE", expires=timedelta(days=90)),
        token("server-read-only", "PROJECT_READ", "REPO_READ"),
        token("server-no-admin", "PROJECT_WRITE", "REPO_WRITE"),
        token("server-repo-admin", "PROJECT_READ", "REPO_ADMIN"),
        token("server-weak-owner", "PROJECT_ADMIN", "REPO_ADMIN", owner="hubot"),
        token("server-reader", "PROJECT_ADMIN", "REPO_ADMIN", owner="reader"),
        token("server-unlicensed", "PROJECT_ADMIN", "REPO_ADMIN", owner="mona"),
        token("server-project-token", "PROJECT_ADMIN", "REPO_ADMIN", owner="ACME", kind=TokenKind.PROJECT),
        token("server-repo-token", "REPO_ADMIN", owner="ACME/apps", kind=TokenKind.REPOSITORY),
        token("server-expired", "PROJECT_ADMIN", "REPO_ADMIN", expires=-timedelta(hours=1)),
        plain,
        revoked,
    )
