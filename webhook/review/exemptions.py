"""Find the roles of a Secret whose check is skipped, by the platform's flags or by an annotation.

The annotation can be on the Namespace or on the Secret. A value that is neither true nor false skips nothing and is
reported, and so is an annotation that needs the API server while it is unavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from webhook.cluster.requests import Unavailable
from webhook.names import PLATFORM_CONFIG_MAP, PLATFORM_CONFIG_MAP_KEY, SKIP_VALIDATION
from webhook.providers.requirements import Role
from webhook.settings.model import Settings
from webhook.settings.values import parse_flag
from webhook.subject import Operation, Requester, Subject

_NAMED: Mapping[str, frozenset[Role]] = {
    "true": frozenset(Role),
    "runtime": frozenset({Role.RUNTIME}),
    "user": frozenset({Role.USER}),
    "false": frozenset(),
    "": frozenset(),
}
_USABLE = "use true, runtime, user or false"


class Cluster(Protocol):
    """The requests that exemptions need of the API server."""

    async def skip_annotation(self, namespace: str) -> str | None:
        """Return the annotation `SKIP_VALIDATION` of a Namespace. Raises `Unavailable`."""
        ...

    async def platform_flag(self, namespace: str) -> str | None:
        """Return `PLATFORM_CONFIG_MAP_KEY` of a namespace's `PLATFORM_CONFIG_MAP`. Raises `Unavailable`."""
        ...

    async def may_skip(self, requester: Requester, namespace: str, name: str) -> bool:
        """Return whether the requester may ``skip`` ``validations`` of ``git-token-webhook``. Raises `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a role is not checked. `source` is one of a few words, for metrics and logs."""

    source: str
    reason: str


@dataclass(slots=True)
class Exemptions:
    """The exemptions of one Secret.

    Attributes:
        skips: the roles that are not checked.
        reports: sentences about flags that are set but skip nothing.
        forbidden: why the requester may not use the annotation of the Secret; None if that is not the case.
    """

    skips: dict[Role, Skip] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)
    forbidden: str | None = None

    def _add(self, roles: Iterable[Role], skip: Skip) -> None:
        for role in roles:
            self.skips.setdefault(role, skip)


async def find_exemptions(
    subject: Subject,
    roles: frozenset[Role],
    settings: Settings,
    cluster: Cluster | None,
    deadline: float | None = None,
) -> Exemptions:
    """Return which of the roles are not checked, and why. The API server is asked only about the remaining roles.

    Args:
        deadline: for responses of the API server, by the event loop's clock; later ones do not count.
    """
    found = Exemptions()
    _from_settings(found, subject, roles, settings)
    if cluster is None and SKIP_VALIDATION not in subject.secret.annotations:
        return found  # nothing to wait for
    try:
        async with asyncio.timeout_at(deadline):
            await _from_cluster(found, subject, roles, settings, cluster)
    except TimeoutError:
        found.reports.append("The API server did not answer in time, so its flags and annotations skip nothing.")
    return found


async def _from_cluster(
    found: Exemptions, subject: Subject, roles: frozenset[Role], settings: Settings, cluster: Cluster | None
) -> None:
    namespace = subject.secret.namespace
    if cluster is not None and not found.skips.keys() >= roles:
        await _from_config_map(found, subject, roles, namespace, cluster)
    if cluster is not None and not found.skips.keys() >= roles:
        await _from_namespace(found, roles, namespace, cluster)
    if not found.skips.keys() >= roles:
        await _from_secret(found, subject, roles, settings, cluster)


def _from_settings(found: Exemptions, subject: Subject, roles: frozenset[Role], settings: Settings) -> None:
    if parse_flag(settings.installer.skip_validation):
        found._add(roles & {Role.RUNTIME}, Skip("installer", "installer.skipValidation is true in the configuration"))
    if parse_flag(settings.app_proxy.config.skip_git_permission_validation):
        reason = "app-proxy.config.skipGitPermissionValidation is true in the configuration"
        found._add(_skipped_by_app_proxy(subject, roles), Skip("app-proxy", reason))


def _skipped_by_app_proxy(subject: Subject, roles: frozenset[Role]) -> frozenset[Role]:
    """Return the roles that the platform skips by this flag: user tokens always, runtime tokens on UPDATE."""
    return roles if subject.operation is Operation.UPDATE else roles & {Role.USER}


async def _from_config_map(
    found: Exemptions, subject: Subject, roles: frozenset[Role], namespace: str, cluster: Cluster
) -> None:
    where = f"{PLATFORM_CONFIG_MAP_KEY} of ConfigMap {PLATFORM_CONFIG_MAP}"
    try:
        value = await cluster.platform_flag(namespace)
    except Unavailable as error:
        found.reports.append(f"{where} cannot be read ({error}), so it skips nothing.")
        return
    flag = parse_flag(value or "")
    if flag is None:
        found.reports.append(f"{where} is neither true nor false, so it skips nothing.")
    elif flag:
        found._add(_skipped_by_app_proxy(subject, roles), Skip("configmap", f"{where} is true"))


async def _from_namespace(found: Exemptions, roles: frozenset[Role], namespace: str, cluster: Cluster) -> None:
    where = f"annotation {SKIP_VALIDATION} of Namespace {namespace}"
    try:
        value = await cluster.skip_annotation(namespace)
    except Unavailable as error:
        found.reports.append(f"Namespace {namespace} cannot be read ({error}), so its annotations skip nothing.")
        return
    named = _NAMED.get((value or "").strip().lower())
    if named is None:
        found.reports.append(f"The {where} has an unknown value and skips nothing; {_USABLE}.")
    elif named & roles:
        found._add(named & roles, Skip("namespace", f"{where} skips it"))


def _is_denied(requester: Requester, globs: Iterable[str]) -> bool:
    names = (requester.username, *requester.groups)
    return any(fnmatchcase(name, glob) for glob in globs for name in names)


async def _from_secret(
    found: Exemptions, subject: Subject, roles: frozenset[Role], settings: Settings, cluster: Cluster | None
) -> None:
    secret = subject.secret
    value = secret.annotations.get(SKIP_VALIDATION)
    if value is None:
        return
    named = _NAMED.get(value.strip().lower())
    if named is None:
        found.reports.append(f"The annotation {SKIP_VALIDATION} has an unknown value and skips nothing; {_USABLE}.")
        return
    open_roles = (named & roles) - found.skips.keys()
    if not open_roles:
        return
    ignored = f"The annotation {SKIP_VALIDATION} skips nothing"
    if _is_denied(subject.requester, settings.exemptions.requesters.deny):
        name = subject.requester.username
        found.reports.append(f"{ignored}: exemptions.requesters.deny in the configuration names {name}.")
        return
    if cluster is None:
        found.reports.append(f"{ignored}: without an API server, the permission to use it cannot be checked.")
        return
    try:
        allowed = await cluster.may_skip(subject.requester, secret.namespace, secret.name)
    except Unavailable as error:
        found.reports.append(f"{ignored}: the permission to use it cannot be checked ({error}).")
        return
    if allowed:
        found._add(open_roles, Skip("secret", f"annotation {SKIP_VALIDATION} of the Secret skips it"))
        return
    found.forbidden = (
        f"{subject.requester.username or 'the requester'} may not use the annotation {SKIP_VALIDATION}, which needs "
        f'the verb "skip" on "validations" of API group "git-token-webhook" in namespace {secret.namespace}; '
        "remove the annotation, or ask an administrator for this permission"
    )
