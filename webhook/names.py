"""Every label, annotation and constant that this webhook shares with its users, Argo CD and the platform."""

from __future__ import annotations

PREFIX = "git-token-webhook/"
"""The prefix of this webhook's own labels and annotations."""

SKIP_VALIDATION = PREFIX + "skip-validation"
"""The annotation on a Namespace or a Secret that names the roles to skip: "true", "runtime" or "user"."""

NOTIFICATIONS = PREFIX + "notifications"
"""The annotation with which a namespace or a Secret turns off the Events of the continuous audit: "muted"."""

VALIDATION = PREFIX + "validation"
"""The label (and, for several entries, the annotation) with the result of the last check."""

PROVIDER = PREFIX + "provider"
"""The label with the kinds of the providers, joined with dots."""

HOST = PREFIX + "host"
"""The annotation with the host that the token goes to."""

ENCRYPTION = PREFIX + "encryption"
"""The annotation that says how a value is stored: none, sealed or external."""

ENCRYPTION_KEY_ID = PREFIX + "encryption-key-id"
"""The annotation with the id of the key that sealed a value."""

ATTESTATION = PREFIX + "attestation"
"""The annotation in which the mutating call signs what it found for the validating call."""

KEY_ADDED_AT = PREFIX + "key-added-at"
"""The annotation on the key ring's Secret that says when its newest key was added."""

PUBLISHED_AT = PREFIX + "next-published-at"
"""The annotation on the CA's Secret that says since when every webhook configuration has the next CA."""

LEAVES_END = PREFIX + "leaves-end"
"""The annotation on the CA's Secret that says when the last certificate that this CA issued expires."""

PREVIOUS_UNTIL = PREFIX + "previous-needed-until"
"""The annotation on the CA's Secret that says when the last certificate of the CAs before it expires."""

REPORT_SECRET_VERSION = PREFIX + "secret-version"
"""The annotation on a report with the resourceVersion of the Secret that it is about."""

REPORT_JUDGED_BY = PREFIX + "judged-by"
"""The annotation on a report with a digest of the settings, the keys and the program that judged the Secret."""

REPORT_LEFT_OUT = PREFIX + "left-out"
"""The annotation on a report with the number of results that did not fit into it."""

NAME_LABEL = "app.kubernetes.io/name"

MANAGED_BY = "app.kubernetes.io/managed-by"
"""The label that says which program writes an object (Kubernetes: recommended labels)."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl keeps the manifest, values included."""

ARGOCD_SECRET_TYPE = "argocd.argoproj.io/secret-type"  # noqa: S105 - the name of a label
"""The label that marks Argo CD's Secrets (Argo CD: common/common.go)."""

INTEGRATION_TYPE = "io.codefresh.integration-type"
"""The platform's label on a user's Secret; its value for Git is "git"."""

INTEGRATION_NAME = "io.codefresh.integration-name"

PLATFORM_CONFIG_MAP = "cap-app-proxy-cm"
"""The platform's ConfigMap in the namespace of a runtime."""

PLATFORM_CONFIG_MAP_KEY = "skipGitPermissionValidation"

REPLICATORS = {
    "reflector.v1.k8s.emberstack.com/reflects": "reflector",
    "replicator.v1.mittwald.de/replicate-from": "kubernetes-replicator",
}
"""Annotations by which a controller fills in a Secret ("NAMESPACE/NAME" of the source), and the controller's name."""
