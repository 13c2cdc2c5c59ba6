"""Manifests of Secrets whose values cannot be read: encrypted, external or generated ones."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from webhook.audit.manifests import Manifest
from webhook.audit.yaml_nodes import child, text_at, texts_at
from webhook.subject import SecretObject


@dataclass(frozen=True, slots=True)
class Hidden:
    """A Secret that cannot be checked.

    Attributes:
        what: its kind, in a word or two.
        why: the reason, as a whole sentence.
        secret: the name and labels of the resulting Secret; None if they cannot be read.
    """

    what: str
    why: str
    secret: SecretObject | None


def look(manifest: Manifest, namespace: str = "") -> Hidden | None:
    """Return the Secret that a manifest hides, or None if it hides none."""
    node, group = manifest.node, manifest.api_version.partition("/")[0]
    if child(node, "sops") is not None:
        whole = not manifest.kind or text_at(node, "metadata", "name").startswith("ENC[")
        if not whole and manifest.kind != "Secret":
            return None
        why = "SOPS has encrypted it. Check the decrypted file: sops --decrypt FILE | git-token-webhook check -."
        return Hidden("SOPS file", why, None if whole else _made(node, "metadata", namespace=namespace))
    if (group, manifest.kind) == ("bitnami.com", "SealedSecret"):
        why = "Only its controller can decrypt it. `git-token-webhook audit` checks the resulting Secret."
        made = _made(node, "spec.template.metadata", "metadata", namespace=namespace)
        return Hidden("SealedSecret", why, made)
    if group == "external-secrets.io" and manifest.kind in ("ExternalSecret", "ClusterExternalSecret"):
        why = "Its values are in an external store. `git-token-webhook audit` checks the resulting Secret."
        spec = "spec.externalSecretSpec" if manifest.kind == "ClusterExternalSecret" else "spec"
        made = _made(node, f"{spec}.target.template.metadata", f"{spec}.target", "metadata", namespace=namespace)
        return Hidden(manifest.kind, why, made)
    # kustomize adds the kind where a kustomization has none (kustomize: api/types, FixKustomizationPostUnmarshalling).
    is_kustomization = group == "kustomize.config.k8s.io" or not (manifest.kind or manifest.api_version)
    if is_kustomization and child(node, "secretGenerator") is not None:
        why = "kustomize generates its Secrets. Check its output: kustomize build | git-token-webhook check -."
        return Hidden("secretGenerator", why, None)
    return None


def _made(node: yaml.Node, *places: str, namespace: str) -> SecretObject:
    """Return the Secret with the first name and labels that are found, in the order that controllers use."""
    paths = [place.split(".") for place in places]
    names = [text_at(node, *path, "name") for path in paths]
    labels = next((found for path in paths if (found := texts_at(node, *path, "labels"))), {})
    where = text_at(node, "metadata", "namespace") or namespace
    types = [text_at(node, *path[:-1], "type") for path in paths if path[-1] == "metadata"]
    return SecretObject(where, next(filter(None, names), ""), labels=labels, type=next(filter(None, types), "Opaque"))
