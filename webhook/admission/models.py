"""The parts of admission.k8s.io/v1 that are read and written here, as the API server names them.

Nothing of what is read prints its content: it holds Secrets.

What is read is declared whole and in the order of Go's structs, with parts that nobody reads as `Unread`. So a body
that the API server sent comes out of a round trip byte for byte, which proves that it has no duplicate keys, and
nothing is built of what nobody reads. A later version of Kubernetes may send more: `codec` then looks for duplicate
keys another way.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

# The lengths are Kubernetes' own where it has one (k8s.io/apimachinery/pkg/util/validation): a name is a DNS subdomain,
# a namespace a DNS label, a key of a label or an annotation a DNS subdomain, a slash and 63 characters. It has none for
# who writes, of which these leave ample room.
Name = Annotated[str, Meta(max_length=253)]
Namespace = Annotated[str, Meta(max_length=63)]
DataKey = Annotated[str, Meta(max_length=253)]
QualifiedKey = Annotated[str, Meta(max_length=317)]
LabelValue = Annotated[str, Meta(max_length=4096)]  # 63 once Kubernetes validates it, which it does after us
Text = Annotated[str, Meta(max_length=1024)]
"""A uid, a user, a group, a type."""
Texts = Annotated[list[Text], Meta(max_length=4096)]
Values = Annotated[dict[DataKey, str | None], Meta(max_length=20_000)]
"""By key. The 1 MiB that Kubernetes allows for all values holds so many tokens; 70,000 empty ones would keep the event
loop busy for seconds."""

Unread = msgspec.Raw | UnsetType


class _Incoming(msgspec.Struct, gc=False, rename="camel"):
    """Something the API server sent. Other keys than these are not looked at."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class TypeMeta(_Incoming):
    """What every Kubernetes object begins with; read on its own first, so that a wrong one is named as such."""

    kind: str = ""
    api_version: str = ""


class GroupVersionResource(_Incoming):
    """What is being written to, such as secrets of v1 in the core group, whose name is empty."""

    group: Name = ""
    version: Name = ""
    resource: Name = ""


class UserInfo(_Incoming):
    """authentication.k8s.io/v1 UserInfo."""

    username: Text | UnsetType = UNSET
    uid: Text | UnsetType = UNSET
    groups: Texts | UnsetType | None = UNSET
    extra: Annotated[dict[Text, Texts | None], Meta(max_length=1024)] | UnsetType | None = UNSET


class ObjectMeta(_Incoming):
    """Metadata of one version of the Secret."""

    name: Name | UnsetType | None = UNSET
    generate_name: Name | UnsetType | None = UNSET
    namespace: Namespace | UnsetType | None = UNSET
    self_link: Unread = UNSET
    uid: Unread = UNSET
    resource_version: Unread = UNSET
    generation: Unread = UNSET
    creation_timestamp: Unread = UNSET
    deletion_timestamp: Text | UnsetType | None = UNSET
    deletion_grace_period_seconds: Unread = UNSET
    labels: dict[QualifiedKey, LabelValue] | UnsetType | None = UNSET
    annotations: dict[QualifiedKey, str] | UnsetType | None = UNSET
    owner_references: Unread = UNSET
    finalizers: Unread = UNSET
    managed_fields: Unread = UNSET


class Secret(_Incoming):
    """One version of a core/v1 Secret.

    Go writes an empty byte slice as ``null``, so a value of `data` may be one. `string_data` is normally merged into
    `data` before admission; a mutating webhook that ran before ours may have patched it in (KUBERNETES.md §2.1).
    """

    kind: Text | UnsetType = UNSET
    api_version: Unread = UNSET
    metadata: ObjectMeta | UnsetType = UNSET
    immutable: bool | UnsetType | None = UNSET
    data: Values | UnsetType | None = UNSET
    string_data: Values | UnsetType | None = UNSET
    type: Text | UnsetType | None = UNSET


class Request(_Incoming, kw_only=True):
    """``request`` of an AdmissionReview."""

    uid: Text
    kind: Unread = UNSET
    resource: GroupVersionResource
    sub_resource: Name | UnsetType | None = UNSET
    request_kind: Unread = UNSET
    request_resource: Unread = UNSET
    request_sub_resource: Unread = UNSET
    name: Name | UnsetType | None = UNSET
    namespace: Namespace | UnsetType | None = UNSET
    operation: Text
    user_info: UserInfo | UnsetType = UNSET
    object: Secret | UnsetType | None = UNSET
    old_object: Secret | UnsetType | None = UNSET
    dry_run: bool | UnsetType | None = UNSET
    options: Unread = UNSET


class Incoming(_Incoming):
    """An AdmissionReview of the API server."""

    kind: str = ""
    api_version: str = ""
    request: Request | UnsetType | None = UNSET


class _Outgoing(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """Something that we answer. What isn't set isn't sent."""


class StatusCause(_Outgoing):
    """meta/v1 StatusCause: one thing that is wrong, and where."""

    reason: str
    message: str
    field: str


class StatusDetails(_Outgoing):
    """meta/v1 StatusDetails; kubectl builds ``The Secret "NAME" is invalid:`` of it."""

    name: str
    kind: str
    causes: list[StatusCause] = []


class Status(_Outgoing):
    """meta/v1 Status of a denial."""

    status: str
    message: str
    reason: str
    code: int
    details: StatusDetails


class Response(_Outgoing):
    """``response`` of an AdmissionReview. msgspec writes `patch` in base64, as the API server wants it."""

    uid: str
    allowed: bool
    patch: bytes | None = None
    patch_type: str | None = None
    status: Status | None = None
    warnings: list[str] = []
    audit_annotations: dict[str, str] = {}


class Review(_Outgoing, omit_defaults=False):
    """The answer as a whole, of the same group, version and kind as the request."""

    response: Response
    api_version: str = API_VERSION
    kind: str = KIND
