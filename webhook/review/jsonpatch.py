"""Build RFC 6902 patches of labels, annotations and data, with few operations in a stable order."""

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
    """Return the operations that change labels and annotations.

    Args:
        labels: the current labels; empty if the object has none.
        annotations: the current annotations, likewise.
        label_changes: the new value of each label; None removes it.
        annotation_changes: the new value of each annotation, likewise.
    """
    return (
        *map_patch("/metadata/labels", labels, label_changes or {}),
        *map_patch("/metadata/annotations", annotations, annotation_changes or {}),
    )


def data_patch(texts: Mapping[str, str], in_string_data: Collection[str] = ()) -> tuple[PatchOperation, ...]:
    """Return the operations that replace existing values of a Secret.

    Args:
        texts: the new values, by key.
        in_string_data: keys whose value is in ``stringData``, not in base64, which takes precedence over ``data``.
    """
    return tuple(
        {"op": "replace", "path": f"/stringData/{escape(key)}", "value": text}
        if key in in_string_data
        else {"op": "replace", "path": f"/data/{escape(key)}", "value": base64.b64encode(text.encode()).decode()}
        for key, text in sorted(texts.items())
    )


def map_patch(path: str, current: Mapping[str, str], changes: Mapping[str, str | None]) -> tuple[PatchOperation, ...]:
    """Return the operations that apply `changes` to the map at `path`, whose value is `current`."""
    if not current:
        # The map may be absent, and a member cannot be added to an absent map. If it exists and is empty, adding it
        # again replaces it (RFC 6902, 4.1).
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
    """Escape a key for a JSON Pointer (RFC 6901, 3): ``~`` first, or that of ``~1`` would be escaped again."""
    return key.replace("~", "~0").replace("/", "~1")
