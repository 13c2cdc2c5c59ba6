"""AdmissionReview v1: bytes to `AdmissionRequest`, and a `Decision` to bytes.

A body that cannot be read raises `BadReview`, whose reason never quotes the content. A decoded request is complete: no
other module needs to check whether a field was present.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import msgspec
from msgspec import UNSET, UnsetType

from webhook.admission import structure
from webhook.admission.models import (
    API_VERSION,
    KIND,
    GroupVersionResource,
    Incoming,
    ObjectMeta,
    Request,
    Response,
    Review,
    Secret,
    Status,
    StatusCause,
    StatusDetails,
    UserInfo,
)
from webhook.admission.text import audit_annotations, clean, fit_warnings
from webhook.decision import Decision, Deny, PatchOperation, Stage
from webhook.errors import BadReview
from webhook.subject import Operation, Requester, SecretObject, Subject

_SECRETS = GroupVersionResource(group="", version="v1", resource="secrets")
_OPERATIONS = {operation.value: operation for operation in Operation}
# Characters that Go escapes although JSON does not require it (encoding/json: SetEscapeHTML, and line separators).
_GO_ESCAPES = (
    (b"\\u003c", b"<"),
    (b"\\u003e", b">"),
    (b"\\u0026", b"&"),
    (b"\\u2028", "\u2028".encode()),
    (b"\\u2029", "\u2029".encode()),
)
# The form of a group, version or resource (RFC 1123). Errors repeat only such text.
_NAME = re.compile(r"[A-Za-z0-9.-]{0,253}\Z")

_encoder = msgspec.json.Encoder()
_review = msgspec.json.Decoder(Incoming)
_anything = msgspec.json.Decoder()
_SMALL = 32 * 1024
"""Bytes. A typical review has 1 to 10 KB."""


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """A decoded review.

    Attributes:
        uid: the response repeats it.
    """

    uid: str
    subject: Subject


def decode(body: bytes | bytearray, *, pause: Callable[[], object] = int) -> AdmissionRequest:
    """Decode a review.

    Args:
        pause: called between the steps of a large body, to let other threads run.

    Raises:
        BadReview: the body is not a review that can be judged.
    """
    if not body or body.isspace():
        _refuse("the body is empty; an AdmissionReview belongs there", "empty")
    structure.check(body, pause)
    review = _parse(body)
    _refuse_other_kinds(review.kind, review.api_version)
    if not isinstance(review.request, Request):
        _refuse("the AdmissionReview has no request", "request")
    if not _is_unambiguous(body, review):
        pause()
        structure.refuse_duplicate_keys(body, pause)
    return _admission_request(review.request)


def encode(request: AdmissionRequest, decision: Decision, stage: Stage) -> bytes:
    """Return the AdmissionReview that answers a request.

    It has a patch only where the API server accepts one: from a mutating webhook, and not for a DELETE.
    """
    if isinstance(decision, Deny):
        response = Response(
            uid=request.uid,
            allowed=False,
            status=_status(decision, request.subject.secret),
            warnings=fit_warnings(decision.warnings),
            audit_annotations=audit_annotations(decision.audit_annotations),
        )
        return _encoder.encode(Review(response))
    patched = bool(decision.patch) and stage is Stage.MUTATE and request.subject.operation is not Operation.DELETE
    response = Response(
        uid=request.uid,
        allowed=True,
        patch=_encode_patch(decision.patch) if patched else None,
        patch_type="JSONPatch" if patched else None,
        warnings=fit_warnings(decision.warnings),
        audit_annotations=audit_annotations(decision.audit_annotations),
    )
    return _encoder.encode(Review(response))


def _refuse(message: str, reason: str) -> NoReturn:
    raise BadReview(message, reason=reason)


# --- JSON -----------------------------------------------------------------------------------------------------------


def _parse(body: bytes | bytearray) -> Incoming:
    try:
        return _review.decode(body)
    except msgspec.ValidationError as error:
        _name_what_is_wrong(body, error)
    except (msgspec.MsgspecError, UnicodeError):
        # The text of a UnicodeError quotes the body.
        _refuse("the body is no JSON text in UTF-8", "json")
    except RecursionError:
        _refuse("the body is nested too deeply", "depth")


def _name_what_is_wrong(body: bytes | bytearray, error: msgspec.ValidationError) -> NoReturn:
    """Raise `BadReview` with the wrong kind, or else with the path of the wrong field."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError):
        _refuse("the body is JSON, but no object; an AdmissionReview belongs there", "kind")
    meta = [msgspec.json.decode(members[key]) if key in members else "" for key in ("kind", "apiVersion")]
    if all(isinstance(text, str) for text in meta):
        _refuse_other_kinds(*meta)
        if not bytes(members.get("request", b"null")).lstrip().startswith(b"{"):
            _refuse("the AdmissionReview has no request", "request")
    # The error has types, lengths and names of our own fields, and [...] in place of keys, but no content.
    text = str(error).replace("$.request", "request").replace("$", "the review")
    _refuse(f"the AdmissionReview isn't one: {text}", "too-long" if " of length <=" in text else "shape")


def _is_unambiguous(body: bytes | bytearray, review: Incoming) -> bool:
    """Return whether a round trip returns the same bytes, which proves that no key occurs twice.

    Parsers differ in which of two equal keys they use, so another token could be stored than the one that was checked.
    """
    try:
        if body.startswith(_encoder.encode(review)):  # as the API server writes it; only whitespace can follow
            return True
        if len(body) > _SMALL:  # replacing a million escapes takes longer than a search for equal keys
            return False
        text = body.strip()
        if b"\\u" in text:
            for escaped, character in _GO_ESCAPES:
                text = text.replace(escaped, character)
        # Members in another order, or new ones. The objects of a small body are small.
        return text in (_encoder.encode(review), _encoder.encode(_anything.decode(body)))
    except (msgspec.MsgspecError, UnicodeError):
        return False


# --- the request ----------------------------------------------------------------------------------------------------


def _refuse_other_kinds(kind: str, api_version: str) -> None:
    if kind != KIND:
        _refuse(f"the body is no {KIND}: its kind is another one", "kind")
    if api_version != API_VERSION:
        _refuse(
            f"only {API_VERSION} is understood: admissionReviewVersions of the webhook configuration must be [v1]",
            "version",
        )


def _admission_request(request: Request) -> AdmissionRequest:
    if not request.uid:
        _refuse("the request has no uid, which the answer must repeat", "request")
    operation = _OPERATIONS.get(request.operation)
    if operation is None:
        _refuse("the request's operation is none of CREATE, UPDATE, DELETE and CONNECT", "operation")
    if request.resource != _SECRETS or request.sub_resource:
        _refuse(
            f"the request is about {_named(request)}, and only secrets of v1 are judged here: the rules of the webhook "
            "configuration must name no other resource",
            "resource",
        )
    new = None if operation is Operation.DELETE else _secret(request.object, request)
    old = _secret(request.old_object, request)
    if new is None and operation in (Operation.CREATE, Operation.UPDATE):
        _refuse(f"the request is a {operation} and has no object", "object")
    if new is None and old is None:
        _refuse("the request has neither object nor oldObject", "object")
    subject = Subject(operation, new, old, _requester(request.user_info), dry_run=bool(request.dry_run))
    return AdmissionRequest(request.uid, subject)


def _named(request: Request) -> str:
    resource = request.resource
    parts = (resource.group, resource.version, resource.resource, request.sub_resource or "")
    if not resource.resource or not all(_NAME.match(part) for part in parts):
        return "another resource"
    name = "/".join(filter(None, (resource.resource, request.sub_resource or "")))
    return f"{name} of {'/'.join(filter(None, (resource.group, resource.version)))}"


def _secret(secret: Secret | UnsetType | None, request: Request) -> SecretObject | None:
    if not secret:
        return None
    if secret.kind and secret.kind != "Secret":
        _refuse("the request is about secrets, and its object is of another kind", "object")
    meta = secret.metadata or ObjectMeta()
    string_data = secret.string_data or {}
    data = {key: value or "" for key, value in (secret.data or {}).items()}
    for key, value in string_data.items():  # takes precedence over data, as in the API server
        data[key] = b64encode((value or "").encode()).decode()
    return SecretObject(
        namespace=request.namespace or meta.namespace or "",
        name=meta.name or request.name or "",
        generate_name=meta.generate_name or "",
        labels=meta.labels or {},
        annotations=meta.annotations or {},
        data=data,
        type=secret.type or "Opaque",
        deleting=bool(meta.deletion_timestamp is not None and meta.deletion_timestamp is not UNSET),
        immutable=bool(secret.immutable),
        in_string_data=frozenset(string_data),
    )


def _requester(user: UserInfo | UnsetType) -> Requester:
    user = user or UserInfo()
    return Requester(
        username=user.username or "",
        uid=user.uid or "",
        groups=tuple(user.groups or ()),
        extra={key: tuple(values or ()) for key, values in (user.extra or {}).items()},
    )


# --- the answer -----------------------------------------------------------------------------------------------------


def _encode_patch(patch: tuple[PatchOperation, ...]) -> bytes:
    return _encoder.encode(patch)


def _status(decision: Deny, secret: SecretObject) -> Status:
    return Status(
        status="Failure",
        message=clean(decision.message),
        reason=decision.reason,
        code=decision.code,
        details=StatusDetails(
            name=secret.name or secret.generate_name,
            kind="Secret",
            causes=[StatusCause(cause.reason, clean(cause.message), clean(cause.field)) for cause in decision.causes],
        ),
    )
