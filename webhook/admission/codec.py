"""AdmissionReview v1: bytes to `AdmissionRequest`, and a `Decision` back to bytes.

What can't be read is `BadReview` with a reason that never quotes the content. What comes out of `decode` is complete:
nobody behind it asks whether a field was there.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import msgspec

from webhook.admission.models import (
    API_VERSION,
    KIND,
    GroupVersionResource,
    ObjectMeta,
    Request,
    Response,
    Review,
    Secret,
    Status,
    StatusCause,
    StatusDetails,
    TypeMeta,
    UserInfo,
)
from webhook.admission.text import audit_annotations, clean, fit_warnings
from webhook.decision import Decision, Deny, PatchOperation, Stage
from webhook.errors import BadReview
from webhook.subject import Operation, Requester, SecretObject, Subject

_T = TypeVar("_T")
_SECRETS = GroupVersionResource(group="", version="v1", resource="secrets")
_OPERATIONS = {operation.value: operation for operation in Operation}
# What a group, version or resource can look like (RFC 1123): only such text is repeated in an error.
_NAME = re.compile(r"[A-Za-z0-9.-]{0,253}\Z")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()  # of anything, so that the same pass serves the search for duplicate keys


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One readable review.

    Attributes:
        uid: what the answer must repeat.
    """

    uid: str
    subject: Subject


def decode(body: bytes) -> AdmissionRequest:
    """The review that `body` holds.

    Raises:
        BadReview: it holds none that could be judged.
    """
    if not body.strip():
        _refuse("the body is empty; an AdmissionReview belongs there", "empty")
    document = _parse(body)
    if not isinstance(document, dict):
        _refuse("the body is JSON, but no object; an AdmissionReview belongs there", "kind")
    _refuse_other_kinds(_convert(document, TypeMeta, "$"))
    if not isinstance(document.get("request"), dict):
        _refuse("the AdmissionReview has no request", "request")
    return _admission_request(_convert(document["request"], Request, "request"))


def encode(request: AdmissionRequest, decision: Decision, stage: Stage) -> bytes:
    """The AdmissionReview that answers `request`.

    A patch is only sent where the API server takes one: at the mutating stage, and not for a DELETE.
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


def _parse(body: bytes) -> Any:
    try:
        document = _decoder.decode(body)
        unambiguous = _encoder.encode(document) == body.strip()
    except (msgspec.MsgspecError, UnicodeError):
        # Neither error is repeated: UnicodeError's own text quotes the body.
        _refuse("the body is no JSON text in UTF-8", "json")
    except RecursionError:
        _refuse("the body is nested too deeply", "depth")
    # Of two equal keys parsers take one or the other, so that we might judge another token than the one that is stored.
    # Text that comes out of a round trip byte for byte has none; other text (Go escapes <, > and &) is looked through.
    if not unambiguous:
        _refuse_duplicate_keys(body)
    return document


def _refuse_duplicate_keys(body: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in pairs}) != len(pairs):
            _refuse("a key stands twice in the same object", "duplicate-key")

    def ignore(number: str) -> None:
        """Numbers don't matter here, and Python refuses to convert very long ones."""

    try:
        json.loads(body, object_pairs_hook=unique, parse_int=ignore, parse_float=ignore)
    except ValueError:
        _refuse("the body is no JSON text in UTF-8", "json")
    except RecursionError:
        _refuse("the body is nested too deeply", "depth")


def _convert(value: Any, type_: type[_T], where: str) -> _T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        # msgspec names types and the names of our own fields, and writes [...] for keys: nothing of the content.
        _refuse(f"the AdmissionReview isn't one: {str(error).replace('$', where)}", "shape")
    except RecursionError:
        _refuse("the body is nested too deeply", "depth")


# --- the request ----------------------------------------------------------------------------------------------------


def _refuse_other_kinds(meta: TypeMeta) -> None:
    if meta.kind != KIND:
        _refuse(f"the body is no {KIND}: its kind is another one", "kind")
    if meta.api_version != API_VERSION:
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
    name = "/".join(filter(None, (resource.resource, request.sub_resource)))
    return f"{name} of {'/'.join(filter(None, (resource.group, resource.version)))}"


def _secret(secret: Secret | None, request: Request) -> SecretObject | None:
    if secret is None:
        return None
    if secret.kind != "Secret":
        _refuse("the request is about secrets, and its object is of another kind", "object")
    meta: ObjectMeta = secret.metadata
    data = {key: value or "" for key, value in (secret.data or {}).items()}
    for key, value in (secret.string_data or {}).items():  # wins over data, as it will when this is stored
        data[key] = b64encode((value or "").encode()).decode()
    return SecretObject(
        namespace=request.namespace or meta.namespace or "",
        name=meta.name or request.name or "",
        generate_name=meta.generate_name or "",
        labels=meta.labels or {},
        annotations=meta.annotations or {},
        data=data,
        type=secret.type or "Opaque",
        deleting=meta.deletion_timestamp is not None,
        immutable=bool(secret.immutable),
        in_string_data=frozenset(secret.string_data or ()),
    )


def _requester(user: UserInfo) -> Requester:
    return Requester(
        username=user.username,
        uid=user.uid,
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
