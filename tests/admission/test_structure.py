"""How deep and how large a body may be, which keys may not stand twice, and what finding that out costs."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.admission.reviews import as_go_writes, make_object, make_review
from webhook.admission import codec, structure
from webhook.admission.codec import decode
from webhook.admission.handler import MAX_BODY
from webhook.errors import BadReview

LARGE = {"note": "x" * 100_000}


def unread(value: bytes, **changes: Any) -> bytes:
    """A review with `value` in a place that nobody reads."""
    return as_go_writes(make_review(**changes)).rstrip()[:-2] + b',"unknown":' + value + b"}}\n"


def reason_of(body: bytes) -> str:
    with pytest.raises(BadReview) as refused:
        decode(body)
    assert 400 <= refused.value.status < 500
    return refused.value.reason


class TestDepth:
    def test_the_deepest(self) -> None:
        """A hundred levels are read; a review of a Secret has ten."""
        levels = structure.DEEPEST - 2
        assert decode(unread(b"[" * levels + b"]" * levels)).subject.secret.name == "git-default-a1"

    @pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
    @pytest.mark.parametrize("levels", [150, 10_000])
    def test_deeper(self, brackets: tuple[bytes, bytes], levels: int) -> None:
        """A parser that recurses must not reach the end of its stack."""
        opening, closing = brackets
        assert reason_of(unread(opening * levels + b"1" + closing * levels)) == "depth"

    def test_levels_far_apart(self) -> None:
        """Levels count wherever they open and close."""
        padding = b'"' + b"x" * structure._SLICE + b'"'
        assert reason_of(unread((b"[" + padding + b",") * 150 + b"0" + (b"," + padding + b"]") * 150)) == "depth"

    def test_brackets_in_strings_are_no_levels(self) -> None:
        """JSON in an annotation, escaped in each way, is text."""
        text = '[{"' * 5000 + "\\" * 4097 + '"[' * 5000
        annotations = {"note": text}
        assert decode(
            as_go_writes(make_review(object=make_object(annotations=annotations)))
        ).subject.secret.annotations == (annotations)

    @given(
        st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
        st.text(),
    )
    def test_what_is_outside_of_strings(self, value: Any, text: str) -> None:
        """Strings, however they are escaped and wherever a part of the body ends, are left out whole."""

        def without_strings(value: Any) -> Any:
            if isinstance(value, dict):
                return [0 for _ in value] and [[without_strings(one) for one in value.values()]]
            return [without_strings(one) for one in value] if isinstance(value, list) else None

        filler = text + "\\" * (structure._SLICE - 3)
        body = json.dumps([filler, value, filler + '"', value]).encode()
        outside = b"".join(structure._outside_of_strings(body))
        assert b'"' not in outside
        opened = outside.count(b"[") + outside.count(b"{")
        assert opened == 1 + 2 * _containers(value)


def _containers(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_containers, value.values()))
    return 1 + sum(map(_containers, value)) if isinstance(value, list) else 0


class TestSize:
    @pytest.mark.parametrize("piece", [b"[],", b'{"a":0},', b"0,", b'"",', b"[[],[]],"])
    def test_a_body_of_nothing_but_values(self, piece: bytes) -> None:
        """Eight MiB of them are a bad review, and take no memory to find."""
        body = unread(b"[" + piece * ((MAX_BODY - 4000) // len(piece)) + b"0]")
        tracemalloc.start()
        try:
            assert reason_of(body) == "values"
            assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("piece", [b"[],", b'{"a":0},', b"0,"])
    def test_nothing_is_built_of_what_nobody_reads(self, piece: bytes) -> None:
        """Whatever stands in an unknown field is passed over."""
        body = unread(b"[" + piece * (structure.MOST_VALUES // 3) + b"0]")
        tracemalloc.start()
        try:
            decode(body)
            assert tracemalloc.get_traced_memory()[1] < len(body) + 2**20
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("keys", [20_000, 20_001])
    def test_the_most_keys(self, keys: int) -> None:
        """A Secret may hold as many tokens as fit into it, each named by managedFields as well; not more keys."""
        data = {f"k{number:05}": "" for number in range(keys)}
        secret = make_object(data=data)
        secret["metadata"]["managedFields"][0]["fieldsV1"] = {f"f:{key}": {} for key in data}
        body = as_go_writes(make_review(operation="UPDATE", object=secret, oldObject=secret))
        if keys > 20_000:
            assert reason_of(body) == "too-long"
        else:
            assert len(decode(body).subject.secret.data) == keys


def at(path: tuple[str, ...], body: dict[str, Any], key: str) -> bytes:
    """The body with `key` twice in the object at `path`."""
    place: Any = body
    for step in path:
        place = place[step]
    place["DUPLICATE"] = place[key]
    return as_go_writes(body).replace(b'"DUPLICATE"', f'"{key}"'.encode())


def full_review(**changes: Any) -> dict[str, Any]:
    secret = make_object(annotations={"note": "<a>"}, stringData={"url": "x"}, **changes)
    return make_review(operation="UPDATE", object=secret, oldObject=secret)


READ = [
    ((), "request"),
    ((), "kind"),
    (("request",), "uid"),
    (("request",), "object"),
    (("request",), "oldObject"),
    (("request",), "userInfo"),
    (("request", "resource"), "version"),
    (("request", "userInfo"), "username"),
    (("request", "userInfo", "extra"), "authentication.kubernetes.io/credential-id"),
    (("request", "object"), "data"),
    (("request", "object"), "metadata"),
    (("request", "object", "data"), "token"),
    (("request", "object", "stringData"), "url"),
    (("request", "object", "metadata"), "name"),
    (("request", "object", "metadata", "labels"), "team"),
    (("request", "object", "metadata", "annotations"), "note"),
    (("request", "oldObject", "data"), "token"),
    (("request", "oldObject", "metadata", "annotations"), "note"),
]


class TestDuplicateKeys:
    @pytest.mark.parametrize(("path", "key"), READ)
    @pytest.mark.parametrize("large", [False, True])
    def test_in_each_object_that_is_read(self, path: tuple[str, ...], key: str, large: bool) -> None:
        """Whether a body is small or large, a key that stands twice is found, with equal values as well."""
        body = full_review()
        if large:
            body["request"]["options"] = LARGE
        assert reason_of(at(path, body, key)) == "duplicate-key"

    def test_in_an_object_that_nobody_reads(self) -> None:
        """It changes nothing, so a large body may have one."""
        body = full_review()
        body["request"]["options"] = LARGE
        assert decode(at(("request", "options"), body, "note")).uid

    def test_a_key_in_another_spelling(self) -> None:
        """An escaped letter is the same letter, in a large body as well."""
        body = as_go_writes(make_review(options=LARGE))
        assert reason_of(body.replace(b'"token":', rb'"\u0074oken":null,"token":')) == "duplicate-key"
        assert reason_of(body.replace(b'"object":', rb'"ob\u006aect":null,"object":')) == "duplicate-key"

    def test_as_the_api_server_writes_it(self) -> None:
        """A body in Go's order needs no search for duplicate keys."""
        body = as_go_writes(make_review(options=LARGE))
        assert codec._is_unambiguous(body, codec._parse(body))


TOO_LONG: dict[str, dict[str, Any]] = {
    "uid": {"uid": "u" * 1025},
    "operation": {"operation": "C" * 1025},
    "name": {"name": "n" * 254},
    "namespace": {"namespace": "n" * 64},
    "subresource": {"subResource": "s" * 254},
    "resource": {"resource": {"group": "g" * 254, "version": "v1", "resource": "secrets"}},
    "user": {"userInfo": {"username": "u" * 1025}},
    "user's uid": {"userInfo": {"uid": "u" * 1025}},
    "group": {"userInfo": {"groups": ["g" * 1025]}},
    "groups": {"userInfo": {"groups": ["g"] * 4097}},
    "extra": {"userInfo": {"extra": {"k": ["v" * 1025]}}},
    "key of extra": {"userInfo": {"extra": {"k" * 1025: ["v"]}}},
    "object's name": {"object": make_object(name="n" * 254)},
    "object's namespace": {"object": make_object(namespace="n" * 64)},
    "generateName": {"object": make_object(generateName="n" * 254)},
    "old object's name": {"oldObject": make_object(name="n" * 254)},
    "key of data": {"object": make_object(data={"k" * 254: ""})},
    "key of stringData": {"object": make_object(stringData={"k" * 254: ""})},
    "key of a label": {"object": make_object(labels={"k" * 318: ""})},
    "label": {"object": make_object(labels={"k": "v" * 4097})},
    "key of an annotation": {"object": make_object(annotations={"k" * 318: ""})},
    "type": {"object": make_object(type="t" * 1025)},
    "deletionTimestamp": {"object": make_object(deletionTimestamp="t" * 1025)},
}


class TestLengths:
    @pytest.mark.parametrize("what", TOO_LONG)
    def test_what_is_too_long(self, what: str) -> None:
        """It is a bad review, before anything logs it, remembers it or asks about it."""
        assert reason_of(as_go_writes(make_review(**TOO_LONG[what]))) == "too-long"

    def test_what_is_just_short_enough(self) -> None:
        """Names as long as Kubernetes allows are read."""
        secret = make_object(
            name="n" * 253,
            labels={"p" * 253 + "/" + "k" * 63: "v"},
            annotations={"p" * 253 + "/" + "k" * 63: "v" * 200_000},
            data={"k" * 253: "eA=="},
        )
        review = make_review(object=secret, name="n" * 253, namespace="n" * 63)
        assert decode(as_go_writes(review)).subject.secret.namespace == "n" * 63
