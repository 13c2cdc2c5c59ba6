"""A case file with its placeholders filled in."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CASES = Path(__file__).parent / "cases"
_TOKEN_KEYS = ("password", "token", "accessToken", "bearerToken")


@dataclass(frozen=True)
class Case:
    """One situation.

    Attributes:
        run: cases with the same value share a run of the product; those that would disturb others have their own.
    """

    id: str
    secrets: list[dict[str, Any]]
    config: dict[str, Any]
    answers: list[dict[str, Any]]
    expect: dict[str, Any]
    run: str

    @property
    def namespace(self) -> str:
        """The namespace that identifies this case in a report."""
        return namespace_of(self.id)

    @property
    def outcomes(self) -> list[str]:
        """The outcomes that are right."""
        expected = self.expect["outcome"]
        return [expected] if isinstance(expected, str) else expected

    @property
    def keys(self) -> list[str]:
        """What identifies a request of this case: its tokens and Apps, and tokens that its provider issues."""
        data = [secret.get("stringData", {}) for secret in self.secrets]
        tokens = [one[key].strip() for one in data for key in _TOKEN_KEYS if key in one]
        apps = [f"app:{one['githubAppID'].strip()}" for one in data if "githubAppID" in one]
        bodies = [answer["body"] for answer in self.answers if isinstance(answer.get("body"), dict)]
        return tokens + apps + [body["token"] for body in bodies if "token" in body]


def case_ids() -> list[str]:
    """The names of all cases."""
    return [path.stem for path in sorted(CASES.glob("*.yaml"))]


def namespace_of(case_id: str) -> str:
    """A valid namespace for a case."""
    return re.sub("[^a-z0-9-]", "-", case_id.lower())[:63].strip("-")


def load(case_id: str, words: Mapping[str, str]) -> Case:
    """Read a case and replace its placeholders by `words`."""
    text = (CASES / f"{case_id}.yaml").read_text(encoding="utf-8").replace("{|}", "")
    document = _fill(yaml.safe_load(text), words)
    secrets = document["secret"] if isinstance(document["secret"], list) else [document["secret"]]
    for secret in secrets:
        secret["metadata"]["namespace"] = namespace_of(case_id)
    return Case(case_id, secrets, document["config"], document["answers"], document["expect"], document.get("run", ""))


def app_keys() -> dict[str, str]:
    """A GitHub App's private key in the forms that people store, by placeholder."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    forms = {
        "": pem,
        ":crlf": pem.replace("\n", "\r\n"),
        ":pkcs8": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        ":no-newline": pem.rstrip("\n"),
        ":base64": base64.b64encode(pem.encode()).decode(),
        ":indented": "".join(f"  {line}\n" for line in pem.splitlines()).rstrip("\n"),
        ":tabs": "".join(f"\t{line}\n" for line in pem.splitlines()),
        ":escaped": pem.replace("\n", "\\n"),
        ":quoted": f'"{pem}"',
        ":preamble": f"some text before\n{pem}\n\n",
        ":one-line": pem.replace("\n", " "),
        ":one-line-bare": pem.replace("\n", ""),
    }
    return {f"APPKEY{form}": text for form, text in forms.items()}


def _fill(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _fill(item, words) for name, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, words) for item in value]
    if not isinstance(value, str):
        return value
    for word, text in words.items():
        value = value.replace("{" + word + "}", text)
    today = datetime.now(UTC)
    return re.sub(r"\{DAY([+-]\d+)\}", lambda day: f"{today + timedelta(days=int(day[1])):%Y-%m-%d}", value)
