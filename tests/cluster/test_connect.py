"""What may be wrong with the file that says how the API server is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from webhook.cluster.connect import connect, connect_from_pod, offered_contexts
from webhook.errors import ConfigurationError

SOUND = """
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: one, context: {cluster: c, user: u}}, {name: other, context: {cluster: c, user: u}}]
current-context: one
"""


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file; name one"),
        (b"just text", "it has no contexts, so it is not a kubeconfig"),
        (b"- a list", "it has no contexts"),
        (b"apiVersion: v1\nkind: Config\n", "it has no contexts"),
        (b"{clusters: 1, users: 1, contexts: 1, current-context: x}", "it has no contexts"),
        (b"", "it has no contexts"),
        (b"a: [", "it is not valid YAML"),
        (b"\xff\xfe", "it is not valid YAML"),
        (b"{contexts: [{name: one, context: {}}, {name: two}]}", "there is no such context; there are one, two"),
    ],
    ids=["absent", "text", "a list", "no contexts", "a number", "empty", "broken", "binary", "others"],
)
async def test_a_kubeconfig_that_is_none_is_named(
    tmp_path: Path, content: bytes | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With what is wrong, and not quoted; the client logs nothing beside."""
    kubeconfig = tmp_path / "kubeconfig"
    if content is not None:
        kubeconfig.write_bytes(content)
    with pytest.raises(
        ConfigurationError, match=rf"kubeconfig: cannot be used with the context some to reach the API server: {why}"
    ):
        await connect(kubeconfig, "some")
    assert not caplog.records


async def test_what_a_look_can_t_explain_is_an_error_with_its_kind(tmp_path: Path) -> None:
    """Whatever the file holds, it ends in one line that says which file: a crash would look like a fault of ours."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{clusters: [], users: [], contexts: [{name: x, context: 1}], current-context: x}")
    with pytest.raises(ConfigurationError, match=r"kubeconfig: cannot be used to reach the API server \(\w+\)$"):
        await connect(kubeconfig)


async def test_outside_of_a_pod_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, since nothing else can be."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigurationError, match=r"^the pod's ServiceAccount: cannot be used"):
        await connect_from_pod()


async def test_in_a_pod_a_kubeconfig_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives one to a pod means it; and so does whoever names a context."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(SOUND)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    client: Any = await connect()  # the client has no types of its own
    await client.close()
    assert client.configuration.host == "https://127.0.0.1:1"


def test_contexts_are_offered_from_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As kubectl merges them; what can't be read, offers none."""
    files = {"sound": SOUND, "broken": "a: [", "shapeless": "contexts: 1"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    places = [str(tmp_path / name) for name in (*files, "absent")]
    monkeypatch.setenv("KUBECONFIG", ":".join(reversed(places)))
    assert offered_contexts("o") == ["one", "other"]
    assert offered_contexts("ot") == ["other"]
