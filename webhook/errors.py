"""Errors that end somewhere in an exit code or an HTTP status.

WebhookError
├── ConfigurationError   the configuration file, a flag or a file that it names can't be used (exit code 2)
└── BadReview            an AdmissionReview that can't be read: HTTP 4xx or 503, never a verdict

Refusals of a Secret are no errors: they are `decision.Deny`. A provider that says nothing is
`providers.base.ProviderUnavailable`, and becomes a finding.
"""

from __future__ import annotations


class WebhookError(Exception):
    """Something that a person must know and can mend. The text is made by us and holds no credential."""


class ConfigurationError(WebhookError):
    """The configuration can't be used; the text names what is wrong and what to do."""


class BadReview(WebhookError):
    """The request is no AdmissionReview that we could judge.

    Attributes:
        status: the HTTP status to answer with.
        reason: one word for the metric ``bad_reviews_total``, always one that is written in our source.
    """

    def __init__(self, message: str, *, status: int = 400, reason: str = "malformed") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
