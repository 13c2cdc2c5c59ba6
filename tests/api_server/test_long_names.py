"""Names that no Secret can have, sent through the API server by a user who may create Secrets."""

from __future__ import annotations

import time

import pytest
from kubernetes.client import ApiClient, ApiException, CoreV1Api, V1ObjectMeta, V1Secret

from tests.api_server.webhook_process import Installation, Place, Simulation, accepted, runtime_secret

LONG = 120_000
"""Characters. Log redaction once took time that grew with the square of this."""


@pytest.mark.parametrize("text", ["a" * LONG, "eyJ" + "a" * LONG, "a." * (LONG // 2), "-_" * (LONG // 2)])
def test_a_long_name_is_denied_and_delays_no_one(
    webhook: Installation, place: Place, github: Simulation, client: ApiClient, text: str
) -> None:
    """The webhook rejects the review before it logs the name, and goes on to answer others."""
    body = V1Secret(metadata=V1ObjectMeta(name=f"git-default-{text}"), string_data={"token": "x" * 40})
    with pytest.raises(ApiException):
        CoreV1Api(client).create_namespaced_secret(place.namespace, body)
    begun = time.monotonic()
    accepted(place.create(runtime_secret(github.good_token())))
    assert time.monotonic() - begun < 10  # it took over 20 seconds; kubectl alone takes one or two
    assert text[:1000] not in webhook.log
