"""What a URL names on a Bitbucket Server."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.bitbucket_server.conftest import KIND
from webhook.hosts import Host
from webhook.providers.bitbucket_server.places import Place, locate

AT_ROOT = Host("git.acme.dev", KIND, "https://git.acme.dev")
BELOW = Host("git.acme.dev", KIND, "https://git.acme.dev/bitbucket")


def located(path: str, host: Host = AT_ROOT) -> Place | None:
    return locate(tuple(part for part in path.split("/") if part), host)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", Place()),
        ("/scm", Place()),
        ("/projects", Place()),
        ("/scm/acme", Place("ACME")),
        ("/scm/acme/apps", Place("ACME", "apps")),
        ("/scm/acme/apps/info", Place("ACME", "apps")),
        ("/scm/scm/scm", Place("SCM", "scm")),
        ("/scm/~jane.doe_acme.dev/diary", Place("~jane.doe_acme.dev", "diary")),
        ("/projects/ACME", Place("ACME")),
        ("/projects/ACME/settings", Place("ACME")),
        ("/projects/ACME/repos", Place("ACME")),
        ("/projects/ACME/repos/apps", Place("ACME", "apps")),
        ("/projects/ACME/repos/apps/browse", Place("ACME", "apps")),
        ("/users/jane", Place("~jane")),
        ("/users/jane/repos/diary", Place("~jane", "diary")),
    ],
)
@pytest.mark.parametrize("context", ["", "/bitbucket"])
def test_addresses_name_projects_and_repositories(path: str, place: Place, context: str) -> None:
    """Git's and people's, below a context path that is declared."""
    assert located(context + path, Host("git.acme.dev", KIND, f"https://git.acme.dev{context}")) == place


@pytest.mark.parametrize(
    ("path", "host", "context"),
    [
        ("/bitbucket/scm/acme/apps", AT_ROOT, "/bitbucket"),
        ("/git/bitbucket/projects/ACME/repos/apps", AT_ROOT, "/git/bitbucket"),
        ("/bitbucket/two/scm/acme/apps", BELOW, "/two"),
    ],
)
def test_what_stands_before_is_the_context_path(path: str, host: Host, context: str) -> None:
    """Even where nobody declared it: Git's own address begins with it."""
    assert located(path, host) == Place("ACME", "apps", context)


def test_a_context_path_alone_names_the_server() -> None:
    """As in the credentials of everything on it."""
    assert located("/bitbucket") == Place(context="/bitbucket")
    assert located("/bitbucket", BELOW) == Place()


@pytest.mark.parametrize(
    "path", ["/scm/9acme", "/scm/ac-me/apps", "/scm/acme/a b", "/scm/~", "/a+b/scm/acme", "/scm/.."]
)
def test_what_is_no_name_names_nothing(path: str) -> None:
    """So that nothing else is asked in its place."""
    assert located(path) is None


@given(st.lists(st.text(string.printable, max_size=12), max_size=6), st.sampled_from([AT_ROOT, BELOW]))
def test_no_address_can_lead_elsewhere(path: list[str], host: Host) -> None:
    """Whatever a URL holds, what is asked for is plain."""
    place = locate(tuple(path), host)
    if place is not None:
        assert re.fullmatch(r"[A-Za-z0-9._~/-]*", place.context + place.name)
        assert ".." not in (place.context + "/" + place.name).split("/")
