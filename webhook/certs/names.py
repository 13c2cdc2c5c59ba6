"""The names of an installation's objects, all derived from one name and in one namespace."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webhook.cluster.objects import Resource
from webhook.errors import ConfigurationError

MUTATING = Resource(
    "apis/admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"
)
VALIDATING = Resource(
    "apis/admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"
)
CONFIGURATIONS = (MUTATING, VALIDATING)

DEFAULT = "git-token-webhook/git-token-webhook"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation of the webhook in a cluster.

    Attributes:
        namespace: of its Service, Secrets and Lease.
        name: of its Service and both webhook configurations, and the prefix of the other names.
    """

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Installation:
        """Parse ``NAMESPACE/NAME``.

        Raises:
            ConfigurationError: the text has another form.
        """
        namespace, _, name = text.partition("/")
        if not (_LABEL.fullmatch(namespace) and _LABEL.fullmatch(name)):
            raise ConfigurationError(f"--installation: {text!r} is not NAMESPACE/NAME of a Service, such as {DEFAULT}")
        return cls(namespace, name)

    @property
    def ca_secret(self) -> str:
        """The name of the Secret with the CA's key, which no pod mounts."""
        return f"{self.name}-ca"

    @property
    def tls_secret(self) -> str:
        """The name of the Secret that servers mount."""
        return f"{self.name}-tls"

    @property
    def lease(self) -> str:
        """The name of the Lease whose holder maintains the certificates."""
        return f"{self.name}-certificates"

    @property
    def server_name(self) -> str:
        """The host name by which the API server calls the Service, which the certificate must have."""
        return f"{self.name}.{self.namespace}.svc"

    @property
    def dns_names(self) -> list[str]:
        """All DNS names of the Service, that of the API server first."""
        return [self.server_name, f"{self.server_name}.cluster.local", f"{self.name}.{self.namespace}"]
