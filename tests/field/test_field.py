"""The verdicts of `git-token-webhook check` on situations that users have reported."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.field.case import Case, app_keys, case_ids, load, namespace_of
from tests.field.provider import FieldProvider

ALLOWED = {"sufficient", "unsupported", "unknown-host", "skipped"}
"""The outcomes that the default configuration allows."""


@dataclass(frozen=True, repr=False)
class Verdicts:
    """What the product said about every case.

    Attributes:
        entries: the rows of the report by namespace.
        output: everything that was printed.
    """

    cases: dict[str, Case]
    entries: dict[str, list[dict[str, Any]]]
    output: str
    strays: set[str]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """One run of the product for each group of cases whose configurations agree."""
    folder = tmp_path_factory.mktemp("field")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    provider = FieldProvider(context)
    words = {"PORT": str(provider.port), "OTHER": str(provider.other_port), "CA": str(folder / "ca.pem"), **app_keys()}
    cases = {case_id: load(case_id, words) for case_id in case_ids()}
    for case in cases.values():
        provider.add(case)
    entries: dict[str, list[dict[str, Any]]] = {}
    output = ""
    with provider.serving(), ThreadPoolExecutor(2) as pool:
        groups = grouped(list(cases.values()))
        for printed in pool.map(lambda item: check(folder / str(item[0]), *item[1]), enumerate(groups)):
            output += printed
            for entry in json.loads(printed.partition("\0")[0])["entries"]:
                entries.setdefault(entry["namespace"], []).append(entry)
    yield Verdicts(cases, entries, output, provider.strays)


def grouped(cases: list[Case]) -> list[tuple[dict[str, Any], list[Case]]]:
    """Cases whose configurations do not contradict each other, with the configuration that holds for all of them."""
    groups: list[tuple[dict[str, Any], dict[str, Any], list[Case]]] = []
    for case in cases:
        providers = {provider["host"]: provider for provider in case.config.get("providers", [])}
        rest = {name: value for name, value in case.config.items() if name != "providers"}
        for config, hosts, members in groups:
            agree = all(hosts.get(host, one) == one for host, one in providers.items())
            if config == rest and members[0].run == case.run and agree:
                hosts.update(providers)
                members.append(case)
                break
        else:
            groups.append((rest, providers, [case]))
    return [({**rest, "providers": list(hosts.values())}, members) for rest, hosts, members in groups]


def check(folder: Path, config: dict[str, Any], cases: list[Case]) -> str:
    """What `check -o json` prints about the Secrets of some cases: its standard output, NUL, its standard error."""
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    manifests = [secret for case in cases for secret in case.secrets]
    (folder / "secrets.yaml").write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    command = [sys.executable, "-m", "webhook", "check", "secrets.yaml", "--config", "config.yaml"]
    command += ["--timeout", "60s", "-o", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return f"{done.stdout}\0{done.stderr}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case_id", case_ids())
def test_the_verdict_is_right(verdicts: Verdicts, case_id: str) -> None:
    """Outcome, warning and words are as the case expects, for every entry."""
    case = verdicts.cases[case_id]
    entries = verdicts.entries.get(namespace_of(case_id), [])
    assert len(entries) >= len(case.secrets)
    for entry in entries:
        text = " ".join([entry["message"] or "", *entry["warnings"]]).lower()
        assert entry["outcome"] in case.outcomes, text
        assert entry["severity"] != "none" or not case.expect.get("warning"), text
        for words in case.expect.get("words", []):
            assert any(choice.lower() in text for choice in words.split("|")), (words, text)
        for words in case.expect.get("no_words", []):
            assert not any(choice.lower() in text for choice in words.split("|")), (words, text)


@pytest.mark.timeout(300)
def test_no_token_reaches_another_host(verdicts: Verdicts) -> None:
    """A redirect to another origin never carries the token along."""
    assert verdicts.strays == set()


@pytest.mark.timeout(300)
def test_no_output_holds_a_token(verdicts: Verdicts) -> None:
    """Nothing that was printed holds a token of a case."""
    leaked = {c.id for c in verdicts.cases.values() for key in c.keys if len(key) >= 16 and key in verdicts.output}
    assert leaked == set()
