"""The parts of admission.k8s.io/v1 that are read and written here, as the API server names them.

Nothing of what is read prints its content: it holds Secrets.
"""

from __future__ import annotations

import msgspec

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"


class _Incoming(msgspec.Struct, gc=False, rename="camel"):
    """Something the API server sent. Keys that are not named are not looked at."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class TypeMeta(_Incoming):
    """What every Kubernetes object begins with; read on its own first, so that a wrong one is named as such."""

    api_version: str = ""
    kind: str = ""


class GroupVersionResource(_Incoming):
    """What is being written to, such as secrets of v1 in the core group, whose name is empty."""

    group: str = ""
    version: str = ""
    resource: str = ""


class UserInfo(_Incoming):
    """authentication.k8s.io/v1 UserInfo."""

    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str] | None] | None = None


class ObjectMeta(_Incoming):
    """Metadata of one version of the Secret."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class Secret(_Incoming):
    """One version of a core/v1 Secret.

    Go writes an empty byte slice as ``null``, so a value of `data` may be one. `string_data` is normally merged into
    `data` before admission; a mutating webhook that ran before ours may have patched it in (KUBERNETES.md §2.1).
    """

    kind: str = "Secret"
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    type: str | None = None
    data: dict[str, str | None] | None = None
    string_data: dict[str, str | None] | None = None
    immutable: bool | None = None


class Request(_Incoming):
    """``request`` of an AdmissionReview."""

    uid: str
    operation: str
    resource: GroupVersionResource
    sub_resource: str | None = None
    name: str | None = None
    namespace: str | None = None
    user_info: UserInfo = msgspec.field(default_factory=UserInfo)
    object: Secret | None = None
    old_object: Secret | None = None
    dry_run: bool | None = None


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
