"""Repositories that were renamed or transferred: GitHub redirects requests for the old name, as Git is redirected."""

from __future__ import annotations

import pytest

from tests.providers.github.conftest import RUNTIME, USER, Desk
from tests.providers.github.test_app import own_credentials
from webhook.providers.findings import Finding, Outcome
from webhook.providers.requirements import Requirement, Role
from webhook.simulator.faults import Redirect
from webhook.simulator.github import Installation

OLD, NEW = "acme/old-name", "acme/apps"
TOKENS = ["good-classic", "good-oauth", "good-fine-grained", "good-app-user", "good-installation"]


def rename(desk: Desk, old: str = OLD, new: str = NEW) -> None:
    desk.world.repositories[new].former_names.append(old)


def moves(warnings: tuple[str, ...]) -> list[str]:
    return [warning for warning in warnings if "renamed or moved" in warning]


@pytest.mark.parametrize("needs", [RUNTIME, USER], ids=["runtime", "user"])
@pytest.mark.parametrize("name", TOKENS)
async def test_every_probe_follows(desk: Desk, name: str, needs: Requirement) -> None:
    """A good token is good under the old name, and the warning says the new one."""
    rename(desk)
    answer = await desk.inspect(name, OLD, needs=needs)
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    (warning,) = moves(answer.facts.warnings)
    assert f"{OLD} was renamed or moved to {NEW}" in warning


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("weak-classic", ("admin:repo_hook",)),
        ("no-hooks-fine-grained", ("Webhooks: write",)),
        ("no-hooks-installation", ("Webhooks: write",)),
    ],
)
async def test_a_redirect_hides_no_lack(desk: Desk, name: str, lacks: tuple[str, ...]) -> None:
    """Permissions are proven on the repository behind it."""
    rename(desk)
    finding = await desk.find(name, OLD)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, lacks)


@pytest.mark.parametrize("name", ["reader-classic", "reader-fine-grained", "writer-classic"])
async def test_a_redirect_hides_no_low_role(desk: Desk, name: str) -> None:
    """The link goes to the new name's settings, since nobody can change access under the old one."""
    rename(desk)
    answer = await desk.inspect(name, OLD)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT
    assert f"not an administrator of {NEW}" in answer.findings[Role.RUNTIME].reason
    assert answer.remedy.endswith(f"https://github.com/{NEW}/settings/access")


@pytest.mark.parametrize(
    ("host", "token"), [("git.acme.dev", "ghes-good-classic"), ("acme.ghe.com", "ghe-good-classic")]
)
async def test_other_githubs_redirect_alike(desk: Desk, host: str, token: str) -> None:
    """Enterprise Server has its API below a path, and redirects within it."""
    desk.name = host
    rename(desk, "platform/tools", "platform/apps")
    answer = await desk.inspect(token, "platform/tools")
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    assert len(moves(answer.facts.warnings)) == 1


@pytest.mark.parametrize("kind", [*TOKENS, "good-app"])
@pytest.mark.parametrize("access", ["reads", "writes"])
async def test_a_configured_repository_may_have_its_old_name(desk: Desk, kind: str, access: str) -> None:
    """One renamed entry of `repositories:` doesn't deny every runtime token of the host."""
    rename(desk, OLD, "acme/shared-configuration")
    wanted = (OLD,)
    answer = await desk.inspect(
        kind, NEW, reads=wanted if access == "reads" else (), writes=wanted if access == "writes" else ()
    )
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    assert len(moves(answer.facts.warnings)) == 1


async def test_a_configured_repository_without_push_is_a_lack_under_its_old_name(desk: Desk) -> None:
    """What is behind the redirect counts."""
    rename(desk, OLD, "acme/shared-configuration")
    needs = Requirement(scopes=("read:org",))
    desk.world.tokens["reader-classic"].scopes = ["repo", "read:org"]
    finding = (await desk.inspect("reader-classic", "", needs=needs, writes=(OLD,))).findings[Role.RUNTIME]
    assert finding == Finding(Outcome.INSUFFICIENT, reason=f"says that reader cannot push to {OLD}")


@pytest.mark.parametrize("installation", ["3001", None])
async def test_an_app_is_good_under_the_old_name(desk: Desk, installation: str | None) -> None:
    """Its own key can't read the new name, so that the warning only says that there is one."""
    rename(desk)
    answer = await desk.inspect(own_credentials(desk, "good-app", installation=installation), OLD)
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    (warning,) = moves(answer.facts.warnings)
    assert NEW not in warning


async def test_an_app_that_is_only_installed_at_the_new_owner_is_of_no_use(desk: Desk) -> None:
    """Argo CD looks for the installation at the owner in the URL."""
    rename(desk, "octo-labs/old-name")
    finding = await desk.find(own_credentials(desk, "good-app"), "octo-labs/old-name")
    assert finding.outcome is Outcome.INVALID
    assert "no installation of this GitHub App for octo-labs" in finding.reason


async def test_an_installation_at_the_old_owner_reaches_nothing_at_the_new_one(desk: Desk) -> None:
    """The transferred repository is another installation's."""
    rename(desk, "octocat/old-name")
    permissions = desk.world.installations[3001].permissions
    desk.world.add(Installation(id=4001, app_id=2001, account="octocat", permissions=permissions))
    finding = await desk.find(own_credentials(desk, "good-app", installation="4001"), "octocat/old-name")
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "octocat/old-name belongs to another installation of the App" in finding.reason


async def test_a_redirect_to_another_host_proves_nothing(desk: Desk) -> None:
    """No token follows, and it isn't called a missing repository."""
    desk.simulator.faults.add(Redirect(to="https://elsewhere.example/repositories/101"), path="/repos/.*")
    for name in ("good-classic", "good-fine-grained"):
        finding = await desk.find(name, OLD)
        assert finding.outcome is Outcome.UNVERIFIED
        assert "redirect to another host" in finding.reason
        assert not finding.transient
