"""AdmissionReview bodies as an attacker would write them, from a seed."""

from __future__ import annotations

import base64
import contextlib
import json
import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.admission.reviews import make_review

PREFIX = "git-token-webhook/"
FORGED = "FORGED"
HOST = "localhost"
_USERS_OWN = (PREFIX + "skip-validation", PREFIX + "notifications")
_MARKS = (
    "role",
    "provider",
    "validation",
    "message",
    "host",
    "account",
    "token-type",
    "scopes",
    "expires-at",
    "probed",
)
_MORE_MARKS = ("validated-at", "skip-reason", "attestation", "encryption", "encrypted-keys", "unknown")
_TYPES = (
    "Opaque",
    "Opaque",
    "Opaque",
    "kubernetes.io/tls",
    "kubernetes.io/service-account-token",
    "helm.sh/release.v1",
)
_TIMES = ("2026-11-23T10:00:00Z", "", "never", "9999-99-99T99:99:99Z", "0", "2026-11-23T10:00:00+99:99", None)
_ODD: tuple[Any, ...] = (None, True, 0, -1, 10**30, 1.5, "", "x", [], {}, [None], {"a": {}}, "\u202e\x00", "\\", '"')


@dataclass(frozen=True)
class Body:
    """A generated request.

    Attributes:
        stage: where it is sent.
        review: what it says, where it was written without a fault of syntax.
    """

    stage: str
    content: bytes
    review: dict[str, Any] | None = None


class Generator:
    """Makes bodies; the same ones from the same seed."""

    def __init__(self, seed: int, sentinel: str) -> None:
        """
        Args:
            sentinel: lower-case letters and digits that stand in each token, and so must not stand in any output.
        """
        self._random = random.Random(seed)  # noqa: S311
        self._sentinel = sentinel
        self._tokens = [f"{prefix}{sentinel}{number:024}" for number in range(8) for prefix in ("ghp_", "glpat-", "")]

    def body(self) -> Body:
        """Return the next one."""
        review = self._review()
        for _ in range(self._random.choice((0, 0, 1, 1, 2))):
            with contextlib.suppress(KeyError, TypeError, AttributeError, IndexError):  # gone by an earlier change
                self._random.choice(self._changes)(self, review["request"])
        stage = self._random.choice(("mutate", "validate"))
        content = json.dumps(review, separators=(",", ":"), ensure_ascii=self._random.random() < 0.5).encode()
        if self._random.random() < 0.25:
            return Body(stage, self._random.choice(self._faults)(self, content))
        return Body(stage, content, review)

    # --- what is written ---

    def _review(self) -> dict[str, Any]:
        operation = self._random.choice(("CREATE", "CREATE", "CREATE", "UPDATE", "UPDATE", "DELETE", "CONNECT"))
        secret = self._secret()
        old: dict[str, Any] | None = None
        if operation in ("UPDATE", "DELETE"):
            old = deepcopy(secret) if self._random.random() < 0.5 else self._secret()
            old["metadata"]["name"] = secret["metadata"].get("name", "x")
            old["metadata"]["namespace"] = secret["metadata"]["namespace"]
            if self._random.random() < 0.3:
                old["metadata"]["deletionTimestamp"] = _TIMES[0]
        self._forge(secret)
        metadata = secret["metadata"]
        return make_review(
            operation=operation,
            object=None if operation == "DELETE" else secret,
            oldObject=old,
            name=metadata.get("name", ""),
            namespace=metadata["namespace"],
            dryRun=self._random.random() < 0.1,
        )

    def _secret(self) -> dict[str, Any]:
        random = self._random
        kind = random.choice(("runtime", "user", "user", "labelled", "other"))
        metadata: dict[str, Any] = {"name": f"secret-{random.randrange(50)}", "namespace": f"ns-{random.randrange(20)}"}
        labels: dict[str, str] = {}
        data: dict[str, Any] = {}
        token = random.choice(self._tokens)
        url = random.choice(
            (f"https://{HOST}/acme", f"https://{HOST}/acme/apps.git", "ssh://x", "https://g", "http://[", "")
        )
        if kind == "runtime":
            labels["argocd.argoproj.io/secret-type"] = "repo-creds"
            data = {"url": url, "password": token, "username": random.choice(("git", "", token)), "type": "git"}
        elif kind == "user":
            key = random.choice(("metadata", "name", "generateName"))
            metadata["generateName" if key == "generateName" else "name"] = f"git-default-{random.randrange(50)}"
            if key == "generateName":
                del metadata["name"]
            data = {"token": token}
        elif kind == "labelled":
            labels["io.codefresh.integration-type"] = "git"
            data = {f"user{number}": json.dumps({"token": token}) for number in range(random.randrange(4))}
        if random.random() < 0.1:
            data[random.choice(("password", "token", "x", "githubAppID", token[:40]))] = random.choice(
                ("", "{", "[1]", url)
            )
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in data.items()}
        if labels:
            metadata["labels"] = labels
        secret = {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": encoded}
        return secret | {"type": random.choice(_TYPES)}

    def _forge(self, secret: dict[str, Any]) -> None:
        """Write marks that only the webhook may write."""
        if self._random.random() < 0.5:
            return
        metadata = secret["metadata"]
        for place in ("labels", "annotations"):
            marks = self._random.sample((*_MARKS, *_MORE_MARKS), 3)
            values = {PREFIX + mark: "passed" if mark == "validation" else FORGED for mark in marks}
            metadata[place] = metadata.get(place, {}) | values
        if self._random.random() < 0.2:
            metadata["annotations"][_USERS_OWN[0]] = self._random.choice(("true", "false", "runtime", "maybe", "user"))
        if self._random.random() < 0.3:
            metadata["deletionTimestamp"] = self._random.choice(_TIMES)

    # --- what is wrong in a request that is JSON ---

    def _long(self, request: dict[str, Any]) -> None:
        text = self._random.choice(("n", "eyJ", "a.", "bearer ", "://a", "\u00e9")) * self._random.choice(
            (64, 300, 5000)
        )
        self._put(request, text)

    def _token_as_name(self, request: dict[str, Any]) -> None:
        self._put(request, f"ghp_{self._sentinel}{'0' * 24}")

    def _put(self, request: dict[str, Any], text: str) -> None:
        place = self._random.choice(
            ("name", "namespace", "uid", "operation", "username", "useruid", "groups", "data", "type")
        )
        target = request.get("object") or request.get("oldObject") or {"metadata": {}}
        if place in ("name", "namespace"):
            request[place] = text
            target["metadata"][place] = text
        elif place in ("uid", "operation"):
            request[place] = text
        elif place == "groups":
            request["userInfo"]["groups"] = [text] * self._random.choice((1, 3))
        elif place in ("username", "useruid"):
            request["userInfo"]["uid" if place == "useruid" else "username"] = text
        elif place == "type":
            target["type"] = text
        else:
            target.setdefault("data", {})[text] = ""

    def _odd(self, request: dict[str, Any]) -> None:
        """Put a value of another type into some place."""
        place: Any = request
        for _ in range(self._random.randrange(1, 5)):
            key = self._random.choice(sorted(place))
            if not isinstance(place[key], dict) or not place[key] or self._random.random() < 0.2:
                break
            place = place[key]
        place[self._random.choice(sorted(place))] = deepcopy(self._random.choice(_ODD))

    def _missing(self, request: dict[str, Any]) -> None:
        del request[self._random.choice(sorted(request))]

    def _nest(self, request: dict[str, Any]) -> None:
        value: Any = 1
        for _ in range(self._random.choice((5, 90, 95, 150))):
            value = [value] if self._random.random() < 0.5 else {"a": value}
        (request.get("object") or request)["unknown"] = value

    def _many(self, request: dict[str, Any]) -> None:
        (request.get("object") or request)["unknown"] = [[]] * self._random.choice((100, 3000))

    _changes: tuple[Callable[..., None], ...] = (_long, _token_as_name, _odd, _odd, _missing, _nest, _many)

    # --- what is wrong with the text ---

    def _cut(self, content: bytes) -> bytes:
        return content[: self._random.randrange(len(content))]

    def _bytes(self, content: bytes) -> bytes:
        at = self._random.randrange(len(content))
        junk = self._random.choice((b"\xff", b"\x00", b"\xed\xa0\x80", b"\\ud800", b'"', b"{", b"]", b",", b"\\"))
        return content[:at] + junk + content[at + self._random.randrange(3) :]

    def _duplicate(self, content: bytes) -> bytes:
        key = self._random.choice(
            (b'"request":', b'"object":', b'"metadata":', b'"data":', b'"name":', b'"token":', b'"uid":')
        )
        value = self._random.choice((b"null", b"{}", b'"x"', b"[]"))
        return content.replace(key, key + value + b"," + key, 1)

    def _number(self, content: bytes) -> bytes:
        number = self._random.choice((b"1e999", b"-0", b"9" * 5000, b"1E-9999", b"NaN", b"0x1", b"01"))
        return content.replace(b'"dryRun":false', b'"dryRun":' + number, 1)

    def _garbage(self, content: bytes) -> bytes:
        return self._random.randbytes(self._random.randrange(200))

    _faults: tuple[Callable[..., bytes], ...] = (_cut, _bytes, _bytes, _duplicate, _duplicate, _number, _garbage)


def is_ours(request: dict[str, Any]) -> bool:
    """Whether the Secret of a request that was answered matches a built-in rule, whatever else is wrong with it."""
    secret = request["object"]
    metadata = secret.get("metadata")
    if not metadata:  # of which the API server always sends some
        return False
    labels = metadata.get("labels") or {}
    if labels.get("argocd.argoproj.io/secret-type") == "repo-creds":
        return True
    if secret.get("type") not in ("Opaque", "", None):
        return False
    name = metadata.get("name") or request.get("name") or metadata.get("generateName") or ""
    return bool(name.startswith("git-default-") or labels.get("io.codefresh.integration-type") == "git")


def forged_marks(secret: dict[str, Any]) -> dict[str, str]:
    """The marks of a stored Secret that the webhook can't have written: no provider answers here."""
    metadata = secret["metadata"]
    holds_something = any((secret.get("data") or {}).values())  # a Secret for users may have none, which is in order
    marks = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    return {
        key: value
        for key, value in marks.items()
        if key.startswith(PREFIX)
        and key not in _USERS_OWN
        and (FORGED in value or (key == PREFIX + "validation" and value == "passed" and holds_something))
    }
