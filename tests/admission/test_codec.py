"""What is read of an AdmissionReview, what is refused, and what is answered."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.admission.reviews import UID, as_go_writes, make_object, make_review, without
from webhook.admission.codec import AdmissionRequest, decode, encode
from webhook.decision import Allow, Cause, Deny, Stage
from webhook.errors import BadReview
from webhook.subject import Operation, Requester, SecretObject, Subject

PATCH = ({"op": "add", "path": "/metadata/labels/a", "value": "b"},)


def read(**changes: Any) -> Subject:
    return decode(as_go_writes(make_review(**changes))).subject


def answer(decision: Allow | Deny, stage: Stage = Stage.MUTATE, **changes: Any) -> dict[str, Any]:
    request = decode(as_go_writes(make_review(**changes)))
    response: dict[str, Any] = json.loads(encode(request, decision, stage))["response"]
    return response


class TestReading:
    def test_a_create(self) -> None:
        """Everything that a review says of a Secret and its writer is there, and nothing else is needed."""
        request = decode(as_go_writes(make_review()))
        assert request.uid == UID
        assert request.subject == Subject(
            Operation.CREATE,
            SecretObject(
                "platform",
                "git-default-a1",
                labels={"team": "apps"},
                data={"token": base64.b64encode(b"not a real one").decode()},
            ),
            requester=Requester(
                "system:serviceaccount:platform:cap-app-proxy",
                "4f8a",
                ("system:serviceaccounts", "system:authenticated"),
                {"authentication.kubernetes.io/credential-id": ("JTI=1",)},
            ),
        )

    def test_both_versions_of_an_update(self) -> None:
        """An UPDATE has the old version beside the new one."""
        subject = read(operation="UPDATE", oldObject=make_object(labels={"team": "before"}))
        assert subject.old is not None
        assert (subject.secret.labels, subject.old.labels) == ({"team": "apps"}, {"team": "before"})

    def test_a_delete_has_no_object(self) -> None:
        """What is deleted is only there as the old version."""
        subject = read(operation="DELETE", object=None, oldObject=make_object())
        assert subject.object is None
        assert subject.secret.name == "git-default-a1"

    def test_a_generated_name(self) -> None:
        """At the mutating stage neither the request nor the object has a name yet."""
        review = make_review(object=make_object(name=None, generateName="git-default-"))
        subject = decode(as_go_writes(without(review, "request", "name"))).subject
        assert (subject.secret.name, subject.secret.generate_name) == ("", "git-default-")

    def test_a_dry_run(self) -> None:
        """That nothing will be stored is passed on."""
        assert read(dryRun=True).dry_run

    def test_an_object_that_is_being_deleted(self) -> None:
        """A deletion timestamp says that only finalizers keep it."""
        assert read(object=make_object(deletionTimestamp="2026-11-23T10:00:00Z")).secret.deleting

    @pytest.mark.parametrize("absent", ["labels", "annotations", "data"])
    def test_an_absent_map_is_an_empty_one(self, absent: str) -> None:
        """Go leaves out empty maps, and nobody behind the codec has to know."""
        assert getattr(read(object=make_object(**{absent: None})).secret, absent) == {}

    def test_an_empty_value_that_go_writes_as_null(self) -> None:
        """`token:` without a value is stored as no bytes, which Go writes as null."""
        assert read(object=make_object(data={"token": None})).secret.data == {"token": ""}

    def test_string_data_of_another_webhook(self) -> None:
        """What a webhook before ours has put into stringData wins over data, as it will in the store."""
        secret = make_object(data={"token": "b2xk", "url": "eA=="}, stringData={"token": "new"})
        assert read(object=secret).secret.data == {"token": "bmV3", "url": "eA=="}

    def test_characters_that_go_escapes(self) -> None:
        """An escaped < is a <, and no reason to see a duplicate key."""
        annotations = {"note": "<a> & <b>\u2028"}
        assert read(object=make_object(annotations=annotations)).secret.annotations == annotations

    def test_keys_that_are_not_known(self) -> None:
        """Later versions of Kubernetes may say more."""
        assert read(somethingNew={"a": [1, 2.5, None]}).secret.name == "git-default-a1"

    def test_nothing_of_a_secret_in_its_representation(self) -> None:
        """Somebody will print it one day."""
        secret = make_object(data={"token": "c2VudGluZWw="}, annotations={"last-applied": "c2VudGluZWw="})
        request = decode(as_go_writes(make_review(object=secret)))
        assert "c2VudGluZWw" not in repr(request)


def duplicated(review: dict[str, Any], key: str) -> bytes:
    text = as_go_writes(review).decode()
    return text.replace(f'"{key}":', f'"{key}":null,"{key}":', 1).encode()


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "white space": (b" \n", "empty"),
    "text": (b"hello", "json"),
    "half of it": (as_go_writes(make_review())[:-9], "json"),
    "two of them": (as_go_writes(make_review()) * 2, "json"),
    "binary": (bytes(range(256)), "json"),
    "UTF-16": (as_go_writes(make_review()).decode().encode("utf-16"), "json"),
    "a byte order mark": (b"\xef\xbb\xbf" + as_go_writes(make_review()), "json"),
    "a broken character": (as_go_writes(make_review()).replace(b"apps", b"\xff"), "json"),
    "a lone surrogate": (as_go_writes(make_review()).replace(b"apps", rb"\ud800"), "json"),
    "a lone surrogate before text": (as_go_writes(make_review()).replace(b"apps", rb"\udc00 and more"), "json"),
    "not a number": (b'{"a":NaN}', "json"),
    "a very large number": (b'{"a":1e999}', "kind"),
    "a very long number": (b'{"a":' + b"1" * 10_000 + b"}", "kind"),
    "deep": (b"[" * 100_000 + b"]" * 100_000, "depth"),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "depth"),
    "a list": (b"[]", "kind"),
    "a string": (b'"AdmissionReview"', "kind"),
    "null": (b"null", "kind"),
    "an empty object": (b"{}", "kind"),
    "another kind": (as_go_writes(make_review() | {"kind": "TokenReview"}), "kind"),
    "no kind": (as_go_writes(without(make_review(), "kind")), "kind"),
    "a kind that is no text": (as_go_writes(make_review() | {"kind": 1}), "shape"),
    "v1beta1": (as_go_writes(make_review() | {"apiVersion": "admission.k8s.io/v1beta1"}), "version"),
    "v2": (as_go_writes(make_review() | {"apiVersion": "admission.k8s.io/v2"}), "version"),
    "a duplicate request": (duplicated(make_review(), "request"), "duplicate-key"),
    "a duplicate data key": (duplicated(make_review(), "token"), "duplicate-key"),
    "a duplicate key under another spelling": (
        as_go_writes(make_review()).replace(b'"token":', rb'"\u0074oken":null,"token":'),
        "duplicate-key",
    ),
    "no request": (as_go_writes(without(make_review(), "request")), "request"),
    "a request that is null": (as_go_writes(make_review() | {"request": None}), "request"),
    "a request that is a list": (as_go_writes(make_review() | {"request": []}), "request"),
    "no uid": (as_go_writes(without(make_review(), "request", "uid")), "shape"),
    "an empty uid": (as_go_writes(make_review(uid="")), "request"),
    "a uid that is no text": (as_go_writes(make_review(uid=7)), "shape"),
    "no operation": (as_go_writes(without(make_review(), "request", "operation")), "shape"),
    "an unknown operation": (as_go_writes(make_review(operation="PATCH")), "operation"),
    "an operation in lower case": (as_go_writes(make_review(operation="create")), "operation"),
    "no resource": (as_go_writes(without(make_review(), "request", "resource")), "shape"),
    "pods": (as_go_writes(make_review(resource={"group": "", "version": "v1", "resource": "pods"})), "resource"),
    "secrets of another group": (
        as_go_writes(make_review(resource={"group": "x.io", "version": "v1", "resource": "secrets"})),
        "resource",
    ),
    "a subresource": (as_go_writes(make_review(subResource="status")), "resource"),
    "an object of another kind": (as_go_writes(make_review(object=make_object(kind="ConfigMap"))), "object"),
    "neither object nor oldObject": (as_go_writes(make_review(object=None)), "object"),
    "a CREATE of nothing but an old object": (
        as_go_writes(make_review(object=None, oldObject=make_object())),
        "object",
    ),
    "a DELETE of nothing": (as_go_writes(make_review(operation="DELETE", object=None)), "object"),
    "an object that is a list": (as_go_writes(make_review(object=[])), "shape"),
    "metadata that is null": (as_go_writes(make_review(object={"kind": "Secret", "metadata": None})), "shape"),
    "data that is a list": (as_go_writes(make_review(object=make_object(data=["x"]))), "shape"),
    "a value that is a number": (as_go_writes(make_review(object=make_object(data={"token": 12345}))), "shape"),
    "a label that is a number": (as_go_writes(make_review(object=make_object(labels={"a": 1}))), "shape"),
    "groups that are text": (as_go_writes(make_review(userInfo={"groups": "admins"})), "shape"),
}


class TestRefusing:
    @pytest.mark.parametrize("case", BAD)
    def test_what_is_no_review_of_a_secret(self, case: str) -> None:
        """Each is refused for its own reason, with a 4xx and a text that isn't empty."""
        body, reason = BAD[case]
        with pytest.raises(BadReview) as refused:
            decode(body)
        assert refused.value.reason == reason
        assert 400 <= refused.value.status < 500
        assert str(refused.value)

    @pytest.mark.parametrize(
        "changes",
        [
            {"object": make_object(data={"token": ["sentinel"]})},
            {"object": make_object(data={"sentinel": 5})},
            {"object": {"sentinel": 1, "metadata": {"labels": {"sentinel": 1}}}},
            {"operation": "sentinel"},
            {"resource": {"group": "", "version": "v1", "resource": "sentinel <"}},
        ],
    )
    def test_no_content_in_the_reason(self, changes: dict[str, Any]) -> None:
        """The API server shows the text of an HTTP error to users and writes it into its log."""
        with pytest.raises(BadReview) as refused:
            read(**changes)
        assert "sentinel" not in str(refused.value)

    def test_the_reason_names_the_wrong_resource(self) -> None:
        """Whoever wrote the webhook configuration reads what to mend."""
        deployments = {"group": "apps", "version": "v1", "resource": "deployments"}
        with pytest.raises(BadReview, match=r"about deployments/scale of apps/v1.*must name no other resource"):
            read(resource=deployments, subResource="scale")

    def test_the_reason_names_the_version_to_ask_for(self) -> None:
        """Of v1beta1, whoever wrote the webhook configuration reads what to write instead."""
        with pytest.raises(BadReview, match=r"only admission\.k8s\.io/v1 .*admissionReviewVersions .*\[v1\]"):
            decode(as_go_writes(make_review() | {"apiVersion": "admission.k8s.io/v1beta1"}))

    @given(st.binary(max_size=200))
    def test_any_bytes(self, body: bytes) -> None:
        """Whatever comes, it is read or refused."""
        try:
            decode(body)
        except BadReview:
            pass

    @given(st.data())
    def test_any_json_in_any_place(self, data: st.DataObject) -> None:
        """A review with anything in the place of one of its parts is read or refused."""
        review = make_review()
        place: Any = {"review": review}
        key = "review"
        while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
            place = place[key]
            key = data.draw(st.sampled_from(sorted(place)))
        scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
        place[key] = data.draw(
            st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
        )
        body = json.dumps(review if key != "review" else place[key]).encode()
        try:
            request = decode(body)
        except BadReview:
            return
        encode(request, Deny("no"), Stage.VALIDATE)


class TestAnswering:
    def test_the_same_kind_version_and_uid(self) -> None:
        """Else the API server takes the call for failed."""
        answered = json.loads(encode(decode(as_go_writes(make_review())), Allow(), Stage.MUTATE))
        assert answered == {
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "response": {"uid": UID, "allowed": True},
        }

    def test_a_patch_and_its_type(self) -> None:
        """Base64 of RFC 6902, and its type beside it."""
        response = answer(Allow(patch=PATCH))
        assert response["patchType"] == "JSONPatch"
        assert json.loads(base64.b64decode(response["patch"])) == [dict(PATCH[0])]

    def test_no_patch_means_no_type(self) -> None:
        """Both or neither."""
        assert not {"patch", "patchType"} & answer(Allow()).keys()

    def test_no_patch_at_the_validating_stage(self) -> None:
        """The API server takes a patch there for a failed call."""
        assert not {"patch", "patchType"} & answer(Allow(patch=PATCH), Stage.VALIDATE).keys()

    def test_no_patch_for_a_delete(self) -> None:
        """The API server takes a patch there for a failed call."""
        response = answer(Allow(patch=PATCH), operation="DELETE", object=None, oldObject=make_object())
        assert not {"patch", "patchType"} & response.keys()

    def test_a_denial(self) -> None:
        """A whole Status, of which kubectl shows name and causes and Argo CD the message."""
        response = answer(Deny("data.token: no.", (Cause("data.token", "no."),)), Stage.VALIDATE)
        assert response["allowed"] is False
        assert response["status"] == {
            "status": "Failure",
            "message": "data.token: no.",
            "reason": "Invalid",
            "code": 422,
            "details": {
                "name": "git-default-a1",
                "kind": "Secret",
                "causes": [{"reason": "FieldValueInvalid", "message": "no.", "field": "data.token"}],
            },
        }

    def test_a_denial_of_a_generated_name(self) -> None:
        """Where there is no name yet, what it will begin with stands for it."""
        secret = make_object(name=None, generateName="git-default-")
        assert answer(Deny("no."), object=secret, name="")["status"]["details"]["name"] == "git-default-"

    def test_a_denial_that_has_no_cause(self) -> None:
        """A requester who lacks a right gets 403 and no causes."""
        status = answer(Deny("no.", code=403, reason="Forbidden"))["status"]
        assert (status["code"], status["reason"], "causes" in status["details"]) == (403, "Forbidden", False)

    def test_warnings_of_a_denial(self) -> None:
        """Warnings also show beside a denial."""
        assert answer(Deny("no.", warnings=("And this.",)))["warnings"] == ["And this."]

    def test_no_control_characters_in_messages(self) -> None:
        """An account's name from outside can't drive the terminal of whoever reads it."""
        status = answer(Deny("a\x1b[31mb\nc", (Cause("data.x\ty", "d\x07e\u202ef"),)))["status"]
        assert status["message"] == "a[31mb c"
        assert status["details"]["causes"][0] | {"reason": ""} == {
            "reason": "",
            "field": "data.x y",
            "message": "def",
        }

    @pytest.mark.parametrize(
        ("key", "sent"), [("validation", "validation"), ("a/b c", "a-b-c"), ("-x_", "x"), ("k" * 70, "k" * 63)]
    )
    def test_keys_of_audit_annotations(self, key: str, sent: str) -> None:
        """Keys that the API server would drop are made ones that it takes."""
        assert answer(Allow(audit_annotations={key: "v"}))["auditAnnotations"] == {sent: "v"}

    def test_lone_surrogates(self) -> None:
        """Text that can't be written in UTF-8 doesn't keep the answer from being sent."""
        response = answer(Allow(("a\ud800b",), audit_annotations={"k": "\udfff"}))
        assert (response["warnings"], response["auditAnnotations"]) == (["ab"], {"k": ""})

    def test_an_answer_for_every_readable_request(self) -> None:
        """A request made by hand is answered as one from the wire."""
        request = AdmissionRequest("u", Subject(Operation.CREATE, SecretObject("ns", "n")))
        assert json.loads(encode(request, Allow(), Stage.VALIDATE))["response"]["uid"] == "u"
