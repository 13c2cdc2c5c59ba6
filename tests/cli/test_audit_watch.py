"""``audit --watch``, where it can't begin: what is told, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from webhook.cli.main import app
from webhook.errors import ConfigurationError


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-n", "team"], "-n: not valid with --watch"),
        (["-A", "-o", "json", "--since", "7d"], "--since, --output: not valid with --watch"),
        (["-A", "--applications"], "--applications: not valid with --watch"),
        (["-A", "--context", "a", "--context", "b"], "--context: not valid with --watch"),
        (["-A", "--interval", "never"], "--interval: write a duration"),
        (["-A", "--interval", "1ms"], "at least one second"),
        (["-A", "--lease", "nothing"], "--lease: write NAMESPACE/NAME"),
        (["-A", "--health-listen", "nowhere"], "'nowhere' is not an address"),
        (["-A", "--rule", "nonsense"], "there is no rule 'nonsense'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    """Before anything is asked of the cluster."""
    kubeconfig = tmp_path / "none"
    with pytest.raises(ConfigurationError, match=complaint):
        command = ["audit", "--watch", "--kubeconfig", str(kubeconfig), *arguments]
        CliRunner().invoke(app, command, catch_exceptions=False)
