"""Files that change, and what becomes of it."""

import asyncio
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from webhook import logs
from webhook.errors import ConfigurationError
from webhook.metrics import Metrics
from webhook.server.file_watcher import FileWatcher, digest


@dataclass
class Reader:
    """Somebody who uses the content of a file: `bad` can't be used."""

    path: Path
    metrics: Metrics = field(default_factory=Metrics)
    written: io.BytesIO = field(default_factory=io.BytesIO)
    using: list[str] = field(default_factory=list)

    def reload(self) -> None:
        content = self.path.read_text() if self.path.is_file() else ""
        if content.startswith("bad"):
            raise ConfigurationError(f"can't use {content}")
        if content == "bug":
            raise RuntimeError("sentinel")
        self.using.append(content)

    def watch(self) -> FileWatcher:
        return FileWatcher(
            "thing",
            lambda: [self.path],
            self.reload,
            metrics=self.metrics,
            log=logs.build_logger(self.written),
            interval=0.01,
        )

    def reloads(self, result: str) -> float:
        labels = {"what": "thing", "result": result}
        return self.metrics.registry.get_sample_value("git_token_webhook_reloads_total", labels) or 0

    @property
    def log(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.written.getvalue().splitlines()]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    (tmp_path / "file").write_text("one")
    return Reader(tmp_path / "file")


class TestWatching:
    async def test_nothing_changes(self, reader: Reader) -> None:
        """What was there at the beginning counts as read."""
        await reader.watch().poll()
        assert reader.using == []

    async def test_a_new_content(self, reader: Reader) -> None:
        """It is read once, counted and logged."""
        watcher = reader.watch()
        reader.path.write_text("two")
        await watcher.poll()
        await watcher.poll()
        assert reader.using == ["two"]
        assert (reader.reloads("success"), reader.log) == (1, ["reloaded"])

    async def test_the_same_content_written_again(self, reader: Reader) -> None:
        """Times and inodes don't matter."""
        watcher = reader.watch()
        reader.path.unlink()
        reader.path.write_text("one")
        os.utime(reader.path, (1, 1))
        await watcher.poll()
        assert reader.using == []

    async def test_a_bad_content(self, reader: Reader) -> None:
        """The previous version stays in use, and the reason is logged once."""
        watcher = reader.watch()
        reader.path.write_text("bad")
        await watcher.poll()
        await watcher.poll()
        assert (reader.using, watcher.failure) == ([], "can't use bad")
        assert (reader.reloads("failure"), reader.log) == (1, ["reload failed, the previous version stays in use"])
        line = json.loads(reader.written.getvalue())
        assert (line["detail"], line.keys() & {"trace", "error"}) == ("can't use bad", set())

    async def test_a_bad_content_that_waiting_makes_good(self, reader: Reader) -> None:
        """A certificate of tomorrow needs no new file: it is tried again, without saying so each time."""
        valid = False

        def reload() -> None:
            if not valid:
                raise ConfigurationError("not valid yet")

        log = logs.build_logger(reader.written)
        watcher = FileWatcher("thing", lambda: [reader.path], reload, metrics=reader.metrics, log=log, retry=0)
        reader.path.write_text("two")
        for _ in range(3):
            await watcher.poll()
        assert (watcher.failure, reader.reloads("failure")) == ("not valid yet", 1)
        valid = True
        await watcher.poll()
        assert (watcher.failure, reader.reloads("success")) == (None, 1)

    async def test_a_bad_content_is_not_tried_all_the_time(self, reader: Reader) -> None:
        """Between two tries there is a while."""
        tries = 0

        def reload() -> None:
            nonlocal tries
            tries += 1
            raise ConfigurationError("no")

        log = logs.build_logger(reader.written)
        watcher = FileWatcher("thing", lambda: [reader.path], reload, metrics=reader.metrics, log=log, retry=60)
        reader.path.write_text("two")
        for _ in range(3):
            await watcher.poll()
        assert tries == 1

    async def test_a_good_content_after_a_bad_one(self, reader: Reader) -> None:
        """The trouble is over."""
        watcher = reader.watch()
        reader.path.write_text("bad")
        await watcher.poll()
        reader.path.write_text("two")
        await watcher.poll()
        assert (reader.using, watcher.failure) == (["two"], None)

    async def test_the_old_content_after_a_bad_one(self, reader: Reader) -> None:
        """Taking a change back ends the trouble as well."""
        watcher = reader.watch()
        reader.path.write_text("bad")
        await watcher.poll()
        reader.path.write_text("one")
        await watcher.poll()
        assert watcher.failure is None

    async def test_an_error_of_ours(self, reader: Reader) -> None:
        """Even a mistake in our own code leaves the old one in use and the watcher alive."""
        watcher = reader.watch()
        reader.path.write_text("bug")
        await watcher.poll()
        assert watcher.failure == "RuntimeError"
        assert b"sentinel" not in reader.written.getvalue()
        reader.path.write_text("two")
        await watcher.poll()
        assert reader.using == ["two"]

    async def test_a_file_that_goes_and_comes(self, reader: Reader) -> None:
        """Absence is a content like any other."""
        watcher = reader.watch()
        reader.path.unlink()
        await watcher.poll()
        reader.path.write_text("two")
        await watcher.poll()
        assert reader.using == ["", "two"]

    async def test_a_file_that_changes_while_it_is_read(self, reader: Reader) -> None:
        """What was written after the look and before the reading isn't lost: it is read again."""
        content = iter(["three", "four"])
        reload = reader.reload

        def reload_late() -> None:
            reader.path.write_text(next(content, "four"))
            reload()

        watcher = FileWatcher(
            "thing",
            lambda: [reader.path],
            reload_late,
            metrics=reader.metrics,
            log=logs.build_logger(reader.written),
        )
        reader.path.write_text("two")
        await watcher.poll()
        assert reader.using[-1] == "four"

    async def test_until_cancelled(self, reader: Reader) -> None:
        """It looks again and again by itself."""
        task = asyncio.create_task(reader.watch().run())
        reader.path.write_text("two")
        async with asyncio.timeout(5):
            while reader.using != ["two"]:  # noqa: ASYNC110 - what is waited for is a list
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


class TestDigests:
    def test_kubelet_swaps_a_directory(self, tmp_path: Path) -> None:
        """The file is a link to a link to a directory that changes: its content counts."""
        for version in ("one", "two"):
            (tmp_path / f"..{version}").mkdir()
            (tmp_path / f"..{version}" / "tls.crt").write_text(version)
        (tmp_path / "..data").symlink_to("..one")
        (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
        by_file, by_directory = digest([tmp_path / "tls.crt"]), digest([tmp_path])
        (tmp_path / "..new").symlink_to("..two")
        (tmp_path / "..new").rename(tmp_path / "..data")
        assert digest([tmp_path / "tls.crt"]) != by_file
        assert digest([tmp_path]) != by_directory

    def test_files_of_a_directory(self, tmp_path: Path) -> None:
        """A new one, a renamed one and a removed one are all changes."""
        seen = {digest([tmp_path])}
        (tmp_path / "a").write_text("x")
        seen.add(digest([tmp_path]))
        (tmp_path / "a").rename(tmp_path / "b")
        seen.add(digest([tmp_path]))
        (tmp_path / "c").write_text("")
        seen.add(digest([tmp_path]))
        assert len(seen) == 4

    def test_where_one_file_ends(self, tmp_path: Path) -> None:
        """Moving content from one file to the next is a change."""
        one, two = tmp_path / "1", tmp_path / "2"
        one.write_text("ab")
        two.write_text("c")
        before = digest([one, two])
        one.write_text("a")
        two.write_text("bc")
        assert digest([one, two]) != before

    def test_an_empty_file_is_not_a_missing_one(self, tmp_path: Path) -> None:
        """Nor the other way round."""
        missing = digest([tmp_path / "a"])
        (tmp_path / "a").touch()
        assert digest([tmp_path / "a"]) != missing


@pytest.mark.timeout(20)
@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_has_no_end_is_not_read(tmp_path: Path, put: Callable[[Path], object]) -> None:
    """Somebody has put it beside the files; that it is there counts, and nobody waits for it."""
    (tmp_path / "a").write_text("x")
    before = digest([tmp_path])
    put(tmp_path / "b")
    assert digest([tmp_path]) != before
