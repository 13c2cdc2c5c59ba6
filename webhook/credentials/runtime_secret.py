"""The entries of a Secret of the runtime role: Argo CD's keys, with Argo CD's precedence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import SecretStr

from webhook import argocd
from webhook.argocd import ArgoUrl
from webhook.credentials.destination import tokenless
from webhook.credentials.destination_fields import read_destination
from webhook.credentials.entries import Checkable, Destination, Entry, External, Malformed, Unsupported
from webhook.credentials.token_entry import how_encrypted, token_entry
from webhook.credentials.values import METADATA_KEYS, TOKEN_KEYS, Values
from webhook.names import ARGOCD_SECRET_TYPE, REPLICATORS
from webhook.providers.findings import AuthScheme, GitAuth, GitHubAppCredential
from webhook.providers.github.keys import load_app_key
from webhook.subject import SecretObject

_ARGOCD_TOKEN_KEYS = ("password", "bearerToken")

# What Argo CD uses without a password or token, in this order (Argo CD: Repository.GetGitCreds).
OTHER_CREDENTIALS = (
    ("sshPrivateKey", "an SSH key"),
    ("githubAppPrivateKey", ""),
    ("gcpServiceAccountKey", "a Google Cloud service account key"),
    ("useAzureWorkloadIdentity", "an Azure workload identity"),
    ("azureServicePrincipalClientSecret", "an Azure service principal"),
    ("tlsClientCertKey", "a TLS client certificate"),
    ("tlsClientCertData", "a TLS client certificate"),
)


def _runtime_token_keys(secret: SecretObject) -> tuple[str, ...]:
    return TOKEN_KEYS if ARGOCD_SECRET_TYPE not in secret.labels else _ARGOCD_TOKEN_KEYS


def runtime_keys(secret: SecretObject) -> frozenset[str]:
    """Return the keys that the platform reads."""
    return METADATA_KEYS.union(_runtime_token_keys(secret))


def runtime_entries(secret: SecretObject, values: Values) -> Iterable[Entry]:
    """Return the entries of the keys that Argo CD uses."""
    argocd_type = secret.labels.get(ARGOCD_SECRET_TYPE)
    if (replicator := _replicator(secret)) is not None and not len(values):
        return [Entry("", Unsupported(f"a Secret without data, which {replicator} fills in"))]
    unreadable = argocd.unreadable_keys(argocd_type, values, values.written) if argocd_type is not None else {}
    wrong = [Entry(key, Malformed(why)) for key, why in unreadable.items()]
    keys = _runtime_token_keys(secret)
    tokens = [key for key in keys if values.is_set(key)]
    other = None if tokens else next(((key, what) for key, what in OTHER_CREDENTIALS if is_used(values, key)), None)
    if other is not None and other[1]:
        return [*wrong, Entry(other[0], Unsupported(other[1]))]  # for any host
    if not tokens and other is None:
        return wrong or _without_credential(argocd_type, keys, values)
    destination = _runtime_destination(argocd_type, values)
    if isinstance(destination, Entry):
        return [*wrong, destination]
    if tokens:
        auth = {key: _git_auth(key, values) for key in tokens} if argocd_type is not None else {}
        found = [token_entry(key, values, destination, auth.get(key), reads_iv=False) for key in tokens]
    else:
        found = [] if wrong else [_app_entry(values, destination)]
    return [*wrong, *(_with_destination(entry, destination) for entry in found)]


def _with_destination(entry: Entry, destination: Destination) -> Entry:
    """Return the entry; a value that Git cannot use knows its destination where that may not be a Git host.

    Which hosts are Git hosts is configuration, so the judgement waits for `unchecked_at`.
    """
    content = entry.content
    if not (destination.not_git or tokenless(destination.url)) or content == Malformed("is empty"):
        return entry
    return (
        replace(entry, content=replace(content, destination=destination))
        if isinstance(content, Malformed | External)
        else entry
    )


def _without_credential(argocd_type: str | None, keys: tuple[str, ...], values: Values) -> list[Entry]:
    """Return the entries of a Secret without a credential."""
    if argocd_type in argocd.REPOSITORY_TYPES and not any(key in values for key in keys):
        return []  # Argo CD uses repo-creds, or needs no credential
    if values.is_set("githubAppID"):
        return [Entry("githubAppID", Malformed("has no githubAppPrivateKey in the same Secret"))]
    destination = _runtime_destination(argocd_type, values)
    if isinstance(destination, Entry):
        return [destination]
    if what := destination.not_git or tokenless(destination.url):
        return [Entry("url" if "url" in values else "", Unsupported(what))]
    empty = next((key for key in keys if key in values), None)
    if empty is not None:
        return [Entry(empty, Malformed("is empty"))]
    return [Entry("", Malformed(f"holds no credential; put the token under {keys[0]}"))]


def _runtime_destination(argocd_type: str | None, values: Values) -> Destination | Entry:
    """Return where the credential goes; in a Secret of Argo CD's, as Argo CD reads it."""
    not_git = _not_git(values)
    destination = read_destination(values)
    if isinstance(destination, Entry):
        if not not_git or destination.key != "url":
            return destination
        destination = Destination()
    url = values.text("url")
    if argocd_type is None or url is None:
        return replace(destination, not_git=not_git) if not_git else destination
    compared = ArgoUrl.of(url, argocd_type)
    open_ended = compared.is_prefix and not url.endswith((".git", "/"))
    return replace(destination, not_git=not_git, argocd=compared, open_ended=open_ended)


def _replicator(secret: SecretObject) -> str | None:
    """Return the controller that copies another Secret's data into this one, by its annotation; None without one."""
    return next((name for key, name in REPLICATORS.items() if secret.annotations.get(key)), None)


def is_used(values: Values, key: str) -> bool:
    return _is_true(values, key) if key == "useAzureWorkloadIdentity" else values.is_set(key)


def _is_true(values: Values, key: str) -> bool:
    """Return whether a flag is set, as Argo CD reads it."""
    return argocd.parse_bool(values.text(key) or "") is True


def _not_git(values: Values) -> str:
    """Return what a Secret that is not for Git repositories holds; empty if it is for Git.

    Argo CD finds credentials by URL alone, so at a Git host the type does not matter.
    """
    # Exactly, as Argo CD compares it: to Argo CD, "Helm" and " helm" are Git.
    kind = values.text("type") or "git"
    if kind == "helm":
        return "a credential of a Helm repository"
    # Registries have no scheme. With one, Git uses the credential too, whatever enableOCI says.
    by_flag = "type" not in values and _is_true(values, "enableOCI") and "://" not in (values.text("url") or "://")
    if kind == "oci" or by_flag:
        return "a credential of an OCI registry"
    return ""


def _git_auth(key: str, values: Values) -> GitAuth:
    """Return how Argo CD sends the token of a key to Git (Argo CD: HTTPSCreds.Environ)."""
    if key == "bearerToken":
        return GitAuth(AuthScheme.BEARER)
    default = "" if _is_true(values, "forceHttpBasicAuth") else argocd.DEFAULT_USERNAME
    return GitAuth(AuthScheme.BASIC, values.text("username") or default)


def _app_entry(values: Values, destination: Destination) -> Entry:
    """Return the entry of a GitHub App whose numbers Argo CD can parse (`argocd.unreadable_keys`)."""
    key = "githubAppPrivateKey"
    pem = values.text(key)
    if pem is None:
        return Entry(key, External("is not valid UTF-8, so it seems to be encrypted"))
    if (how := how_encrypted(pem, values, reads_iv=False)) is not None:
        return Entry(key, External(how))
    app_id = argocd.parse_int(values.text("githubAppID") or "0")
    installation = argocd.parse_int(values.text("githubAppInstallationID") or "0")
    if app_id is None or installation is None:  # a Secret that is not Argo CD's
        return Entry("githubAppInstallationID" if app_id else "githubAppID", Malformed("is not a number"))
    if app_id == 0:
        return Entry(key, Malformed("has no githubAppID in the same Secret"))
    if app_id < 0 or installation < 0:
        wrong = "githubAppID" if app_id < 0 else "githubAppInstallationID"
        return Entry(wrong, Malformed("is negative, which is not a valid GitHub id"))
    try:
        load_app_key(SecretStr(pem))
    except ValueError as error:
        return Entry(key, Malformed(str(error)))
    number = str(installation) if installation else None
    return Entry(key, Checkable(GitHubAppCredential(str(app_id), SecretStr(pem), number), destination))
