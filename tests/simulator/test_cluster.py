"""The API server in memory, through the client that the product uses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from webhook.cluster.listing import Listed, Listing
from webhook.cluster.objects import LEASE, ApiObjects
from webhook.cluster.requests import ApiError, Conflict
from webhook.cluster.secrets import StoredSecrets
from webhook.cluster.watch import Reflector
from webhook.simulator.cluster import ADMIN, ApiServer, Document, Grant, Rejected, User
from webhook.subject import SecretObject

ALICE = User("alice", (Grant(("get", "list", "watch"), ("secrets",), "team"),))


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """A running API server with an administrator and alice, who may read the Secrets of one namespace."""
    async with ApiServer(users=(ADMIN, ALICE)) as running:
        yield running


async def client(server: ApiServer, tmp_path: Path, user: str = "admin", **options: Any) -> StoredSecrets:
    file = tmp_path / f"{user}.yaml"
    file.write_text(json.dumps(server.kubeconfig(user)))
    return await StoredSecrets.connect(file, **options)


def secret(name: str, namespace: str = "team") -> SecretObject:
    return SecretObject(namespace, name, data={"token": "eA=="})


async def test_a_stale_change_is_a_conflict(server: ApiServer, tmp_path: Path) -> None:
    """A change with an older resourceVersion fails, and the object stays as it is."""
    async with await client(server, tmp_path) as secrets:
        first = await secrets.create(secret("one"))
        second = await secrets.change(first, {"data": {"token": "eQ=="}})
        with pytest.raises(Conflict):
            await secrets.change(first, {"data": {"token": "eg=="}})
        with pytest.raises(Conflict):
            await secrets.delete(first)
        stored = await secrets.read("team", "one")
        assert stored is not None and (stored.version, stored.secret.data) == (second.version, {"token": "eQ=="})


async def test_a_dry_run_stores_nothing(server: ApiServer, tmp_path: Path) -> None:
    """Creating and deleting in a dry run changes nothing."""
    async with await client(server, tmp_path) as secrets:
        await secrets.create(secret("one"), dry_run=True)
        assert await secrets.read("team", "one") is None
        stored = await secrets.create(secret("one"))
        await secrets.delete(stored, dry_run=True)
        assert await secrets.read("team", "one") is not None


async def test_lists_come_in_pages_without_data(server: ApiServer, tmp_path: Path) -> None:
    """The limit cuts a list, `continue` goes on, and metadata alone is returned where it is asked for."""
    async with await client(server, tmp_path) as secrets:
        for number in range(5):
            await secrets.create(secret(f"s{number}"))
        pages = [page async for page in Listing(secrets.client, page=2).secrets()]
    assert [[one.secret.name for one in page.secrets] for page in pages] == [["s0", "s1"], ["s2", "s3"], ["s4"]]
    assert pages[0].remaining == 3
    assert pages[0].secrets[0].secret.data == {}


class Names:
    """Keeps the names of the Secrets that a watch reports."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.lists = 0

    def list_started(self) -> None:
        self.names.clear()
        self.lists += 1

    def updated(self, one: Listed) -> None:
        self.names.add(one.secret.name)

    def deleted(self, one: Listed) -> None:
        self.names.discard(one.secret.name)

    def list_completed(self) -> None: ...


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is about what the client has seen
            await asyncio.sleep(0.01)


async def test_a_watch_reports_changes_and_410(server: ApiServer, tmp_path: Path) -> None:
    """A watch reports what is created and deleted, and an API server that forgets is listed again."""
    async with await client(server, tmp_path) as secrets:
        listing, names = Listing(secrets.client), Names()
        task = asyncio.create_task(Reflector(listing.secrets, listing.watch_secrets(), names, lambda error: None).run())
        try:
            await until(lambda: names.lists == 1)
            one = await secrets.create(secret("one"))
            await secrets.create(secret("two"))
            await until(lambda: names.names == {"one", "two"})
            await secrets.delete(one)
            await until(lambda: names.names == {"two"})
            server.store.compact()
            await secrets.create(secret("three"))
            await until(lambda: names.names == {"two", "three"} and names.lists == 2)
        finally:
            task.cancel()


async def test_rights_are_the_users_own(server: ApiServer, tmp_path: Path) -> None:
    """A user reads the namespace of the grant only, and an administrator who impersonates the user no more."""
    for options in ({"user": "alice"}, {"as_user": "alice"}):
        async with await client(server, tmp_path, **options) as secrets:
            assert await secrets.read("team", "none") is None
            for request in (secrets.read("other", "none"), secrets.create(secret("one"))):
                with pytest.raises(ApiError) as caught:
                    await request
                assert caught.value.status == 403


async def test_admission_decides_about_writes(server: ApiServer, tmp_path: Path) -> None:
    """What admission returns is stored, and what it rejects is not."""

    async def admit(operation: str, new: Document | None, old: Document | None, user: User) -> Document | None:
        if new is not None and new["metadata"]["name"] == "bad":
            raise Rejected(400, "BadRequest", "no")
        return {**(new or {}), "data": {"token": "eQ=="}}

    server.admission = admit
    async with await client(server, tmp_path) as secrets:
        assert (await secrets.create(secret("good"))).secret.data == {"token": "eQ=="}
        with pytest.raises(ApiError) as caught:
            await secrets.create(secret("bad"))
        assert (caught.value.status, caught.value.message.get_secret_value()) == (400, "no")


async def test_any_resource_can_be_stored(server: ApiServer, tmp_path: Path) -> None:
    """A Lease is created, read and replaced."""
    async with await client(server, tmp_path) as secrets:
        objects = ApiObjects(secrets.client)
        lease = await objects.create(LEASE, "team", {"metadata": {"name": "one"}, "spec": {"holderIdentity": "a"}})
        lease["spec"]["holderIdentity"] = "b"
        await objects.replace(LEASE, lease)
        found = await objects.read(LEASE, "team", "one")
        assert found is not None and found["spec"] == {"holderIdentity": "b"}
