"""Requests that go out together, and how many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from webhook.providers.base import Api, Reply

_T = TypeVar("_T")


async def together(*calls: Coroutine[Any, Any, _T]) -> list[_T]:
    """What all of them return, once all are over: none goes on behind the back of whoever got an error.

    Raises:
        Exception: the first one's, in the order of `calls`.
    """
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    returned: list[_T] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        returned.append(outcome)
    return returned


class Counted:
    """An API that knows how often it was asked."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.requests = 0

    async def send(self, method: str, path: str, *, headers: Mapping[str, str], json: object = None) -> Reply:
        """See `Api.send`."""
        self.requests += 1
        return await self._api.send(method, path, headers=headers, json=json)
