"""Who may skip the check, and that nobody can exempt themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.support.factories import SKIP, FakeCluster, make_subject, make_user_secret
from webhook.providers.requirements import Role
from webhook.review.exemptions import Exemptions, find_exemptions
from webhook.settings.model import Settings
from webhook.settings.source import parse_settings
from webhook.subject import Requester, Subject

BOTH = frozenset(Role)
INSTALLER = parse_settings("installer: {skipValidation: true}")
APP_PROXY = parse_settings('app-proxy: {config: {skipGitPermissionValidation: "true"}}')
NOTHING = Settings()


def create(annotation: str | None = None, requester: str = "alice") -> Subject:
    secret = make_user_secret(annotations={} if annotation is None else {SKIP: annotation})
    return make_subject(secret, requester=requester)


def update(annotation: str | None = None) -> Subject:
    return make_subject(create(annotation).secret, make_user_secret({"token": "other"}))


async def find(
    subject: Subject,
    settings: Settings = NOTHING,
    cluster: FakeCluster | None = None,
    roles: frozenset[Role] = BOTH,
    deadline: float | None = None,
) -> Exemptions:
    return await find_exemptions(subject, roles, settings, cluster, deadline)


async def test_by_default_nothing_is_skipped() -> None:
    """And nothing reported."""
    assert await find(create(), cluster=FakeCluster()) == Exemptions()


@pytest.mark.parametrize("subject", [create(), update()], ids=["create", "update"])
async def test_the_installers_flag_skips_runtime_tokens(subject: Subject) -> None:
    """On CREATE and on UPDATE, and no user tokens."""
    assert (await find(subject, INSTALLER)).skips.keys() == {Role.RUNTIME}


async def test_the_app_proxys_flag_skips_user_tokens_and_runtime_tokens_on_update() -> None:
    """The platform's own meaning of it."""
    assert (await find(create(), APP_PROXY)).skips.keys() == {Role.USER}
    assert (await find(update(), APP_PROXY)).skips.keys() == BOTH


async def test_the_config_map_means_the_same() -> None:
    """It is where the platform has its flag at run time."""
    cluster = FakeCluster(flag="true")
    assert (await find(create(), cluster=cluster)).skips.keys() == {Role.USER}
    assert (await find(update(), cluster=cluster)).skips.keys() == BOTH


@pytest.mark.parametrize("flag", [None, "", "false", " FALSE\n"])
async def test_a_config_map_that_says_false_skips_nothing_silently(flag: str | None) -> None:
    """As does one that isn't there."""
    assert await find(update(), cluster=FakeCluster(flag=flag)) == Exemptions()


@pytest.mark.parametrize("flag", ["yes", "1", "ture"])
async def test_a_config_map_that_says_neither_is_reported(flag: str) -> None:
    """The value itself isn't quoted."""
    found = await find(update(), cluster=FakeCluster(flag=flag))
    assert not found.skips
    assert len(found.reports) == 1
    assert "neither true nor false" in found.reports[0]


NAMED = [("true", BOTH), ("runtime", {Role.RUNTIME}), ("user", {Role.USER}), ("false", set()), ("", set())]


@pytest.mark.parametrize(("value", "roles"), [*NAMED, (" TRUE ", BOTH), ("Runtime\n", {Role.RUNTIME})], ids=range(7))
async def test_a_namespaces_annotation_skips_the_roles_that_it_names(value: str, roles: set[Role]) -> None:
    """In any letter case, since people write it by hand."""
    found = await find(create(), cluster=FakeCluster(namespace_annotation=value))
    assert found.skips.keys() == roles
    assert found.reports == []


@pytest.mark.parametrize("value", ["yes", "runtime,user", "runtime.user", "all", "1"])
async def test_an_annotation_with_another_value_skips_nothing_and_is_reported(value: str) -> None:
    """On the Namespace as on the Secret."""
    by_namespace = await find(create(), cluster=FakeCluster(namespace_annotation=value))
    by_secret = await find(create(value), cluster=FakeCluster(may=frozenset({"alice"})))
    for found in (by_namespace, by_secret):
        assert not found.skips
        assert found.forbidden is None
        assert len(found.reports) == 1


@pytest.mark.parametrize(("value", "roles"), NAMED, ids=range(5))
async def test_a_secrets_annotation_is_honoured_for_who_may_skip(value: str, roles: set[Role]) -> None:
    """Somebody with the right to `skip` `validations`."""
    found = await find(create(value), cluster=FakeCluster(may=frozenset({"alice"})))
    assert found.skips.keys() == roles
    assert found.forbidden is None


async def test_a_secrets_annotation_is_forbidden_to_anybody_else() -> None:
    """Being able to write a Secret is not being able to exempt oneself; the reason says which right it takes."""
    found = await find(create("true", requester="mallory"), cluster=FakeCluster(may=frozenset({"alice"})))
    assert not found.skips
    assert found.forbidden is not None
    for word in ("mallory", '"skip"', '"validations"', '"git-token-webhook"', "runtime"):
        assert word in found.forbidden


@pytest.mark.parametrize("value", ["false", "", "runtime"])
async def test_an_annotation_that_asks_nothing_of_this_secret_needs_no_right(value: str) -> None:
    """A user's Secret with "runtime" isn't exempted, and so forbidden to nobody."""
    cluster = FakeCluster()
    found = await find(create(value), cluster=cluster, roles=frozenset({Role.USER}))
    assert found == Exemptions()
    assert "access" not in cluster.asked


async def test_what_is_skipped_already_needs_no_right() -> None:
    """Neither is the API server asked for more than is open."""
    cluster = FakeCluster(namespace_annotation="true")
    found = await find(create("true", requester="mallory"), cluster=cluster)
    assert found.skips.keys() == BOTH
    assert found.forbidden is None
    assert "access" not in cluster.asked


async def test_where_the_configuration_skips_everything_nobody_is_asked() -> None:
    """Not even the API server."""
    cluster = FakeCluster(flag="true")
    await find(update(), APP_PROXY, cluster)
    assert cluster.asked == []


async def test_without_a_cluster_a_secrets_annotation_is_not_honoured() -> None:
    """Its word needs the API server's."""
    found = await find(create("true"))
    assert not found.skips
    assert len(found.reports) == 1


async def test_an_api_server_that_can_not_be_asked_skips_nothing() -> None:
    """Each flag that wasn't read is reported, and the requester isn't called forbidden."""
    found = await find(create("true"), cluster=FakeCluster(down=True))
    assert not found.skips
    assert found.forbidden is None
    assert len(found.reports) == 3
    assert all("503" in report for report in found.reports)


class SlowCluster(FakeCluster):
    """One that reads its ConfigMap, and then hangs."""

    async def skip_annotation(self, namespace: str) -> str | None:
        await asyncio.sleep(60)
        raise AssertionError("waited too long")


async def test_what_is_known_when_time_is_over_counts() -> None:
    """A slow API server takes nothing back that the configuration or a quick answer said."""
    soon = asyncio.get_running_loop().time() + 0.05
    found = await find(create(), INSTALLER, SlowCluster(), deadline=soon)
    assert found.skips.keys() == {Role.RUNTIME}
    assert ["in time" in report for report in found.reports] == [True]


async def test_each_skip_says_where_it_comes_from() -> None:
    """For the metric one word, for people a clause."""
    skips = (await find(create(), INSTALLER, FakeCluster(namespace_annotation="user"))).skips
    assert {role: skip.source for role, skip in skips.items()} == {Role.RUNTIME: "installer", Role.USER: "namespace"}
    assert "installer.skipValidation" in skips[Role.RUNTIME].reason
    assert "Namespace runtime" in skips[Role.USER].reason


async def test_a_dubious_flag_of_the_configuration_skips_nothing() -> None:
    """Neither in the installer's section nor in the app-proxy's."""
    settings = parse_settings(
        "installer: {skipValidation: 'yes'}\napp-proxy: {config: {skipGitPermissionValidation: 1}}"
    )
    assert not (await find(update(), settings)).skips


async def test_no_annotations_value_is_quoted() -> None:
    """Somebody may have put a token there."""
    found = await find(create("hunter2"), cluster=FakeCluster(flag="hunter2", namespace_annotation="hunter2"))
    assert len(found.reports) == 3
    assert "hunter2" not in repr(found)


# --- requesters whose annotation never counts -------------------------------------------------------------------------

ARGO = "system:serviceaccount:argocd:argocd-application-controller"


def denying(*globs: str) -> Settings:
    return Settings.model_validate({"exemptions": {"requesters": {"deny": globs}}})


@pytest.mark.parametrize("glob", [ARGO, "system:serviceaccount:argocd:*", "system:serviceaccounts:argocd", "*"])
async def test_an_annotation_of_a_denied_requester_never_counts(glob: str) -> None:
    """By user name or group, whatever it may do: whoever writes to Git decides what it writes."""
    cluster = FakeCluster(may=frozenset({ARGO}))
    subject = replace(create("true"), requester=Requester(ARGO, groups=("system:serviceaccounts:argocd",)))
    found = await find(subject, denying("bob", glob), cluster)
    assert found.skips == {}
    assert found.forbidden is None
    (report,) = found.reports
    assert "exemptions.requesters.deny" in report
    assert "access" not in cluster.asked


async def test_an_annotation_of_another_requester_counts() -> None:
    """Where that one has the right."""
    found = await find(create("true"), denying(ARGO, "ali"), FakeCluster(may=frozenset({"alice"})))
    assert found.skips.keys() == BOTH


async def test_a_namespaces_annotation_counts_for_a_denied_requester() -> None:
    """It isn't the requester's."""
    found = await find(create(), denying("alice"), FakeCluster(namespace_annotation="true"))
    assert found.skips.keys() == BOTH
