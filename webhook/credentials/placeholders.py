"""Placeholders of tools that inject secrets: a template where a value should be.

Such a tool has to fill in the value before this webhook's check. The sentence says which tool, and what it needs.
"""

from __future__ import annotations

import re

_WEBHOOK = "The check runs after all mutating webhooks, so make sure that this one covers the namespace and the Secret"
_TOOLS = (
    (re.compile(r">?>?vault:[\w./-]"), f"the bank-vaults webhook (vault:...), which did not replace it. {_WEBHOOK}"),
    (
        re.compile(r"<(?:path|vault)?:?[^<>\s#]*(?:#[^<>]*)?>\Z|<path:"),
        "argocd-vault-plugin (path:...), which must run before the manifest is applied",
    ),
    (re.compile(r"(?:secret)?ref\+[\w-]+://"), "vals (ref+...), which must run before the manifest is applied"),
    (
        re.compile(r"\$\{[^{}]*\}|\$\([A-Za-z_]\w*\)"),
        "a tool that replaces variables (${...}), which must run before the manifest is applied",
    ),
    (re.compile(r"\{\{[^{}]*\}\}"), "a template engine ({{ ... }}), which must run before the manifest is applied"),
)


_FIRST_CHARACTERS = frozenset(">v<sr${")
"""With one of these, a placeholder begins."""


def placeholder(text: str) -> str | None:
    """Return a clause that says whose placeholder a value is, or None if it is not one."""
    start = text.strip()[:1024]
    if start[:1] not in _FIRST_CHARACTERS:
        return None
    tool = next((sentence for pattern, sentence in _TOOLS if pattern.match(start)), None)
    return None if tool is None else f"is a placeholder for {tool}"
