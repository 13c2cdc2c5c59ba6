"""kubectl's last-applied-configuration annotation, which holds the whole Secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace

from webhook.subject import SecretObject

# Characters: half of the limit for all annotations of an object, because a sealed token is longer than a plain one.
LONGEST_LAST_APPLIED = 131072


_LINE_BREAKS = str.maketrans("", "", "\r\n")


class Unreadable(ValueError):
    """The annotation is not a manifest of a Secret as kubectl writes it."""


class LastApplied:
    """The manifest in kubectl's annotation."""

    def __init__(self, text: str, secret: SecretObject) -> None:
        """
        Raises:
            Unreadable: it cannot be parsed.
        """
        self._original = text
        self._document = _parsed(text)
        self._data, self._string_data = self._section("data"), self._section("stringData")
        # Base64 as Kubernetes reads it (Go: encoding/base64): `base64` breaks lines, and YAML keeps the breaks.
        given = {key: value.translate(_LINE_BREAKS) for key, value in self._data.items()}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in self._string_data.items()}
        self.secret = replace(secret, data={**given, **encoded})
        # A key in both sections: the API server stores only the value of `stringData`.
        self._changed = False
        for key in self._data.keys() & self._string_data.keys():
            self._put(self._data, key, "")

    def put(self, key: str, value: str) -> None:
        """Replace a value."""
        if key in self._string_data:
            self._put(self._string_data, key, value)
        else:
            self._put(self._data, key, base64.b64encode(value.encode()).decode())

    def text(self) -> str:
        """Return the annotation; without changes, the original text."""
        if not self._changed:
            return self._original
        # kubectl writes one line with a line break at its end.
        end = "\n" if self._original.endswith("\n") else ""
        return json.dumps(self._document, separators=(",", ":"), ensure_ascii=self._original.isascii()) + end

    def texts(self) -> list[str]:
        """Return all keys and texts of the manifest."""
        return list(_texts_in(self._document))

    def _put(self, section: dict[str, str], key: str, value: str) -> None:
        self._changed |= section[key] != value
        section[key] = value

    def _section(self, name: str) -> dict[str, str]:
        section = self._document.get(name)
        if section is None:
            return {}
        if not isinstance(section, dict):
            raise Unreadable
        for key, value in section.items():
            if value is None:
                section[key] = ""
            elif not isinstance(value, str):
                raise Unreadable
        return section


def _parsed(text: str) -> dict[str, object]:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        document = dict(pairs)
        if len(document) != len(pairs):
            raise Unreadable
        return document

    try:
        document = json.loads(text, object_pairs_hook=unique)
        # A text that cannot be encoded cannot be sent back.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(document, dict):
        raise Unreadable
    return document


def _texts_in(document: object) -> Iterator[str]:
    """Yield all keys and texts of a document, at any depth."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one


def unwrapped(text: str) -> str:
    """Remove line breaks, also in JSON notation, because Kubernetes accepts base64 with line breaks."""
    return text.translate(_LINE_BREAKS).replace("\\n", "").replace("\\r", "")
