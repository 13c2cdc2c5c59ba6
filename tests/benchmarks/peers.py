"""The servers that ours is compared with, each a process of its own: ``python -m tests.benchmarks.peers NAME …``."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _User(_Model):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _Meta(_Model):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Secret(_Model):
    metadata: _Meta
    data: dict[str, str] = {}


class _Request(_Model):
    uid: str
    operation: str
    resource: dict[str, str]
    user_info: _User = _User()
    object: _Secret | None = None
    old_object: _Secret | None = None


class _Review(_Model):
    api_version: str
    kind: str
    request: _Request


class _Response(_Model):
    uid: str
    allowed: bool = True


class _Answer(_Model):
    api_version: str = "admission.k8s.io/v1"
    kind: str = "AdmissionReview"
    response: _Response


async def bare(port: int, certificate: str, key: str) -> None:
    """The least that an admission webhook of aiohttp and pydantic does: decode, allow, encode."""

    async def validate(request: web.Request) -> web.Response:
        review = _Review.model_validate_json(await request.read())
        answer = _Answer(response=_Response(uid=review.request.uid))
        return web.Response(text=answer.model_dump_json(by_alias=True), content_type="application/json")

    app = web.Application(client_max_size=8 << 20)
    app.router.add_post("/validate", validate)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    await asyncio.Event().wait()


async def kopf_server(port: int, certificate: str, key: str) -> None:
    """kopf's webhook server alone, without the engine that kopf puts behind it."""
    import kopf

    async def allow(request: Any, **_: Any) -> Any:
        return {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": request["request"]["uid"], "allowed": True},
        }

    server = kopf.WebhookServer(host="127.0.0.1", addr="127.0.0.1", port=port, certfile=certificate, pkeyfile=key)
    async for _ in server(allow):
        pass
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed, on the same event loop as ours."""
    import uvloop

    name, port, certificate, key = sys.argv[1:]
    peer = {"bare": bare, "kopf": kopf_server}[name]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(peer(int(port), certificate, key))


if __name__ == "__main__":
    main()
