"""Errors that end in an exit code or an HTTP status.

WebhookError
├── ConfigurationError   the configuration, an option or a file that it names cannot be used (exit code 2)
└── BadReview            an AdmissionReview that cannot be read: HTTP 4xx or 503, never a decision

The denial of a Secret is not an error, but `decision.Deny`. A provider that does not respond is
`providers.base.ProviderUnavailable`, which becomes a finding.
"""

from __future__ import annotations


class WebhookError(Exception):
    """An error that a user can fix. The text is our own and contains no credential."""


class ConfigurationError(WebhookError):
    """The configuration cannot be used. The text names what is wrong and what to do."""


class BadReview(WebhookError):
    """The request is not an AdmissionReview that can be judged.

    Attributes:
        status: the HTTP status of the response.
        reason: one word for the metric ``bad_reviews_total``, always a constant of our source.
    """

    def __init__(self, message: str, *, status: int = 400, reason: str = "malformed") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
