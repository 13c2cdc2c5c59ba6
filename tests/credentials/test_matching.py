"""Which Secrets hold Git credentials, and in which role."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import ARGOCD_TYPE, INTEGRATION, make_secret
from webhook.credentials.matching import Match, classify
from webhook.providers.requirements import Role
from webhook.settings.rules import BUILTIN_RULES, Rule

REPOSITORIES: dict[str, Any] = {"name": "repositories", "role": Role.RUNTIME, "labels": {ARGOCD_TYPE: "repository"}}


def roles(url: str | None = None, rules: tuple[Rule, ...] = BUILTIN_RULES, **secret: Any) -> frozenset[Role]:
    return classify(make_secret(**secret), rules, url).roles


@pytest.mark.parametrize("name", ["runtime-repo-creds-secret", "creds-1", "x"])
def test_argocds_label_makes_a_runtime_credential_whatever_the_name(name: str) -> None:
    """Any name will do."""
    assert roles(name=name, labels={ARGOCD_TYPE: "repo-creds"}) == {Role.RUNTIME}


@pytest.mark.parametrize("value", ["repository", "repo-write-creds", "Repo-Creds", "", "cluster", "repo-creds2"])
def test_another_value_of_argocds_label_is_no_built_in_rule(value: str) -> None:
    """Only repo-creds is, letter by letter."""
    assert not classify(make_secret(labels={ARGOCD_TYPE: value}), BUILTIN_RULES)


@pytest.mark.parametrize("name", ["git-default-", "git-default-1", "git-default-a-b.c"])
def test_the_name_makes_a_user_credential(name: str) -> None:
    """All that start with git-default-."""
    assert roles(name=name) == {Role.USER}


def test_a_generated_name_counts_by_its_beginning() -> None:
    """At the mutating stage the name isn't known yet."""
    assert roles(name="", generate_name="git-default-") == {Role.USER}


def test_a_name_wins_over_what_it_was_generated_from() -> None:
    """Where both are there, the Secret is called by its name."""
    assert roles(name="other", generate_name="git-default-") == frozenset()


@pytest.mark.parametrize("name", ["git-default", "my-git-default-1", "git-defaults-1", ""])
def test_another_name_does_not(name: str) -> None:
    """The dash belongs to it, and so does the beginning."""
    assert roles(name=name) == frozenset()


def test_the_label_makes_a_user_credential() -> None:
    """The platform's own label, with any name."""
    assert roles(labels={INTEGRATION: "git"}) == {Role.USER}
    assert roles(labels={INTEGRATION: "github"}) == frozenset()


def test_both_rules_give_both_roles() -> None:
    """Such a Secret has to satisfy both."""
    assert roles(name="git-default-1", labels={ARGOCD_TYPE: "repo-creds"}) == {Role.RUNTIME, Role.USER}


def test_no_secret_matches_nothing() -> None:
    """As on a CREATE, where there is no old one."""
    assert classify(None, BUILTIN_RULES) == Match()
    assert not Match()


def test_all_selectors_of_a_rule_must_match() -> None:
    """Labels, names and namespaces are no alternatives."""
    rule = Rule(name="r", role=Role.USER, labels={"a": "b"}, names=("git-*",), namespaces=("team-*",))
    fitting: dict[str, Any] = {"labels": {"a": "b"}, "name": "git-1", "namespace": "team-1"}
    assert roles(rules=(rule,), **fitting) == {Role.USER}
    for other in ({"labels": {"a": "c"}}, {"name": "x"}, {"namespace": "x"}):
        assert roles(rules=(rule,), **{**fitting, **other}) == frozenset()


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/apps",
        "https://github.com/acme/apps.git",
        "https://GitHub.com/ACME/apps",
        "HTTPS://github.com/acme/apps",
        "https://www.github.com:443/acme/apps/",
        "http://github.com/acme/apps",
        "https://github.com./acme",
        "https://github.com/acme",
    ],
)
def test_a_url_glob_matches_every_way_to_write_the_same(url: str) -> None:
    """Nobody escapes a rule by capital letters, a port or a trailing dot."""
    rule = Rule(**REPOSITORIES, urls=("https://github.com/acme/*",))
    assert roles(url, (rule,), labels={ARGOCD_TYPE: "repository"}) == {Role.RUNTIME}


@pytest.mark.parametrize("url", ["https://u:p@github.com/acme/apps", "https://github.com/acme/apps?x", "github.com\\x"])
def test_a_url_that_can_not_be_read_matches_every_glob(url: str) -> None:
    """What can't be told apart is looked at, and then refused as malformed, and not passed over."""
    rule = Rule(**REPOSITORIES, urls=("https://github.com/acme/*",))
    assert roles(url, (rule,), labels={ARGOCD_TYPE: "repository"}) == {Role.RUNTIME}


@pytest.mark.parametrize("url", [None, "", "https://github.com.evil.example/acme/x", "https://github.com/acme2/x"])
def test_another_url_does_not_match(url: str | None) -> None:
    """A glob is about the whole URL; a Secret without one isn't meant."""
    rule = Rule(**REPOSITORIES, urls=("https://github.com/acme/*",))
    assert roles(url, (rule,), labels={ARGOCD_TYPE: "repository"}) == frozenset()


@pytest.mark.parametrize("glob", ["https://GitHub.com/acme/apps.git", "https://github.com/acme/apps/"])
def test_a_url_glob_may_be_written_like_a_url(glob: str) -> None:
    """Operators paste what their browser or Git shows."""
    rule = Rule(**REPOSITORIES, urls=(glob,))
    assert roles("https://github.com/acme/apps", (rule,), labels={ARGOCD_TYPE: "repository"}) == {Role.RUNTIME}


@given(
    st.text(max_size=30),
    st.text(max_size=30),
    st.dictionaries(st.sampled_from([ARGOCD_TYPE, INTEGRATION, "a"]), st.sampled_from(["repo-creds", "git", "b"])),
    st.none() | st.text(max_size=40),
)
def test_matching_depends_on_nothing_but_the_rules(
    name: str, generate_name: str, labels: dict[str, str], url: str | None
) -> None:
    """Whatever a Secret looks like, the built-in rules say exactly what the contract says."""
    secret = make_secret(name=name, generate_name=generate_name, labels=labels)
    expected = set()
    if labels.get(ARGOCD_TYPE) == "repo-creds":
        expected.add(Role.RUNTIME)
    if (name or generate_name).startswith("git-default-") or labels.get(INTEGRATION) == "git":
        expected.add(Role.USER)
    assert classify(secret, BUILTIN_RULES, url).roles == expected


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_url_and_any_glob_can_be_compared(url: str, glob: str) -> None:
    """No text in either makes the matching fail."""
    rule = Rule(**REPOSITORIES, urls=(glob,))
    assert roles(url, (rule,), labels={ARGOCD_TYPE: "repository"}) <= {Role.RUNTIME}


SYSTEM_TYPES = [
    "kubernetes.io/service-account-token",
    "kubernetes.io/tls",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/dockercfg",
    "kubernetes.io/dockerconfigjson",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
]


@pytest.mark.parametrize("type_", SYSTEM_TYPES)
def test_a_type_that_kubernetes_defines_is_no_user_credential(type_: str) -> None:
    """Whatever its name and labels are: its values are no user's Git tokens."""
    assert roles(name="git-default-1", type=type_) == frozenset()
    assert roles(name="", generate_name="git-default-", type=type_) == frozenset()
    assert roles(labels={INTEGRATION: "git"}, type=type_) == frozenset()


@pytest.mark.parametrize("type_", SYSTEM_TYPES)
def test_argocds_label_counts_whatever_the_type(type_: str) -> None:
    """Argo CD doesn't look at the type; the name git-default- adds no second role."""
    assert roles(name="git-default-1", labels={ARGOCD_TYPE: "repo-creds"}, type=type_) == {Role.RUNTIME}


@pytest.mark.parametrize("type_", ["Opaque", "kubernetes.io/basic-auth", "acme.dev/git", "kubernetes.io/other", "helm"])
def test_any_other_type_may_hold_user_credentials(type_: str) -> None:
    """Also one that only looks like Kubernetes' own: whoever writes a Secret chooses its type."""
    assert roles(name="git-default-1", type=type_) == {Role.USER}


@pytest.mark.parametrize("type_", SYSTEM_TYPES)
def test_a_rule_for_users_matches_no_type_that_kubernetes_defines(type_: str) -> None:
    """A configured rule reads every value as a token too."""
    rule = Rule(name="mine", role=Role.USER, names=("git-*",))
    assert roles(name="git-1", rules=(rule,)) == {Role.USER}
    assert roles(name="git-1", rules=(rule,), type=type_) == frozenset()
