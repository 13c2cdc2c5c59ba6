"""Argo CD's way of finding the credential for a repository, held against where we send a token to be judged."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.credentials.argocd_matching import VECTORS, credential_for, normalize_git_url, same_url
from tests.providers.github.pem_forms import BOOLEANS, INTEGERS
from tests.support.factories import ARGOCD_TYPE, make_secret
from webhook.argocd import parse_bool, parse_int
from webhook.credentials.destination import Target, resolve
from webhook.credentials.entries import Checkable, Malformed
from webhook.credentials.extract import extract
from webhook.credentials.matching import Match
from webhook.providers.hosts import Host, Kind
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Role
from webhook.settings.rules import Rule

NAMES = (
    "github.com",
    "www.github.com",
    "gitlab.com",
    "bitbucket.org",
    "acme.ghe.com",
    "git.acme.dev",
    "code.acme.dev:8443",
)
HOSTS = Hosts(
    [
        Host("git.acme.dev", Kind("gitlab"), "https://git.acme.dev/api/v4"),
        Host("code.acme.dev:8443", Kind("gitea"), "https://code.acme.dev:8443/api/v1"),
        Host("git.acme.dev.eu", Kind("gitlab"), "https://git.acme.dev.eu/api/v4"),
    ]
)
# A token of no shape that anybody knows, so that no prefix contradicts a host.
TOKEN = "s3cretvalue" * 3
PATHS = ("", "/", "/acme", "/acme/", "/acme/gitops", "/acme/gitops-", "/acme/gitops-prod.git", "//acme//gitops")


@pytest.mark.parametrize(("text", "normalized"), VECTORS.items())
def test_the_oracle_normalizes_as_go_does(text: str, normalized: str) -> None:
    """The vectors are Go's own answers."""
    assert normalize_git_url(text) == normalized


def test_the_oracle_takes_the_longest_prefix() -> None:
    """As getRepositoryCredentialIndex does."""
    credentials = ["https://github.com", "https://github.com/acme/git", "https://github.com/acme", "https://gitlab.com"]
    assert credential_for("https://github.com/Acme/GitOps.git", credentials) == 1
    assert credential_for("https://example.com", credentials) is None


def _port(scheme: str, name: str) -> str:
    return "" if ":" in name else ":80" if scheme == "http" else ":443"


# Repository URLs at known and declared hosts, as people write them in Applications.
repositories = st.builds(
    lambda scheme, user, name, with_port, path: f"{scheme}://{user}{name}{_port(scheme, name) * with_port}{path}",
    st.sampled_from(["https", "http", "HTTPS"]),
    st.sampled_from(["", "", "bob@"]),
    st.sampled_from(NAMES),
    st.booleans(),
    st.sampled_from(["/acme", "/acme/gitops", "/acme/gitops-prod.git", "/Acme/GitOps/", "/acme/group/apps"]),
)
# URLs of Secrets: whole, cut off anywhere, and wrapped in what Argo CD takes off again.
urls = st.builds(
    lambda before, text, cut, after: before + text[: len(text) - cut] + after,
    st.sampled_from(["", "", "", "ssh://", " ", "\n", "ssh://ssh://", "git@", "oci://"]),
    repositories,
    st.integers(0, 30),
    st.sampled_from(["", "", "", ".git", "#", "?", "\n", "/", "#x", ".git.git", ":443", "%20", "x", ".", "-"]),
) | st.lists(
    st.sampled_from(
        ["https://", "http://", "ssh://", "github", ".com", "g", ":", "/", "acme", ".git", "@", ".ghe", "#"]
    ),
    max_size=6,
).map("".join)


@settings(max_examples=1000, deadline=None)
@example("repo-creds", "git", "ssh://https://github.com/acme", "https://github.com/acme/gitops", False)
@example("repo-creds", "git", "https://github.co", "https://github.com/acme", False)
@example("repo-creds", "git", "https://g", "https://github.com/acme", False)
@example("repo-creds", "git", "https://github.git", "https://github.com/acme", False)
@example("repo-creds", "git", "http://acme.ghe.com:8", "http://acme.ghe.com:80/acme", False)
@example("repo-creds", "helm", "https://github.com", "https://github.com/acme", False)
@example("repo-creds", "git", "https://github.com/acme", "https://github.com/acme/gitops", True)
@given(
    st.sampled_from(["repo-creds", "repo-write-creds", "repository"]),
    st.sampled_from(["git", "helm", "oci", "", "Helm"]),
    urls,
    repositories,
    st.booleans(),
)
def test_a_token_that_argo_cd_uses_at_a_known_host_is_judged_there(
    secret_type: str, kind: str, url: str, repository: str, has_iv: bool
) -> None:
    """Or the Secret is malformed: Argo CD's own matching, as an oracle, never finds a way past the check."""
    if secret_type == "repository":
        used = same_url(url, repository)
    else:
        used = credential_for(repository, [url]) == 0
    if not used:
        return
    data = {"url": url, "type": kind, "password": TOKEN} | ({"encryptionIV": "0" * 32} if has_iv else {})
    rule = Rule(name="all", role=Role.RUNTIME, labels={ARGOCD_TYPE: secret_type})
    entries = extract(make_secret(data, labels={ARGOCD_TYPE: secret_type}), Match((rule,)))
    (entry,) = entries.values()
    if isinstance(entry.content, Malformed):
        return
    assert isinstance(entry.content, Checkable), entry
    target = resolve(entry.content, HOSTS, "github.com")
    if isinstance(target, Malformed):
        return
    assert isinstance(target, Target), target
    host = repository.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = host if host in NAMES else host.partition(":")[0]
    assert target.host.name == host.removeprefix("www.")


@given(st.sampled_from(NAMES), st.sampled_from(PATHS), st.sampled_from(["https", "http"]))
def test_an_ordinary_url_of_a_known_host_is_not_malformed(name: str, path: str, scheme: str) -> None:
    """The other side: nobody has to write a URL in an unusual way."""
    data = {"url": f"{scheme}://{name}{path}", "password": TOKEN}
    secret = make_secret(data, labels={ARGOCD_TYPE: "repo-creds"})
    (entry,) = extract(
        secret, Match((Rule(name="all", role=Role.RUNTIME, labels={ARGOCD_TYPE: "repo-creds"}),))
    ).values()
    assert isinstance(entry.content, Checkable)
    target = resolve(entry.content, HOSTS, "github.com")
    if name == "git.acme.dev" and not path:  # git.acme.dev.eu is declared as well
        assert isinstance(target, Malformed)
    else:
        assert isinstance(target, Target)
        assert target.host.name == name.removeprefix("www.")


@pytest.mark.parametrize(("text", "accepted"), INTEGERS.items())
def test_numbers_are_read_as_go_reads_them(text: str, accepted: bool) -> None:
    """The table is what strconv.ParseInt said."""
    assert (parse_int(text) is not None) is accepted
    if accepted:
        assert parse_int(text) == int(text)


@pytest.mark.parametrize(("text", "accepted"), BOOLEANS.items())
def test_flags_are_read_as_go_reads_them(text: str, accepted: bool) -> None:
    """The table is what strconv.ParseBool said."""
    assert (parse_bool(text) is not None) is accepted
