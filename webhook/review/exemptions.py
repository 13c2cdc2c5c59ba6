"""Who may skip the check: the platform's own flags, the Namespace's annotation, and the Secret's own.

The safe side is to check: a value that is neither true nor false skips nothing and is reported, and so does an
annotation whose word needs the API server's while that can't be asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from webhook.cluster.objects import Unavailable
from webhook.names import ANNOTATION, PLATFORM_CONFIG_MAP, PLATFORM_CONFIG_MAP_KEY
from webhook.providers.requirements import Role
from webhook.settings.model import Settings, parse_flag
from webhook.subject import Operation, Requester, Subject

_NAMED: Mapping[str, frozenset[Role]] = {
    "true": frozenset(Role),
    "runtime": frozenset({Role.RUNTIME}),
    "user": frozenset({Role.USER}),
    "false": frozenset(),
    "": frozenset(),
}


class Cluster(Protocol):
    """What we ask the API server."""

    async def skip_annotation(self, namespace: str) -> str | None:
        """The Namespace's own `ANNOTATION`. Raises `Unavailable`."""
        ...

    async def platform_flag(self, namespace: str) -> str | None:
        """`PLATFORM_CONFIG_MAP_KEY` of the namespace's `PLATFORM_CONFIG_MAP`. Raises `Unavailable`."""
        ...

    async def may_skip(self, requester: Requester, namespace: str, name: str) -> bool:
        """Whether `requester` may ``skip`` ``validations`` of group ``git-token-webhook``. Raises `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a role isn't checked; `source` is one of few words, for metrics and logs."""

    source: str
    reason: str


@dataclass(slots=True)
class Exemptions:
    """What was found.

    Attributes:
        skips: the roles that aren't checked.
        reports: whole sentences about flags that skip nothing although somebody meant them to.
        forbidden: why the requester may not ask for what its annotation asks, or None.
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
    """The roles of `roles` that aren't checked, and why. Asks the API server only for what is still open.

    Args:
        deadline: until when the API server may answer, by the event loop's clock; what is known by then counts.
    """
    found = Exemptions()
    _from_settings(found, subject, roles, settings)
    try:
        async with asyncio.timeout_at(deadline):
            await _from_cluster(found, subject, roles, settings, cluster)
    except TimeoutError:
        found.reports.append("The API server doesn't answer in time, so what it would tell skips nothing.")
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
    """The platform's own meaning of this flag: user tokens never, runtime tokens not on UPDATE."""
    return roles if subject.operation is Operation.UPDATE else roles & {Role.USER}


async def _from_config_map(
    found: Exemptions, subject: Subject, roles: frozenset[Role], namespace: str, cluster: Cluster
) -> None:
    where = f"{PLATFORM_CONFIG_MAP_KEY} of ConfigMap {PLATFORM_CONFIG_MAP}"
    try:
        value = await cluster.platform_flag(namespace)
    except Unavailable as error:
        found.reports.append(f"{where} can't be read ({error}), so it skips nothing.")
        return
    flag = parse_flag(value or "")
    if flag is None:
        found.reports.append(f"{where} is neither true nor false, so it skips nothing.")
    elif flag:
        found._add(_skipped_by_app_proxy(subject, roles), Skip("configmap", f"{where} is true"))


async def _from_namespace(found: Exemptions, roles: frozenset[Role], namespace: str, cluster: Cluster) -> None:
    where = f"annotation {ANNOTATION} of Namespace {namespace}"
    try:
        value = await cluster.skip_annotation(namespace)
    except Unavailable as error:
        found.reports.append(f"Namespace {namespace} can't be read ({error}), so its annotations skip nothing.")
        return
    asked = _NAMED.get((value or "").strip().lower())
    if asked is None:
        found.reports.append(f"The {where} is none of true, runtime, user and false, so it skips nothing.")
    elif asked & roles:
        found._add(asked & roles, Skip("namespace", f"{where} says so"))


def _is_denied(requester: Requester, globs: Iterable[str]) -> bool:
    names = (requester.username, *requester.groups)
    return any(fnmatchcase(name, glob) for glob in globs for name in names)


async def _from_secret(
    found: Exemptions, subject: Subject, roles: frozenset[Role], settings: Settings, cluster: Cluster | None
) -> None:
    secret = subject.secret
    value = secret.annotations.get(ANNOTATION)
    if value is None:
        return
    asked = _NAMED.get(value.strip().lower())
    if asked is None:
        found.reports.append(f"The annotation {ANNOTATION} is none of true, runtime, user and false; it skips nothing.")
        return
    open_roles = (asked & roles) - found.skips.keys()
    if not open_roles:
        return
    if _is_denied(subject.requester, settings.exemptions.requesters.deny):
        found.reports.append(
            f"The annotation {ANNOTATION} isn't honoured: exemptions.requesters.deny in the configuration names "
            f"{subject.requester.username}."
        )
        return
    if cluster is None:
        found.reports.append(
            f"The annotation {ANNOTATION} isn't honoured: no API server can be asked from here whether you may use it."
        )
        return
    try:
        allowed = await cluster.may_skip(subject.requester, secret.namespace, secret.name)
    except Unavailable as error:
        found.reports.append(
            f"The annotation {ANNOTATION} isn't honoured: whether you may use it can't be asked ({error})."
        )
        return
    if allowed:
        found._add(open_roles, Skip("secret", f"annotation {ANNOTATION} of the Secret says so"))
        return
    found.forbidden = (
        f"{subject.requester.username or 'the requester'} may not use the annotation {ANNOTATION}: that needs the verb "
        f'"skip" on "validations" of API group "git-token-webhook" in namespace {secret.namespace}; '
        "take the annotation off, or ask somebody who has that right"
    )
