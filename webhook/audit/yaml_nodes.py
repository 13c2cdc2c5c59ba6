"""Nodes of a YAML document: fields, texts and mappings, read as kubectl reads them."""

from __future__ import annotations

import re

import yaml

from webhook.providers.token_shapes import name_holds_token

STRING = "tag:yaml.org,2002:str"
NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
# A kind, or a group with its version. Messages repeat no other text.
_PLAIN = re.compile(r"[A-Za-z0-9./-]{1,128}\Z")


class InvalidNode(Exception):
    """The API server would reject the Secret; the text is a clause without any value of it."""

    def __init__(self, node: yaml.Node, why: str) -> None:
        super().__init__(why)
        self.node = node


def strings(node: yaml.MappingNode, section: str) -> dict[str, str]:
    """Return a mapping of strings.

    Raises:
        InvalidNode: a value is not a string.
    """
    found: dict[str, str] = {}
    for key, value in pairs(node):
        if not isinstance(value, yaml.ScalarNode) or value.tag not in (STRING, NULL):
            raise InvalidNode(value, f"has a value in {section} that is not a string; write it in quotes")
        found[key.value] = "" if value.tag == NULL else value.value
    return found


def mapping(node: yaml.MappingNode, key: str) -> yaml.MappingNode:
    """Return a field that is a mapping, empty if it is missing or null.

    Raises:
        InvalidNode: it is something else, or its keys are not distinct strings.
    """
    found = child(node, key)
    if found is None or (isinstance(found, yaml.ScalarNode) and found.tag == NULL):
        return yaml.MappingNode("", [])
    if not isinstance(found, yaml.MappingNode):
        raise InvalidNode(found, f"has a {key} that is not a mapping")
    if not all(isinstance(name, yaml.ScalarNode) for name, _ in pairs(found)):
        raise InvalidNode(found, f"has a key in {key} that is not a string")
    if (twice := duplicate_key(found)) is not None:
        raise InvalidNode(twice, f"has a duplicate key in {key}")
    return found


def pairs(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return keys with values, including those that ``<<`` merges, of which the first counts
    (https://yaml.org/type/merge.html). kubectl merges them the same way."""
    if not any(key.tag == _MERGE for key, _ in node.value):
        return list(node.value)
    found: dict[object, tuple[yaml.Node, yaml.Node]] = {}
    seen, left = set[int](), [node]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        brought: list[yaml.MappingNode] = []
        for key, value in one.value:
            if key.tag == _MERGE:
                mappings = value.value if isinstance(value, yaml.SequenceNode) else [value]
                brought += [mapping for mapping in mappings if isinstance(mapping, yaml.MappingNode)]
            else:
                found.setdefault(key.value if isinstance(key, yaml.ScalarNode) else id(key), (key, value))
        left += reversed(brought)
    return list(found.values())


def duplicate_key(node: yaml.MappingNode) -> yaml.Node | None:
    """Return the first key that occurs twice; None if there is none."""
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                return key
            seen.add(key.value)
    return None


def child(node: yaml.Node | None, *path: str) -> yaml.Node | None:
    """Return the node under these keys; None if there is none."""
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in pairs(node) if getattr(key, "value", None) == name), None)
    return node


def text_at(node: yaml.Node | None, *path: str) -> str:
    """Return the text under these keys; empty if there is none."""
    found = child(node, *path)
    return found.value if isinstance(found, yaml.ScalarNode) and found.tag != NULL else ""


def texts_at(node: yaml.Node | None, *path: str) -> dict[str, str]:
    """Return the mapping of texts under these keys, without values of other types."""
    found = child(node, *path)
    if not isinstance(found, yaml.MappingNode):
        return {}
    return {
        key.value: value.value
        for key, value in pairs(found)
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
    }


def word(node: yaml.MappingNode, key: str) -> str:
    """Return a word that a message may repeat, such as a kind; empty if the value is something else."""
    found = text_at(node, key)
    return found if _PLAIN.match(found) and not name_holds_token(found) else ""
