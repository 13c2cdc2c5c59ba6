"""What the tests of the simulated Bitbucket Server have in common."""

from typing import Any

import httpx

HOST = "bitbucket.acme.dev"
JANE = "jane.doe_acme.dev"


def problem(reply: httpx.Response) -> tuple[int, str | None]:
    """The status and the exception, without the package that all exceptions have in common."""
    name: Any = reply.json()["errors"][0]["exceptionName"]
    return reply.status_code, None if name is None else str(name).removeprefix("com.atlassian.bitbucket.")
