"""The tokens inside a Secret, each with where it goes: Argo CD's keys, and users' tokens in their several forms.

Values are decoded here, straight into `SecretStr`. Nothing that is raised or returned for people quotes one.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pydantic import SecretStr

from webhook import argocd
from webhook.argocd import ArgoUrl
from webhook.credentials.destination import destination_host, tokenless
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
from webhook.credentials.matching import Match
from webhook.credentials.placeholders import placeholder
from webhook.credentials.token_search import described_holds_credential, document_holds_credential, may_hold_credential
from webhook.credentials.values import METADATA_KEYS, TOKEN_KEYS, Values, tokens_of
from webhook.keyring.jwe import Closed, Why, sealing_key
from webhook.keyring.opener import OpenedData, Opener
from webhook.keyring.ring import KeyRing
from webhook.names import ARGOCD_SECRET_TYPE, REPLICATORS
from webhook.providers.findings import AuthScheme, GitAuth, GitHubAppCredential, TokenCredential
from webhook.providers.github.keys import load_app_key
from webhook.providers.known_hosts import Hosts
from webhook.providers.other_services import credential_at, host_of
from webhook.providers.requirements import Role
from webhook.providers.text import tells
from webhook.providers.token_shapes import kind_of_token, name_holds_token
from webhook.providers.urls import MalformedUrl, parse_git_url, parse_host, read_git_url
from webhook.subject import SecretObject

# A compact JWE (RFC 7516, 3.1): five base64url parts, of which the second may be empty (`dir`).
_JWE = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
# The platform keeps the initialisation vector of its own encryption beside the value.
_IV_KEY = "encryptionIV"
# No provider's token comes near; an HTTP header that is longer than this is refused by most servers.
_LONGEST_TOKEN = 8192


_ARGOCD_TOKEN_KEYS = ("password", "bearerToken")
# What Argo CD uses where there is no password or token, in its order (Argo CD: Repository.GetGitCreds).
_ARGOCD_OTHERS = (
    ("sshPrivateKey", "an SSH key"),
    ("githubAppPrivateKey", ""),
    ("gcpServiceAccountKey", "a Google Cloud service account key"),
    ("useAzureWorkloadIdentity", "an Azure workload identity"),
    ("azureServicePrincipalClientSecret", "an Azure service principal"),
    ("tlsClientCertKey", "a TLS client certificate"),
    ("tlsClientCertData", "a TLS client certificate"),
)


def extract(secret: SecretObject, match: Match, opener: Opener | None = None) -> dict[str, Entry]:
    """The entries of a credential Secret by key; empty where it holds nothing that would have to be checked.

    Args:
        opener: opens users' values that this webhook has sealed; without it, and to the runtime role always, they are
            what they are stored as. So in a Secret of both roles the keys that Argo CD reads hold plain text, and one
            of them that is sealed is malformed: Argo CD could not read it.

    Raises:
        Undecodable: a value is not valid base64.
    """
    opened = opened_data(secret, opener) if opener is not None else OpenedData(secret.data)
    values = Values(opened.data, {key: _closed(why) for key, why in opened.closed.items()})
    values.decode_all()
    kids = opened.kids
    entries: dict[str, Entry] = {}
    if Role.RUNTIME in match.roles:
        sealed = dict.fromkeys(
            opened.opened, Malformed("is sealed, but Argo CD cannot open sealed values; write the token in plain text")
        )
        stored = Values(secret.data, {**values.closed, **sealed})
        entries |= {entry.key: entry for entry in _runtime_entries(secret, stored)}
    if Role.USER in match.roles:
        for entry in _user_entries(values):
            # Of what both formats read, the one that can be checked counts: a Helm credential's token is a user's too.
            before = entries.get(entry.key)
            if before is None or isinstance(before.content, Unsupported):
                entries[entry.key] = entry
            elif isinstance(before.content, Checkable):
                destination = replace(before.content.destination, not_git="")
                entries[entry.key] = replace(before, content=replace(before.content, destination=destination))
    if len(entries) > 1:
        entries.pop("", None)  # one format found nothing, the other did
    return {key: _traced(entry, values, kids.get(key, "")) for key, entry in entries.items()}


def _traced(entry: Entry, values: Values, kid: str) -> Entry:
    """The entry with what is only known of all values together."""
    if values.shown_in(entry.key):
        why = "has a key that is itself a token, and keys are shown in plain text; use the user's id as the key"
        return Entry(entry.key, Malformed(why), values.origin(entry.key), hidden=True, kid=kid)
    if not isinstance(entry.content, Checkable):
        return replace(entry, origin=values.origin(entry.key), kid=kid)
    return replace(entry, kid=kid) if kid else entry


def _closed(closed: Closed) -> Content:
    """A sealed value that can't be opened here: of a key that isn't ours, it is as good as anybody's."""
    return External(str(closed)) if closed.why is Why.UNKNOWN_KEY else Malformed(str(closed))


@dataclass(frozen=True, slots=True)
class UserValue:
    """A value that holds a user's token: the token, or the JSON around it.

    Attributes:
        host: that it is for; empty where that can't be told.
        kid: the key that has sealed it; empty where it is stored in plain text.
    """

    key: str
    plaintext: SecretStr
    host: str = ""
    kid: str = ""
    hidden: bool = False

    @property
    def field(self) -> str:
        """The path that a denial names."""
        return "data" if self.hidden else f"data.{self.key}"

    @property
    def tokens(self) -> list[str]:
        """The token, or those that JSON has; none of JSON that can't be read."""
        return tokens_of(self.plaintext.get_secret_value())


def user_values(secret: SecretObject, match: Match, opener: Opener) -> dict[str, UserValue]:
    """The values by key that are sealed where tokens are: each that holds a user's token, good or bad.

    None that is empty, encrypted by somebody else or sealed and closed; and none that the runtime role reads, whatever
    else it may be.

    Raises:
        Undecodable: as for `extract`.
    """
    if Role.USER not in match.roles:
        return {}
    opened = opened_data(secret, opener)
    values = Values(opened.data)
    common = _read_destination(values)
    kids = opened.kids
    platform = _runtime_keys(secret) if Role.RUNTIME in match.roles else frozenset()
    found: dict[str, UserValue] = {}
    for key in _user_keys(values):
        text = values.text(key)
        if text is None or key in platform or key in opened.closed:
            continue
        if not isinstance(_user_entry(key, values, Destination()).content, External):
            host = _host_for(text, common, opener)
            found[key] = UserValue(key, SecretStr(text), host, kids.get(key, ""), values.shown_in(key))
    return found


# Which host a sealed value is for.


def opener_for(old: SecretObject | None, ring: KeyRing, hosts: Hosts, default_host: str) -> Opener:
    """An opener for one review, in which values that are bound to no host open for the host of the stored Secret.

    Args:
        old: the Secret as it is stored.
    """
    opener = Opener(ring, hosts, default_host)
    if old is not None:
        with contextlib.suppress(Undecodable):
            opened_data(old, opener)
    return opener


def opened_data(secret: SecretObject, opener: Opener) -> OpenedData:
    """What a Secret holds once everything is opened that a key of ours has sealed for the host that it is for.

    Raises:
        Undecodable: as for `extract`.
    """
    opened = opener.open(secret)
    if not opened.opened:
        return opened
    closed: dict[str, Closed] = {}
    for key, host in _hosts_of(opened, opener).items():
        if (why := opener.closed_for(secret, key, opened.opened[key], host)) is not None:
            closed[key] = why
    return opened.without(closed, secret.data)


def hosts_of(secret: SecretObject, opener: Opener) -> dict[str, str]:
    """The host that each sealed value of a Secret is for, as the Secret and the settings say it now; empty where that
    can't be told.

    Raises:
        Undecodable: as for `extract`.
    """
    return _hosts_of(opener.open(secret), opener)


def _hosts_of(opened: OpenedData, opener: Opener) -> dict[str, str]:
    common = _read_destination(Values(opened.data))
    return {key: _host_for(value.plaintext.get_secret_value(), common, opener) for key, value in opened.opened.items()}


def named_host(secret: SecretObject, plaintext: SecretStr) -> str | None:
    """The host that a user's value or the Secret around it names, whatever the settings are; None if neither does, and
    empty if what they name can't be read.

    Raises:
        Undecodable: as for `extract`.
    """
    common = _read_destination(Values(secret.data))
    found = _token_and_destination(plaintext.get_secret_value(), common)
    if found is None:
        return ""
    _, destination = found
    return destination.url.host if destination.url is not None else destination.host


def _host_for(text: str, common: Destination | Entry, opener: Opener) -> str:
    """The host that a user's value is for, as `resolve` finds it, in its canonical form; empty where that can't be
    told."""
    found = _token_and_destination(text, common)
    if found is None:
        return ""
    token, destination = found
    host = destination_host(destination, kind_of_token(token), opener.hosts, opener.default_host)
    return "" if isinstance(host, Malformed) else host.name


def _token_and_destination(text: str, common: Destination | Entry) -> tuple[str, Destination] | None:
    """What a user's value holds, and where that goes; None where it can't be read.

    Args:
        text: the token, or the JSON around it.
        common: the destination that stands beside it in the Secret, or why that can't be read.
    """
    if isinstance(common, Entry):
        return None
    if not text.lstrip().startswith("{"):
        return text, common
    try:
        _, fields = _json_fields(text)
        return fields["token"] or "", _destination(fields["url"], fields["host"], fields["provider"], common)
    except ValueError:
        return None


def url_of(secret: SecretObject) -> str | None:
    """The Secret's own ``url``, for rules that select by it; what is no text comes out as no URL."""
    try:
        return Values(secret.data).raw("url").decode("utf-8", "replace") or None
    except Undecodable:
        return "\N{REPLACEMENT CHARACTER}"


def _runtime_token_keys(secret: SecretObject) -> tuple[str, ...]:
    return TOKEN_KEYS if ARGOCD_SECRET_TYPE not in secret.labels else _ARGOCD_TOKEN_KEYS


def _runtime_keys(secret: SecretObject) -> frozenset[str]:
    """What the platform reads, as far as it is there."""
    return METADATA_KEYS.union(_runtime_token_keys(secret))


def _runtime_entries(secret: SecretObject, values: Values) -> Iterable[Entry]:
    """Argo CD's keys, with Argo CD's precedence."""
    argocd_type = secret.labels.get(ARGOCD_SECRET_TYPE)
    if (replicator := _replicator(secret)) is not None and not len(values):
        return [Entry("", Unsupported(f"a Secret without data, which {replicator} fills in"))]
    unreadable = argocd.unreadable_keys(argocd_type, values.written) if argocd_type is not None else {}
    wrong = [Entry(key, Malformed(why)) for key, why in unreadable.items()]
    keys = _runtime_token_keys(secret)
    tokens = [key for key in keys if values.is_set(key)]
    other = None if tokens else next(((key, what) for key, what in _ARGOCD_OTHERS if _is_used(values, key)), None)
    if other is not None and other[1]:
        return [*wrong, Entry(other[0], Unsupported(other[1]))]  # wherever it goes
    if not tokens and other is None:
        return wrong or _without_credential(argocd_type, keys, values)
    destination = _runtime_destination(argocd_type, values)
    if isinstance(destination, Entry):
        return [*wrong, destination]
    if tokens:
        auth = {key: _git_auth(key, values) for key in tokens} if argocd_type is not None else {}
        found = [_token_entry(key, values, destination, auth.get(key), reads_iv=False) for key in tokens]
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
    """What follows from a Secret of the runtime role in which no credential is set."""
    if argocd_type in argocd.REPOSITORY_TYPES and not any(key in values for key in keys):
        return []  # Argo CD takes it from repo-creds, or needs none
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
    """Where a credential of the runtime role goes, as Argo CD reads it where the Secret is one of Argo CD's."""
    not_git = _not_git(values)
    destination = _read_destination(values)
    if isinstance(destination, Entry):
        if not not_git or destination.key != "url":
            return destination
        destination = Destination()
    url = values.text("url")
    if argocd_type is None or url is None:
        return replace(destination, not_git=not_git)
    compared = ArgoUrl.of(url, argocd_type)
    open_ended = compared.is_prefix and not url.endswith((".git", "/"))
    return replace(destination, not_git=not_git, argocd=compared, open_ended=open_ended)


def _replicator(secret: SecretObject) -> str | None:
    """The controller that copies another Secret's data into this one, by its annotation."""
    return next((name for key, name in REPLICATORS.items() if secret.annotations.get(key)), None)


def _is_used(values: Values, key: str) -> bool:
    return _is_true(values, key) if key == "useAzureWorkloadIdentity" else values.is_set(key)


def _is_true(values: Values, key: str) -> bool:
    """As Argo CD reads a flag."""
    return argocd.parse_bool(values.text(key) or "") is True


def _not_git(values: Values) -> str:
    """What a Secret for something else than Git repositories holds; empty where it is for Git.

    Argo CD finds credentials by URL alone: at a Git host this says nothing.
    """
    # Letter by letter, as Argo CD compares it: to Argo CD "Helm" and " helm" are Git.
    kind = values.text("type") or "git"
    if kind == "helm":
        return "a credential of a Helm repository"
    # Registries are written without a scheme. With one, enableOCI says nothing about Git, which uses this as well.
    by_flag = "type" not in values and _is_true(values, "enableOCI") and "://" not in (values.text("url") or "://")
    if kind == "oci" or by_flag:
        return "a credential of an OCI registry"
    return ""


def _user_keys(values: Values) -> list[str]:
    """The keys that hold users' tokens, or should, and those whose values could be used as tokens."""
    named = _own_keys(values)
    known = {*named, *TOKEN_KEYS}
    return [*named, *(key for key in values if key not in known and _shows_token(key, values))]


def _own_keys(values: Values) -> list[str]:
    """The keys that are there for users' tokens: a token's own, or one for each user."""
    present = [key for key in TOKEN_KEYS if key in values]
    if present:
        return [key for key in present if values.is_set(key)] or present[:1]
    return [key for key in values if key not in METADATA_KEYS]


def _user_entries(values: Values) -> Iterable[Entry]:
    """One token beside what describes it, or one entry a user."""
    if not len(values):
        return []  # before the first user, or after the last
    named = _user_keys(values)
    other = next(((key, what) for key, what in _ARGOCD_OTHERS if what and _is_used(values, key)), None)
    if not named and other is not None:
        return [Entry(other[0], Unsupported(other[1]))]  # wherever it goes
    common = _read_destination(values)
    if isinstance(common, Entry):
        return [common]
    if not named:
        return [Entry("", Malformed("holds no token; put it under token"))]
    own = frozenset(_own_keys(values))
    return [_user_entry(key, values, common) if key in own else _extra_entry(key, values, common) for key in named]


def _extra_entry(key: str, values: Values, common: Destination) -> Entry:
    """What could be a token beside the one that is under a token's own key."""
    entry = _user_entry(key, values, common)
    if not isinstance(entry.content, Malformed):
        return entry
    return Entry(key, Malformed("holds a value that could be a second token; remove it from this Secret"))


def _shows_token(key: str, values: Values) -> bool:
    """Whether a value beside the token could be used as one."""
    value = values.raw(key)
    if values.shown_in(key):
        return True
    return described_holds_credential(value) if key in METADATA_KEYS else may_hold_credential(value, key)


def _user_entry(key: str, values: Values, common: Destination) -> Entry:
    text = values.text(key) or ""
    entry = _token_entry(key, values, common) if not text.lstrip().startswith("{") else _json_entry(key, text, common)
    if (template := placeholder(text)) is not None:
        return Entry(key, Malformed(template))
    content = entry.content
    if isinstance(content, Checkable) and (what := tokenless(content.destination.url)):
        return Entry(key, Unsupported(what))
    return entry


def _json_entry(key: str, text: str, common: Destination) -> Entry:
    """A user's entry as ``{"token", "username", "url", "provider"}``."""
    return Entry(key, _json_content(text, common))


def _json_content(text: str, common: Destination) -> Content:
    try:
        document, fields = _json_fields(text)
    except _UnreadableJson as error:
        return Malformed(str(error))
    token, username = fields["token"], fields["username"] or ""
    others = {name: value for name, value in document.items() if name not in fields}
    named = username != token and described_holds_credential(username.encode("utf-8", "surrogatepass"))
    if named or document_holds_credential(others):
        return Malformed('is JSON with a value that could be a token under a name other than "token"')
    if not token:
        return Malformed('is JSON without a "token"')
    try:
        destination = _destination(fields["url"], fields["host"], fields["provider"], common)
    except MalformedUrl as error:
        return Malformed(f"has a url that {error}")
    if sealing_key(token) is not None:
        what = "is JSON around a sealed value, which cannot be opened there"
        return Malformed(f"{what}; write the token itself")
    if _JWE.match(token):
        return External("is a JWE that no key of this webhook opens")
    if fields["url"]:
        destination = replace(destination, own_url=True)
    return _checkable(token, fields["username"], destination)


class _UnreadableJson(ValueError):
    """The JSON of an entry can't be read; the text is a clause that stands after the entry's name."""


def _json_fields(text: str) -> tuple[dict[str, object], dict[str, str | None]]:
    """The JSON of a user's entry, and what is read of it by name.

    Raises:
        _UnreadableJson: nothing can be.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except _DuplicateName:
        raise _UnreadableJson("is JSON with a duplicate name") from None
    except (ValueError, RecursionError):
        raise _UnreadableJson("begins like JSON but is not valid JSON") from None
    fields = {name: document.get(name) for name in ("token", "username", "url", "host", "provider")}
    if any(value is not None and not isinstance(value, str) for value in fields.values()):
        raise _UnreadableJson("is JSON whose token, username, url, host and provider must be strings")
    return document, fields


class _DuplicateName(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _DuplicateName
    return document


def _read_destination(values: Values) -> Destination | Entry:
    """Where the Secret's tokens go, or the malformed entry that says why this can't be known."""
    texts = {key: values.text(key) for key in ("url", "host", "provider", "githubAppEnterpriseBaseUrl")}
    for key, text in texts.items():
        if text is None and values.is_set(key):
            return Entry(key, Malformed("is not valid UTF-8"))
    url, host, provider, base = texts.values()
    key = "url"
    try:
        destination = _destination(url, None, provider, None)
        if host:
            key = "host"
            destination = _destination(url, host, provider, None)
        key = "githubAppEnterpriseBaseUrl"
        return destination if base is None else replace(destination, app_base_url=parse_git_url(base))
    except MalformedUrl as error:
        return Entry(key, Malformed(f"{error}"))


def _destination(url: str | None, host: str | None, provider: str | None, common: Destination | None) -> Destination:
    for text in (url, host):
        if text and (what := placeholder(text)) is not None:
            raise MalformedUrl(what)
    if any(name_holds_token(text) for text in (url, host) if text):
        raise MalformedUrl("holds what looks like a token; put the token under its own key")
    service = host_of(url) if url else None
    parsed_url = read_git_url(url) if url and service is None else None
    parsed_host = service
    if host:
        # People write a host as a URL as well; both mean the same.
        parsed_host = parse_git_url(host).host if "://" in host else parse_host(host)
    url_host = parsed_url.host if parsed_url is not None else service
    if url_host is not None and parsed_host is not None and url_host != parsed_host:
        raise MalformedUrl("names a different host than the url")
    if common is not None and parsed_url is None and parsed_host is None:
        # A provider alone says less than the Secret's own url or host, which would go on being the one of the others.
        if not provider or common.url is not None or common.host is not None:
            return common
    return Destination(parsed_url, parsed_host, provider or None)


def _git_auth(key: str, values: Values) -> GitAuth:
    """How Argo CD sends the token of this key to Git (Argo CD: HTTPSCreds.Environ)."""
    if key == "bearerToken":
        return GitAuth(AuthScheme.BEARER)
    default = "" if _is_true(values, "forceHttpBasicAuth") else argocd.DEFAULT_USERNAME
    return GitAuth(AuthScheme.BASIC, values.text("username") or default)


def _token_entry(
    key: str, values: Values, destination: Destination, git_auth: GitAuth | None = None, *, reads_iv: bool = True
) -> Entry:
    """
    Args:
        reads_iv: what uses the token decrypts it where an initialisation vector stands beside it. Argo CD doesn't.
    """
    if (closed := values.closed.get(key)) is not None:
        return Entry(key, closed)
    try:
        text = values.raw(key).decode("utf-8")
    except UnicodeDecodeError:
        return Entry(key, External("is not valid UTF-8, so it seems to be encrypted"))
    if (how := _encrypted(text, values, reads_iv)) is not None and kind_of_token(text.strip()) is None:
        return Entry(key, External(how))
    return Entry(key, _checkable(text, values.text("username"), destination, git_auth))


def _encrypted(text: str, values: Values, reads_iv: bool) -> str | None:
    """How we know that a value is encrypted and can't be opened here, or None."""
    if (kid := sealing_key(text)) is not None:  # without a key ring: of a value that one can't open, it says why
        return f"is sealed by the key {kid}, and there is no key ring (--keys)"
    if _JWE.match(text):
        return "is a JWE that no key of this webhook opens"
    return f"has an {_IV_KEY} in the same Secret" if reads_iv and text.strip() and values.is_set(_IV_KEY) else None


def _checkable(
    token: str, username: str | None, destination: Destination, git_auth: GitAuth | None = None
) -> Checkable | Unsupported | Malformed:
    """A token that a provider can be asked about, unless it is for one that answers nothing."""
    if (why := _unusable(token)) is not None:
        return Malformed(why)
    if username is not None and any("\ud800" <= character <= "\udfff" for character in username):
        return Malformed("has a username that is not valid Unicode")
    address = f"{destination.url or ''} {destination.host or ''}".lower()
    if tells(address, token.lower()):  # hosts and repositories are named in messages and annotations
        return Malformed("is also, at least in part, in its url or host, where more users can read it")
    if destination.host is not None and (what := credential_at(destination.host)) is not None:
        return Unsupported(what)
    return Checkable(TokenCredential(SecretStr(token), username, git_auth), destination)


def _unusable(token: str) -> str | None:
    """Why no Git client could use this as a token, or None."""
    if not token:
        return "is empty"
    if (what := placeholder(token)) is not None:
        return what
    if token != token.rstrip("\r\n"):
        return "ends in a line break, which Git would send too; remove it (echo -n, printf)"
    if len(token) > 1 and token[0] in "\"'" and token[-1] == token[0]:
        return "is in quotes, which Git would send too; remove them"
    if token.lstrip()[:1] in {"{", "[", '"'}:
        return "is JSON and not a token"
    if not token.isascii() or not token.isprintable() or " " in token:
        return "has a space, a control character or a non-ASCII character, which a token cannot have"
    if len(token) > _LONGEST_TOKEN:
        return f"is longer than {_LONGEST_TOKEN} characters, which is too long for a token"
    return None


def _app_entry(values: Values, destination: Destination) -> Entry:
    """A GitHub App whose numbers Argo CD can read (`argocd.unreadable_keys`)."""
    key = "githubAppPrivateKey"
    pem = values.text(key)
    if pem is None:
        return Entry(key, External("is not valid UTF-8, so it seems to be encrypted"))
    if (how := _encrypted(pem, values, reads_iv=False)) is not None:
        return Entry(key, External(how))
    app_id = argocd.parse_int(values.text("githubAppID") or "0")
    installation = argocd.parse_int(values.text("githubAppInstallationID") or "0")
    if app_id is None or installation is None:  # where the Secret is none of Argo CD's
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
