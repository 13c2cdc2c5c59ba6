"""Every label, annotation and constant of ours, Argo CD and the platform."""

from __future__ import annotations

ANNOTATION = "git-token-webhook/skip-validation"
"""On a Namespace or a Secret: "true", "runtime" or "user"."""


PLATFORM_CONFIG_MAP = "cap-app-proxy-cm"


PLATFORM_CONFIG_MAP_KEY = "skipGitPermissionValidation"


PREFIX = "git-token-webhook/"


ATTESTATION = PREFIX + "attestation"


TYPE_LABEL = "argocd.argoproj.io/secret-type"
"""The label by which Argo CD knows its Secrets (Argo CD: common/common.go)."""
