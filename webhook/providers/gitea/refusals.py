"""What blocks a valid token: the state of its account and rules of the site, recognized by Gitea's text.

The texts are those of both Gitea and Forgejo, and of several versions.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason.

    Attributes:
        texts: parts of the text, in lower case, each of which identifies the reason.
        reason: a clause that follows "accepts this access token, but".
        remedy: a whole sentence that says what to do.
        source: where the text is from.
    """

    texts: tuple[str, ...]
    reason: str
    remedy: str
    source: str


_OTHER_ACCOUNT = "or use a token of another account"
_VERIFICATION = "services/context/api.go and routers/api/v1/api.go, verifyAuthWithOptions"

ROWS = (
    Refusal(
        ("prohibited from signing in", "account is disabled", "account is suspended"),
        "its account is prohibited from signing in",
        f"Have an administrator enable the account, {_OTHER_ACCOUNT}.",
        _VERIFICATION,
    ),
    Refusal(
        ("account is not activated",),
        "its account is not activated",
        f"Activate the account by the link in its e-mail, or have an administrator do it, {_OTHER_ACCOUNT}.",
        _VERIFICATION,
    ),
    Refusal(
        ("must change your password",),
        "its account must change its password first",
        f"Sign in with the account and change the password, {_OTHER_ACCOUNT}.",
        _VERIFICATION,
    ),
    Refusal(
        ("two-factor", "two factor", "2fa"),
        "its account must set up two-factor authentication first",
        f"Set up two-factor authentication for the account, {_OTHER_ACCOUNT}.",
        "go-gitea/gitea#34187, security.TWO_FACTOR_AUTH; Forgejo docs: GLOBAL_TWO_FACTOR_REQUIREMENT",
    ),
)


def find(text: str) -> Refusal | None:
    """Return the reason that a text names; None if it names none of these."""
    text = text.lower()
    return next((row for row in ROWS if any(part in text for part in row.texts)), None)
