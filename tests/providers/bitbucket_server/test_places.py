"""What a URL names on a Bitbucket Server."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.bitbucket_server.conftest import KIND
from webhook.providers.bitbucket_server.targets import USUAL_CONTEXTS, NoTarget, Target, locate
from webhook.providers.hosts import Host

AT_ROOT = Host("git.acme.dev", KIND, "https://git.acme.dev")
BELOW = Host("git.acme.dev", KIND, "https://git.acme.dev/bitbucket")


def located(path: str, host: Host = AT_ROOT) -> Target:
    return locate(tuple(part for part in path.split("/") if part), host)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", Target()),
        ("/scm", Target()),
        ("/projects", Target()),
        ("/scm/acme", Target("ACME")),
        ("/scm/acme/apps", Target("ACME", "apps")),
        ("/scm/acme/apps/info", Target("ACME", "apps")),
        ("/scm/scm/scm", Target("SCM", "scm")),
        ("/scm/~jane.doe_acme.dev/diary", Target("~jane.doe_acme.dev", "diary")),
        ("/projects/ACME", Target("ACME")),
        ("/projects/ACME/settings", Target("ACME")),
        ("/projects/ACME/repos", Target("ACME")),
        ("/projects/ACME/repos/apps", Target("ACME", "apps")),
        ("/projects/ACME/repos/apps/browse", Target("ACME", "apps")),
        ("/users/jane", Target("~jane")),
        ("/users/jane/repos/diary", Target("~jane", "diary")),
    ],
)
@pytest.mark.parametrize("context", ["", "/bitbucket"])
def test_addresses_name_projects_and_repositories(path: str, place: Target, context: str) -> None:
    """Git's and people's, below a context path that is declared."""
    assert located(context + path, Host("git.acme.dev", KIND, f"https://git.acme.dev{context}")) == place


ELSEWHERE = [
    "/~mallory/scm/acme/apps",
    "/~mallory",
    "/pages/mallory/scm/acme/apps",
    "/git/bitbucket/projects/ACME/repos/apps",
    "/x;y/scm/acme/apps",
    "/a+b/scm/acme",
    "/..;/scm/acme/apps",
    "/%7Emallory/scm/acme/apps",
    "/SCM/acme/apps",
    "/acme",
]


@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.parametrize("host", [AT_ROOT, BELOW])
def test_only_the_declared_context_path_counts(path: str, host: Host) -> None:
    """Another user may answer below any other path of the host."""
    with pytest.raises(NoTarget, match="context path of its apiUrl"):
        located(path, host)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_nothing_counts_between_the_context_path_and_the_rest(path: str) -> None:
    """The declared context path is no reason to trust what follows it."""
    with pytest.raises(NoTarget):
        located(f"/bitbucket{path}", BELOW)


def test_atlassians_own_context_paths_are_known() -> None:
    """Where the configuration names none; letter case makes another path."""
    assert located("/bitbucket/scm/acme/apps") == Target("ACME", "apps", "/bitbucket")
    assert located("/stash") == Target(context="/stash")
    assert located("/bitbucket", BELOW) == Target()
    for path, host in (("/Bitbucket/scm/acme/apps", AT_ROOT), ("/stash/scm/acme/apps", BELOW)):
        with pytest.raises(NoTarget):
            located(path, host)


@pytest.mark.parametrize(
    "path",
    [
        "/scm/9acme",
        "/scm/ac-me/apps",
        "/scm/acme/a b",
        "/scm/~",
        "/scm/~../apps",
        "/scm/..",
        "/scm/acme/..",
        "/scm/acme/...",
        "/scm/acme/a%2Fb",
        "/scm/acme/a;b",
        "/projects/ACME/repos/..",
        "/users/../repos/apps",
        "/users/a%2f..",
    ],
)
def test_what_is_no_name_names_nothing(path: str) -> None:
    """So that nothing else is asked in its place."""
    with pytest.raises(NoTarget, match="names none of its projects"):
        located(path)


@given(st.lists(st.text(string.printable, max_size=12), max_size=6), st.sampled_from([AT_ROOT, BELOW]))
def test_no_address_can_lead_elsewhere(path: list[str], host: Host) -> None:
    """Whatever a URL holds, what is asked for is plain."""
    try:
        place = locate(tuple(path), host)
    except NoTarget:
        return
    assert place.context in ("", *USUAL_CONTEXTS)
    assert re.fullmatch(r"[A-Za-z0-9._~/-]*", place.name)
    assert ".." not in place.name.split("/")
