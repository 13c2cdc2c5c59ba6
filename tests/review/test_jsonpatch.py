"""Patches of labels and annotations."""

from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.review.jsonpatch import escape, map_patch, metadata_patch

PATH = "/metadata/labels"

names = st.text(st.sampled_from("ab/~01.-"), min_size=1, max_size=5)
maps = st.dictionaries(names, st.text(max_size=3), max_size=6)
changes = st.dictionaries(names, st.none() | st.text(max_size=3), max_size=6)


def test_one_of_each_kind() -> None:
    """A new value is added, another one replaced, an unwanted one removed, in the order of their keys."""
    assert map_patch(PATH, {"a": "1", "b": "2", "c": "3"}, {"d": "4", "c": None, "b": "x", "a": "1"}) == (
        {"op": "replace", "path": "/metadata/labels/b", "value": "x"},
        {"op": "remove", "path": "/metadata/labels/c"},
        {"op": "add", "path": "/metadata/labels/d", "value": "4"},
    )


def test_where_there_is_no_map_yet() -> None:
    """A member can't be added to a map that isn't there."""
    assert map_patch(PATH, {}, {"b": "2", "a": "1", "c": None}) == (
        {"op": "add", "path": PATH, "value": {"a": "1", "b": "2"}},
    )


@pytest.mark.parametrize(("current", "wanted"), [({}, {}), ({}, {"a": None}), ({"a": "1"}, {"a": "1", "b": None})])
def test_nothing_to_change(current: dict[str, str], wanted: dict[str, str | None]) -> None:
    """What is as it shall be needs no patch, so that a repeated write changes nothing."""
    assert map_patch(PATH, current, wanted) == ()


def test_labels_before_annotations() -> None:
    """The order never varies."""
    operations = metadata_patch(
        labels={}, annotations={}, annotation_changes={"x/y": "1"}, label_changes={"argocd.argoproj.io/t": "2"}
    )
    assert [operation["path"] for operation in operations] == ["/metadata/labels", "/metadata/annotations"]


@pytest.mark.parametrize(("key", "step"), [("a/b", "a~1b"), ("a~b", "a~0b"), ("~1", "~01"), ("a", "a")])
def test_escaping(key: str, step: str) -> None:
    """A slash in a key is no separator, and a tilde no escape."""
    assert escape(key) == step


@given(maps, changes)
def test_the_result_is_what_was_wanted(current: dict[str, str], wanted: dict[str, str | None]) -> None:
    """Applied by another implementation, also to an object without the map, it gives exactly the wanted map."""
    document: dict[str, Any] = {"metadata": {"labels": current} if current else {}}
    operations = [dict(operation) for operation in map_patch(PATH, current, wanted)]
    patched = jsonpatch.apply_patch(document, operations)["metadata"].get("labels", {})
    expected = {key: value for key, value in {**current, **wanted}.items() if value is not None}
    assert patched == expected


@given(maps, changes)
def test_no_needless_operation(current: dict[str, str], wanted: dict[str, str | None]) -> None:
    """There are never more operations than values that change."""
    differing = [key for key, value in wanted.items() if current.get(key) != value]
    assert len(map_patch(PATH, current, wanted)) <= len(differing)
