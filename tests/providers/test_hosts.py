from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from webhook.providers import PROVIDERS
from webhook.providers.hosts import Host, Kind
from webhook.providers.known_hosts import Hosts, derived_api_url
from webhook.providers.urls import MalformedUrl, parse_host

KNOWN = ["github.com", "gitlab.com", "bitbucket.org"]
AFFIX = st.from_regex(r"[a-z0-9.:@/-]{1,12}", fullmatch=True)


@given(st.sampled_from([*KNOWN, "acme.ghe.com"]), AFFIX, AFFIX, st.sampled_from(["before", "after", "around"]))
def test_no_host_is_found_because_its_name_contains_another(known: str, before: str, after: str, where: str) -> None:
    """Only the canonical name itself, or one label before .ghe.com, is a host that we know."""
    text = {"before": before + known, "after": known + after, "around": before + known + after}[where]
    try:
        name = parse_host(text)
    except MalformedUrl:
        return
    if name in KNOWN:
        return  # "github.com" and ":443"
    found = Hosts().find(name)
    labels = name.split(".")
    assert (found is not None) == (len(labels) == 3 and labels[1:] == ["ghe", "com"])


@given(st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True), st.sampled_from(["\n", "\x00", " ", "."]))
def test_a_name_with_something_after_it_is_another_name(name: str, ending: str) -> None:
    """A pattern that ignored a line break at the end would send a token to whoever owns the rest."""
    assume(name + ending not in KNOWN)
    assert Hosts().find(f"{name}.ghe.com{ending}") is None
    assert Hosts().find(f"github.com{ending}") is None


@pytest.mark.parametrize(
    ("name", "kind", "api_url"),
    [
        ("github.com", Kind("github"), "https://api.github.com"),
        ("acme.ghe.com", Kind("github"), "https://api.acme.ghe.com"),
        ("api.acme.ghe.com", Kind("github"), "https://api.acme.ghe.com/api/v3"),
        ("git.acme.example", Kind("github"), "https://git.acme.example/api/v3"),
        ("gitlab.com", Kind("gitlab"), "https://gitlab.com/api/v4"),
        ("git.acme.example:8443", Kind("gitlab"), "https://git.acme.example:8443/api/v4"),
        ("bitbucket.org", Kind("bitbucket"), "https://api.bitbucket.org/2.0"),
        ("git.acme.example", Kind("bitbucket-server"), "https://git.acme.example"),
    ],
)
def test_where_the_api_of_a_host_is(name: str, kind: Kind, api_url: str) -> None:
    """Each kind has its own place."""
    assert derived_api_url(name, kind) == api_url


def test_a_declared_host_wins_over_a_built_in_one() -> None:
    """An operator may send github.com's requests to a proxy of theirs, with its own certificates."""
    declared = Host("github.com", Kind("github"), "https://github-proxy.acme.example", declared=True)
    assert Hosts([declared]).find("github.com") is declared


def test_an_undeclared_host_is_unknown() -> None:
    """Nobody is asked whose kind isn't certain."""
    assert Hosts().find("git.acme.example") is None


def test_built_in_hosts_are_not_declared() -> None:
    """So none of them may resolve to a private address."""
    assert not any(host.declared for kind in PROVIDERS for host in Hosts().of_kind(kind))


def test_hosts_of_a_kind_name_declared_ones_last() -> None:
    """The first is the one that people mean when they name none."""
    declared = Host("git.acme.example", Kind("github"), "https://git.acme.example/api/v3", declared=True)
    assert [host.name for host in Hosts([declared]).of_kind(Kind("github"))] == ["github.com", "git.acme.example"]
