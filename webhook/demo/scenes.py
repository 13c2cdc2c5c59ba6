"""What a newcomer wants to see: writes of Secrets, in acts, one for each kind of provider."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.names import ARGOCD_SECRET_TYPE
from webhook.providers.hosts import Kind
from webhook.simulator import World

ARGOCD = {ARGOCD_SECRET_TYPE: "repo-creds"}

_OWN_GITLAB = "https://gitlab.acme.dev/gitlab"


@dataclass(frozen=True, slots=True)
class Scene:
    """One write of a Secret, and why it is worth looking at.

    Attributes:
        settings: what the configuration says from now on, besides where the hosts are.
        outage: the name of a host that is down just now.
    """

    title: str
    name: str
    data: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    outage: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """Scenes that belong together; those of a `kind` are about that one."""

    title: str
    scenes: tuple[Scene, ...]
    kind: Kind | None = None


def acts(world: World) -> list[Act]:
    """All of them, in an order that tells the story."""
    return [_github(world), _gitlab(world), _bitbucket(world), _bitbucket_server(world), _gitea(world), _any(world)]


def _runtime(
    world: World, title: str, url: str, token: str, *, username: str = "git", settings: Mapping[str, Any] | None = None
) -> Scene:
    """Argo CD's credentials for all that is below a URL."""
    data = {"type": "git", "url": url, "username": username, "password": world.token(token).value}
    return Scene(title, "runtime-repo-creds-secret", data, ARGOCD, settings=settings or {})


def _github(world: World) -> Act:
    acme = "https://github.com/acme"
    return Act(
        "GitHub: scopes are told; permissions are proven, by requests that change nothing",
        (
            _runtime(world, "A classic token without admin:repo_hook", acme, "weak-classic"),
            _runtime(world, "The same with both scopes", acme, "good-classic"),
            _runtime(world, "A fine-grained token without webhooks", f"{acme}/apps", "no-hooks-fine-grained"),
            _runtime(
                world,
                "A good classic token that an organisation's SSO keeps out",
                "https://github.com/sso-corp/apps",
                "wide-classic",
            ),
        ),
        Kind("github"),
    )


def _gitlab(world: World) -> Act:
    acme = "https://gitlab.com/acme"
    write = [f"{_OWN_GITLAB}/{path}" for path in ("acme/shared-configuration", "web/settings", "web/site")]
    return Act(
        "GitLab: the token's scopes, whose it is, and what that account may do",
        (
            _runtime(world, "A service account's token, for a whole group", acme, "gitlab-good-runtime"),
            _runtime(world, "A project's token, as a runtime's", f"{acme}/apps", "gitlab-project-bot"),
            _runtime(world, "One that has expired", acme, "gitlab-expired"),
            _runtime(
                world,
                "A good one on a GitLab of one's own, and repositories that a runtime must reach",
                f"{_OWN_GITLAB}/acme",
                "own-gitlab-bare",
                settings={"repositories": {"write": write}},
            ),
        ),
        Kind("gitlab"),
    )


def _bitbucket(world: World) -> Act:
    apps = "https://bitbucket.org/acme/apps"
    return Act(
        "Bitbucket Cloud: two vocabularies of scopes, and a user name for each kind of token",
        (
            _runtime(
                world, "An API token with its e-mail", apps, "bitbucket-good-runtime", username="ada@acme.example"
            ),
            _runtime(world, "A repository access token", apps, "bitbucket-repo-token", username="x-token-auth"),
            _runtime(world, "An app password", apps, "bitbucket-app-password", username="ada"),
        ),
        Kind("bitbucket"),
    )


def _bitbucket_server(world: World) -> Act:
    apps = "https://bitbucket.acme.dev/bitbucket/scm/acme/apps.git"
    return Act(
        "Bitbucket Server: what token and account may do together",
        (
            _runtime(world, "An HTTP access token with all it needs", apps, "server-good-runtime"),
            _runtime(world, "One without PROJECT_ADMIN", apps, "server-no-admin"),
        ),
        Kind("bitbucket-server"),
    )


def _gitea(world: World) -> Act:
    apps = "https://gitea.acme.dev/acme/apps"
    return Act(
        "Gitea: scopes by category",
        (_runtime(world, "A token that may only read repositories", apps, "gitea-weak"),),
        Kind("gitea"),
    )


def _any(world: World) -> Act:
    def token(name: str) -> str:
        return world.token(name).value

    def at_gitlab(name: str) -> str:
        return json.dumps({"token": token(name), "url": "https://gitlab.com"})

    return Act(
        "Whatever the provider",
        (
            Scene(
                "Two users in one Secret, each with a provider of their own; bob's token is weak",
                "git-default-acme",
                {"alice": token("user-classic"), "bob": at_gitlab("gitlab-weak")},
            ),
            Scene(
                "A GitLab token without a URL, where there are two GitLabs: neither gets it",
                "git-default-acme",
                {"bob": token("gitlab-good-user")},
            ),
            Scene(
                "A look-alike host: nothing is sent there",
                "repo-creds-elsewhere",
                {"url": "https://github.com.example.net/acme", "password": token("good-classic")},
                ARGOCD,
            ),
            Scene(
                "An SSH key, of which nothing can be checked",
                "repo-creds-ssh",
                {"url": "git@github.com:acme", "sshPrivateKey": "(a key)"},
                ARGOCD,
            ),
            Scene(
                "GitHub is down, and nobody guesses",
                "git-default-acme",
                {"alice": token("good-oauth")},
                outage="github.com",
            ),
            Scene(
                "The platform's own flag skips the check of users' tokens, visibly",
                "git-default-acme",
                {"bob": at_gitlab("gitlab-weak")},
                settings={"app-proxy": {"config": {"skipGitPermissionValidation": "true"}}},
            ),
        ),
    )
