"""Placeholders of tools that inject secrets: a template where a value should be.

Such a tool has to fill in the value before this webhook's check. The sentence says which tool, and what it needs.
"""

from __future__ import annotations

import re

_WEBHOOK = (
    "Mutating webhooks run in the order of their configurations' names, and the check follows all of them: see that it "
    "covers the namespace and the Secret"
)
_TOOLS = (
    (re.compile(r">?>?vault:[\w./-]"), f"the bank-vaults webhook (vault:...), which did not fill it in. {_WEBHOOK}"),
    (
        re.compile(r"<(?:path|vault)?:?[^<>\s]*(?:#[^<>]*)?>\Z|<path:"),
        "argocd-vault-plugin (<path:...>), which fills it in before the manifest is applied",
    ),
    (re.compile(r"(?:secret)?ref\+[\w-]+://"), "vals (ref+...), which fills it in before the manifest is applied"),
    (
        re.compile(r"\$\{[^{}]*\}|\$\([A-Za-z_]\w*\)"),
        "a tool that replaces variables (${...}), which must run before the manifest is applied",
    ),
    (re.compile(r"\{\{[^{}]*\}\}"), "a template engine ({{ ... }}), which must run before the manifest is applied"),
)


def placeholder(text: str) -> str | None:
    """Return a clause that says whose placeholder a value is, or None where it is none."""
    start = text.strip()[:1024]
    tool = next((sentence for pattern, sentence in _TOOLS if pattern.match(start)), None)
    return None if tool is None else f"is a placeholder for {tool}"
