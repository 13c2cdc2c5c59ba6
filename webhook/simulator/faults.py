"""What goes wrong: between the provider and its client, or at the provider itself.

A fault says where it applies (host, method, path, token; all by default), how often, and what its effect is. Effects
that hide the provider's answer never let the request reach it, so a write behind a fault changes nothing.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from webhook.simulator.exchange import JSON_TYPE, Call, Delivery, Reply
from webhook.simulator.provider import Model, RateLimit, Site

UNICORN = (
    "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head>"
    "<body><p><strong>No server is currently available to service your request.</strong></p></body></html>\n"
)


class Effect(Model, ABC):
    """A way for a response to go wrong."""

    reaches_provider: ClassVar[bool] = True
    """Whether the provider hears of the request before it goes wrong."""

    @abstractmethod
    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        """What becomes of the provider's reply (an empty 200 if it was never asked)."""


class Latency(Effect):
    """The right answer, late."""

    kind: Literal["latency"] = "latency"
    seconds: float

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        return replace(reply, delivery=replace(reply.delivery, delay=reply.delivery.delay + self.seconds))


class Status(Effect):
    """Another status and body."""

    kind: Literal["status"] = "status"
    status: int
    body: str = ""
    content_type: str = JSON_TYPE
    headers: dict[str, str] = Field(default_factory=dict)
    reaches_provider: ClassVar[bool] = False

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        return Reply.text(self.status, self.body, self.content_type).with_headers(self.headers)


class RateLimited(Effect):
    """A rate limit, in the provider's own words."""

    kind: Literal["rate-limit"] = "rate-limit"
    secondary: bool = False
    status: int = 403
    retry_after: int | None = None
    reset_in: int = 1800
    reaches_provider: ClassVar[bool] = False

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        limit = RateLimit(
            secondary=self.secondary, status=self.status, retry_after=self.retry_after, reset_in=self.reset_in
        )
        return site.rate_limited(call, limit)


class Outage(Effect):
    """5xx, as JSON or as a load balancer's HTML."""

    kind: Literal["outage"] = "outage"
    status: int = 503
    html: bool = False
    reaches_provider: ClassVar[bool] = False

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        if self.html:
            return Reply.text(self.status, UNICORN, "text/html; charset=utf-8")
        return Reply.json(self.status, {"message": "Server Error"})


class Cut(Effect):
    """The connection is closed: before any header, or in the middle of the body."""

    kind: Literal["cut"] = "cut"
    after_bytes: int | None = None
    """So many bytes of the body arrive; ``None``: not even headers."""

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        if self.after_bytes is None:
            return replace(reply, delivery=Delivery(cut_before_headers=True))
        return replace(reply, delivery=Delivery(cut_after=self.after_bytes))


class Hang(Effect):
    """The request is read, and nothing ever comes back."""

    kind: Literal["hang"] = "hang"
    reaches_provider: ClassVar[bool] = False

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        return replace(reply, delivery=Delivery(hang=True))


class Redirect(Effect):
    """Sends the client elsewhere; a token must not follow to another host."""

    kind: Literal["redirect"] = "redirect"
    to: str
    status: int = 301
    reaches_provider: ClassVar[bool] = False

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        return Reply.json(self.status, {"message": "Moved Permanently", "url": self.to}, {"Location": self.to})


class Html(Effect):
    """A web page with the provider's status and headers, as captive portals and sign-in proxies send."""

    kind: Literal["html"] = "html"
    body: str = "<!DOCTYPE html>\n<html><body>Please sign in to the corporate network.</body></html>\n"

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        bare = reply.without_headers(frozenset({"content-type"}))
        return replace(bare, headers={**bare.headers, "Content-Type": "text/html"}, body=self.body.encode())


class Oversized(Effect):
    """The right document inside an enormous one."""

    kind: Literal["oversized"] = "oversized"
    megabytes: int = 32

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        return replace(reply, body=reply.body.rstrip() + b" " * (self.megabytes * 1024 * 1024))


class Empty(Effect):
    """Status and headers without a body."""

    kind: Literal["empty"] = "empty"

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        return replace(reply, body=b"")


class ContentType(Effect):
    """The right body under a wrong type."""

    kind: Literal["content-type"] = "content-type"
    content_type: str = "text/plain"

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        bare = reply.without_headers(frozenset({"content-type"}))
        return replace(bare, headers={**bare.headers, "Content-Type": self.content_type})


class Truncated(Effect):
    """Complete as HTTP, cut off as JSON."""

    kind: Literal["truncated"] = "truncated"

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        return replace(reply, body=reply.body[: len(reply.body) // 2])


class StripHeaders(Effect):
    """A proxy that lets only the headers through that it knows."""

    kind: Literal["strip-headers"] = "strip-headers"
    names: list[str] = Field(default_factory=lambda: ["X-OAuth-Scopes"])

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        return reply.without_headers(frozenset(name.lower() for name in self.names))


class SetHeaders(Effect):
    """Headers as another version or a proxy writes them; in whatever case, they replace those of that name."""

    kind: Literal["set-headers"] = "set-headers"
    headers: dict[str, str]

    def shape(self, reply: Reply, call: Call, site: Site) -> Reply:
        bare = reply.without_headers(frozenset(name.lower() for name in self.headers))
        return replace(bare, headers={**bare.headers, **self.headers})


AnyEffect = Annotated[
    Latency
    | Status
    | RateLimited
    | Outage
    | Cut
    | Hang
    | Redirect
    | Html
    | Oversized
    | Empty
    | ContentType
    | Truncated
    | StripHeaders
    | SetHeaders,
    Field(discriminator="kind"),
]


class Fault(Model):
    """An effect, where it applies and how often."""

    effect: AnyEffect
    host: str | None = None
    method: str | None = None
    path: str | None = None
    """A regular expression that must match the whole path, the API's prefix included."""
    token: str | None = None
    """By name."""
    times: int | None = Field(default=None, ge=1)
    """The number of requests that it applies to; ``None``: until it is removed."""

    def applies(self, host: str, call: Call, token: str | None) -> bool:
        """Whether a request meets this fault."""
        return (
            self.host in (None, host)
            and self.method in (None, call.method)
            and (self.path is None or re.fullmatch(self.path, call.path) is not None)
            and self.token in (None, token)
        )


@dataclass(slots=True)
class FaultBook:
    """The faults in force, in the order they were added; a request meets all that apply."""

    faults: list[Fault] = field(default_factory=list)

    def add(self, effect: AnyEffect | Fault, **where: str | int | None) -> Fault:
        """Put a fault in force: ``add(Outage(), host="github.com", times=1)``."""
        fault = effect if isinstance(effect, Fault) else Fault.model_validate({"effect": effect, **where})
        self.faults.append(fault)
        return fault

    def clear(self) -> None:
        """Let everything work again."""
        self.faults.clear()

    def meet(self, host: str, call: Call, token: str | None) -> list[AnyEffect]:
        """The effects on this request; those for a number of requests count down."""
        met = [fault for fault in self.faults if fault.applies(host, call, token)]
        for fault in met:
            if fault.times is not None:
                if fault.times == 1:
                    self.faults.remove(fault)
                else:
                    fault.times -= 1
        return [fault.effect for fault in met]


def answer_through(effects: Iterable[AnyEffect], call: Call, site: Site) -> Reply:
    """The provider's reply as it comes out of all the effects."""
    listed = list(effects)
    reply = site.answer(call) if all(effect.reaches_provider for effect in listed) else Reply(200)
    for effect in listed:
        reply = effect.shape(reply, call, site)
    return reply
