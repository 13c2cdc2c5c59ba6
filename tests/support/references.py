"""Write the generated part of the reference pages: `./dev docs`.

Each page holds a block between two markers. The block comes from the code; the text around it is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from prometheus_client import CollectorRegistry

from webhook.audit.watch.metrics import WatchMetrics
from webhook.cli.main import app
from webhook.metrics import Metrics
from webhook.settings.schema import schema

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"


def configuration() -> str:
    """A table of all keys of the configuration file, with type, default and meaning."""
    document = schema()
    rows = [
        f"| `{path}` | {_type(node)} | {_default(node)} | {_cell(str(node.get('description', '')))} |"
        for path, node in _keys(document, document["$defs"], "")
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _keys(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, raw in node.get("properties", {}).items():
        child = _resolved(raw, definitions)
        place = f"{path}.{name}" if path else name
        items = _resolved(child.get("items", {}), definitions)
        if child.get("properties"):
            yield from _keys(child, definitions, place)
        elif items.get("properties"):
            yield place, child
            yield from _keys(items, definitions, f"{place}[]")
        else:
            yield place, child


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    target = definitions[str(reference).rsplit("/", 1)[-1]] if reference else {}
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _type(node: Mapping[str, Any]) -> str:
    if choices := node.get("enum"):
        return " \\| ".join(f"`{choice}`" for choice in choices)
    if "duration" in str(node.get("pattern", "")) or "ms|s|m|h|d" in str(node.get("pattern", "")):
        return "duration"
    if options := node.get("anyOf"):
        return " or ".join(dict.fromkeys(_type(option) for option in options))
    return {"array": "list", "object": "map"}.get(str(node.get("type", "")), str(node.get("type", "map")))


def _default(node: Mapping[str, Any]) -> str:
    if "default" not in node or node["default"] in ([], {}, None, ""):
        return ""
    value = node["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands() -> str:
    """A section for each command with its usage and options."""
    sections = [
        _section(path, command, typer.Context(command, info_name=path))
        for path, command in _commands(typer.main.get_command(app), "git-token-webhook")
    ]
    return "\n".join(sections)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children: Mapping[str, Any] = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")


def _section(path: str, command: Any, context: typer.Context) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [f"## `{path.partition(' ')[2]}`\n", f"{_prose(command.help or '')}\n", f"```\n{usage}\n```\n"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    if options:
        lines += ["| option | variable | default | meaning |", "|---|---|---|---|"]
        lines += [_option(option) for option in options if "--help" not in option.opts]
        lines.append("")
    return "\n".join(lines)


def _option(option: Any) -> str:
    flags = ", ".join(f"`{flag}`" for flag in sorted(option.opts + option.secondary_opts, key=len, reverse=True))
    variable = option.envvar if isinstance(option.envvar, str) else " ".join(option.envvar or ())
    default = "" if option.default in (None, False, ()) or callable(option.default) else f"`{option.default}`"
    return f"| {flags} | {f'`{variable}`' if variable else ''} | {default} | {_cell(option.help or '')} |"


def metrics() -> str:
    """A table of all metrics of the server and of the continuous audit."""
    parts = []
    for title, registry in (("Server", Metrics().registry), ("Continuous audit", WatchMetrics().registry)):
        rows = [f"| `{name}` | {kind} | {labels} | {_cell(text)} |" for name, kind, labels, text in _metrics(registry)]
        parts.append(
            "\n".join([f"## {title}\n", "| metric | type | labels | meaning |", "|---|---|---|---|", *rows]) + "\n"
        )
    return "\n".join(parts)


def _metrics(registry: CollectorRegistry) -> Iterator[tuple[str, str, str, str]]:
    for collector in list(registry._collector_to_names):
        for metric in collector.describe() if hasattr(collector, "describe") else ():
            if not metric.name.startswith("git_token_webhook"):
                continue
            labels = ", ".join(f"`{label}`" for label in getattr(collector, "_labelnames", ()))
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            yield name, metric.type, labels, metric.documentation


def _prose(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text.replace("\b\n", "").replace("\f", "").strip())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


PAGES: Mapping[str, Callable[[], str]] = {"configuration.md": configuration, "cli.md": commands, "metrics.md": metrics}


def written(name: str) -> str:
    """The page with its generated block as the code has it now."""
    before, rest = (FOLDER / name).read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{PAGES[name]()}\n{END}{after}"


def main() -> None:
    for name in PAGES:
        (FOLDER / name).write_text(written(name), encoding="utf-8")
        print(f"docs/reference/{name}", file=sys.stderr)


if __name__ == "__main__":
    main()
