"""Programs out of Debian's packages, unpacked into the checkout's cache: nothing is installed, and no service started.

`python -m tests.support.debian_programs` fetches all of them, so that CI can do so in a step of its own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.go_programs import BinariesUnavailable

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "debian"


@dataclass(frozen=True)
class Program:
    """A program and where it comes from.

    Attributes:
        names: under which it may be on the PATH.
        packages: of Debian, with all that it needs besides.
        path: inside of them.
        size: of the download, for people.
    """

    names: tuple[str, ...]
    packages: tuple[str, ...]
    path: str
    size: str

    def find_or_fetch(self) -> tuple[Path, dict[str, str]]:
        """The program, and the environment that it needs. Raises `BinariesUnavailable`."""
        for name in self.names:
            if found := shutil.which(name):
                return Path(found), dict(os.environ)
        folder = CACHE / self.packages[0]
        if not (folder / self.path).exists():
            self._fetch(folder)
        return folder / self.path, {
            **os.environ,
            "LD_LIBRARY_PATH": ":".join(_libraries(folder)),
            "FONTCONFIG_FILE": str(folder / "fonts.conf"),
        }

    def _fetch(self, folder: Path) -> None:
        how = (
            f"Put {' or '.join(self.names)} on the PATH. On Debian and Ubuntu the tests fetch it themselves "
            f"({self.size}), once, into {CACHE.parent.name}/{CACHE.name}, where apt-get reaches a mirror."
        )
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            raise BinariesUnavailable(f"There is no {self.names[0]}. {how}")
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed
            if (folder / self.path).exists():
                return
            with tempfile.TemporaryDirectory(prefix="fetching-", dir=CACHE) as temporary:
                try:
                    self._unpack(Path(temporary))
                except subprocess.CalledProcessError as error:
                    said = error.output.strip()
                    raise BinariesUnavailable(f"{self.names[0]} can't be fetched: {said}\n{how}") from None
                (Path(temporary) / "root" / "fonts.conf").write_text(_FONTS.format(folder=folder))
                shutil.rmtree(folder, ignore_errors=True)
                (Path(temporary) / "root").rename(folder)

    def _unpack(self, temporary: Path) -> None:
        # Lists of our own: those of the system may be missing or old, and to renew them takes its administrator.
        (temporary / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={temporary}/lists", "-o", f"Dir::Cache={temporary}/cache", "-qq"]
        own += ["-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none"]
        _run(["apt-get", *own, "update"], temporary)
        # What this machine has already is left out, as if the packages were to be installed.
        wanted = ["apt-get", *own, "install", "--print-uris", "--no-install-recommends", *self.packages]
        lines = _run(wanted, temporary).splitlines()
        missing = [line.split()[1].partition("_")[0] for line in lines if line.startswith("'")]
        _run(["apt-get", *own, "download", *(missing or self.packages)], temporary)
        for package in sorted(temporary.glob("*.deb")):
            _run(["dpkg", "-x", package.name, "root"], temporary)


CHROMIUM = Program(
    names=("chromium", "google-chrome"),
    packages=("chromium", "fonts-inter"),
    path="usr/lib/chromium/chromium",  # what the script in usr/bin would start
    size="100 MB",
)
PROMTOOL = Program(("promtool",), ("prometheus",), "usr/bin/promtool", "20 MB")


_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{folder}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{folder}/fonts-cache</cachedir>
  <alias><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
  <alias><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>
"""


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, command, output=done.stdout)
    return done.stdout


def _libraries(folder: Path) -> list[str]:
    """Where the unpacked shared libraries are: each architecture has a folder of its own, with some below it."""
    return sorted({str(library.parent) for library in folder.glob("usr/lib/*-linux-*/**/*.so*")})


if __name__ == "__main__":
    try:
        for program in (CHROMIUM, PROMTOOL):
            print(program.find_or_fetch()[0])
    except BinariesUnavailable as error:
        sys.exit(str(error))
