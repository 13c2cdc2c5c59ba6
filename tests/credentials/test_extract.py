"""The tokens inside a Secret, where each of them goes, and what is never shown of them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import (
    ARGOCD_TYPE,
    credential,
    encode,
    make_runtime_secret,
    make_secret,
    make_token,
    make_user_secret,
)
from webhook.credentials.destination import Target, UnknownHost, resolve, unchecked_at
from webhook.credentials.entries import (
    Checkable,
    Content,
    Destination,
    Entry,
    External,
    Malformed,
    Undecodable,
    Unsupported,
)
from webhook.credentials.extract import extract, url_of
from webhook.credentials.matching import Match, classify
from webhook.providers.findings import AuthScheme, GitAuth, GitHubAppCredential, TokenCredential
from webhook.providers.hosts import Host, Kind
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Role
from webhook.providers.urls import parse_git_url
from webhook.settings.rules import BUILTIN_RULES, Rule
from webhook.subject import SecretObject

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ2m7\n-----END CERTIFICATE-----\n"
TOKEN, WEAK = make_token("t"), make_token("w")
# A token of no shape that anybody knows: GitLab lets administrators choose the prefix.
PLAIN = "s3cretvalue" * 3
JWE = ".".join(["ey" + "J" + "h" * 20, "", "i" * 16, "c" * 20, "t" * 16])


@cache
def app_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def entries_of(secret: SecretObject) -> dict[str, Entry]:
    return extract(secret, classify(secret, BUILTIN_RULES))


def runtime(**data: str | bytes) -> dict[str, Entry]:
    return entries_of(make_runtime_secret({"url": "https://github.com/acme"} | data))


def user(data: Mapping[str, str | bytes]) -> dict[str, Entry]:
    return entries_of(make_user_secret(data))


def only(entries: dict[str, Entry]) -> Content:
    (entry,) = entries.values()
    return entry.content


def judged(entries: dict[str, Entry]) -> object:
    """What the only entry is once its host is looked up."""
    content = only(entries)
    if isinstance(content, Malformed | External) and content.destination is not None:
        return unchecked_at(content.destination, Hosts()) or content
    return resolve(content, Hosts(), "github.com") if isinstance(content, Checkable) else content


def token_of(entry: Entry) -> str:
    assert isinstance(entry.content, Checkable), entry
    assert isinstance(entry.content.credential, TokenCredential)
    return entry.content.credential.token.get_secret_value()


def why(content: Content) -> str:
    assert isinstance(content, Malformed), content
    return content.why


# --- Argo CD's keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["password", "bearerToken"])
def test_argocds_token_is_found_with_its_destination(key: str) -> None:
    """Both keys that Argo CD sends as a token."""
    entries = runtime(**{key: TOKEN, "username": "git"})
    assert entries.keys() == {key}
    content = entries[key].content
    assert isinstance(content, Checkable)
    assert content.destination.url == parse_git_url("https://github.com/acme")
    assert (token_of(entries[key]), content.credential.username) == (TOKEN, "git")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"password": TOKEN, "username": "octo"}, GitAuth(AuthScheme.BASIC, "octo")),
        ({"password": TOKEN}, GitAuth(AuthScheme.BASIC, "x-access-token")),
        ({"password": TOKEN, "username": ""}, GitAuth(AuthScheme.BASIC, "x-access-token")),
        ({"password": TOKEN, "forceHttpBasicAuth": "true"}, GitAuth(AuthScheme.BASIC, "")),
        ({"password": TOKEN, "forceHttpBasicAuth": "false"}, GitAuth(AuthScheme.BASIC, "x-access-token")),
        ({"password": TOKEN, "forceHttpBasicAuth": "true", "username": "octo"}, GitAuth(AuthScheme.BASIC, "octo")),
        ({"bearerToken": TOKEN, "username": "octo"}, GitAuth(AuthScheme.BEARER)),
        ({"bearerToken": TOKEN, "forceHttpBasicAuth": "true"}, GitAuth(AuthScheme.BEARER)),
    ],
)
def test_a_token_says_how_argo_cd_sends_it(data: dict[str, str], expected: GitAuth) -> None:
    """Basic with its default user name, or Bearer, as Argo CD's HTTPSCreds does."""
    content = only(runtime(**data))
    assert isinstance(content, Checkable)
    assert content.credential.git_auth == expected  # type: ignore[union-attr]


def test_a_users_token_is_not_argo_cds_to_send() -> None:
    """What reads a user's token decides how to send it."""
    content = only(user({"token": TOKEN, "username": "octo"}))
    assert isinstance(content, Checkable)
    assert content.credential.git_auth is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("url", "secret_type", "open_ended"),
    [
        ("https://github.com/acme/gitops-", "repo-creds", True),
        ("https://github.com/acme", "repo-creds", True),
        ("https://github.com/acme/gitops-", "repo-write-creds", True),
        ("https://github.com/acme/gitops.git", "repo-creds", False),
        ("https://github.com/acme/", "repo-creds", False),
        ("https://github.com", "repo-creds", False),
        ("https://github.com/acme/gitops-", "repository", False),
    ],
)
def test_a_repo_creds_url_may_end_inside_a_name(url: str, secret_type: str, open_ended: bool) -> None:
    """Argo CD takes the URL of such a Secret for the beginning of others; that of a `repository` is whole."""
    secret = make_runtime_secret({"url": url, "password": TOKEN}, labels={ARGOCD_TYPE: secret_type})
    match = classify(secret, (Rule(name="all", role=Role.RUNTIME, labels={ARGOCD_TYPE: secret_type}),))
    content = only(extract(secret, match))
    assert isinstance(content, Checkable)
    target = resolve(content, Hosts(), "github.com")
    assert isinstance(target, Target)
    assert target.open_ended is open_ended


def test_both_tokens_of_argocd_are_checked() -> None:
    """A good one doesn't hide a weak one."""
    entries = runtime(password=TOKEN, bearerToken=WEAK)
    assert {key: token_of(entry) for key, entry in entries.items()} == {"password": TOKEN, "bearerToken": WEAK}


def test_a_token_wins_over_an_ssh_key() -> None:
    """As it does in Argo CD."""
    assert runtime(password=TOKEN, sshPrivateKey="key").keys() == {"password"}


OTHERS = [
    ("sshPrivateKey", "key", "an SSH key"),
    ("gcpServiceAccountKey", "{}", "a Google Cloud service account key"),
    ("useAzureWorkloadIdentity", "true", "an Azure workload identity"),
    ("azureServicePrincipalClientSecret", "s", "an Azure service principal"),
    ("tlsClientCertKey", "k", "a TLS client certificate"),
    ("tlsClientCertData", "c", "a TLS client certificate"),
]


@pytest.mark.parametrize(("key", "value", "what"), OTHERS)
@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme",
        "git@ssh.dev.azure.com:v3/acme/my%20project/apps",
        "https://acme@dev.azure.com/acme/my%20project/_git/apps",
        "ssh://APKA@git-codecommit.eu-west-1.amazonaws.com/v1/repos/apps",
        "https://source.developers.google.com/p/acme/r/apps",
        "no url at all",
    ],
)
def test_credentials_without_scopes_are_called_what_they_are(key: str, value: str, what: str, url: str) -> None:
    """There is nothing to ask a Git provider about them, wherever they go; and that is no error."""
    assert runtime(**{key: value, "url": url})[key].content == Unsupported(what)
    assert user({key: value, "url": url})[key].content == Unsupported(what)


@pytest.mark.parametrize("flag", ["1", "t", "T", "TRUE", "True"])
def test_flags_are_read_as_argocd_reads_them(flag: str) -> None:
    """It takes more than one word for true."""
    assert isinstance(only(runtime(useAzureWorkloadIdentity=flag)), Unsupported)
    assert isinstance(judged(runtime(enableOCI=flag, password="p", url="registry.acme.dev/charts")), Unsupported)


@pytest.mark.parametrize("flag", ["false", "0", "F"])
def test_an_azure_identity_that_is_not_used_is_none(flag: str) -> None:
    """`useAzureWorkloadIdentity: "false"` is no credential."""
    assert "holds no credential" in why(only(runtime(useAzureWorkloadIdentity=flag)))


SERVICES = [
    ("https://dev.azure.com/acme/platform/_git/apps", "Azure DevOps"),
    ("https://acme@dev.azure.com/acme/My%20project/_git/apps", "Azure DevOps"),
    ("https://DEV.Azure.com.:443/acme", "Azure DevOps"),
    ("https://acme.visualstudio.com/DefaultCollection/_git/apps", "Azure DevOps"),
    ("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/apps", "AWS CodeCommit"),
    ("https://git-codecommit.cn-north-1.amazonaws.com.cn/v1/repos/apps", "AWS CodeCommit"),
    ("https://git-codecommit-fips.us-east-1.amazonaws.com", "AWS CodeCommit"),
    ("https://source.developers.google.com/p/acme/r/apps", "Google Cloud Source Repositories"),
]


@pytest.mark.parametrize(("url", "service"), SERVICES)
def test_services_that_answer_nothing_are_known_by_name(url: str, service: str) -> None:
    """Their tokens are no error and are sent nowhere, whatever forms their URLs have."""
    contents = [
        only(runtime(url=url, username="bob", password=PLAIN)),
        only(user({"token": PLAIN, "url": url})),
        only(user({"bob": json.dumps({"token": PLAIN, "url": url})})),
    ]
    for content in contents:
        assert isinstance(content, Unsupported)
        assert service in content.what


def test_a_service_is_known_by_its_host_alone() -> None:
    """As a user's Secret may name it."""
    assert isinstance(only(user({"token": PLAIN, "host": "dev.azure.com"})), Unsupported)
    content = only(user({"token": PLAIN, "host": "github.com", "url": "https://dev.azure.com/acme"}))
    assert "a different host than the url" in why(content)


@pytest.mark.parametrize(
    "url",
    [
        "https://dev.azure.com.example.com/acme",
        "https://example.com/dev.azure.com",
        "https://dev.azure.com@example.com/acme",
        "https://github.com\\@dev.azure.com/acme",
        "https://dev.azure.com\\.example.com",
        "https://bob:word@dev.azure.com/acme",
        "https://dev.azure.com:8443/acme",
        "https://a.b.visualstudio.com/acme",
        "https://git-codecommit.eu-west-1.amazonaws.com.example.com/v1",
        "https://dev.azure.com/acme\n",
    ],
)
def test_what_only_resembles_a_service_is_none(url: str) -> None:
    """Nobody gets past the check by a name that contains another one."""
    assert not isinstance(only(runtime(url=url, password=PLAIN)), Unsupported)


def test_an_empty_token_for_a_service_is_still_empty() -> None:
    """What can't be used is malformed wherever it goes."""
    assert why(only(runtime(url="https://dev.azure.com/acme", password=""))) == "is empty"


@pytest.mark.parametrize("kind", ["helm", "oci"])
@pytest.mark.parametrize("password", [TOKEN, "a pass phrase", JWE])
@pytest.mark.parametrize("url", ["https://charts.acme.dev/stable", "charts.acme.dev/x y", "oci://ghcr.io/acme"])
def test_helm_and_oci_are_unsupported_away_from_git_hosts(kind: str, password: str, url: str) -> None:
    """Nothing to check scopes of, whatever the password looks like."""
    what = judged(runtime(type=kind, password=password, url=url))
    assert isinstance(what, Unsupported)
    assert "credential" in what.what


@pytest.mark.parametrize("kind", ["helm", "oci"])
def test_helm_and_oci_are_judged_like_git_at_a_git_host(kind: str) -> None:
    """Argo CD finds credentials by URL alone."""
    entries = runtime(type=kind, password=TOKEN)
    assert isinstance(judged(entries), Target)
    assert isinstance(judged(app(type=kind)), Target)


@pytest.mark.parametrize(
    "url",
    [
        "h",
        "https:",
        "https://",
        "http",
        "ssh://https:",
        "https://github.co",
        "https://g",
        "ssh://https://bob@github.com/x",
    ],
)
@pytest.mark.parametrize("data", [{"type": "helm"}, {"type": "oci"}, {}])
def test_a_url_that_argo_cd_takes_for_a_known_host_is_malformed(url: str, data: dict[str, str]) -> None:
    """It compares the beginnings of strings, and would use the token for github.com."""
    assert isinstance(judged(runtime(url=url, password=TOKEN, **data)), Malformed)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ssh://https://github.com/acme", "github.com"),
        ("ssh://HTTPS://GitHub.com/acme", "github.com"),
        ("https://github.git", "github.com"),
        ("https://github.com.git", "github.com"),
        ("https://github.co#", "github.com"),
        ("http://bitbucket.or", "bitbucket.org"),
        ("https://gitlab.com:4", "gitlab.com"),
        ("https://www.git", "www.github.com"),
        ("https://acme.ghe", "NAME.ghe.com"),
        ("https://acme", "NAME.ghe.com"),
    ],
)
def test_a_malformed_url_says_which_host_argo_cd_takes_it_for(url: str, host: str) -> None:
    """The message names the url's key, and what to write instead."""
    found = judged(runtime(url=url, password=TOKEN))
    assert isinstance(found, Malformed)
    assert found.key == "url"
    assert f"https://{host} too" in found.why


@pytest.mark.parametrize(
    "url",
    ["https://gitea/", "https://gitea:3000/acme", "https://gitea.svc", "https://github.company.dev", "https://g/"],
)
def test_a_whole_name_of_another_host_is_no_known_one(url: str) -> None:
    """A slash or a port ends a host name for Argo CD as well."""
    assert isinstance(judged(runtime(url=url, password=TOKEN)), UnknownHost)


def test_a_url_may_not_be_the_beginning_of_another_declared_host() -> None:
    """The one would be asked, and the other be sent the token as well."""
    hosts = Hosts([Host(name, Kind("gitlab"), f"https://{name}/api/v4") for name in ("git.acme.de", "git.acme.dev")])
    for url, expected in (("https://git.acme.de", Malformed), ("https://git.acme.de/", Target)):
        content = only(runtime(url=url, password=PLAIN))
        assert isinstance(content, Checkable)
        assert isinstance(resolve(content, hosts, "github.com"), expected)


@pytest.mark.parametrize("kind", ["", "git", "Helm", " helm", "helm\n", "OCI", "helmet"])
def test_what_argocd_takes_for_git_is_checked_as_git(kind: str) -> None:
    """Argo CD compares letter by letter, so that "Helm" is Git's credential and no way past the check."""
    assert token_of(runtime(type=kind, password=TOKEN)["password"]) == TOKEN


@pytest.mark.parametrize("extra", [{}, {"type": "git"}])
def test_enable_oci_does_not_hide_a_git_token(extra: dict[str, str]) -> None:
    """The flag says nothing about Git, for which Argo CD uses the same Secret."""
    assert token_of(runtime(enableOCI="true", password=TOKEN, **extra)["password"]) == TOKEN


def test_a_registry_without_a_scheme_is_an_oci_credential() -> None:
    """As Argo CD writes it where enableOCI is set."""
    assert isinstance(judged(runtime(enableOCI="true", password="p", url="registry.acme.dev/charts")), Unsupported)


@pytest.mark.parametrize("url", ["ssh://git@github.com/acme", "git@github.com:acme/apps", "oci://ghcr.io/acme"])
def test_urls_that_use_no_token_are_unsupported(url: str) -> None:
    """SSH and OCI send nothing that could be checked here."""
    assert isinstance(judged(runtime(url=url, password=TOKEN)), Unsupported)


@pytest.mark.parametrize("data", [{}, {"username": "git"}, {"proxy": "x"}, {"token": "x"}])
def test_a_runtime_secret_without_credential_is_malformed_as_a_whole(data: dict[str, str]) -> None:
    """The entry that can't be found has no key; `token` is none of Argo CD's."""
    entries = entries_of(make_runtime_secret({"url": "https://github.com/acme"} | data))
    assert [entry.field for entry in entries.values()] == ["data"]
    assert "password" in why(only(entries))


def test_an_empty_token_is_named_by_its_key() -> None:
    """A key that is there, even empty, is named."""
    assert why(runtime(password="")["password"].content) == "is empty"


def test_a_repository_without_credentials_has_nothing_to_check() -> None:
    """Argo CD takes them from repo-creds, or the repository is public."""
    secret = make_secret({"url": "https://github.com/acme/apps"}, labels={ARGOCD_TYPE: "repository"})
    rule = Rule(name="r", role=Role.RUNTIME, labels={ARGOCD_TYPE: "repository"})
    assert extract(secret, Match((rule,))) == {}


def test_a_runtime_rule_of_ones_own_reads_all_token_keys() -> None:
    """Without Argo CD's label, `token` may be what the platform uses."""
    secret = make_secret({"token": TOKEN, "password": WEAK})
    entries = extract(secret, Match((Rule(name="r", role=Role.RUNTIME, names=("*",)),)))
    assert entries.keys() == {"token", "password"}


# --- GitHub Apps ----------------------------------------------------------------------------------------------------


def app(**data: str | bytes) -> dict[str, Entry]:
    return runtime(**{"githubAppID": "7", "githubAppInstallationID": "8", "githubAppPrivateKey": app_key()} | data)


def test_a_github_app_is_found() -> None:
    """Its id, installation and key."""
    content = only(app())
    assert isinstance(content, Checkable)
    assert isinstance(content.credential, GitHubAppCredential)
    assert (content.credential.app_id, content.credential.installation_id) == ("7", "8")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"githubAppPrivateKey": "no key"}, "githubAppPrivateKey"),
        ({"githubAppID": ""}, "githubAppID"),
        ({"githubAppInstallationID": ""}, "githubAppInstallationID"),
        ({"githubAppID": "0"}, "githubAppPrivateKey"),
        ({"githubAppID": "-7"}, "githubAppID"),
        ({"githubAppID": "seven"}, "githubAppID"),
        ({"githubAppInstallationID": "eight"}, "githubAppInstallationID"),
        ({"githubAppEnterpriseBaseUrl": "nonsense"}, "githubAppEnterpriseBaseUrl"),
        ({"githubAppEnterpriseBaseUrl": b"\xff"}, "githubAppEnterpriseBaseUrl"),
    ],
)
def test_a_broken_app_is_malformed_at_the_key_that_is_wrong(data: dict[str, str | bytes], field: str) -> None:
    """Nobody is asked with half an App."""
    entries = app(**data)
    assert entries.keys() == {field}
    assert isinstance(only(entries), Malformed)


def test_an_app_id_without_key_is_malformed() -> None:
    """The key is what is missing."""
    assert "githubAppPrivateKey" in why(only(runtime(githubAppID="7")))


@pytest.mark.parametrize("data", [{"githubAppPrivateKey": b"\xff\x00"}, {"githubAppPrivateKey": JWE}])
def test_an_encrypted_app_key_is_external(data: dict[str, str | bytes]) -> None:
    """It can't be read here, which is no fault of it."""
    assert isinstance(only(app(**data)), External)


HOSTS = Hosts([Host("git.acme.dev", Kind("github"), "https://git.acme.dev/api/v3", declared=True)])


@pytest.mark.parametrize(
    ("url", "base", "right"),
    [
        ("https://github.com/acme", None, True),
        ("https://github.com/acme", "https://api.github.com", True),
        ("https://github.com/acme", "https://git.acme.dev/api/v3", False),
        ("https://git.acme.dev/acme", "https://git.acme.dev/api/v3/", True),
        ("https://git.acme.dev/acme", "http://git.acme.dev/api/v3", False),
        ("https://git.acme.dev/acme", "https://git.acme.dev", False),
        ("https://git.acme.dev/acme", "https://evil.example/api/v3", False),
        ("https://git.acme.dev/acme", None, False),
    ],
)
def test_an_apps_base_url_must_be_the_api_of_its_urls_host(url: str, base: str | None, right: bool) -> None:
    """Argo CD would send the App's signature to another place than the one that we ask."""
    content = only(app(url=url, **({"githubAppEnterpriseBaseUrl": base} if base else {})))
    assert isinstance(content, Checkable)
    assert isinstance(resolve(content, HOSTS, "github.com"), Target if right else Malformed)


# --- users' tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["token", "password", "accessToken", "bearerToken"])
def test_a_users_token_is_found_under_each_key(key: str) -> None:
    """With the username beside it."""
    entries = user({key: TOKEN, "username": "bob"})
    assert entries[key].content == Checkable(credential(TOKEN, "bob"))


def test_every_token_key_is_checked() -> None:
    """Not only the first."""
    entries = user({"token": TOKEN, "password": WEAK, "accessToken": PLAIN})
    assert {key: token_of(entry) for key, entry in entries.items()} == {
        "token": TOKEN,
        "password": WEAK,
        "accessToken": PLAIN,
    }


def test_one_entry_a_user() -> None:
    """Keys are user ids, values tokens or JSON."""
    document = json.dumps({"token": WEAK, "username": "carol", "url": "https://git.acme.dev/x", "provider": "github"})
    entries = user({"bob": TOKEN, "carol": document})
    assert token_of(entries["bob"]) == TOKEN
    destination = Destination(parse_git_url("https://git.acme.dev/x"), None, "github", own_url=True)
    assert entries["carol"].content == Checkable(credential(WEAK, "carol"), destination)


def test_json_without_a_url_takes_the_secrets() -> None:
    """What describes all entries stands beside them."""
    entries = user({"bob": json.dumps({"token": TOKEN}), "url": "https://git.acme.dev"})
    content = only(entries)
    assert isinstance(content, Checkable)
    assert content.destination.url == parse_git_url("https://git.acme.dev")


def test_no_data_at_all_is_nothing_to_check() -> None:
    """Before the first user, after the last."""
    assert user({}) == {}


def test_a_runtime_secret_with_no_data_is_not_excused_by_that() -> None:
    """Only users' Secrets begin empty."""
    assert why(only(entries_of(make_runtime_secret({}, name="git-default-1")))).startswith("holds no credential")


@pytest.mark.parametrize("data", [{"username": "bob"}, {"url": "https://github.com", "encryptionIV": "0" * 32}])
def test_a_users_secret_with_data_and_no_token_is_malformed(data: dict[str, str | bytes]) -> None:
    """What describes a token is none."""
    assert [entry.field for entry in user(data).values()] == ["data"]


@pytest.mark.parametrize("key", ["name", "type", "project", "username", "insecure", "proxy", "email", "bob"])
@pytest.mark.parametrize("value", [WEAK, f" {WEAK}", json.dumps({"token": "x"}), '{"tok\\u0065n": "x"}'], ids=range(4))
def test_a_token_under_another_key_is_not_passed_over(key: str, value: str) -> None:
    """A good token under `token` hides no weak one, and neither does a key that usually holds something else."""
    assert key in user({"token": TOKEN, key: value})


@pytest.mark.parametrize(
    "value",
    [
        "0af1" * 16,
        PLAIN + "7",
        f"Bearer {PLAIN}",
        "Basic Ym9iOnB3",
        f"my token is {PLAIN}7, keep it",
        json.dumps({"password": "word"}),
        json.dumps({"accessToken": "x"}),
        json.dumps([{"token": "x"}]),
        json.dumps({"a": [{"b": {"ACCESS_TOKEN": "x"}}]}),
        json.dumps({"a": json.dumps({"Token": "x"})}),
        json.dumps({"a": f"Bearer {PLAIN}"}),
        json.dumps([PLAIN + "7"]),
        "{" + PLAIN + "7",
        encode(PLAIN),
        (PLAIN + "7").encode("utf-16"),
        (PLAIN + "7").encode("utf-16-be"),
        f"https://example.com/?t={PLAIN}7",
    ],
    ids=range(17),
)
def test_no_value_beside_a_token_could_be_another_one(value: str | bytes) -> None:
    """Whatever its key, its encoding and what is around it."""
    assert user({"token": TOKEN, "note": value}).keys() == {"token", "note"}


@pytest.mark.parametrize(
    "key", ["Token", "TOKEN", "access_token", "git-password", "clientSecret", "githubPat", "tokens"]
)
def test_a_key_of_a_credential_is_an_entry_in_any_spelling(key: str) -> None:
    """What reads the Secret may look there first."""
    assert user({"token": TOKEN, key: "pass-word"}).keys() == {"token", key}


@pytest.mark.parametrize(
    "value",
    [
        "codefresh-production-eu-west-1",
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "https://github.com/acme/gitops-production-2024",
        "2026-11-30T12:00:00Z",
        "bob.longname@engineering.acme.dev",
        "rotated by bob on 2026-11-30",
        f"# the proxy's CA\n{CERTIFICATE}{CERTIFICATE}",
        json.dumps({"theme": "dark", "tokenType": "pat", "created": "2026-11-30"}),
        "true",
    ],
    ids=range(9),
)
def test_an_ordinary_value_beside_a_token_is_no_entry(value: str) -> None:
    """Names, dates, ids, URLs and certificates can't be used as tokens."""
    assert user({"token": TOKEN, "note": value, "tokenType": "classic", "hasToken": "true"}).keys() == {"token"}


@pytest.mark.parametrize(
    "value",
    [
        f"-----BEGIN {PLAIN}7",
        f"-----BEGIN CERTIFICATE-----\n{PLAIN}7\n-----END CERTIFICATE-----\n",
        f"{CERTIFICATE}{PLAIN}7\n{CERTIFICATE}",
        f"{CERTIFICATE}\ntoken={PLAIN}7",
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nX: {PLAIN}7\n-----END RSA PRIVATE KEY-----\n",
    ],
    ids=range(5),
)
def test_a_token_beside_pem_is_an_entry(value: str) -> None:
    """A value that begins like a certificate is searched outside of the certificate."""
    assert user({"token": TOKEN, "note": value}).keys() == {"token", "note"}


@pytest.mark.parametrize(
    "document",
    [
        {"Token": "x"},
        {"TOKEN": "x"},
        {"access_token": "x"},
        {"nested": {"token": "x"}},
        {"list": [{"password": "x"}]},
        {"note": PLAIN + "7"},
        {"note": f"Bearer {PLAIN}"},
        {"note": json.dumps({"token": "x"})},
        {"username": WEAK},
    ],
    ids=range(9),
)
def test_no_name_in_json_carries_another_token(document: dict[str, object]) -> None:
    """Neither beside the token's own name nor around it."""
    assert "a name other than" in why(user({"bob": json.dumps({"token": TOKEN, **document})})["bob"].content)


@pytest.mark.parametrize("part", ["a", "a.", "a-", "a:", "://", "bearer ", " ", "A1", "{", '["', "=", "a://b "])
def test_a_long_value_is_searched_in_linear_time(part: str) -> None:
    """A text that is eight times as long takes about eight times as long, and not sixty-four times."""

    def cost(length: int) -> float:
        data = {"token": TOKEN, "note": part * (length // len(part))}
        started = time.process_time()
        user(data)
        return time.process_time() - started

    short = min(cost(125_000) for _ in range(3))
    assert cost(1_000_000) < 24 * short + 0.01


def test_what_could_be_a_token_is_named_as_such() -> None:
    """The message says what to do with a value that was not meant to be one."""
    assert "remove it from this Secret" in why(user({"token": TOKEN, "note": f"Bearer {PLAIN}"})["note"].content)


def test_other_values_beside_a_token_are_left_alone() -> None:
    """A Secret may hold other things."""
    entries = user({"token": TOKEN, "email": "bob@acme.dev", "settings": '{"theme": "dark"}', "note": b"\xff"})
    assert entries.keys() == {"token"}


def test_an_empty_entry_of_a_user_is_named() -> None:
    """The others are found nonetheless."""
    entries = user({"bob": "", "carol": TOKEN})
    assert why(entries["bob"].content) == "is empty"
    assert token_of(entries["carol"]) == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"Token": "x"}',
        '{"token": ""}',
        '{"token": null}',
        '{"token": 5}',
        '{"token": ["x"]}',
        '{"token": "x", "username": 5}',
        '{"token": "x", "url": {}}',
        '{"token": "x", "token": "y"}',
        '{"token": "x", "password": "y"}',
        '{"accessToken": "x"}',
        '{"token": "{\\"token\\": 1}"}',
        '{"token": "x", "username": "\\ud800"}',
        '{"token": "\\ud800"}',
        '{"token": "a\\u0000b"}',
        '{"token": "x\\n"}',
        '{"token": NaN}',
        '{"token": ' + "9" * 5000 + "}",
        '{"a":' * 20000,
        '{"token": "x"} trailing',
    ],
    ids=range(21),
)
def test_json_that_no_token_can_be_taken_from_is_malformed(text: str) -> None:
    """Also where it is deep, odd or ambiguous."""
    assert isinstance(user({"bob": text})["bob"].content, Malformed)


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_token_in_quotes_is_malformed(quote: str) -> None:
    """They are a slip of whoever wrote the manifest, and Git would send them along."""
    assert "is in quotes" in why(user({"token": f"{quote}{make_token()}{quote}"})["token"].content)


@pytest.mark.parametrize("text", ['["x"]', ' "x', ' ["x"]'])
def test_other_json_is_no_token(text: str) -> None:
    """It would be sent to the provider as if it were one."""
    assert why(user({"token": text})["token"].content) == "is JSON and not a token"


def test_json_is_no_runtime_token() -> None:
    """Argo CD would send it as it is, whatever is in it, to the url's host."""
    assert "JSON" in why(runtime(password=json.dumps({"token": TOKEN}))["password"].content)


# --- unusable and encrypted values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\n\n"])
def test_a_token_that_ends_in_a_line_break_is_malformed(ending: str) -> None:
    """Git would send it along."""
    assert "line break" in why(runtime(password=TOKEN + ending)["password"].content)


@pytest.mark.parametrize("value", ["a b", " a", "a\0b", "a\tb", "tokén", "x" * 8193, "\ufeffa", "a\nb"], ids=range(8))
def test_what_no_token_looks_like_is_malformed(value: str) -> None:
    """Nobody is asked about it."""
    assert isinstance(runtime(password=value)["password"].content, Malformed)


@pytest.mark.parametrize(
    ("value", "tool"),
    [
        ("vault:secret/data/git#token", "bank-vaults"),
        (">>vault:secret/data/git#token", "bank-vaults"),
        ("<path:secret/data/git#token>", "argocd-vault-plugin"),
        ("<git-token>", "argocd-vault-plugin"),
        ("ref+vault://secret/git#/token", "vals"),
        ("secretref+awsssm://git/token", "vals"),
        ("${GIT_TOKEN}", "replaces variables"),
        ("{{ .Values.git.token }}", "template engine"),
        ("{{- .Values.git.token -}}", "template engine"),
    ],
)
def test_a_placeholder_is_malformed_and_says_whose_it_is(value: str, tool: str) -> None:
    """No provider is asked about it, and the message names the tool that should have filled it in."""
    for entries in (
        runtime(password=value),
        user({"token": value}),
        user({"bob": value}),
        runtime(url=value, password=PLAIN),
    ):
        assert f"{tool}" in why(only(entries))


@pytest.mark.parametrize("value", [PLAIN, "a$b", "a<b>", "vault", "ref+x", "{", "$x"])
def test_an_ordinary_value_is_no_placeholder(value: str) -> None:
    """A token may hold such characters."""
    found = user({"token": value})["token"].content
    assert not isinstance(found, Malformed) or "placeholder" not in found.why


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        ("reflector.v1.k8s.emberstack.com/reflects", "reflector"),
        ("replicator.v1.mittwald.de/replicate-from", "kubernetes-replicator"),
    ],
)
def test_an_empty_secret_of_a_replicator_is_unsupported(annotation: str, name: str) -> None:
    """The controller fills it in, and that write is checked."""
    secret = make_runtime_secret({}, annotations={annotation: "argocd/source"})
    content = only(entries_of(secret))
    assert isinstance(content, Unsupported)
    assert name in content.what
    with_data = make_runtime_secret({"password": "a b"}, annotations={annotation: "argocd/source"})
    assert isinstance(only(entries_of(with_data)), Malformed)


@pytest.mark.parametrize("url", ["file:///srv/git/apps", "git@github.com:acme/apps", "ssh://git@x.dev/a", "/srv/git"])
def test_a_repository_without_a_credential_is_no_finding_whatever_its_url(url: str) -> None:
    """There is nothing to check, nor to warn of."""
    secret = make_secret({"url": url, "type": "git", "name": "apps"}, labels={ARGOCD_TYPE: "repository"})
    rule = Rule(name="r", role=Role.RUNTIME, labels={ARGOCD_TYPE: "repository"})
    assert extract(secret, Match((rule,))) == {}


@pytest.mark.parametrize("value", [JWE, b"\xff\xfe"], ids=["jwe", "bytes"])
def test_what_somebody_else_encrypted_is_external(value: str | bytes) -> None:
    """In either kind of Secret."""
    assert isinstance(runtime(password=value)["password"].content, External)
    assert isinstance(user({"bob": value})["bob"].content, External)


def test_a_jwe_inside_json_is_external() -> None:
    """The token is what is encrypted."""
    assert isinstance(user({"bob": json.dumps({"token": JWE})})["bob"].content, External)


def test_an_initialisation_vector_beside_a_value_makes_it_external() -> None:
    """So the platform stores what it encrypts."""
    assert isinstance(user({"token": "0af1" * 16, "encryptionIV": "0" * 32})["token"].content, External)


@pytest.mark.parametrize("prefix", ["ghp_", "github_pat_", "glpat-", "ATATT", "BBDC-"])
def test_an_initialisation_vector_does_not_hide_a_plaintext_token(prefix: str) -> None:
    """What begins like a token isn't encrypted."""
    token = make_token("p", prefix)
    assert token_of(user({"token": token, "encryptionIV": "0" * 32})["token"]) == token


@pytest.mark.parametrize("value", ["", " " + TOKEN, TOKEN + "\n", "\n"], ids=range(4))
def test_an_initialisation_vector_does_not_excuse_what_is_malformed(value: str) -> None:
    """An empty value and a token with a space around it are no ciphertext."""
    assert isinstance(user({"token": value, "encryptionIV": "0" * 32})["token"].content, Malformed)


def test_an_initialisation_vector_means_nothing_to_argo_cd() -> None:
    """It sends the value as it is."""
    value = "0af1" * 16
    assert token_of(runtime(password=value, encryptionIV="0" * 32)["password"]) == value


def test_an_empty_initialisation_vector_is_none() -> None:
    """It says nothing."""
    assert token_of(user({"token": PLAIN, "encryptionIV": ""})["token"]) == PLAIN


@pytest.mark.parametrize("key", ["url", "password"])
def test_bad_base64_is_undecodable(key: str) -> None:
    """And named by its key."""
    secret = make_runtime_secret()
    broken = SecretObject("n", "s", labels=secret.labels, data={**secret.data, key: "%%%"})
    with pytest.raises(Undecodable, match=f"data.{key} is not valid base64"):
        entries_of(broken)


# --- where a token goes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"url": "github.com/acme"}, "url"),
        ({"url": "https://tfs.acme.dev/My Project"}, "url"),
        ({"url": "https://tfs.acme.dev/caf\u00e9"}, "url"),
        ({"url": "https://tfs.acme.dev/a\\b"}, "url"),
        ({"url": "https://tfs.acme.dev/a\n"}, "url"),
        ({"url": "https://tfs.acme.dev?@github.com/acme"}, "url"),
        ({"url": "https://github.com\\@evil.example"}, "url"),
        ({"url": b"\xff"}, "url"),
        ({"url": "https://github.com\n"}, "url"),
        ({"host": "a b"}, "host"),
        ({"host": b"\xff"}, "host"),
        ({"provider": b"\xff"}, "provider"),
        ({"url": "https://github.com", "host": "gitlab.com"}, "host"),
    ],
)
def test_a_destination_that_can_not_be_read_is_malformed(data: dict[str, str | bytes], field: str) -> None:
    """Nothing is sent anywhere where it isn't certain where."""
    entries = user({"token": TOKEN} | data)
    assert entries.keys() == {field}
    assert isinstance(only(entries), Malformed)


@pytest.mark.parametrize(
    "url",
    [
        "https://{}/Platform%20Team/_git/gitops",
        "https://{}/acme?x=y",
        "https://{}?x=y",
        "https://{}/acme#x",
        "https://{}/acme/../x",
        "https://bob@{}/acme",
        "https://bob:word@{}/acme",
    ],
)
def test_a_host_is_looked_up_before_the_rest_of_a_url(url: str) -> None:
    """Other people's servers have such URLs; at a Git host they are malformed."""
    assert judged(runtime(url=url.format("tfs.acme.dev"), password=PLAIN)) == UnknownHost("tfs.acme.dev")
    known = judged(runtime(url=url.format("github.com"), password=PLAIN))
    assert isinstance(known, Malformed)
    assert known.key == "url"
    for entries in (
        user({"token": PLAIN, "url": url.format("github.com")}),
        user({"bob": json.dumps({"token": PLAIN, "url": url.format("github.com")})}),
    ):
        found = judged(entries)
        assert isinstance(found, Malformed)
        assert found.key == ("url" if "token" in entries else "")


@pytest.mark.parametrize("url", ["http://gitea_server:3000/acme", "https://gitlab.shared_tools.acme.dev/acme"])
def test_an_underscore_makes_no_host_malformed(url: str) -> None:
    """Service names and some domains have them."""
    host = url.split("/")[2]
    content = only(runtime(url=url, password=PLAIN))
    assert isinstance(content, Checkable)
    assert resolve(content, Hosts(), "github.com") == UnknownHost(host)
    declared = Hosts([Host(host, Kind("gitlab"), f"https://{host}/api/v4")])
    assert isinstance(resolve(content, declared, "github.com"), Target)


@pytest.mark.parametrize(
    ("token", "username", "what"),
    [
        ("gldt-" + "a1B2" * 5, None, "a deploy token"),
        ("acme-gldt-" + "a1B2" * 5, None, "a deploy token"),
        (PLAIN, "gitlab+deploy-token-12", "a deploy token"),
        ("glwt-" + "a1B2" * 5, None, "a workspace token"),
    ],
)
def test_a_token_without_scopes_is_unsupported_at_any_host(token: str, username: str | None, what: str) -> None:
    """Nobody could be asked about it if its host were declared, either."""
    data = {"url": "https://git.other.dev", "password": token} | ({"username": username} if username else {})
    assert judged(runtime(**data)) == Unsupported(what)
    assert judged(user({**data, "token": token, "password": ""})) == Unsupported(what)


def to(token: str = PLAIN, **where: str) -> Target | UnknownHost | Unsupported | Malformed:
    content = only(user({"token": token, **where}))
    assert isinstance(content, Checkable), content
    return resolve(content, HOSTS, "github.com")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ({"url": "https://gitlab.com/x"}, "gitlab.com"),
        ({"url": "https://gitlab.com/x", "provider": "github"}, "gitlab.com"),
        ({"host": "gitlab.com"}, "gitlab.com"),
        ({"host": "https://GitLab.com/"}, "gitlab.com"),
        ({"provider": "gitlab"}, "gitlab.com"),
        ({"provider": " GitLab"}, "gitlab.com"),
        ({"provider": "bitbucket"}, "bitbucket.org"),
        ({"token": make_token("g", "glpat-")}, "gitlab.com"),
        ({"token": make_token("b", "ATATT")}, "bitbucket.org"),
        ({}, "github.com"),
        ({"url": "https://acme.ghe.com/x"}, "acme.ghe.com"),
        ({"url": "https://WWW.GitHub.com.:443/x"}, "github.com"),
        ({"host": "ssh.github.com"}, "github.com"),
        ({"host": "git.acme.dev"}, "git.acme.dev"),
    ],
)
def test_the_provider_comes_from_url_host_provider_prefix_or_default(where: dict[str, str], name: str) -> None:
    """In this order."""
    target = to(**where)
    assert isinstance(target, Target)
    assert target.host.name == name


@pytest.mark.parametrize(
    "name",
    [
        "github.com.evil.example",
        "evil-github.com",
        "notgithub.com",
        "api.github.com",
        "github.com:8443",
        "a.b.ghe.com",
        "ghe.com",
        "git.acme.dev:444",
    ],
)
def test_a_name_that_contains_a_known_one_is_unknown(name: str) -> None:
    """A token is never sent somewhere because a name looks familiar."""
    assert to(url=f"https://{name}/x") == UnknownHost(name)


@pytest.mark.parametrize(
    ("prefix", "where"),
    [
        ("ghp_", {"url": "https://gitlab.com/x"}),
        ("ghp_", {"provider": "gitlab"}),
        ("glpat-", {"url": "https://github.com"}),
        ("glpat-", {"host": "git.acme.dev"}),
        ("ATATT", {"provider": "github"}),
        ("BBDC-", {"url": "https://bitbucket.org/x"}),
    ],
)
def test_a_prefix_that_contradicts_the_host_is_malformed(prefix: str, where: dict[str, str]) -> None:
    """Sending it would hand the token to a stranger."""
    assert isinstance(to(make_token("c", prefix), **where), Malformed)


def test_a_bitbucket_server_token_without_a_url_has_nowhere_to_go() -> None:
    """There is no usual one."""
    assert "add its url" in why_target(to(make_token("c", "BBDC-")))


OWN_GITLAB = Host("code.acme.dev", Kind("gitlab"), "https://code.acme.dev/api/v4")


@pytest.mark.parametrize("where", [{"token": make_token("g", "glpat-")}, {"provider": "gitlab"}])
def test_with_several_hosts_of_a_kind_none_is_usual(where: dict[str, str]) -> None:
    """Whoever stores a token of their own GitLab and forgets its url has it sent neither there nor to gitlab.com."""
    content = only(user({"token": make_token("n", ""), **where}))
    assert isinstance(content, Checkable)
    both = Hosts([OWN_GITLAB])
    why = why_target(resolve(content, both, "github.com"))
    assert why == "is for GitLab, which has several hosts (gitlab.com, code.acme.dev); add its url"
    usual = resolve(content, both, "code.acme.dev")
    assert isinstance(usual, Target)
    assert usual.host == OWN_GITLAB


def test_a_declared_host_that_overrides_the_built_in_one_is_the_only_one() -> None:
    """As where gitlab.com is reached by another way."""
    content = only(user({"token": make_token("g", "glpat-")}))
    assert isinstance(content, Checkable)
    instead = Host("gitlab.com", Kind("gitlab"), "https://127.0.0.1/api/v4")
    target = resolve(content, Hosts([instead]), "github.com")
    assert isinstance(target, Target)
    assert target.host == instead


def why_target(target: object) -> str:
    assert isinstance(target, Malformed)
    return target.why


def test_http_is_checked_over_https_and_known_as_insecure() -> None:
    """Also with its own port."""
    for url in ("http://github.com/acme", "http://github.com:80/acme"):
        target = to(url=url)
        assert isinstance(target, Target)
        assert (target.host.name, target.path, target.insecure) == ("github.com", ("acme",), True)


# --- changes --------------------------------------------------------------------------------------------------------


def changed(before: SecretObject, after: SecretObject) -> bool:
    return entries_of(before) != entries_of(after)


@pytest.mark.parametrize(
    "change",
    [
        {"password": WEAK},
        {"url": "https://github.com/other"},
        {"url": "http://github.com/acme"},
        {"username": "other"},
        {"type": "helm"},
        {"bearerToken": WEAK},
    ],
)
def test_a_changed_token_or_place_is_a_changed_entry(change: dict[str, str]) -> None:
    """It must be checked again."""
    data = {"url": "https://github.com/acme", "username": "git", "password": TOKEN}
    assert changed(make_runtime_secret(data), make_runtime_secret(data | change))


@pytest.mark.parametrize(
    "change", [{"project": "p"}, {"name": "n"}, {"proxy": "https://proxy.acme.dev"}, {"type": "git"}]
)
def test_what_is_about_something_else_changes_no_entry(change: dict[str, str]) -> None:
    """A provider's outage doesn't block it."""
    data = {"url": "https://github.com/acme", "username": "git", "password": TOKEN}
    assert not changed(make_runtime_secret(data), make_runtime_secret(data | change))


@pytest.mark.parametrize(
    ("data", "change"),
    [
        ({"url": "nonsense", "password": TOKEN}, {"password": WEAK}),
        ({"url": "nonsense", "password": TOKEN}, {"url": "more nonsense"}),
        ({"url": "https://github.com", "password": "a b"}, {"password": "c d"}),
        ({"url": "https://github.com", "password": "a b"}, {"url": "https://gitlab.com"}),
        ({"url": "ssh://git@github.com/x", "sshPrivateKey": "a"}, {"sshPrivateKey": "b"}),
        ({"url": "https://github.com", "password": JWE}, {"password": JWE + "a"}),
        ({"url": "https://github.com", "githubAppPrivateKey": "a"}, {"githubAppPrivateKey": "b"}),
    ],
)
def test_a_change_is_seen_where_nothing_can_be_checked(data: dict[str, str], change: dict[str, str]) -> None:
    """What was let in malformed or unsupported isn't a way to put in something else later."""
    assert changed(make_runtime_secret(data), make_runtime_secret(data | change))


def test_one_users_change_leaves_the_others_as_they_were() -> None:
    """Also those that can't be read."""
    before = user({"bob": "a b", "carol": TOKEN})
    after = user({"bob": "a b", "carol": WEAK})
    assert before["bob"] == after["bob"]
    assert before["carol"] != after["carol"]


# --- both roles -----------------------------------------------------------------------------------------------------


def test_what_is_helms_for_one_role_is_still_checked_for_the_other() -> None:
    """A user doesn't get past the check by making the Secret a Helm credential as well."""
    secret = make_runtime_secret({"password": TOKEN, "type": "helm"}, name="git-default-1")
    assert token_of(entries_of(secret)["password"]) == TOKEN


def test_where_one_format_finds_nothing_the_other_counts() -> None:
    """No complaint about a missing token beside one that is there."""
    secret = make_runtime_secret({"bob": TOKEN}, name="git-default-1")
    assert entries_of(secret).keys() == {"bob"}


# --- nothing is shown -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        WEAK,
        make_token("k", "glpat-"),
        "a" + WEAK,
        "my-" + make_token("k", "ATATT"),
        "0123456789abcdef" * 2 + "01234567",
    ],
)
def test_a_key_that_is_a_token_is_refused_and_never_shown(key: str) -> None:
    """Everybody who may list Secrets' keys would see it."""
    entries = user({key: TOKEN})
    assert [entry.field for entry in entries.values()] == ["data"]
    assert "key that is itself a token" in why(only(entries))
    assert key not in repr(entries[key])


def test_a_key_that_repeats_a_value_is_never_shown() -> None:
    """Whatever the token's shape."""
    entries = user({PLAIN: PLAIN})
    assert [entry.field for entry in entries.values()] == ["data"]
    assert user({"token": TOKEN, PLAIN: PLAIN})[PLAIN].hidden


OTHER = "another-pl4in-secret"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"token": OTHER, "username": "carol"}),
        " " + json.dumps({"token": "".join(f"\\u{ord(letter):04x}" for letter in OTHER)}).replace("\\\\", "\\"),
        json.dumps({"password": OTHER}),
        json.dumps({"nested": {"token": OTHER}}),
        f'{{"token": "{OTHER}", "token": "x"}}',
        json.dumps({"token": OTHER, "description": "d" * 5000}),
    ],
)
def test_a_key_that_shows_a_token_inside_json_is_never_shown(text: str) -> None:
    """Be it the token of its own value or of another one."""
    for data in ({f"bob-{OTHER}": PLAIN, "carol": text}, {f"bob-{OTHER}": text}, {OTHER: TOKEN, "carol": text}):
        key = next(iter(data))
        entries = user(data)
        assert entries[key].field == "data"
        assert OTHER not in repr(list(entries.values()))


def test_of_thousands_of_json_entries_the_one_that_is_shown_is_found() -> None:
    """A Secret may have as many, and each key is held against each token, in a few seconds and not in minutes."""
    data = {f"user-{number:05}": json.dumps({"token": f"s3cret-{number:05}-value"}) for number in range(5000)}
    data["bob-s3cret-04321-value"] = PLAIN
    hidden = [key for key, entry in user(data).items() if entry.hidden]
    assert hidden == ["bob-s3cret-04321-value"]


@pytest.mark.parametrize(
    "data",
    [
        {"token": TOKEN, "url": f"https://{TOKEN}@github.com"},
        {"token": TOKEN, "url": f"https://github.com/{TOKEN}/x"},
        {"token": TOKEN, "url": TOKEN},
        {"token": TOKEN, "host": TOKEN},
        {"token": TOKEN, "host": make_token("h", "glpat-")},
        {"token": TOKEN, "host": "0123456789abcdef0123456789abcdef01234567"},
        {"token": TOKEN, "provider": TOKEN},
        {"token": TOKEN, "username": TOKEN},
        {"token": PLAIN, "host": PLAIN},
        {"token": PLAIN, "url": f"https://github.com/{PLAIN.upper()}"},
        {"bob": json.dumps({"token": TOKEN, "url": f"https://x:{TOKEN}@github.com"})},
        {"bob": json.dumps({"token": TOKEN, "provider": TOKEN, "username": TOKEN})},
        {"bob": "{" + TOKEN},
        {"token": TOKEN + "\n"},
        {"sshPrivateKey": PLAIN},
        {"token": JWE},
    ],
    ids=range(16),
)
def test_no_value_is_ever_shown(data: dict[str, str | bytes]) -> None:
    """Neither by repr nor in any reason, whichever key it stands under."""
    entries = user(data)
    targets = [resolve(e.content, HOSTS, "github.com") for e in entries.values() if isinstance(e.content, Checkable)]
    shown = repr((entries, targets, [entry.field for entry in entries.values()])).lower()
    for secret in (TOKEN, PLAIN, JWE, make_token("h", "glpat-"), "0123456789abcdef01"):
        assert secret.lower() not in shown


@pytest.mark.parametrize(
    "key", ["platform-bob", "laughs_out_loud_123", "BBDC-platform-team", "hatbbcnewsapplication12"]
)
def test_an_ordinary_key_is_no_token(key: str) -> None:
    """A user's id may be the username beside it, and may begin like a token."""
    entries = user({key: TOKEN, "username": key})
    assert [entry.field for entry in entries.values()] == [f"data.{key}"]
    assert token_of(entries[key]) == TOKEN


def test_undecodable_names_no_key_that_is_a_token() -> None:
    """Its message ends in a denial."""
    assert WEAK not in str(Undecodable(WEAK))


def test_the_secret_itself_shows_no_value() -> None:
    """Neither data nor labels or annotations, where last-applied-configuration repeats the data."""
    secret = make_secret({"token": TOKEN}, labels={"a": TOKEN}, annotations={"last-applied": TOKEN})
    assert TOKEN not in repr(secret)
    assert encode(TOKEN) not in repr(secret)


@pytest.mark.parametrize(("value", "text"), [("https://x", "https://x"), ("", None), (b"\xff", "\ufffd")])
def test_the_url_for_rules_is_always_text_or_nothing(value: str | bytes, text: str | None) -> None:
    """What can't be read is no URL, and no absent one either."""
    assert url_of(make_secret({"url": value})) == text
    assert url_of(SecretObject("n", data={"url": "%"})) == "\ufffd"


keys = st.sampled_from(
    "token password accessToken bearerToken username url host provider type encryptionIV sshPrivateKey githubAppID "
    "githubAppPrivateKey githubAppEnterpriseBaseUrl enableOCI useAzureWorkloadIdentity name bob carol".split()
) | st.text("abcdefghijklmnopqrstuvwxyz-._0123456789", min_size=1, max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from("token username url host provider password x".split()), json_values)
values = (
    st.binary(max_size=60)
    | st.text(max_size=40).map(str.encode)
    | documents.map(lambda document: json.dumps(document).encode())
    | st.sampled_from([b"https://github.com/acme", b"github.com", b"helm", b"true", b"{", b"github"])
).map(encode)


@given(st.dictionaries(keys, values | st.text(max_size=20), max_size=6), st.booleans(), st.booleans())
def test_extract_never_fails_but_by_undecodable(data: dict[str, str], is_runtime: bool, is_user: bool) -> None:
    """Whatever a Secret holds, each entry of it is one of the four, can be compared, resolved and printed."""
    labels = {ARGOCD_TYPE: "repo-creds"} if is_runtime else {}
    secret = SecretObject("n", "git-default-1" if is_user else "x", labels=labels, data=data)
    try:
        entries = entries_of(secret)
    except Undecodable:
        return
    assert entries == entries_of(secret)
    for key, entry in entries.items():
        assert key == entry.key
        assert repr(entry)
        if isinstance(entry.content, Checkable):
            resolve(entry.content, HOSTS, "github.com")
    if data and (is_runtime or is_user):
        assert entries, "a Secret with data has something to say about"


@given(
    st.dictionaries(
        keys.filter(lambda key: key != "host"),  # which is shown, so that people see where a token would go
        st.text("abcdef0123456789", min_size=12, max_size=30).map("qzx".__add__),
        max_size=5,
    )
)
def test_repr_never_holds_a_value(data: dict[str, str]) -> None:
    """No object that is made of a Secret prints what is in it."""
    entries = user(dict(data))
    for value in data.values():
        assert value not in repr(entries)


def test_extraction_takes_linear_time() -> None:
    """A Secret with many keys delays other reviews no more than its size does."""

    def cpu_seconds(keys: int) -> float:
        data = {
            f"user-{number:06}": base64.b64encode(f"token-{number:020}".encode()).decode() for number in range(keys)
        }
        secret = SecretObject("platform", "git-default-users", data=data)
        begun = time.process_time()
        assert len(entries_of(secret)) == keys
        return time.process_time() - begun

    cpu_seconds(100)
    small, large = (min(cpu_seconds(keys) for _ in range(3)) for keys in (2_000, 16_000))
    assert large / small < 24  # 8 where it is linear, 64 where it is quadratic
