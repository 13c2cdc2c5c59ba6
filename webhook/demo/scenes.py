"""The scenes of the demo: writes of Secrets, grouped by kind of provider."""

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
    """One write of a Secret.

    Attributes:
        settings: what is added to the configuration from this scene on.
        outage: the name of a host that is down during this scene.
    """

    title: str
    name: str
    data: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    outage: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """A group of scenes, for one kind of provider if `kind` is set."""

    title: str
    scenes: tuple[Scene, ...]
    kind: Kind | None = None


def acts(world: World) -> list[Act]:
    """Return all acts in the order in which they are played."""
    return [_github(world), _gitlab(world), _bitbucket(world), _bitbucket_server(world), _gitea(world), _any(world)]


def _runtime(
    world: World, title: str, url: str, token: str, *, username: str = "git", settings: Mapping[str, Any] | None = None
) -> Scene:
    """Return a write of Argo CD's credentials for everything below a URL."""
    data = {"type": "git", "url": url, "username": username, "password": world.token(token).value}
    return Scene(title, "runtime-repo-creds-secret", data, ARGOCD, settings=settings or {})


def _github(world: World) -> Act:
    acme = "https://github.com/acme"
    return Act(
        "GitHub: listed scopes, and permissions that harmless requests prove",
        (
            _runtime(world, "A classic token without admin:repo_hook", acme, "weak-classic"),
            _runtime(world, "A classic token with both scopes", acme, "good-classic"),
            _runtime(world, "A fine-grained token without Webhooks: write", f"{acme}/apps", "no-hooks-fine-grained"),
            _runtime(
                world,
                "A classic token that is not authorized for the organization's SSO",
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
        "GitLab: the scopes of the token, and the role of its user",
        (
            _runtime(world, "A token of a service account, for a whole group", acme, "gitlab-good-runtime"),
            _runtime(world, "A project access token as a runtime token", f"{acme}/apps", "gitlab-project-bot"),
            _runtime(world, "An expired token", acme, "gitlab-expired"),
            _runtime(
                world,
                "A token of a self-managed GitLab that cannot reach all required repositories",
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
        "Bitbucket Cloud: two sets of scopes, and a username for each kind of token",
        (
            _runtime(
                world,
                "An API token with an email address as username",
                apps,
                "bitbucket-good-runtime",
                username="ada@acme.example",
            ),
            _runtime(world, "A repository access token", apps, "bitbucket-repo-token", username="x-token-auth"),
            _runtime(world, "An app password", apps, "bitbucket-app-password", username="ada"),
        ),
        Kind("bitbucket"),
    )


def _bitbucket_server(world: World) -> Act:
    apps = "https://bitbucket.acme.dev/bitbucket/scm/acme/apps.git"
    return Act(
        "Bitbucket Server: permissions of the token and of its user",
        (
            _runtime(world, "An HTTP access token with all required permissions", apps, "server-good-runtime"),
            _runtime(world, "An HTTP access token without PROJECT_ADMIN", apps, "server-no-admin"),
        ),
        Kind("bitbucket-server"),
    )


def _gitea(world: World) -> Act:
    apps = "https://gitea.acme.dev/acme/apps"
    return Act(
        "Gitea: scopes by category",
        (_runtime(world, "A token that can only read repositories", apps, "gitea-weak"),),
        Kind("gitea"),
    )


def _any(world: World) -> Act:
    def token(name: str) -> str:
        return world.token(name).value

    def at_gitlab(name: str) -> str:
        return json.dumps({"token": token(name), "url": "https://gitlab.com"})

    return Act(
        "All providers",
        (
            Scene(
                "Two users with different providers in one Secret; bob's token lacks a scope",
                "git-default-acme",
                {"alice": token("user-classic"), "bob": at_gitlab("gitlab-weak")},
            ),
            Scene(
                "A GitLab token without a URL, where two GitLab hosts are declared: sent to neither",
                "git-default-acme",
                {"bob": token("gitlab-good-user")},
            ),
            Scene(
                "A host that looks like github.com: nothing is sent",
                "repo-creds-elsewhere",
                {"url": "https://github.com.example.net/acme", "password": token("good-classic")},
                ARGOCD,
            ),
            Scene(
                "An SSH key: there is nothing to check",
                "repo-creds-ssh",
                {"url": "git@github.com:acme", "sshPrivateKey": "(a key)"},
                ARGOCD,
            ),
            Scene(
                "GitHub is down: the token is unverified",
                "git-default-acme",
                {"alice": token("good-oauth")},
                outage="github.com",
            ),
            Scene(
                "A flag of the platform skips the validation of user tokens",
                "git-default-acme",
                {"bob": at_gitlab("gitlab-weak")},
                settings={"app-proxy": {"config": {"skipGitPermissionValidation": "true"}}},
            ),
        ),
    )
