"""Users of the API server, and what they may do (a small RBAC)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """Verbs on resources, as in a Role or, without a namespace, a ClusterRole. A star means all."""

    verbs: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ("*",)
    namespace: str | None = None

    def allows(self, verb: str, resource: str, namespace: str) -> bool:
        """Return whether this grant allows a request."""
        return (
            (self.namespace is None or self.namespace == namespace)
            and ("*" in self.verbs or verb in self.verbs)
            and ("*" in self.resources or resource in self.resources)
        )


@dataclass(frozen=True, slots=True)
class User:
    """A user, with the grants of all roles."""

    name: str
    grants: tuple[Grant, ...] = ()
    groups: tuple[str, ...] = ("system:authenticated",)

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        """Return whether the user may do this."""
        return any(grant.allows(verb, resource, namespace) for grant in self.grants)


ADMIN = User("admin", (Grant(),), ("system:masters", "system:authenticated"))


def by_name(users: Iterable[User]) -> dict[str, User]:
    """Return the users by name."""
    return {user.name: user for user in users}
