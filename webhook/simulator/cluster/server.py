"""The HTTP API of the API server in memory."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from aiohttp import web

from webhook.simulator.cluster.access import ADMIN, Grant, User, by_name
from webhook.simulator.cluster.store import Collection, Document, Rejected, Store, check, merged

Admission = Callable[[str, Document | None, Document | None, User], Awaitable[Document | None]]
"""Called with the operation, the new object, the old one and the user; returns the object to store, or raises
`Rejected`."""

_BOOKMARK_EVERY = 60.0
_REVIEWS = frozenset({"selfsubjectreviews", "selfsubjectaccessreviews", "subjectaccessreviews"})
_LARGEST = 8 << 20


@dataclass(frozen=True, slots=True)
class _Target:
    """What a path names."""

    collection: Collection
    namespace: str | None
    name: str


async def _admit_all(operation: str, new: Document | None, old: Document | None, user: User) -> Document | None:
    return new


class ApiServer:
    """An API server on a loopback address. Use as an asynchronous context manager."""

    def __init__(
        self,
        store: Store | None = None,
        users: Iterable[User] = (ADMIN,),
        *,
        groups: Mapping[str, tuple[Grant, ...]] | None = None,
        admission: Admission = _admit_all,
    ) -> None:
        """
        Args:
            users: those who can log in, each with the own name as the bearer token.
            groups: what the members of a group may do, for SubjectAccessReviews.
        """
        self.store = store or Store()
        self.users = by_name(users)
        self.groups = dict(groups or {})
        self.admission = admission
        self.url = ""
        self.failing: int | None = None
        """A status that answers every request, such as 503; None to answer normally."""
        self.failing_paths: dict[str, int] = {}
        """Statuses that answer the requests for a path."""
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request, the oldest first."""
        self.watches: list[tuple[str, int]] = []
        """Path and resourceVersion of each watch, the oldest first."""
        self.bookmark_every = _BOOKMARK_EVERY
        """Seconds without a change after which a watch sends a bookmark."""
        self._closing = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> ApiServer:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen; on the same port again after `stop`, if it is passed."""
        self._closing.clear()
        self._runner = web.ServerRunner(web.Server(self._serve), handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End all watches and close the port."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def kubeconfig(self, user: str = "admin", namespace: str = "default") -> Document:
        """Return a kubeconfig with which a user logs in."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "memory", "cluster": {"server": self.url}}],
            "users": [{"name": user, "user": {"token": user}}],
            "contexts": [{"name": "memory", "context": {"cluster": "memory", "user": user, "namespace": namespace}}],
            "current-context": "memory",
        }

    async def put(self, plural: str, document: Document, *, api: str = "api/v1") -> Document:
        """Store an object without admission, or replace the one of its name."""
        metadata = document["metadata"]
        collection, namespace = Collection(api, plural), metadata.get("namespace", "")
        if self.store.find(collection, namespace, metadata["name"]) is None:
            return self.store.create(collection, namespace, document)
        return self.store.replace(collection, document)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        try:
            failing = self.failing if self.failing is not None else self.failing_paths.get(request.path)
            if failing is not None:
                raise Rejected(failing, "ServiceUnavailable", "the server is currently unable to handle this")
            user = self._user(request)
            target = _target(request.path)
            if target is None:
                return self._discovery(request.path)
            return await self._handle(request, user, target)
        except Rejected as error:
            status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": error.status}
            return web.json_response({**status, "reason": error.reason, "message": error.message}, status=error.status)

    def _user(self, request: web.BaseRequest) -> User:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        user = self.users.get(token) if scheme == "Bearer" else None
        if user is None:
            raise Rejected(401, "Unauthorized", "Unauthorized")
        wanted = request.headers.get("Impersonate-User")
        if wanted is None:
            return user
        if not user.may("impersonate", "users", ""):
            raise Rejected(403, "Forbidden", f'users "{wanted}" is forbidden: cannot impersonate')
        return self.users.get(wanted, User(wanted))

    def _discovery(self, path: str) -> web.Response:
        resources = self.store.resources(path.strip("/"))
        if not resources:
            raise Rejected(404, "NotFound", "the server could not find the requested resource")
        return web.json_response({"kind": "APIResourceList", "resources": [{"name": name} for name in resources]})

    async def _handle(self, request: web.BaseRequest, user: User, target: _Target) -> web.StreamResponse:
        plural, namespace = target.collection.plural, target.namespace or ""
        query = request.query
        watches = query.get("watch") in ("true", "True", "1")
        verb = _verb(request.method, target, watches)
        if plural in _REVIEWS:
            return web.json_response(self._review(plural, await request.json(), user), status=201)
        if not user.may(verb, plural, namespace):
            raise Rejected(403, "Forbidden", f'{plural} is forbidden: User "{user.name}" cannot {verb} {plural}')
        dry_run = "All" in query.getall("dryRun", [])
        match verb:
            case "watch":
                return await self._watch(request, target)
            case "list":
                return web.json_response(self._list(request, target))
            case "get":
                return web.json_response(_seen(request, self.store.get(target.collection, namespace, target.name)))
            case "create":
                document = await self._admit("CREATE", await request.json(), None, user)
                return web.json_response(
                    self.store.create(target.collection, namespace, document, dry_run=dry_run), status=201
                )
            case "delete":
                return await self._delete(request, user, target)
            case _:
                old = self.store.get(target.collection, namespace, target.name)
                body = await request.json()
                check(body.get("metadata") or {}, old)
                document = body if verb == "update" else merged(old, body)
                document = await self._admit("UPDATE", document, old, user)
                return web.json_response(self.store.replace(target.collection, document, dry_run=dry_run))

    def _review(self, plural: str, review: Document, user: User) -> Document:
        if plural == "selfsubjectreviews":
            return {**review, "status": {"userInfo": {"username": user.name, "groups": list(user.groups)}}}
        spec = review["spec"]
        asked = user if plural.startswith("self") else self._subject(spec)
        wanted = spec.get("resourceAttributes") or {}
        allowed = asked.may(wanted.get("verb", ""), wanted.get("resource", ""), wanted.get("namespace", ""))
        return {**review, "status": {"allowed": allowed}}

    def _subject(self, spec: Document) -> User:
        """Return the user of a SubjectAccessReview, with the grants of the groups that it names."""
        user = self.users.get(spec.get("user", ""), User(""))
        of_groups = [grant for group in spec.get("groups") or () for grant in self.groups.get(group, ())]
        return replace(user, grants=(*user.grants, *of_groups))

    async def _admit(self, operation: str, new: Document, old: Document | None, user: User) -> Document:
        plain: dict[str, str] | None = new.pop("stringData", None)
        if plain is not None:
            data = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
            new["data"] = {**(new.get("data") or {}), **data}
        admitted = await self.admission(operation, new, old, user)
        return new if admitted is None else admitted

    async def _delete(self, request: web.BaseRequest, user: User, target: _Target) -> web.Response:
        namespace = target.namespace or ""
        old = self.store.get(target.collection, namespace, target.name)
        body = json.loads(await request.read() or b"{}") or {}
        check(body.get("preconditions") or {}, old)
        await self.admission("DELETE", None, old, user)
        dry_run = "All" in (body["dryRun"] if body.get("dryRun") else request.query.getall("dryRun", []))
        self.store.delete(target.collection, namespace, target.name, dry_run=dry_run)
        return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    def _list(self, request: web.BaseRequest, target: _Target) -> Document:
        items = self.store.items(target.collection, target.namespace)
        wanted = dict(part.split("=", 1) for part in request.query.get("labelSelector", "").split(",") if "=" in part)
        items = [item for item in items if wanted.items() <= (item["metadata"].get("labels") or {}).items()]
        start = int(request.query.get("continue") or 0)
        limit = int(request.query.get("limit") or 0) or len(items)
        page, after = items[start : start + limit], len(items) - start - limit
        metadata: Document = {"resourceVersion": str(self.store.version)}
        if after > 0:
            metadata |= {"continue": str(start + limit), "remainingItemCount": after}
        return {"kind": "List", "metadata": metadata, "items": [_seen(request, item) for item in page]}

    async def _watch(self, request: web.BaseRequest, target: _Target) -> web.StreamResponse:
        version = int(request.query.get("resourceVersion") or self.store.version)
        end = asyncio.get_running_loop().time() + float(request.query.get("timeoutSeconds") or 300)
        self.watches.append((request.path, version))
        self.store.since(version, target.collection, target.namespace)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while not self._closing.is_set() and self.failing is None:
            try:
                events = self.store.since(version, target.collection, target.namespace)
            except Rejected as error:
                await _write(response, "ERROR", {"kind": "Status", "code": error.status})
                break
            for event in events:
                await _write(response, event.type, _seen(request, event.document))
            version = max([version, *(event.version for event in events)])
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                break
            if not await self._changes(min(left, self.bookmark_every)):
                version = self.store.version
                await _write(response, "BOOKMARK", {"metadata": {"resourceVersion": str(version)}})
        return response

    async def _changes(self, seconds: float) -> bool:
        """Wait for a change or the end; False if neither comes in time."""
        waiting = [asyncio.ensure_future(one) for one in (self.store.change(), self._closing.wait())]
        try:
            done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        return bool(done)


async def _write(response: web.StreamResponse, kind: str, document: Document) -> None:
    await response.write(json.dumps({"type": kind, "object": document}).encode() + b"\n")


def _target(path: str) -> _Target | None:
    parts = path.strip("/").split("/")
    depth = 2 if parts[0] == "api" else 3
    api, rest = "/".join(parts[:depth]), parts[depth:]
    if parts[0] not in ("api", "apis") or not rest:
        return None
    if rest[0] == "namespaces" and len(rest) > 2:
        return _Target(Collection(api, rest[2]), rest[1], "/".join(rest[3:]))
    return _Target(Collection(api, rest[0]), None, "/".join(rest[1:]))


def _verb(method: str, target: _Target, watches: bool) -> str:
    if method == "GET":
        return "get" if target.name else "watch" if watches else "list"
    return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]


def _seen(request: web.BaseRequest, document: Document) -> Document:
    """Return what the client asked for: the object, or its metadata."""
    if "as=PartialObjectMetadata" not in request.headers.get("Accept", ""):
        return document
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": document["metadata"]}
