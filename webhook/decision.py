"""The decision on a write: allow or deny."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Stage(StrEnum):
    """The call of the API server: it calls a mutating and then a validating webhook for each write."""

    MUTATE = "mutate"
    """Adds labels, annotations and sealed values."""
    VALIDATE = "validate"
    """Decides on the object that will be stored. No webhook can change it afterwards."""


# An RFC 6902 operation: {"op": …, "path": …, "value": …}.
PatchOperation = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Allow:
    """The write is allowed.

    Attributes:
        warnings: sentences that the API server sends to the requester.
        patch: changes of the object; empty in a validating call.
        audit_annotations: for the audit log of the API server; keys without a slash.
    """

    warnings: tuple[str, ...] = ()
    patch: tuple[PatchOperation, ...] = ()
    audit_annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason for a denial (meta/v1 StatusCause). `field` is a path such as ``data.password``."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


@dataclass(frozen=True, slots=True)
class Deny:
    """The write is denied.

    The status is 422 with a cause for each denied entry, of which ``kubectl apply`` prints only the causes. On a 403 it
    would print the whole patch, token included, to the terminal or the CI log.

    Attributes:
        code: the HTTP status, 400 or higher.
        reason: the StatusReason of Kubernetes.
        message: starts with the namespace and name of the Secret, and repeats all causes.
    """

    message: str
    causes: tuple[Cause, ...] = ()
    code: int = 422
    reason: str = "Invalid"
    warnings: tuple[str, ...] = ()
    audit_annotations: Mapping[str, str] = field(default_factory=dict)


Decision = Allow | Deny
