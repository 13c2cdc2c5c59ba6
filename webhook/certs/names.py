"""What an installation calls its objects: all after one name, in one namespace."""

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
    """One webhook in a cluster.

    Attributes:
        namespace: where its Service, Secrets and Lease are.
        name: of its Service and of both webhook configurations; the others' names begin with it.
    """

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Installation:
        """``NAMESPACE/NAME``.

        Raises:
            ConfigurationError: it is something else.
        """
        namespace, _, name = text.partition("/")
        if not (_LABEL.fullmatch(namespace) and _LABEL.fullmatch(name)):
            raise ConfigurationError(f"--installation: {text!r} is no NAMESPACE/NAME of a Service, such as {DEFAULT}")
        return cls(namespace, name)

    @property
    def ca_secret(self) -> str:
        """The Secret with the CA's key, which no pod mounts."""
        return f"{self.name}-ca"

    @property
    def tls_secret(self) -> str:
        """The Secret that servers mount."""
        return f"{self.name}-tls"

    @property
    def lease(self) -> str:
        """Whoever holds it keeps the certificates."""
        return f"{self.name}-certificates"

    @property
    def server_name(self) -> str:
        """What the API server calls the Service, and so what the certificate must be good for."""
        return f"{self.name}.{self.namespace}.svc"

    @property
    def dns_names(self) -> list[str]:
        """All names of the Service that somebody may call; the API server's comes first."""
        return [self.server_name, f"{self.server_name}.cluster.local", f"{self.name}.{self.namespace}"]
