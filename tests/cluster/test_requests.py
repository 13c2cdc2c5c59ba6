"""Requests to the API server: paths that names cannot change, and memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from webhook.cluster.objects import SECRET
from webhook.cluster.requests import ApiError, path_of


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("creds", "/api/v1/namespaces/team/secrets/creds"),
        ("a/../../../nodes", "/api/v1/namespaces/team/secrets/a%2F..%2F..%2F..%2Fnodes"),
        ("a?watch=1", "/api/v1/namespaces/team/secrets/a%3Fwatch%3D1"),
        ("ä b", "/api/v1/namespaces/team/secrets/%C3%A4%20b"),
    ],
)
def test_a_name_is_one_segment_of_the_path(name: str, path: str) -> None:
    """Also a name that nobody can give an object."""
    assert SECRET.path("team", name) == path


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_change_the_path_is_not_found(name: str) -> None:
    """HTTP clients resolve dots, so quoting does not help."""
    with pytest.raises(ApiError) as raised:
        SECRET.path("team", name)
    assert raised.value.status == 404
    with pytest.raises(ApiError):
        path_of("namespaces", name, "secrets")


def test_the_models_of_the_client_are_not_imported() -> None:
    """They take 100 MiB and a second."""
    code = (
        "import sys, webhook.server.app, webhook.cluster.client, webhook.cluster.lookups, webhook.cluster.listing;"
        "print([name for name in sys.modules if name.startswith('kubernetes.aio.client.api.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
