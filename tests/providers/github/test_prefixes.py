"""URLs of repo-creds that may end inside a name, so that they name no repository."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.github.conftest import RUNTIME, Desk
from tests.providers.github.test_app import installed, own_credentials
from webhook.providers.findings import Answer, Finding, Outcome
from webhook.providers.requirements import Role
from webhook.simulator.faults import Html, Outage

PERMISSIONS = ["good-fine-grained", "good-app-user", "good-installation"]


async def judged(desk: Desk, credential: Any, path: str) -> Answer:
    return await desk.inspect(credential, path, needs=RUNTIME, open_ended=True)


async def found(desk: Desk, credential: Any, path: str) -> Finding:
    return (await judged(desk, credential, path)).findings[Role.RUNTIME]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("acme/shared-", "such as acme/shared-configuration, and the token is checked for acme."),
        ("acme/Shared-", "such as acme/shared-configuration, and the token is checked for acme."),
        ("acme/shar", "such as acme/shared-configuration, and the token is checked for acme."),
        ("acme/later-", "as a prefix of repository names, and the token is checked for acme."),
    ],
)
async def test_a_prefix_is_judged_for_its_owner(desk: Desk, path: str, said: str) -> None:
    """A repository whose name begins so shows that it is one, or the separator at its end."""
    answer = await judged(desk, "good-classic", path)
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    (warning,) = answer.facts.warnings
    assert warning.startswith(f"github.com shows no repository {path}; ")
    assert warning.endswith(said)
    assert answer.requests == 3


async def test_a_prefix_excuses_no_missing_scope(desk: Desk) -> None:
    """The token is judged as for the owner."""
    assert (await found(desk, "weak-classic", "acme/shared-")).lacks == ("admin:repo_hook",)


async def test_a_name_that_nothing_begins_with_stays_unverified(desk: Desk) -> None:
    """It may be misspelt, or hidden from the account."""
    finding = await found(desk, "good-classic", "acme/nothing")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "404 for acme/nothing" in finding.reason


async def test_a_whole_name_costs_nothing_more(desk: Desk) -> None:
    """The usual URL of repo-creds may go on as well."""
    answer = await judged(desk, "good-classic", "acme/apps")
    assert (answer.requests, answer.facts.warnings) == (2, ())


async def test_a_url_that_ends_with_its_name_is_no_prefix(desk: Desk) -> None:
    """Of a Secret that is for one repository, or whose URL ends in `.git`."""
    assert (await desk.find("good-classic", "acme/shared-")).outcome is Outcome.UNVERIFIED


async def test_a_404_of_a_proxy_is_no_prefix(desk: Desk) -> None:
    """GitHub has not said that there is nothing."""
    desk.simulator.faults.add(Html(), path="/repos/.*")
    finding = await found(desk, "good-classic", "acme/shared-")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "with an HTML page" in finding.reason


@pytest.mark.parametrize("name", PERMISSIONS)
async def test_permissions_are_probed_on_a_repository_whose_name_begins_so(desk: Desk, name: str) -> None:
    """In a second round, and the warning says which."""
    answer = await judged(desk, name, "acme/shared-")
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    assert answer.facts.probed == "acme/shared-configuration"
    assert "the token is probed on acme/shared-configuration." in answer.facts.warnings[-1]


async def test_a_permission_that_is_missing_there_is_a_lack(desk: Desk) -> None:
    """Being a prefix excuses nothing."""
    assert (await found(desk, "no-hooks-fine-grained", "acme/shared-")).lacks == ("Webhooks: write",)


@pytest.mark.parametrize("name", PERMISSIONS)
@pytest.mark.parametrize("path", ["acme/later-", "acme/webs", "octo/later-"])
async def test_permissions_without_such_a_repository_stay_unverified(desk: Desk, name: str, path: str) -> None:
    """A public one proves nothing, nor does another owner's."""
    finding = await found(desk, name, path)
    assert finding.outcome is Outcome.UNVERIFIED
    assert f"404 for {path}" in finding.reason


async def test_a_list_without_answer_leaves_a_fine_grained_token_unverified(desk: Desk) -> None:
    """The named repository is judged all the same."""
    desk.simulator.faults.add(Outage(), path="/user/repos")
    assert (await found(desk, "good-fine-grained", "acme/shared-")).outcome is Outcome.UNVERIFIED
    assert (await found(desk, "good-fine-grained", "acme/apps")).outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize("name", ["good-classic", *PERMISSIONS])
async def test_the_beginning_of_an_owners_name_serves_as_well(desk: Desk, name: str) -> None:
    """Of tokens with permissions, one of the repositories below is probed."""
    assert await found(desk, name, "acm") == Finding(Outcome.SUFFICIENT)


@pytest.mark.parametrize("installation", ["3001", None])
@pytest.mark.parametrize("path", ["acm", "acme", "acme/later-"])
async def test_an_app_is_judged_by_the_installations_of_such_owners(
    desk: Desk, installation: str | None, path: str
) -> None:
    """Or by the one that is named."""
    assert await found(desk, own_credentials(desk, "good-app", installation=installation), path) == Finding(
        Outcome.SUFFICIENT
    )


async def test_an_app_that_is_installed_at_no_such_owner_is_invalid(desk: Desk) -> None:
    """Its only installation elsewhere isn't taken instead."""
    finding = await found(desk, own_credentials(desk, "good-app"), "octo")
    assert finding.outcome is Outcome.INVALID
    assert "no installation of this GitHub App for octo" in finding.reason


async def test_each_installation_of_such_owners_must_suffice(desk: Desk) -> None:
    """Those of other owners don't count."""
    installed(desk, 4001, "acme-labs")
    installed(desk, 4002, "octocat", permissions={"metadata": "read"})
    assert (await found(desk, own_credentials(desk, "good-app"), "acm")).outcome is Outcome.SUFFICIENT
    desk.world.installations[4001].permissions = {"metadata": "read"}
    finding = await found(desk, own_credentials(desk, "good-app"), "acm")
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "the one on acme-labs lacks" in finding.reason


async def test_a_selection_may_hold_what_begins_so(desk: Desk) -> None:
    """That the very name isn't selected proves nothing of others."""
    credential = own_credentials(desk, "selected-app", installation="3004")
    assert (await found(desk, credential, "acme/webs")).outcome is Outcome.UNVERIFIED
