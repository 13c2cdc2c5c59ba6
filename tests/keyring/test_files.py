"""A directory of key files: what is read, what is refused, and what is known after it changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.keyring.rings import NOW, key_text, write_key
from webhook.errors import ConfigurationError
from webhook.keyring.files import load_keyring, load_keyring_by_file_times
from webhook.keyring.ring import ACTIVATION, KeyRing, ephemeral_keyring

MINUTE = timedelta(minutes=1)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def names(ring: KeyRing) -> list[str]:
    return [key.name for key in ring.keys]


def as_kubelet_does(folder: Path, files: dict[str, str], version: str, mode: int = 0o644) -> None:
    """A mounted Secret: files in a hidden directory, behind ``..data``, which is swapped for a new version."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o1777)  # as it is in a Pod
    (folder / version).mkdir()
    for name, text in files.items():
        (folder / version / name).write_text(text)
        (folder / version / name).chmod(mode)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")
    for link in folder.iterdir():
        if not link.name.startswith("..") and link.name not in files:
            link.unlink()


def replaced_by(make: Callable[[Any], None], argument: object, path: Path) -> None:
    """Something else under the name of a file."""
    path.unlink()
    make(argument)


class TestReading:
    def test_keys_are_ordered_by_name(self, tmp_path: Path) -> None:
        """Whatever order the file system lists them in."""
        for name in ("2026-11", "2025-01", "2026-02"):
            write_key(tmp_path / "keys", name)
        assert names(load_keyring(tmp_path / "keys", NOW)) == ["2025-01", "2026-02", "2026-11"]

    def test_hidden_files_and_folders_are_no_keys(self, tmp_path: Path) -> None:
        """What kubelet, Git and file systems put there."""
        write_key(tmp_path, "2026-11")
        (tmp_path / ".gitignore").write_text("*\n")
        (tmp_path / "..2026_11_23").mkdir()
        (tmp_path / "lost+found").mkdir()
        assert names(load_keyring(tmp_path, NOW)) == ["2026-11"]

    @pytest.mark.parametrize("mode", [0o644, 0o440, 0o400, 0o777])
    def test_a_mounted_secret_has_the_rights_that_kubelet_gives(self, tmp_path: Path, mode: int) -> None:
        """Links to files that others may read, in a folder that others may write: no doubt about it."""
        as_kubelet_does(tmp_path / "keys", {"a": key_text(), "b": key_text()}, "..1", mode)
        ring = load_keyring(tmp_path / "keys", NOW)
        assert names(ring) == ["a", "b"]
        assert ring.doubts == ()

    def test_rights_of_an_own_file_are_refused(self, tmp_path: Path) -> None:
        """Others may read it: the message says so, and what to do."""
        write_key(tmp_path, "a")
        for mode in (0o644, 0o640, 0o604):
            (tmp_path / "a").chmod(mode)
            with pytest.raises(ConfigurationError, match=r"can be read by other users \(mode 0.*chmod 600"):
                load_keyring(tmp_path, NOW)

    def test_a_file_that_every_user_can_write_is_rejected(self, tmp_path: Path) -> None:
        """It may hold anybody's key."""
        write_key(tmp_path, "a")
        (tmp_path / "a").chmod(0o602)
        with pytest.raises(ConfigurationError, match="writable by every user"):
            load_keyring(tmp_path, NOW)

    def test_a_folder_that_every_user_can_write_is_rejected(self, tmp_path: Path) -> None:
        """Anybody could add a key that is the last by name."""
        write_key(tmp_path / "keys", "a")
        (tmp_path / "keys").chmod(0o777)
        with pytest.raises(ConfigurationError, match="writable by every user"):
            load_keyring(tmp_path / "keys", NOW)

    @needs_root
    def test_a_link_as_in_a_volume_of_another_user_excuses_nothing(self, tmp_path: Path) -> None:
        """Where everybody may write, everybody could make one, and with it a key that is the last by name."""
        write_key(tmp_path / "keys", "a")
        (tmp_path / "keys").chmod(0o1777)
        (tmp_path / "keys" / "..data").symlink_to(".")
        os.chown(tmp_path / "keys" / "..data", 4711, 4711, follow_symlinks=False)
        with pytest.raises(ConfigurationError, match="writable by every user"):
            load_keyring(tmp_path / "keys", NOW)

    @pytest.mark.parametrize("put", ["file", "link"])
    def test_a_foreign_file_in_a_volume_is_rejected(self, tmp_path: Path, put: str) -> None:
        """Kubelet's own files are all links through the one that it swaps."""
        as_kubelet_does(tmp_path / "keys", {"a": key_text()}, "..1", 0o644)
        write_key(tmp_path, "elsewhere")
        stranger = tmp_path / "keys" / "b"
        if put == "file":
            stranger.write_text(key_text())
        else:
            stranger.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ConfigurationError, match="keys/b is not from the volume"):
            load_keyring(tmp_path / "keys", NOW)

    @needs_root
    def test_the_file_of_another_user_causes_only_a_warning(self, tmp_path: Path) -> None:
        """What an agent mounts for this process has the rights that the agent gave it."""
        write_key(tmp_path, "a")
        (tmp_path / "a").chmod(0o644)
        os.chown(tmp_path / "a", 4711, 4711)
        ring = load_keyring(tmp_path, NOW)
        assert len(ring.doubts) == 1
        assert "every user of this machine (mode 0644)" in ring.doubts[0]
        (tmp_path / "a").chmod(0o440)
        assert load_keyring(tmp_path, NOW).doubts == ()

    def test_the_same_key_twice_is_refused(self, tmp_path: Path) -> None:
        """An editor's backup, or a rotation that rotated nothing; other line breaks make no other key."""
        text = write_key(tmp_path, "a")
        write_key(tmp_path, "a.bak", text.strip()[:20] + "\n" + text.strip()[20:])
        with pytest.raises(ConfigurationError, match=r"a\.bak holds the same key as a;"):
            load_keyring(tmp_path, NOW)

    def test_no_key_at_all(self, tmp_path: Path) -> None:
        """An empty folder is no ring, and neither is one that isn't there."""
        with pytest.raises(ConfigurationError, match="holds no key; make one"):
            load_keyring(tmp_path, NOW)
        with pytest.raises(ConfigurationError, match="absent can't be read: No such file"):
            load_keyring(tmp_path / "absent", NOW)
        write_key(tmp_path, "a")
        with pytest.raises(ConfigurationError, match="a can't be read: Not a directory"):
            load_keyring(tmp_path / "a", NOW)

    @pytest.mark.parametrize(
        ("spoil", "says"),
        [
            (lambda path: path.write_text("c2hvcnQ="), "holds 5 bytes"),
            (lambda path: path.write_bytes(b"\xff\xfe" * 30), "no key in base64"),
            (lambda path: path.write_text(key_text(), encoding="utf-8-sig"), "no key in base64"),
            (lambda path: path.write_text(key_text(), encoding="utf-16"), "no key in base64"),
            (lambda path: path.write_text(""), "holds 0 bytes"),
            (lambda path: path.write_text("A" * 5000), "larger than any key"),
            (lambda path: replaced_by(path.symlink_to, "/dev/zero", path), "is no file"),
            (lambda path: replaced_by(path.symlink_to, path.name, path), "can't be read: Too many levels"),
            (lambda path: replaced_by(path.symlink_to, "nowhere", path), "can't be read: No such file"),
            (lambda path: replaced_by(os.mkfifo, path, path), "is no file"),
        ],
        ids="short binary marked utf-16 empty large broken device loop pipe".split(),
    )
    def test_one_bad_file_spoils_the_ring(self, tmp_path: Path, spoil: Callable[[Path], object], says: str) -> None:
        """A ring that silently lacked a key could not open what that sealed. The message names the file."""
        write_key(tmp_path, "a")
        write_key(tmp_path, "b")
        spoil(tmp_path / "b")
        with pytest.raises(ConfigurationError, match=says) as caught:
            load_keyring(tmp_path, NOW)
        assert str(tmp_path / "b") in str(caught.value)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read(self, tmp_path: Path) -> None:
        """The message says so."""
        write_key(tmp_path, "a")
        (tmp_path / "a").chmod(0o000)
        with pytest.raises(ConfigurationError, match="a can't be read: Permission denied"):
            load_keyring(tmp_path, NOW)


class TestActivation:
    def test_a_first_key_is_in_use_at_once(self, tmp_path: Path) -> None:
        """Nothing else could seal."""
        write_key(tmp_path, "a")
        assert load_keyring(tmp_path, NOW).active(NOW).name == "a"

    def test_a_new_key_waits_from_when_it_was_seen(self, tmp_path: Path) -> None:
        """However old its file is: `cp -p` and backups bring older times."""
        write_key(tmp_path, "a")
        ring = load_keyring(tmp_path, NOW)
        write_key(tmp_path, "b")
        os.utime(tmp_path / "b", (0, 0))
        seen = NOW + MINUTE
        ring = load_keyring(tmp_path, seen, ring)
        assert ring.active(seen + ACTIVATION - timedelta(seconds=1)).name == "a"
        assert ring.active(seen + ACTIVATION).name == "b"

    def test_what_is_known_stays_known(self, tmp_path: Path) -> None:
        """Kubelet writes all files anew when one is added or taken away, and a key in use goes on being used."""
        keys = {"a": key_text()}
        as_kubelet_does(tmp_path, keys, "..1")
        ring = load_keyring(tmp_path, NOW)
        keys["b"] = key_text()
        as_kubelet_does(tmp_path, keys, "..2")
        ring = load_keyring(tmp_path, NOW + MINUTE, ring)
        later = NOW + MINUTE + ACTIVATION
        assert ring.active(later).name == "b"
        del keys["a"]
        as_kubelet_does(tmp_path, keys, "..3")
        ring = load_keyring(tmp_path, later, ring)
        keys["c"] = key_text()
        as_kubelet_does(tmp_path, keys, "..4")
        ring = load_keyring(tmp_path, later, ring)
        assert (names(ring), ring.active(later).name) == (["b", "c"], "b")

    def test_a_server_that_starts_takes_the_last_key_for_new(self, tmp_path: Path) -> None:
        """It may be: the others may still wait for theirs. The one before it everybody has."""
        for name in ("a", "b", "c"):
            write_key(tmp_path, name)
            os.utime(tmp_path / name, (0, 0))
        ring = load_keyring(tmp_path, NOW)
        assert ring.active(NOW).name == "b"
        assert ring.active(NOW + ACTIVATION).name == "c"

    def test_two_replicas_never_meet_what_they_can_not_open(self, tmp_path: Path) -> None:
        """One sees a new key two minutes after the other, and a third starts in between: none seals with it before
        all have it."""
        write_key(tmp_path / "two", "a", write_key(tmp_path / "one", "a"))
        one, two = (load_keyring(tmp_path / place, NOW) for place in ("one", "two"))
        text = write_key(tmp_path / "one", "b")
        one = load_keyring(tmp_path / "one", NOW, one)
        three = load_keyring(tmp_path / "one", NOW + MINUTE)
        for seconds in range(0, 600, 10):
            now = NOW + timedelta(seconds=seconds)
            if seconds == 120:
                write_key(tmp_path / "two", "b", text)
                two = load_keyring(tmp_path / "two", now, two)
            for sealing in (one, two, three):
                kid = sealing.active(now).kid
                assert all(opening.find(kid) for opening in (one, two, three))
        assert {ring.active(NOW + 10 * MINUTE).name for ring in (one, two, three)} == {"b"}

    def test_another_key_under_the_same_name_is_a_new_key(self, tmp_path: Path) -> None:
        """What counts is the key; and somebody should know that what the old one sealed is out of reach."""
        write_key(tmp_path, "a")
        write_key(tmp_path, "b")
        ring = load_keyring(tmp_path, NOW)
        gone = ring.keys[1]
        later = NOW + 2 * ACTIVATION
        write_key(tmp_path, "b")
        changed = load_keyring(tmp_path, later, ring)
        assert changed.active(later).name == "a"
        assert changed.doubts == (
            f"{tmp_path} has no key {gone.kid} (b) any more; what it sealed can't be opened until it is back.",
        )
        assert load_keyring(tmp_path, later, changed).doubts == ()

    def test_a_renamed_key_is_no_new_key(self, tmp_path: Path) -> None:
        """It doesn't wait again."""
        write_key(tmp_path, "a")
        write_key(tmp_path, "b")
        later = NOW + ACTIVATION
        ring = load_keyring(tmp_path, NOW)
        (tmp_path / "b").rename(tmp_path / "z")
        renamed = load_keyring(tmp_path, later, ring)
        assert (renamed.active(later).name, renamed.doubts) == ("z", ())

    def test_a_name_that_comes_first_does_not_matter(self, tmp_path: Path) -> None:
        """A key added before those that are there waits, and then only opens."""
        write_key(tmp_path, "b")
        ring = load_keyring(tmp_path, NOW)
        write_key(tmp_path, "a")
        ring = load_keyring(tmp_path, NOW, ring)
        assert (ring.active(NOW).name, ring.active(NOW + ACTIVATION).name) == ("b", "b")

    def test_a_ring_whose_keys_are_all_new(self, tmp_path: Path) -> None:
        """Against all advice, but something has to seal: the key that was there first."""
        write_key(tmp_path, "a")
        ring = load_keyring(tmp_path, NOW)
        (tmp_path / "a").rename(tmp_path.parent / "a")
        write_key(tmp_path, "c")
        ring = load_keyring(tmp_path, NOW, ring)
        write_key(tmp_path, "b")
        ring = load_keyring(tmp_path, NOW + MINUTE, ring)
        assert ring.active(NOW + MINUTE).name == "c"

    def test_an_ephemeral_ring_teaches_nothing(self, tmp_path: Path) -> None:
        """Where a folder was configured later, it is read as at the start."""
        write_key(tmp_path, "a")
        write_key(tmp_path, "b")
        ring = load_keyring(tmp_path, NOW, ephemeral_keyring())
        assert (ring.active(NOW).name, ring.doubts) == ("a", ())

    def test_a_failed_reload_changes_nothing(self, tmp_path: Path) -> None:
        """The ring before is as it was, and can be given again."""
        write_key(tmp_path / "keys", "a")
        ring = load_keyring(tmp_path / "keys", NOW)
        shutil.rmtree(tmp_path / "keys")
        with pytest.raises(ConfigurationError):
            load_keyring(tmp_path / "keys", NOW, ring)
        assert ring.active(NOW).name == "a"

    def test_the_time_of_activation_is_configuration(self, tmp_path: Path) -> None:
        """``encryption.keyActivation``."""
        write_key(tmp_path, "a")
        write_key(tmp_path, "b")
        ring = load_keyring(tmp_path, NOW, activation=timedelta(hours=1))
        assert ring.active(NOW + timedelta(minutes=59)).name == "a"
        assert ring.active(NOW + timedelta(minutes=60)).name == "b"


def test_a_command_goes_by_the_times_of_files(tmp_path: Path) -> None:
    """It is over before it could have seen a key for minutes."""
    for name, age in (("a", 3600), ("b", 240), ("c", 60)):
        write_key(tmp_path, name)
        written = NOW.timestamp() - age
        os.utime(tmp_path / name, (written, written))
    ring = load_keyring_by_file_times(tmp_path)
    assert [ring.state(key, NOW) for key in ring.keys] == ["opens", "active", "waiting"]
    assert ring.active_from(ring.keys[2]) == NOW + 2 * MINUTE
