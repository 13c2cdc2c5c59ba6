"""The Secret under review: from an admission request, a manifest or a cluster's list, always the same value.

Values of `data` stay base64 text until `credentials` decodes them straight into `SecretStr`; nothing here prints
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Operation(StrEnum):
    """What the API server is about to do (admission.k8s.io/v1)."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


@dataclass(frozen=True, slots=True)
class SecretObject:
    """One version of a core/v1 Secret.

    Attributes:
        name: empty at the mutating stage of a `generate_name` create, where it isn't known yet.
        data: base64 text by key, as the API server sends it.
        deleting: it has a deletionTimestamp, and only its finalizers keep it.
        immutable: its data can't be changed any more once this is stored.
        in_string_data: keys of `data` whose value stands in ``stringData``, where another webhook has put it.
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
    in_string_data: frozenset[str] = field(default=frozenset(), repr=False)  # a key may be a token, by a slip


@dataclass(frozen=True, slots=True)
class Requester:
    """Who writes (authentication.k8s.io/v1 UserInfo)."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """A Secret, what is being done to it, and by whom.

    Attributes:
        object: as it will be; None on DELETE.
        old: as it was; None on CREATE.
        dry_run: nothing will be stored.
    """

    operation: Operation
    object: SecretObject | None
    old: SecretObject | None = None
    requester: Requester = field(default_factory=Requester)
    dry_run: bool = False

    @property
    def secret(self) -> SecretObject:
        """Whichever version there is, the new one first."""
        version = self.object or self.old
        if version is None:
            raise ValueError("a review has neither object nor oldObject")
        return version
