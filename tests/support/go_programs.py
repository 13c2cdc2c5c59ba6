"""Programs in Go that tests run. Each set comes from a module of its own (go.mod, go.sum and no code), which pins it by
hash, and is built once, from the Go module proxy, into the checkout's cache."""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(__file__).resolve().parents[2] / ".cache"

BUILD_TIMEOUT_SECONDS = 3600.0
"""Cold, 2 cores take 8 minutes for the largest. This only ends a build that hangs."""

Progress = Callable[[str], None]
"""Receives one line for people, whenever something slow begins or ends."""


class BinariesUnavailable(Exception):
    """There are no usable binaries, and none can be built. The message says how to get them."""


@dataclass(frozen=True)
class GoModule:
    """What is built from the `tool` lines of one go.mod.

    Attributes:
        folder: holds go.mod and go.sum.
        cache: gets a folder for each state of these two files; nothing in it is ever changed.
        title: what is built, for people.
        version: how that state is called in the cache.
        programs: the files that a build makes.
        duration: how long that takes where nothing is cached, for people.
        otherwise: another way to get them, as the end of a sentence; empty where there is none.
        variables: values that the linker sets, by the name of the variable.
        renamed: programs that Go calls otherwise (by their package), with the name that we want.
    """

    folder: Path
    cache: Path
    title: str
    version: str
    programs: tuple[str, ...]
    duration: str
    otherwise: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def find_or_build(self, progress: Progress | None = None) -> Path:
        """The folder that holds the programs; builds them, for minutes, where there are none yet.

        `progress` defaults to lines on stderr. Raises `BinariesUnavailable`.
        """
        built = self.cache / self._cache_key()
        if not missing(built, self.programs):
            return built
        report = progress or _to_stderr
        go = self._find_go()
        with self._only_one_at_a_time(report):
            # Whoever held the lock before us has most likely built just what we need.
            if missing(built, self.programs):
                self._build(go, built, report)
        return built

    def in_go_mod(self, pattern: str) -> str:
        """The first group of the first match in go.mod."""
        return in_go_mod(self.folder, pattern)

    def _flags(self) -> list[str]:
        stamped = "".join(f" -X {name}={value}" for name, value in self.variables.items())
        return ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w{stamped}"]

    def _cache_key(self) -> str:
        digest = hashlib.sha256()
        files = [(self.folder / name).read_bytes() for name in ("go.mod", "go.sum")]
        for part in (*files, repr(self._flags()).encode()):
            digest.update(hashlib.sha256(part).digest())
        # The platform, because a container may share its checkout with a host of another kind.
        return f"{self.version}-{sys.platform}-{platform.machine()}-{digest.hexdigest()[:12]}"

    def _find_go(self) -> str:
        wanted = self.in_go_mod(r"^go (\S+)")
        how = f"Install Go {wanted} or later, which builds it once from the Go module proxy ({self.duration})"
        how += f", or {self.otherwise}." if self.otherwise else "."
        go = shutil.which("go")
        if go is None:
            raise BinariesUnavailable(f"{self.title} is not built yet, and there is no Go on PATH. {how}")
        # Asked inside the module: a Go that may fetch the toolchain that go.mod wants answers with that one's version.
        # One that may not, or is too old to know about toolchains, fails or answers with its own.
        answer = self._run_go([go, "env", "GOVERSION"], timeout=300)
        found = re.search(r"^go(\d+(?:\.\d+)*)", answer.stdout, re.MULTILINE)
        if answer.returncode != 0 or found is None or _numbers(found[1]) < _numbers(wanted):
            detail = _tail(answer.stdout)
            raise BinariesUnavailable(f"{self.title} is not built yet, and {go} can't build it: {detail}\n{how}")
        return go

    def _run_go(self, command: list[str], timeout: float) -> "subprocess.CompletedProcess[str]":
        """Output and errors come together in `stdout`. A command that can't run or takes too long is a failed one."""
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
        try:
            return subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(command, returncode=-1, stdout=str(error))

    @contextmanager
    def _only_one_at_a_time(self, report: Progress) -> Iterator[None]:
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report(f"Another run is building {self.title}: waiting for it.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield  # closing the file gives the lock back, as does the end of this process, however it comes

    def _build(self, go: str, folder: Path, report: Progress) -> None:
        report(f"Building {self.title} into {folder}: {self.duration}, seconds if done before.")
        with tempfile.TemporaryDirectory(prefix="building-", dir=self.cache) as temporary:
            built = Path(temporary) / "bin"
            built.mkdir()
            result = self._run_go([go, "build", *self._flags(), "-o", f"{built}/", "tool"], BUILD_TIMEOUT_SECONDS)
            if result.returncode != 0:
                way_out = f"{self.otherwise[:1].upper()}{self.otherwise[1:]}, or mend" if self.otherwise else "Mend"
                raise BinariesUnavailable(f"Building {self.title} failed. {way_out} this:\n{_tail(result.stdout)}")
            for ours, wanted in self.renamed.items():
                (built / ours).rename(built / wanted)
            # What lies there can only be incomplete. A whole folder then appears at once: nobody ever sees half of one.
            shutil.rmtree(folder, ignore_errors=True)
            built.rename(folder)
        report(f"Built {', '.join(self.programs)}.")


def module_files(folder: Path, module: str) -> Path:
    """The files of a Go module that the go.mod of a folder requires, as its go.sum knows them; nothing is built.

    Raises `BinariesUnavailable`.
    """
    go = shutil.which("go")
    if go is None:
        raise BinariesUnavailable(f"{module} comes from the Go module proxy, and there is no Go on PATH. Install Go.")
    command = [go, "mod", "download", "-json", module]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_TIMEOUT_SECONDS)
    if done.returncode != 0:
        raise BinariesUnavailable(f"{module} can't be had: {_tail(done.stdout + done.stderr)}")
    return Path(json.loads(done.stdout)["Dir"])


def in_go_mod(folder: Path, pattern: str) -> str:
    """The first group of the first match in the go.mod of a folder."""
    found = re.search(pattern, (folder / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{folder / 'go.mod'} has no line like {pattern}")
    return found[1]


def missing(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Which of these programs can't be run from a folder."""
    return [name for name in names if not ((folder / name).is_file() and os.access(folder / name, os.X_OK))]


def skip_or_fail(why: str) -> NoReturn:
    """End a test that lacks something of the machine: skipped for people, an error where CI is set."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise pytest.fail.Exception(why, pytrace=False) from None
    raise pytest.skip.Exception(why) from None


def progress_of(config: pytest.Config) -> Progress:
    """Lines past pytest's capturing: who waits for minutes should see why."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def report(line: str) -> None:
        with capture.global_and_fixture_disabled():
            _to_stderr(f"\n{line}")

    return report


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
