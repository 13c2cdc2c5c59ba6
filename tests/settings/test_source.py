"""A configuration file is read as a whole: all mistakes at once, each with its line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from webhook.errors import ConfigurationError
from webhook.settings.model import Settings
from webhook.settings.source import load_settings, parse_settings, read_settings


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(text)
    return str(caught.value).splitlines()


def test_all_mistakes_are_named_at_once_with_their_lines() -> None:
    """Of every kind: a wrong value, unknown keys, a duplicate, an unknown host."""
    found = mistakes("""\
mode: sometimes
modus: warn
limits:
  concurrency: 0
  cacheTtl: 60
  cacheTll: 60s
providers:
  - host: git.acme.dev
    kind: githb
  - host: git.acme.dev:8443
    kind: github
    kind: gitlab
repositories:
  read: [https://git.example.com/acme/apps]
defaults: {userHost: nowhere.example}
""")
    text = "\n".join(found)
    assert "line 2: unknown key 'modus'; did you mean 'mode'?" in text
    assert "line 12: duplicate key 'kind'" in text


def test_mistakes_in_several_sections_have_their_lines() -> None:
    """A list item counts from its own line, and a missing key from what should contain it."""
    assert mistakes("mode: x\n\nproviders:\n- host: a.example\n- kind: github\n  host: b.example\n") == [
        "line 1: mode: must be 'enforce' or 'warn'",
        "line 4: providers[0].kind (a.example): is missing",
    ]


def test_unknown_hosts_are_named_beside_other_mistakes() -> None:
    """They show only when the whole is valid, and are found nevertheless."""
    found = mistakes(
        "mode: x\nrepositories:\n  read: [https://git.example.com/acme/apps]\ndefaults:\n  userHost: no.example\n"
    )
    assert found == [
        "line 1: mode: must be 'enforce' or 'warn'",
        "line 2: repositories: git.example.com is not a known host; declare it under providers",
        "line 5: defaults.userHost: no.example is not a known host; declare it under providers",
    ]


def test_each_unknown_key_has_its_line() -> None:
    """Two slips in one mapping are two mistakes."""
    assert [line.partition(";")[0] for line in mistakes("limits:\n  a: 1\n  b: 2\n")] == [
        "line 2: limits: unknown key 'a'",
        "line 3: limits: unknown key 'b'",
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "  \n# mode: warn\n"])
def test_an_empty_file_is_an_error(tmp_path: Path, text: str) -> None:
    """A file that is being written, or was truncated, must not become the defaults."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"config.yaml: is empty; to use the defaults, write \{\}"):
        load_settings(path)


def test_an_empty_mapping_means_the_defaults() -> None:
    """Written on purpose."""
    assert read_settings(io.StringIO("{}\n"), "x") == Settings()


def test_an_alias_does_not_multiply_the_work() -> None:
    """Nested aliases stand for more items than there are atoms; a mistake is still found at once."""
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert mistakes("\n".join(["a0: &a0 x", *levels]))[0].startswith("line 1: unknown key 'a0'")
