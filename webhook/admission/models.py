"""The parts of admission.k8s.io/v1 that this webhook reads and writes, by their names in the API.

Structs that are read do not print their content, because it includes Secrets.

They declare all fields in the order of Go's structs; fields that are not used are `Unread` and not decoded. So a round
trip of a body of the API server returns the same bytes, which proves that it has no duplicate keys. If a later version
of Kubernetes sends more fields, `codec` searches for duplicate keys.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

# The lengths are those of Kubernetes (k8s.io/apimachinery/pkg/util/validation): a name is a DNS subdomain, a namespace
# a DNS label, and the key of a label or annotation a DNS subdomain, a slash and 63 characters. Kubernetes has no limits
# for the requester; these are generous.
Name = Annotated[str, Meta(max_length=253)]
Namespace = Annotated[str, Meta(max_length=63)]
DataKey = Annotated[str, Meta(max_length=253)]
QualifiedKey = Annotated[str, Meta(max_length=317)]
LabelValue = Annotated[str, Meta(max_length=4096)]  # Kubernetes allows 63, and validates that after this webhook
Text = Annotated[str, Meta(max_length=1024)]
"""A uid, a user name, a group or a type."""
Texts = Annotated[list[Text], Meta(max_length=4096)]
Values = Annotated[dict[DataKey, str | None], Meta(max_length=20_000)]
"""By key. So many tokens fit into the 1 MiB of a Secret. 70,000 empty values would block the event loop for seconds."""

Unread = msgspec.Raw | UnsetType


class _Incoming(msgspec.Struct, gc=False, rename="camel"):
    """A part of a request. Other keys are ignored."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class TypeMeta(_Incoming):
    """The type of an object, which is decoded first, so that an error can name a wrong one."""

    kind: str = ""
    api_version: str = ""


class GroupVersionResource(_Incoming):
    """The resource of a request, such as secrets of v1 in the core group, whose name is empty."""

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
    """The metadata of one version of a Secret."""

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

    Go writes an empty byte slice as ``null``, so a value of `data` can be null. The API server merges `string_data`
    into `data` before admission; only a mutating webhook that ran before can have added it (KUBERNETES.md §2.1).
    """

    kind: Text | UnsetType = UNSET
    api_version: Unread = UNSET
    metadata: ObjectMeta | UnsetType = UNSET
    immutable: bool | UnsetType | None = UNSET
    data: Values | UnsetType | None = UNSET
    string_data: Values | UnsetType | None = UNSET
    type: Text | UnsetType | None = UNSET


class Request(_Incoming, kw_only=True):
    """The field ``request`` of an AdmissionReview."""

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
    """An AdmissionReview from the API server."""

    kind: str = ""
    api_version: str = ""
    request: Request | UnsetType | None = UNSET


class _Outgoing(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """A part of a response. Fields with default values are left out."""


class StatusCause(_Outgoing):
    """meta/v1 StatusCause: what is wrong with one field."""

    reason: str
    message: str
    field: str


class StatusDetails(_Outgoing):
    """meta/v1 StatusDetails, from which kubectl builds ``The Secret "NAME" is invalid:``."""

    name: str
    kind: str
    causes: list[StatusCause] = []


class Status(_Outgoing):
    """The meta/v1 Status of a denial."""

    status: str
    message: str
    reason: str
    code: int
    details: StatusDetails


class Response(_Outgoing):
    """The field ``response`` of an AdmissionReview. msgspec encodes `patch` in base64, as the API requires."""

    uid: str
    allowed: bool
    patch: bytes | None = None
    patch_type: str | None = None
    status: Status | None = None
    warnings: list[str] = []
    audit_annotations: dict[str, str] = {}


class Review(_Outgoing, omit_defaults=False):
    """An AdmissionReview with a response, of the same group, version and kind as the request."""

    response: Response
    api_version: str = API_VERSION
    kind: str = KIND
