"""Verdicts with the requests they rest on, as a tree or a transcript (``git-token-webhook explain``)."""
