"""Each provider's good and weak tokens in both roles, as kubectl writes them; and repositories that must be reached."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.api_server.webhook_process import (
    Installation,
    Installer,
    Place,
    Simulation,
    accepted,
    refused,
    runtime_secret,
    user_secret,
)
from webhook.providers import PROVIDERS

RUNTIME = "runtime-repo-creds-secret"
USER = "git-default-octocat"
OWN_GITLAB = "https://gitlab.acme.dev/gitlab"


@dataclass(frozen=True)
class Case:
    """A provider's tokens, by their names in the ready-made world, and what is said of the weak ones."""

    kind: str
    url: str
    username: str
    runtime: tuple[str, str]
    user: tuple[str, str]
    told: tuple[str, str]


CASES = [
    Case(
        "github",
        "https://github.com/acme/apps",
        "git",
        ("good-fine-grained", "no-hooks-fine-grained"),
        ("user-classic", "hooks-only-classic"),
        ("a runtime token also needs Webhooks: write", "a user token also needs repo"),
    ),
    Case(
        "gitlab",
        "https://gitlab.com/acme/apps",
        "git",
        ("gitlab-good-runtime", "gitlab-project-bot"),
        ("gitlab-good-user", "gitlab-weak"),
        ("says that this is a project access token", "a user token also needs write_repository"),
    ),
    Case(
        "bitbucket",
        "https://bitbucket.org/acme/apps",
        "ada@acme.example",
        ("bitbucket-good-runtime", "bitbucket-no-webhooks"),
        ("bitbucket-repo-token", "bitbucket-weak-repo-token"),
        ("also needs read:webhook:bitbucket and write:webhook:bitbucket", "also needs webhook, repository:write"),
    ),
    Case(
        "bitbucket-server",
        "https://bitbucket.acme.dev/bitbucket/scm/acme/apps.git",
        "git",
        ("server-good-runtime", "server-no-admin"),
        ("server-good-user", "server-read-only"),
        ("a runtime token also needs PROJECT_ADMIN", "a user token also needs REPO_WRITE"),
    ),
    Case(
        "gitea",
        "https://gitea.acme.dev/acme/apps",
        "git",
        ("gitea-good-runtime", "gitea-weak"),
        ("gitea-good-user", "gitea-public-only"),
        ("a runtime token also needs write:repository", "public"),
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.kind)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="session")
def demanding(installer: Installer) -> Iterator[Installation]:
    """One whose runtime tokens of a GitLab must write to one repository of another group and read a second one."""
    needed = {"write": [f"{OWN_GITLAB}/acme/shared-configuration", f"{OWN_GITLAB}/web/settings"]}
    with installer.installed({"repositories": {**needed, "read": [f"{OWN_GITLAB}/web/site"]}}) as installation:
        yield installation


def test_there_is_a_case_for_each_provider() -> None:
    """Whoever adds one proves it here as well."""
    assert {case.kind for case in CASES} == PROVIDERS.keys()


def test_a_runtime_token_is_judged_by_its_provider(place: Place, github: Simulation, case: Case) -> None:
    """The weak one is refused with what it lacks, the good one stored with who said so."""
    good, weak = map(github.known_token, case.runtime)
    message = refused(place.create(runtime_secret(weak, url=case.url, username=case.username)))
    assert f'The Secret "{RUNTIME}" is invalid: data.password: ' in message
    assert case.told[0] in message
    accepted(place.create(runtime_secret(good, url=case.url, username=case.username)))
    marks = place.marks(RUNTIME)
    assert (marks["provider"], marks["role"], marks["validation"]) == (case.kind, "runtime", "passed")


def test_a_users_token_is_judged_by_its_provider(place: Place, github: Simulation, case: Case) -> None:
    """The same for one person's token, of which less is asked."""
    good, weak = map(github.known_token, case.user)
    message = refused(place.create(user_secret(weak, url=case.url, username=case.username)))
    assert case.told[1] in message
    accepted(place.create(user_secret(good, url=case.url, username=case.username)))
    marks = place.marks(USER)
    assert (marks["provider"], marks["role"], marks["validation"]) == (case.kind, "user", "passed")


def test_a_runtime_token_must_reach_the_configured_repositories(demanding: Installation, github: Simulation) -> None:
    """The denial names the repository that is out of reach, and not those that aren't; who reaches all is let in."""
    place = demanding.new_namespace()
    url = f"{OWN_GITLAB}/acme"
    message = refused(place.create(runtime_secret(github.known_token("own-gitlab-bare"), url=url)))
    assert "gitlab.acme.dev says that alice cannot push to web/settings, which is required." in message
    assert "web/site" not in message
    assert "shared-configuration" not in message
    accepted(place.create(runtime_secret(github.known_token("own-gitlab-good-runtime"), url=url)))
    assert place.marks(RUNTIME)["validation"] == "passed"
