"""The Secret under review, from an admission request, a manifest or a list of the API server.

The values of `data` remain base64 text until `credentials` decodes them into `SecretStr`. Nothing here prints them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Operation(StrEnum):
    """The operation of an admission request (admission.k8s.io/v1)."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


@dataclass(frozen=True, slots=True)
class SecretObject:
    """One version of a core/v1 Secret.

    Attributes:
        name: empty in the mutating call of a create with `generate_name`, because it is not known yet.
        data: base64 text by key, as the API server sends it.
        deleting: it has a deletionTimestamp, and only its finalizers keep it.
        immutable: no later write can change its data.
        in_string_data: keys of `data` whose value is in ``stringData``, added by another webhook.
    """

    namespace: str
    name: str = ""
    generate_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)  # a token fits into a label
    annotations: Mapping[str, str] = field(default_factory=dict, repr=False)  # last-applied-configuration holds data
    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    type: str = "Opaque"
    deleting: bool = False
    immutable: bool = False
    in_string_data: frozenset[str] = field(default=frozenset(), repr=False)  # a key may be a token by mistake


@dataclass(frozen=True, slots=True)
class Requester:
    """The user who writes (authentication.k8s.io/v1 UserInfo)."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """A write of a Secret.

    Attributes:
        object: the new version; None for a DELETE.
        old: the stored version; None for a CREATE.
        dry_run: nothing is stored.
    """

    operation: Operation
    object: SecretObject | None
    old: SecretObject | None = None
    requester: Requester = field(default_factory=Requester)
    dry_run: bool = False

    @property
    def secret(self) -> SecretObject:
        """The new version, or the stored one if there is no new one."""
        version = self.object or self.old
        if version is None:
            raise ValueError("a review has neither object nor oldObject")
        return version
