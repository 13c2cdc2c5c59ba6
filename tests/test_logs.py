"""Log lines: whole, readable, and without anything secret."""

import asyncio
import io
import json
import subprocess
import sys
import time
from typing import Any

import pytest
from pydantic import SecretStr

from webhook import logs
from webhook.errors import ConfigurationError

LETTERS = "aB3" * 16


def line(**fields: Any) -> dict[str, Any]:
    """What one call writes as JSON."""
    stream = io.BytesIO()
    logs.build_logger(stream).info("something", **fields)
    written: dict[str, Any] = json.loads(stream.getvalue())
    return written


def logged_error(error: BaseException) -> dict[str, Any]:
    stream = io.BytesIO()
    log = logs.build_logger(stream)
    try:
        raise error
    except BaseException:
        log.exception("failed")
    assert "sentinel" not in stream.getvalue().decode()
    written: dict[str, Any] = json.loads(stream.getvalue())
    return written


class TestLines:
    def test_a_line(self) -> None:
        """Time in UTC, level and event come first, the rest as it was given."""
        written = line(name="x", roles=["user"], milliseconds=1.5)
        assert list(written) == ["time", "level", "event", "name", "roles", "milliseconds"]
        assert written["time"].endswith("Z")
        assert (written["level"], written["event"], written["roles"]) == ("info", "something", ["user"])

    def test_one_line_for_each_event(self) -> None:
        """A line break in a value makes no other line, which could pretend to be one of ours."""
        stream = io.BytesIO()
        logs.build_logger(stream).info("a", name='x\n{"event":"forged"}')
        assert stream.getvalue().count(b"\n") == 1

    def test_text_for_people(self) -> None:
        """The same as words, in one line."""
        stream = io.BytesIO()
        logs.build_logger(stream, format="text").info("decision", verdict="denied", name="a b\nc", roles=["user"])
        written = stream.getvalue().decode()
        assert written.count("\n") == 1
        assert "decision" in written
        assert "verdict=denied" in written

    @pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
    def test_levels(self, level: str, lines: int) -> None:
        """What is below the chosen level isn't written."""
        stream = io.BytesIO()
        log = logs.build_logger(stream, level=level)
        for method in (log.debug, log.info, log.warning, log.error):
            method("x")
        assert len(stream.getvalue().splitlines()) == lines

    @pytest.mark.parametrize("value", [SecretStr("sentinel"), ValueError("sentinel"), lambda: "sentinel"])
    def test_what_is_no_plain_data(self, value: object) -> None:
        """Only its class is named, since its text might hold anything."""
        written = line(value=value)
        assert written["value"] == type(value).__name__

    def test_a_lone_surrogate(self) -> None:
        """A line that can't be UTF-8 is written all the same."""
        assert line(name="a\ud800b")["event"] == "something"

    def test_a_stream_that_fails(self) -> None:
        """A full disk or closed pipe costs the line and nothing else."""

        class Broken(io.BytesIO):
            def write(self, _: Any) -> int:
                raise BrokenPipeError

        logs.build_logger(Broken()).info("x")
        closed = io.BytesIO()
        closed.close()
        logs.build_logger(closed).info("x")


class TestExceptions:
    def test_class_and_place(self) -> None:
        """The class and the lines of code; not the message, which may hold a token."""
        written = logged_error(ValueError("sentinel"))
        assert written["error"] == "ValueError"
        assert written["trace"][-1].startswith(f"{__name__}:")
        assert written["level"] == "error"

    def test_what_is_behind_it(self) -> None:
        """The classes of causes and contexts, nearest first."""
        try:
            try:
                raise KeyError("sentinel")
            except KeyError as inner:
                raise OSError("sentinel") from inner
        except OSError as outer:
            assert logged_error(outer)["because"] == ["KeyError"]

    def test_a_group(self) -> None:
        """The classes of its members."""
        group = ExceptionGroup("sentinel", [ValueError("sentinel"), TimeoutError("sentinel")])
        assert logged_error(group)["because"] == ["ValueError", "TimeoutError"]

    def test_an_error_of_ours(self) -> None:
        """Its text is written for people, by us."""
        assert logged_error(ConfigurationError("line 3: no such key"))["detail"] == "line 3: no such key"

    def test_causes_in_a_circle(self) -> None:
        """Exceptions that name each other come to an end."""
        one, two = ValueError(), KeyError()
        one.__cause__, two.__cause__ = two, one
        assert logs.describe(one)["because"] == ["KeyError"]

    async def test_the_event_loop(self) -> None:
        """asyncio's own words and the class; not the future, whose text holds the message."""
        stream = io.BytesIO()
        handle = logs.loop_exception_handler(logs.build_logger(stream))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        error = ValueError("sentinel")
        future.set_exception(error)
        handle(asyncio.get_running_loop(), {"message": "never retrieved", "exception": error, "future": future})
        assert future.exception() is error
        written = json.loads(stream.getvalue())
        assert (written["event"], written["error"]) == ("never retrieved", "ValueError")
        assert b"sentinel" not in stream.getvalue()


SECRETS = {
    "GitHub classic": "ghp_" + LETTERS,
    "GitHub OAuth": "gho_" + LETTERS,
    "GitHub user": "ghu_" + LETTERS,
    "GitHub installation": "ghs_" + LETTERS,
    "GitHub refresh": "ghr_" + LETTERS,
    "GitHub fine-grained": "github_pat_" + LETTERS,
    **{f"GitLab {kind}": f"gl{kind}-" + LETTERS for kind in ("pat", "oas", "dt", "rt", "rtr", "cbt", "ptt", "ft")},
    **{f"GitLab {kind}": f"gl{kind}-" + LETTERS for kind in ("imt", "agent", "soat", "ffct", "wt")},
    "Atlassian API": "ATATT" + LETTERS,
    "Atlassian repository": "ATCTT" + LETTERS,
    "Bitbucket app password": "ATBB" + LETTERS,
    "Bitbucket Server": "BBDC-" + LETTERS,
    "JWT": ".".join(("eyJ" + LETTERS, LETTERS, LETTERS)),
    "JWE without a key part": ".".join(("eyJ" + LETTERS, "", LETTERS, LETTERS, LETTERS)),
    "PEM": "-----BEGIN RSA PRIVATE" + f" KEY-----\n{LETTERS}\n{LETTERS}\n-----END RSA PRIVATE" + " KEY-----",
    "half of a PEM": "-----BEGIN PRIVATE" + f" KEY-----\n{LETTERS}",
    "bearer": f"Bearer {LETTERS}",
    "basic": f"Authorization: Basic {LETTERS}==",
    "header of GitLab": f"PRIVATE-TOKEN: {LETTERS}",
    "header of GitHub": f"'authorization': 'token {LETTERS}'",
    "URL": f"https://me:{LETTERS}@github.com/x",
    "URL with a token alone": f"https://{LETTERS}@github.com/x",
}


class TestRedaction:
    @pytest.mark.parametrize("kind", SECRETS)
    @pytest.mark.parametrize("format", ["json", "text"])
    def test_what_looks_like_a_credential(self, kind: str, format: logs.Format) -> None:
        """Should one ever come so far, nothing of it is written, wherever in the line it is."""
        stream = io.BytesIO()
        log = logs.build_logger(stream, format=format)
        secret = SECRETS[kind]
        log.info(f"said {secret}", value=secret, nested={"deep": [f"({secret})"]}, **{secret: "as a key"})
        written = stream.getvalue().decode()
        assert LETTERS[:12] not in written
        assert "***" in written
        if format == "json":
            json.loads(written)

    def test_a_header_as_a_key(self) -> None:
        """Whatever is under it goes."""
        assert line(headers={"Authorization": "whatever", "Accept": "text/plain"})["headers"] == {
            "Authorization": "***",
            "Accept": "text/plain",
        }

    @pytest.mark.parametrize(
        "text",
        [
            "github.com says that this classic token of octocat has read:org and repo",
            "https://github.com/settings/tokens/new?scopes=repo,admin:repo_hook",
            "a basic authentication of somebody, and the bearer of news",
            "system:serviceaccount:argocd:argocd-server",
            "705ab4f5-6393-11e8-b7cc-42010a800002",
            "the type glpat- is what GitLab's tokens begin with",
        ],
    )
    def test_what_only_looks_a_little_like_one(self, text: str) -> None:
        """Ordinary sentences stay as they are."""
        assert line(text=text)["text"] == text


INSTALLED = """
import asyncio, logging, sys, threading, warnings
from webhook import logs
logs.install(logs.build_logger(sys.stdout.buffer))
"""


def program(text: str) -> list[dict[str, Any]]:
    """What a whole program writes; all of it must be JSON, and nothing may go to stderr."""
    ran = subprocess.run([sys.executable, "-c", INSTALLED + text], capture_output=True, timeout=30)
    assert ran.stderr == b""
    assert b"sentinel" not in ran.stdout
    return [json.loads(written) for written in ran.stdout.splitlines()]


class TestInstalled:
    def test_lines_of_libraries(self) -> None:
        """They look like ours and name their library."""
        (written,) = program("logging.getLogger('some.library').warning('%s is odd', 'this')")
        assert (written["event"], written["logger"], written["level"]) == ("this is odd", "some.library", "warning")

    @pytest.mark.parametrize("library", ["httpx", "httpcore.http11", "hpack", "kubernetes.client.rest", "asyncio"])
    def test_libraries_that_say_too_much(self, library: str) -> None:
        """httpx logs whole URLs at INFO, the Kubernetes client bodies at DEBUG."""
        assert program(f"l = logging.getLogger({library!r}); l.info('sentinel'); l.debug('sentinel')") == []

    def test_an_exception_that_a_library_logs(self) -> None:
        """Its class and place, not its message."""
        (written,) = program("try: 1/0\nexcept ZeroDivisionError: logging.getLogger('aiohttp.server').exception('oh')")
        assert (written["event"], written["error"]) == ("oh", "ZeroDivisionError")

    def test_a_line_whose_arguments_do_not_fit(self) -> None:
        """Python would print the arguments to stderr."""
        (written,) = program("logging.getLogger('x').error('%d', 'sentinel')")
        assert written["level"] == "error"

    def test_a_crash(self) -> None:
        """The last words of a program are a line as well, without message or source."""
        (written,) = program("raise ValueError('sentinel')")
        assert (written["event"], written["error"]) == ("crashed", "ValueError")

    def test_a_crash_of_a_thread(self) -> None:
        """Likewise."""
        text = "def f(): raise ValueError('sentinel')\nt = threading.Thread(target=f); t.start(); t.join()"
        assert program(text)[0]["error"] == "ValueError"

    def test_an_exception_nobody_can_catch(self) -> None:
        """Likewise."""
        text = "class A:\n  def __del__(self): raise ValueError('sentinel')\nA()"
        assert program(text)[0]["error"] == "ValueError"

    def test_warnings_of_python(self) -> None:
        """Not as a stray line of text."""
        (written,) = program("warnings.warn('old')")
        assert written["logger"] == "py.warnings"


LONG = {
    "beginnings of JWTs": "eyJ" * 100_000,
    "one word": "a" * 4_000_000,
    "JWTs": "eyJaaaaaaaa." * 50_000,
    "schemes": "bearer " * 50_000,
    "URLs": "://a" * 50_000,
    "control characters": "\x00" * 500_000,
}
LARGE: dict[str, object] = {
    "list": ["a" * 5000] * 5000,
    "mapping": {f"{number}": "x" * 500 for number in range(5000)},
    "deep list": [[[[[["x" * 10_000]]]]]],
    "number": 10**4400,
    "other key": {1: "x" * 10_000},
}


class TestBounds:
    """What a requester or a library writes into a field costs neither time nor space."""

    @pytest.mark.parametrize("kind", LONG)
    @pytest.mark.parametrize("format", ["json", "text"])
    def test_a_long_text(self, kind: str, format: logs.Format) -> None:
        """It is cut, in linear time."""
        stream = io.BytesIO()
        log = logs.build_logger(stream, format=format)
        text = LONG[kind]
        started = time.process_time()
        log.info(text, name=text, **{text: 1})
        assert time.process_time() - started < 1
        assert len(stream.getvalue()) < 30_000

    @pytest.mark.parametrize("kind", LARGE)
    def test_a_large_value(self, kind: str) -> None:
        """Lists, mappings and numbers are cut as well."""
        stream = io.BytesIO()
        logs.build_logger(stream).info("something", padding="x" * 5000, value=LARGE[kind])
        assert len(stream.getvalue()) < 100_000
        assert json.loads(stream.getvalue())["event"] == "something"

    def test_a_credential_at_the_cut(self) -> None:
        """No beginning of it is left, too short to be recognised."""
        for before in range(logs.LONGEST_TEXT - 20, logs.LONGEST_TEXT + 5):
            written = line(name="n " * (before // 2) + "ghp_" + LETTERS + " x" * 5000)["name"]
            assert LETTERS[:2] not in written

    def test_a_token_without_a_prefix(self) -> None:
        """40 hexadecimal digits are what GitHub's older tokens and Gitea's are, also within a name."""
        token = "".join(f"{number:04x}" for number in range(4096, 4108))
        assert token[:10] not in json.dumps(line(name=f"repo-{token}", user=token.upper()))
