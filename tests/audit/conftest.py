"""Checks and audits against simulated providers, over HTTPS."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api_server.webhook_process import Simulation
from webhook.audit.check import check
from webhook.audit.progress import ProgressDisplay
from webhook.keyring.ring import KeyRing
from webhook.report.model import Report
from webhook.settings.source import parse_settings


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """The simulated providers, of which most tests need github.com."""
    with Simulation(tmp_path_factory.mktemp("providers")) as simulation:
        yield simulation


@dataclass
class Checker:
    """Checks manifests in a folder of the test's own."""

    github: Simulation
    folder: Path

    def write(self, name: str, text: str) -> Path:
        """A file in it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    async def check(
        self, *paths: str, stdin: str = "", seconds: float = 30.0, ring: KeyRing | None = None, **settings: Any
    ) -> Report:
        """What is found in these files, or in the whole folder."""
        configuration = parse_settings(json.dumps({"providers": self.github.settings(), **settings}))
        places = list(paths) or [str(self.folder)]
        return await check(
            places, io.StringIO(stdin), configuration, ring=ring, seconds=seconds, progress=ProgressDisplay()
        )


@pytest.fixture
def checker(github: Simulation, tmp_path: Path) -> Checker:
    """With all that `check` has but the command line."""
    return Checker(github, tmp_path)
