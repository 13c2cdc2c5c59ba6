"""The two endings of a review. What is neither is an error of the review itself, and no verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Stage(StrEnum):
    """Which of the two calls for one write this is."""

    MUTATE = "mutate"
    """Before it is stored: labels, annotations and sealed values are written here."""
    VALIDATE = "validate"
    """The last word, on the object as it will be stored: no webhook changes it any more."""


# RFC 6902 operations on metadata, ready to be encoded: {"op": …, "path": …, "value": …}.
PatchOperation = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Allow:
    """The write goes through.

    Attributes:
        warnings: whole sentences; the API server shows them to whoever writes.
        patch: what is to be changed on the way; always empty for a validating call.
        audit_annotations: what the API server's audit log shall hold; keys without slash.
    """

    warnings: tuple[str, ...] = ()
    patch: tuple[PatchOperation, ...] = ()
    audit_annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for a denial, as Kubernetes' StatusCause: `field` is a path such as ``data.password``."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


@dataclass(frozen=True, slots=True)
class Deny:
    """The write is refused.

    A denial about a credential is 422 with a cause for each failing entry: on a 403, ``kubectl apply`` prints the
    whole patch, token and all, into the terminal or CI log; on a 422 with causes it prints just the causes.

    Attributes:
        code: the HTTP status that the requester sees, 400 or more.
        reason: Kubernetes' StatusReason.
        message: begins with the Secret's namespace and name, and holds what all causes say.
    """

    message: str
    causes: tuple[Cause, ...] = ()
    code: int = 422
    reason: str = "Invalid"
    warnings: tuple[str, ...] = ()
    audit_annotations: Mapping[str, str] = field(default_factory=dict)


Decision = Allow | Deny
