"""`check`: the judgement of the webhook, on files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import typer.testing
from pydantic import SecretStr

from tests.api_server.webhook_process import Simulation
from tests.audit.conftest import Checker
from tests.keyring.rings import make_ring
from tests.support.factories import make_token
from webhook.audit.fail_on import DEFAULT, fails, parse
from webhook.cli.main import app
from webhook.errors import ConfigurationError
from webhook.keyring.jwe import Place, seal
from webhook.providers.findings import Outcome
from webhook.report.model import Severity
from webhook.simulator.faults import Outage, RateLimited

RUNTIME = """apiVersion: v1
kind: Secret
metadata:
  name: NAME
  namespace: argocd
  labels: {argocd.argoproj.io/secret-type: repo-creds}
stringData:
  url: https://github.com
  username: octocat
  password: TOKEN
"""


def manifest(token: str, name: str = "creds") -> str:
    """A runtime credential."""
    return RUNTIME.replace("NAME", name).replace("TOKEN", token)


async def test_good_and_bad_ones_with_their_lines(checker: Checker) -> None:
    """Each says what the webhook would say, at the line that holds it."""
    good, weak = checker.github.good_token(), checker.github.weak_token()
    checker.write("creds.yaml", f"{manifest(good, 'good')}---\n{manifest(weak, 'weak')}")
    report = await checker.check()
    first, second = report.rows
    assert (first.outcome, first.severity, first.place.line) == (Outcome.SUFFICIENT, Severity.NONE, 10)
    assert (second.outcome, second.severity, second.place.line) == (Outcome.INSUFFICIENT, Severity.ERROR, 21)
    assert "a runtime token also needs admin:repo_hook" in second.message
    assert second.remedy.startswith("https://github.com/settings/tokens/new?scopes=")
    assert (report.secrets, report.tokens, report.asked, report.complete) == (2, 2, 2, True)


async def test_a_wrong_url_is_reported_at_the_url(checker: Checker) -> None:
    """Not at the token, which is valid."""
    checker.write(
        "creds.yaml", manifest(checker.github.good_token()).replace("https://github.com", "https://github.co")
    )
    (row,) = (await checker.check()).rows
    assert (row.outcome, row.place.field) == (Outcome.MALFORMED, "stringData.url")
    assert row.place.line == 8


async def test_one_token_in_many_secrets_is_asked_once(checker: Checker) -> None:
    """Also where each gives it another user name, which github.com doesn't mind."""
    token = checker.github.good_token()
    many = [manifest(token, f"creds-{n}").replace("octocat", f"user-{n}") for n in range(50)]
    report = await checker.check("-", stdin="---\n".join(many))
    assert (report.secrets, report.tokens, report.asked, checker.github.requests(token)) == (50, 1, 1, 1)
    assert {row.token for row in report.rows} == {1}


async def test_what_is_none_of_ours_is_passed_over_and_counted(checker: Checker) -> None:
    """By its kind; nobody is asked."""
    text = "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\n---\njust: yaml\n"
    report = await checker.check("-", stdin=text)
    assert dict(report.passed_over) == {"ConfigMap": 1, "Secret": 1, "document without a kind": 1}
    assert (report.rows, report.asked) == ((), 0)


async def test_what_is_encrypted_is_named_where_it_would_be_ours(checker: Checker) -> None:
    """And counted where it wouldn't."""
    sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: %s}\n"
    report = await checker.check("-", stdin=f"{sealed % 'git-default-x'}---\n{sealed % 'database'}")
    (hidden,) = report.not_looked_at
    assert (hidden.what, hidden.place.name, hidden.place.line) == ("SealedSecret", "git-default-x", 1)
    assert dict(report.passed_over) == {"SealedSecret": 1}


async def test_types_that_kubernetes_defines_are_no_users_secrets(checker: Checker) -> None:
    """As for the webhook: neither a manifest nor what a SealedSecret becomes."""
    plain = (
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: git-default-x}\n"
        "data: {token: dG9rZW4=}\n"
    )
    sealed = (
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: git-default-y}\n"
        "spec: {template: {type: kubernetes.io/tls, metadata: {name: git-default-y}}}\n"
    )
    report = await checker.check("-", stdin=f"{plain}---\n{sealed}")
    assert (report.rows, report.not_looked_at, report.asked) == ((), (), 0)
    assert dict(report.passed_over) == {"Secret": 1, "SealedSecret": 1}


async def test_a_sealed_token_without_keys_names_the_option(checker: Checker) -> None:
    """And the key that it needs, which says which ring that is."""
    key = make_ring().keys[0]
    text = seal(SecretStr(make_token("a")), Place("argocd", "token", host="github.com"), key)
    checker.write(
        "user.yaml", manifest(text, "git-default-a").replace("password:", "token:").replace("labels:", "annotations:")
    )
    (row,) = (await checker.check()).rows
    assert row.outcome is Outcome.UNSUPPORTED
    assert f"is sealed by the key {key.kid}, and there is no key ring (--keys)" in row.message


async def test_the_same_secret_twice(checker: Checker) -> None:
    """Both are judged, and the second says that only one of them counts."""
    token = checker.github.good_token()
    report = await checker.check("-", stdin=f"{manifest(token)}---\n{manifest(token)}")
    assert [row.warnings for row in report.rows] == [
        (),
        ("<stdin>:1 contains the same Secret. The last one that is applied counts.",),
    ]


async def test_a_rule_that_goes_by_the_url(checker: Checker) -> None:
    """Which only the data tells."""
    rule = {"name": "acme", "role": "runtime", "names": ["acme-*"], "urls": ["https://github.com/acme/*"]}
    token = checker.github.good_token()
    base = manifest(token, "acme-creds").replace("  labels: {argocd.argoproj.io/secret-type: repo-creds}\n", "")
    both = f"{base.replace('github.com', 'github.com/acme')}---\n{base.replace('github.com', 'github.com/other')}"
    report = await checker.check("-", stdin=both, rules=[rule])
    assert [row.rules for row in report.rows] == [("acme",)]
    assert dict(report.passed_over) == {"Secret": 1}


async def test_what_mode_warn_lets_in_is_an_error_all_the_same(checker: Checker) -> None:
    """Before somebody enforces, this is what they want to know."""
    report = await checker.check("-", stdin=manifest(checker.github.weak_token()), mode="warn")
    assert report.rows[0].severity is Severity.ERROR


async def test_silence_is_asked_again_at_the_end(checker: Checker) -> None:
    """Once; what stays silent is unverified, never good or bad."""
    token = checker.github.good_token()
    checker.github.fail(token, Outage())
    report = await checker.check("-", stdin=f"{manifest(token, 'a')}---\n{manifest(token, 'b')}")
    assert [row.outcome for row in report.rows] == [Outcome.UNVERIFIED] * 2
    assert report.asked == 2  # both times one question for both Secrets


def test_what_is_no_file_is_written_into_and_not_replaced(tmp_path: Path) -> None:
    """Such as /dev/stdout, which the next program still needs."""
    (tmp_path / "empty").mkdir()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [
        sys.executable,
        "-m",
        "webhook",
        "check",
        str(tmp_path / "empty"),
        "-o",
        "json",
        "--output-file",
        str(pipe),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    report = json.loads(pipe.read_text())
    process.communicate(timeout=30)
    assert (process.returncode, report["complete"], pipe.is_fifo()) == (0, True, True)


async def test_a_host_that_says_nothing_is_not_asked_thousands_of_times(checker: Checker) -> None:
    """Of what isn't asked nothing is known either; and it gets its second chance at the end."""
    tokens = [checker.github.good_token() for _ in range(60)]
    for token in tokens:
        checker.github.fail(token, Outage())
    text = "---\n".join(manifest(token, f"creds-{n}") for n, token in enumerate(tokens))
    report = await checker.check("-", stdin=text)
    assert [row.outcome for row in report.rows] == [Outcome.UNVERIFIED] * 60
    assert 32 <= report.asked < 60
    assert any("was not asked, because it did not answer the last" in row.message for row in report.rows)


async def test_a_few_that_say_nothing_keep_nobody_from_asking(checker: Checker) -> None:
    """Any answer between them shows that there is somebody."""
    tokens = [checker.github.good_token() for _ in range(60)]
    for token in tokens[::2]:
        checker.github.fail(token, Outage())
    text = "---\n".join(manifest(token, f"creds-{n}") for n, token in enumerate(tokens))
    report = await checker.check("-", stdin=text)
    outcomes = [row.outcome for row in report.rows]
    assert (outcomes.count(Outcome.SUFFICIENT), outcomes.count(Outcome.UNVERIFIED)) == (30, 30)


async def test_a_rate_limit_is_waited_out(checker: Checker) -> None:
    """As the provider asks, and then everything is answered."""
    tokens = [checker.github.good_token() for _ in range(3)]
    checker.github.fail_once(tokens[0], RateLimited(secondary=True, retry_after=2))
    text = "---\n".join(manifest(token, f"creds-{n}") for n, token in enumerate(tokens))
    begin = asyncio.get_running_loop().time()
    report = await checker.check("-", stdin=text)
    assert asyncio.get_running_loop().time() - begin >= 2
    assert [row.outcome for row in report.rows] == [Outcome.SUFFICIENT] * 3


async def test_when_time_is_over_the_rest_is_unverified(checker: Checker) -> None:
    """And nobody is asked any more."""
    token = checker.github.good_token()
    report = await checker.check("-", stdin=manifest(token), seconds=0)
    assert report.rows[0].outcome is Outcome.UNVERIFIED
    assert checker.github.requests(token) == 0


async def test_nobody_waits_longer_than_there_is_time(checker: Checker) -> None:
    """What a host would only say later is unverified now."""
    token = checker.github.good_token()
    checker.github.fail_once(token, RateLimited(secondary=True, retry_after=60))
    begin = asyncio.get_running_loop().time()
    report = await checker.check("-", stdin=manifest(token), seconds=5)
    assert asyncio.get_running_loop().time() - begin < 5
    assert report.rows[0].outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (DEFAULT, True),
        (["none"], False),
        (["invalid"], False),
        (["insufficient,blocked"], True),
        (["warning"], True),
        (["expiring"], False),
        (["not-looked-at"], False),
    ],
)
async def test_what_ends_with_1(checker: Checker, words: list[str], found: bool) -> None:
    """Is for whoever runs it to say."""
    report = await checker.check("-", stdin=manifest(checker.github.weak_token()))
    assert fails(report, parse(words), timedelta(days=14)) is found


@pytest.mark.parametrize("words", ["bad", "none,error", "sufficient"])
def test_words_that_fail_on_nothing(words: str) -> None:
    """Are told, with those that there are."""
    with pytest.raises(ConfigurationError, match="--fail-on: "):
        parse([words])


def command(checker: Checker, *arguments: str, stdin: str = "") -> typer.testing.Result:
    """The command, as people type it."""
    configuration = checker.write("../config.yaml", json.dumps({"providers": checker.github.settings()}))
    return typer.testing.CliRunner().invoke(app, ["check", "--config", str(configuration), *arguments], input=stdin)


@pytest.mark.parametrize(("kind", "code"), [("good", 0), ("weak", 1), ("broken", 3), ("absent", 2)])
def test_exit_codes(github: Simulation, checker: Checker, kind: str, code: int) -> None:
    """0 all well, 1 something found, 2 wrong usage, 3 could not finish."""
    path = checker.write("x.yaml", "a: b: c" if kind == "broken" else manifest(github.weak_token()))
    if kind == "good":
        path.write_text(manifest(github.good_token()))
    if kind == "absent":
        path.unlink()
    result = command(checker, str(path))
    assert (2 if isinstance(result.exception, ConfigurationError) else result.exit_code) == code


def test_no_form_shows_a_token_wherever_it_stands(checker: Checker) -> None:
    """In a value, a key, a name, a URL, a broken document, beside the token."""
    token, gitlabs = make_token("p"), make_token("q", "glpat-")
    hostile = [
        manifest(token),
        manifest(token).replace("https://github.com", f"https://{token}@github.com"),
        manifest(token).replace("https://github.com", f"https://github.com/{token}"),
        manifest("x").replace("octocat", token),
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: git-default-a}}\nstringData:\n  {token}: {token}\n",
        f"apiVersion: v1\nkind: {token}\n",
        f"apiVersion: v1\nkind: {gitlabs}\n",
        f"a: *{token}",
        f"{token}: b: c",
    ]
    stdin = "\n---\n".join(hostile)
    for form in ("table", "json", "yaml", "junit", "sarif", "html"):
        result = command(checker, "-", "-o", form, stdin=stdin)
        assert result.exit_code == 3, result.output
        assert token not in result.output
        assert token[4:] not in result.output
        assert gitlabs not in result.output


def test_it_starts_without_what_it_does_not_need() -> None:
    """Nothing of a cluster's client is loaded for files."""
    code = "import sys; import webhook.cli.audit, webhook.audit.check; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
