"""Alerts and the dashboard: what Prometheus' own tool says of them, and that they ask for what is really exported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.debian_programs import PROMTOOL
from tests.support.go_programs import BinariesUnavailable, skip_or_fail
from webhook.audit.watch.metrics import WatchMetrics
from webhook.metrics import Exported, Metrics

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "manifests" / "chart" / "alerts"
RULE: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus-rule.yaml").read_text())
RULES: list[dict[str, Any]] = [rule for group in RULE["spec"]["groups"] for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())

# Of kube-apiserver (staging/src/k8s.io/apiserver/pkg/admission/metrics/metrics.go).
API_SERVERS = {"apiserver_admission_webhook_rejection_count", "apiserver_admission_webhook_fail_open_count"}


def expressions() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [rule["expr"] for rule in RULES] + panels


def exported() -> dict[str, set[str]]:
    """The names that the metrics of a server and of an audit have, with their labels."""
    return _exported(Metrics()) | _exported(WatchMetrics())


def _exported(metrics: Exported) -> dict[str, set[str]]:
    text = metrics.exposition()[0].decode()
    families = re.findall(r"^# TYPE (git_token_webhook_\w+) (\w+)$", text, re.MULTILINE)
    names: dict[str, set[str]] = {}
    collectors = metrics.registry._names_to_collectors
    labels = {name.removesuffix("_total"): set(getattr(one, "_labelnames", ())) for name, one in collectors.items()}
    for name, kind in families:
        plain = name.removesuffix("_total")
        for each in [f"{name}_bucket", f"{name}_sum", f"{name}_count"] if kind == "histogram" else [name]:
            names[each] = labels[plain] | ({"le"} if each.endswith("_bucket") else set())
    return names


@pytest.fixture(scope="module")
def promtool() -> Path:
    """Skipped without it, but an error where CI is set."""
    try:
        return PROMTOOL.find_or_fetch()[0]
    except BinariesUnavailable as error:
        skip_or_fail(str(error))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules as Prometheus reads them: what the operator takes out of the object."""
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(RULE["spec"]))
    return file


def run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules(promtool: Path, rules: Path) -> None:
    """Syntax, templates and duplicates."""
    run(promtool, "check", "rules", "--lint-fatal", rules)


def test_each_alert_comes_when_it_should_and_only_then(promtool: Path, rules: Path) -> None:
    """Over hours that pass in a second."""
    cases = shutil.copy(Path(__file__).with_name("cases.yaml"), rules.parent)
    run(promtool, "test", "rules", cases)


def test_each_alert_is_tried() -> None:
    """None is only claimed to work."""
    cases = Path(__file__).with_name("cases.yaml").read_text()
    for rule in RULES:
        short = rule["alert"].removeprefix("GitTokenWebhook")
        assert re.search(rf"\b{rule['alert']}\b|[(|]{short}[|)]", cases), rule["alert"]


def test_they_ask_for_metrics_that_there_are() -> None:
    """A misspelt name would be silent for ever; so would a label that a metric doesn't have."""
    known = exported()
    assert "git_token_webhook_admission_decisions_total" in known
    for expression in expressions():
        names = set(re.findall(r"\b(?:git_token_webhook|apiserver)_\w+", expression))
        assert names <= known.keys() | API_SERVERS, expression
        own = [known[name] for name in names & known.keys()]
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\"", expression))
        for by in re.findall(r"by \(([\w, ]+)\)", expression):
            asked |= set(by.split(", "))
        for labels in own:
            assert asked <= labels, expression


def test_each_alert_has_a_runbook() -> None:
    """A section of that name, to which the alert leads."""
    sections = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE))
    for rule in RULES:
        file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert file == "docs/runbooks.md"
        assert anchor in {section.lower() for section in sections}
    assert {section.lower() for section in sections} == {
        rule["annotations"]["runbook_url"].partition("#")[2] for rule in RULES
    }


def test_the_dashboard_is_one() -> None:
    """Panels have numbers of their own, lie beside each other, and say what they show."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["description"]


def test_the_dashboards_expressions_are_promql(promtool: Path, tmp_path: Path) -> None:
    """As rules, with Grafana's variable filled in, Prometheus takes them."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    made = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(panels)
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))
    run(promtool, "check", "rules", file)
