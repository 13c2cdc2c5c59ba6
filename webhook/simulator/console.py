"""The control API of a simulator in another process: plain HTTP on a loopback port of its own.

====== ================= =====================================================================================
GET    ``/hosts``        where the simulated hosts are
GET    ``/requests``     the log; ``?host= &token= &method= &path=`` choose
GET    ``/counters``     totals, by host, token and status; most requests at once
GET    ``/mutations``    what requests changed
POST   ``/reset``        back to the beginning
GET    ``/faults``       those in force; POST adds one, DELETE takes all away
GET    ``/world``        the world as YAML; PUT replaces it
GET    ``/tokens/NAME``  a token and its value; PATCH changes it (``{"revoked": true}``)
GET    ``/apps/SLUG``    an App with its private key and its installations
====== ================= =====================================================================================

It hands out the values of simulated tokens, which is its purpose: a demonstration puts them into Secrets.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import yaml
from aiohttp import web
from pydantic import ValidationError

from webhook.simulator.faults import Fault
from webhook.simulator.github import GitHubHost
from webhook.simulator.provider import Model
from webhook.simulator.server import Simulator
from webhook.simulator.world import World

WORLD_LIMIT = 16 * 1024 * 1024


class Console:
    """Serves the control API of one simulator."""

    def __init__(self, simulator: Simulator, *, listen: str = "127.0.0.1", port: int = 0) -> None:
        self.url = ""
        self._simulator = simulator
        self._listen = listen
        self._port = port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Console:
        app = web.Application(client_max_size=WORLD_LIMIT, middlewares=[_errors_as_json])
        app.add_routes(
            [
                web.get("/hosts", self._hosts),
                web.get("/requests", self._requests),
                web.get("/counters", self._counters),
                web.get("/mutations", self._mutations),
                web.post("/reset", self._reset),
                web.get("/faults", self._faults),
                web.post("/faults", self._add_fault),
                web.delete("/faults", self._clear_faults),
                web.get("/world", self._world),
                web.put("/world", self._replace_world),
                web.get("/tokens/{name}", self._token),
                web.patch("/tokens/{name}", self._change_token),
                web.get("/apps/{slug}", self._app),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._listen, self._port).start()
        self.url = f"http://{self._listen}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _hosts(self, request: web.Request) -> web.Response:
        return web.json_response({name: asdict(host) for name, host in self._simulator.hosts.items()})

    async def _requests(self, request: web.Request) -> web.Response:
        chosen = {name: request.query[name] for name in ("host", "token", "method", "path") if name in request.query}
        return _listed(self._simulator.journal.matching(**chosen))

    async def _counters(self, request: web.Request) -> web.Response:
        return web.json_response(self._simulator.journal.counts().model_dump())

    async def _mutations(self, request: web.Request) -> web.Response:
        return _listed(self._simulator.world.mutations)

    async def _reset(self, request: web.Request) -> web.Response:
        self._simulator.reset()
        return web.json_response({})

    async def _faults(self, request: web.Request) -> web.Response:
        return _listed(self._simulator.faults.faults)

    async def _add_fault(self, request: web.Request) -> web.Response:
        fault = self._simulator.faults.add(Fault.model_validate_json(await request.read()))
        return web.json_response(fault.model_dump(mode="json"), status=201)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._simulator.faults.clear()
        return web.json_response({})

    async def _world(self, request: web.Request) -> web.Response:
        return web.Response(text=self._simulator.world.to_yaml(), content_type="application/yaml")

    async def _replace_world(self, request: web.Request) -> web.Response:
        self._simulator.replace_world(World.from_yaml(await request.text()))
        return web.json_response({})

    async def _token(self, request: web.Request) -> web.Response:
        token = self._simulator.world.token(request.match_info["name"])
        return web.json_response({**token.model_dump(mode="json"), "value": token.value})

    async def _change_token(self, request: web.Request) -> web.Response:
        token = self._simulator.world.token(request.match_info["name"])
        changes: dict[str, Any] = await request.json()
        if "name" in changes or not changes.keys() <= type(token).model_fields.keys():
            raise ValueError(f"a token's changeable properties are: {', '.join(sorted(type(token).model_fields))}")
        changed = type(token).model_validate({**token.model_dump(), **changes})
        for name in changes:
            setattr(token, name, getattr(changed, name))
        return web.json_response({**token.model_dump(mode="json"), "value": token.value})

    async def _app(self, request: web.Request) -> web.Response:
        app = self._simulator.world.app(request.match_info["slug"])
        installed = [
            one.model_dump(mode="json")
            for host in self._simulator.world.hosts.values()
            if isinstance(host, GitHubHost) and host.apps.get(app.slug) is app
            for one in host.installations.values()
            if one.app_id == app.id
        ]
        return web.json_response({**app.model_dump(mode="json"), "installations": installed})


def _listed(items: list[Any]) -> web.Response:
    models: list[Model] = items
    return web.json_response([one.model_dump(mode="json") for one in models])


@web.middleware
async def _errors_as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    """What is wrong with a request, without repeating it: it may hold tokens."""
    try:
        response: web.StreamResponse = await handler(request)
    except LookupError as error:
        return web.json_response({"error": str(error.args[0] if error.args else error)}, status=404)
    except ValidationError as error:
        return web.json_response({"error": str(error)}, status=400)
    except yaml.YAMLError:
        return web.json_response({"error": "this is no YAML"}, status=400)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    return response
