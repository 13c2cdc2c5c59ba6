"""The AdmissionReview protocol: HTTP, JSON and limits. Nothing here knows about Git.

A review that cannot be read is answered with an HTTP error, and the failurePolicy of the webhook configuration decides.
Everything else ends in a decision, even after the deadline.
"""
