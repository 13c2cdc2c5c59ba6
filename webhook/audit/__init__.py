"""Checks of existing Secrets, in manifests (`check`) and in clusters (`audit`), with the code of the webhook.

check       the run of `check`             run         the run of `audit`
  manifests   Secrets in YAML and JSON       checkpoint  the results of an interrupted audit
  unreadable  Secrets that only exist later  argocd      Applications that would fail to sync
Both use `selecting`, `questions`, `retries`, `rows`, `progress` and `fail_on`. `watch/` is the continuous audit.
"""
