"""The Gitea of the example world, ``https://gitea.acme.dev``."""

from __future__ import annotations

from webhook.simulator.gitea.model import GiteaHost, Hook, Organization, Repository, Role, Token, User


def gitea_acme_dev(seed: str) -> GiteaHost:
    """Octocat owns the organisation acme, in whose first repository Hubot may write and a reader may read."""
    host = GiteaHost(name="gitea.acme.dev")
    host.add(
        User(login="octocat", id=1, full_name="The Octocat"),
        User(login="hubot", id=2),
        User(login="reader", id=3),
        User(login="root", id=4, admin=True),
        User(login="mona", id=5, prohibited=True),
        Organization(name="acme", id=11, owners=["octocat"]),
        Repository(
            owner="acme",
            name="apps",
            id=101,
            collaborators={"hubot": Role.WRITE, "reader": Role.READ},
            hooks=[Hook(id=501, url="https://ci.example.com/hooks/acme")],
        ),
        Repository(owner="acme", name="shared-configuration", id=102),
        Repository(owner="acme", name="website", id=103, private=False),
        Repository(owner="acme", name="attic", id=104, archived=True),
        Repository(owner="octocat", name="diary", id=111, empty=True),
    )

    def token(name: str, *scopes: str, owner: str = "octocat", revoked: bool = False) -> Token:
        return Token.model_validate(
            {"name": name, "owner": owner, "seed": seed, "scopes": list(scopes), "revoked": revoked}
        )

    host.add(
        token("gitea-good-runtime", "write:repository", "write:user", "read:organization"),
        token("gitea-good-user", "write:repository", "read:user"),
        token("gitea-weak", "read:repository"),
        token("gitea-public-only", "public-only", "write:repository", "read:user", "read:issue"),
        token("gitea-all", "all"),
        token("gitea-none"),
        token("gitea-writer", "all", owner="hubot"),
        token("gitea-reader", "all", owner="reader"),
        token("gitea-root", "all", owner="root"),
        token("gitea-prohibited", "all", owner="mona"),
        token("gitea-revoked", "all", revoked=True),
    )
    return host
