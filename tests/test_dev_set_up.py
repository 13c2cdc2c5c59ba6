"""What `./dev` does before its commands can run: it installs the locked packages into `.venv`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_repository import ROOT

OLDEST_PIP = {(3, 11): "22.3", (3, 12): "23.2.1", (3, 13): "24.2", (3, 14): "25.2"}
"""The pip in the first release of each Python (Lib/ensurepip/__init__.py of v3.11.0, v3.12.0, …)."""

DEBIAN_12_PIP = "23.0.1"

UNREACHABLE = "https://127.0.0.1:1/simple"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with `dev`, `pyproject.toml`, empty lock files and a `.venv` that holds the runtime packages."""
    for name in ("dev", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    dev = load(tmp_path)
    dev.STAMP.write_text(dev.stamp("place") + dev.stamp("requirements.lock"))
    return tmp_path


def load(clone: Path) -> ModuleType:
    """The program as a module."""
    module = ModuleType("dev")
    module.__file__ = str(clone / "dev")
    SourceFileLoader("dev", module.__file__).exec_module(module)
    return module


def run_dev(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PIP_INDEX_URL": UNREACHABLE, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    environment |= {"PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    command = [sys.executable, str(clone / "dev"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)


def test_a_failed_development_set_up_keeps_the_runtime_set_up(clone: Path) -> None:
    """The packages are downloaded before anything that is installed changes."""
    (clone / "requirements-dev.lock").write_text(f"some-package==1.0 --hash=sha256:{64 * '0'}\n")
    done = run_dev(clone, "types")
    assert done.returncode != 0
    dev = load(clone)
    assert dev.is_installed(dev.RUNTIME)
    assert not dev.is_installed(dev.DEVELOPMENT)


def test_an_unreachable_index_is_named_as_the_cause(clone: Path) -> None:
    """The advice names the network where pip's output does."""
    (clone / "requirements-dev.lock").write_text(f"some-package==1.0 --hash=sha256:{64 * '0'}\n")
    assert "could not reach the package index" in run_dev(clone, "types").stderr


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("ERROR: In --require-hashes mode, all requirements must have their versions pinned", "The lock file"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "differs from the one"),
        ("ERROR: No matching distribution found for some-package==1.0", "not available for this Python"),
        ("OSError: [Errno 28] No space left on device", "no space left"),
        ("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]", "PIP_CERT"),
        ("Killed", "pip failed"),
    ],
)
def test_the_advice_names_the_cause(clone: Path, output: str, advice: str) -> None:
    """Only a failed connection is blamed on the network."""
    said = load(clone).advice_on_pip(output)
    assert advice in said
    assert "network" not in said


@pytest.mark.tools
@pytest.mark.timeout(900)
@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
@pytest.mark.parametrize(
    ("python", "pip"),
    [*((python, pip) for python, pip in OLDEST_PIP.items()), ((3, 11), DEBIAN_12_PIP)],
    ids=lambda value: value if isinstance(value, str) else ".".join(map(str, value)),
)
def test_the_oldest_pip_accepts_the_locks(python: tuple[int, int], pip: str, lock: str, tmp_path: Path) -> None:
    """pip before 23.3 wants the extras of a package in the lock, as those that require it name them."""
    interpreter = find_python(*python)
    download = [base_python(), "-m", "pip", "download", "--no-deps", "--dest", str(tmp_path), f"pip=={pip}"]
    if subprocess.run(download, capture_output=True, check=False).returncode != 0:
        pytest.skip("no package index to download pip from")
    wheel = next(tmp_path.glob("pip-*.whl"))
    resolve = [interpreter, f"{wheel}/pip", "install", "--dry-run", "--ignore-installed", "--no-input", "--quiet"]
    resolve += ["--disable-pip-version-check", "--require-hashes", "--only-binary=:all:", "-r", str(ROOT / lock)]
    done = subprocess.run(resolve, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def find_python(major: int, minor: int) -> str:
    """The interpreter of this version; the test is skipped where there is none."""
    if sys.version_info[:2] == (major, minor):
        return base_python()
    found = shutil.which(f"python{major}.{minor}")
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"there is no Python {major}.{minor}")
    return found


def base_python() -> str:
    """The interpreter that the virtual environment was made from; it has a pip, and the environment has none."""
    return os.path.join(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info[:2]))
