"""Wanted labels, annotations and values to RFC 6902 operations: the fewest that do it, in an order that never
varies."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping

from webhook.decision import PatchOperation


def metadata_patch(
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    label_changes: Mapping[str, str | None] | None = None,
    annotation_changes: Mapping[str, str | None] | None = None,
) -> tuple[PatchOperation, ...]:
    """What turns the current labels and annotations into the wanted ones.

    Args:
        labels: the current ones; empty also where the object has none at all.
        annotations: likewise.
        label_changes: the value that a label shall have, or None where it shall not be there.
        annotation_changes: likewise.
    """
    return (
        *map_patch("/metadata/labels", labels, label_changes or {}),
        *map_patch("/metadata/annotations", annotations, annotation_changes or {}),
    )


def data_patch(texts: Mapping[str, str], in_string_data: Collection[str] = ()) -> tuple[PatchOperation, ...]:
    """What makes values of a Secret, which it has already, hold other texts.

    Args:
        texts: by key.
        in_string_data: keys whose value stands in ``stringData``, where it is no base64 and wins over ``data``.
    """
    return tuple(
        {"op": "replace", "path": f"/stringData/{escape(key)}", "value": text}
        if key in in_string_data
        else {"op": "replace", "path": f"/data/{escape(key)}", "value": base64.b64encode(text.encode()).decode()}
        for key, text in sorted(texts.items())
    )


def map_patch(path: str, current: Mapping[str, str], changes: Mapping[str, str | None]) -> tuple[PatchOperation, ...]:
    """What makes the map at `path`, which is `current`, hold `changes`; nothing where it does already."""
    if not current:
        # The map itself may be absent, and a member can't be added to what isn't there. Where it is there and
        # empty, adding it again replaces it by the same (RFC 6902, 4.1).
        wanted = {key: value for key, value in sorted(changes.items()) if value is not None}
        return ({"op": "add", "path": path, "value": wanted},) if wanted else ()
    operations: list[PatchOperation] = []
    for key, value in sorted(changes.items()):
        pointer = f"{path}/{escape(key)}"
        if value is None:
            if key in current:
                operations.append({"op": "remove", "path": pointer})
        elif key not in current:
            operations.append({"op": "add", "path": pointer, "value": value})
        elif current[key] != value:
            operations.append({"op": "replace", "path": pointer, "value": value})
    return tuple(operations)


def escape(key: str) -> str:
    """A key as one step of a JSON pointer (RFC 6901, 3): ``~`` first, or the ``~`` of ``~1`` would be escaped too."""
    return key.replace("~", "~0").replace("/", "~1")
