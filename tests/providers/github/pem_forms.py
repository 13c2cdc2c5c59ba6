"""What Go's parsers accept, as Argo CD uses them: learned once by running Go 1.26, kept here as data.

`FORMS` are ways to write the private key of a GitHub App (``pem.Decode``, then ``x509.ParsePKCS1PrivateKey`` or
``ParsePKCS8PrivateKey``: golang-jwt v4 and v5, ``ParseRSAPrivateKeyFromPEM``). `INTEGERS` are texts for
``strconv.ParseInt(text, 10, 64)``, `BOOLEANS` for ``strconv.ParseBool`` (Argo CD: util/db/secrets.go).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Form = Callable[[RSAPrivateKey], str]


def pkcs1(key: RSAPrivateKey) -> str:
    """As GitHub gives it out."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def pkcs8(key: RSAPrivateKey) -> str:
    """As OpenSSL converts it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _edited(edit: Callable[[str], str]) -> Form:
    return lambda key: edit(pkcs1(key))


def _each_line(edit: Callable[[str], str]) -> Form:
    return _edited(lambda text: "".join(edit(line) + "\n" for line in text.splitlines()))


def _swapped(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def _inner(text: str) -> str:
    return "".join(text.splitlines()[1:-1])


# Each form, and whether Go reads an RSA key from it.
FORMS: dict[str, tuple[Form, bool]] = {
    "pkcs1": (pkcs1, True),
    "pkcs8": (pkcs8, True),
    "no line break at the end": (_edited(str.rstrip), True),
    "many line breaks at the end": (_edited(lambda text: text + "\n\n\n"), True),
    "line breaks before": (_edited(lambda text: "\n\n" + text), True),
    "crlf": (_edited(lambda text: text.replace("\n", "\r\n")), True),
    "cr": (_edited(lambda text: text.replace("\n", "\r")), False),
    "carriage return at the very end": (_edited(lambda text: text.rstrip() + "\r"), False),
    "text before": (_edited(lambda text: "Bag Attributes\n    friendlyName: app\n" + text), True),
    "text before on the same line": (_edited(lambda text: "key: " + text), False),
    "text after": (_edited(lambda text: text + "the end\n"), True),
    "text after on the same line": (_edited(lambda text: text.rstrip() + " the end\n"), False),
    "spaces at line ends": (_each_line(lambda line: line + "  "), True),
    "indented": (_each_line(lambda line: "  " + line), False),
    "indented by a tab": (_each_line(lambda line: "\t" + line), False),
    "indented but for the first line": (_edited(lambda text: text.rstrip().replace("\n", "\n  ")), False),
    "indented but for the first and last line": (
        _edited(lambda text: re.sub(r"\n(?!-)(?=.)", "\n  ", text)),
        True,
    ),
    "a space before": (_edited(lambda text: " " + text), False),
    "in double quotes": (_edited(lambda text: f'"{text.rstrip()}"'), False),
    "in single quotes": (_edited(lambda text: f"'{text.rstrip()}'"), False),
    "escaped line breaks": (_edited(lambda text: text.replace("\n", "\\n")), False),
    "one line with spaces": (_edited(lambda text: text.replace("\n", " ")), False),
    "one line without spaces": (_edited(lambda text: text.replace("\n", "")), False),
    "the base64 on one line": (
        lambda key: f"-----BEGIN RSA PRIVATE KEY-----\n{_inner(pkcs1(key))}\n-----END RSA PRIVATE KEY-----\n",
        True,
    ),
    "base64 of the file": (_edited(lambda text: base64.b64encode(text.encode()).decode()), False),
    "base64 without the lines around it": (_edited(_inner), False),
    "without the last line": (_edited(lambda text: "\n".join(text.splitlines()[:-1])), False),
    "another type at the end": (_edited(lambda text: _swapped(text, "END RSA PRIVATE", "END PRIVATE")), False),
    "another type": (_edited(lambda text: text.replace("RSA PRIVATE KEY", "CERTIFICATE")), True),
    "pkcs1 called pkcs8": (_edited(lambda text: text.replace("RSA PRIVATE", "PRIVATE")), True),
    "four dashes": (_edited(lambda text: text.replace("-----", "----")), False),
    "lower case": (_edited(lambda text: text.replace("BEGIN", "begin").replace("END", "end")), False),
    "a header": (_edited(lambda text: text.replace("KEY-----\n", "KEY-----\nComment: app\n\n", 1)), True),
    "a character that is not base64": (_edited(lambda text: text.replace("MII", "M*I", 1)), False),
    "a blank line inside": (_edited(lambda text: text.replace("\n", "\n\n", 3)), True),
    "twice": (lambda key: pkcs1(key) + pkcs1(key), True),
    "a repeated first line": (_edited(lambda text: "-----BEGIN RSA PRIVATE KEY-----\n" + text), True),
    "behind a broken block": (
        _edited(lambda text: "-----BEGIN X-----\n*\n-----END X-----\n" + text),
        True,
    ),
    "behind another block": (
        _edited(lambda text: "-----BEGIN X-----\nQUJD\n-----END X-----\n" + text),
        False,
    ),
    "byte order mark": (_edited(lambda text: "\ufeff" + text), False),
    "form feed between lines": (_edited(lambda text: text.replace("\n", "\f")), False),
}

INTEGERS: dict[str, bool] = {
    "1": True,
    "007": True,
    "+7": True,
    "-7": True,
    "0": True,
    "9223372036854775807": True,
    "9223372036854775808": False,
    "-9223372036854775808": True,
    "-9223372036854775809": False,
    "": False,
    " 7": False,
    "7 ": False,
    "7\n": False,
    "\t7": False,
    "1e6": False,
    "3.15e+06": False,
    "7.0": False,
    "1_000": False,
    "1,000": False,
    "0x7": False,
    "+": False,
    "--7": False,
    "Iv1.0123456789abcdef": False,
    "Iv23liABCDEFGHIJ": False,
    '"7"': False,
    "'7'": False,
    "\u0667": False,
    "\uff17": False,
    "null": False,
}

BOOLEANS: dict[str, bool] = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"), True),
    **dict.fromkeys(("", "yes", "no", "on", "tRUE", " true", "true\n", '"true"', "2", "y"), False),
}
