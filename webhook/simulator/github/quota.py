"""What GitHub counts: requests an hour for each caller, and bad credentials for each address."""

from __future__ import annotations

from dataclasses import dataclass, field

from webhook.simulator.github.identity import Caller
from webhook.simulator.github.model import GitHubHost, TokenKind

HOUR = 3600
LOCKED_FOR = 60.0


@dataclass(slots=True)
class Window:
    """One caller's current hour."""

    limit: int
    resets_at: int
    used: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """On every response that a limit applies to."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": str(self.resets_at),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Resource": "core",
        }


@dataclass(slots=True)
class Quota:
    """Counters of one host; forgotten when the simulator is reset."""

    host: GitHubHost
    windows: dict[str, Window] = field(default_factory=dict)
    failures: dict[str, list[float]] = field(default_factory=dict)

    def window(self, caller: Caller, peer: str) -> Window | None:
        """The caller's window, or ``None`` where nothing is limited, as for an App that signs in as itself."""
        if caller.app is not None:
            return None
        limit = self._limit(caller)
        if not limit:
            return None
        now = int(self.host.now().timestamp())
        key = _whose(caller, peer)
        window = self.windows.get(key)
        if window is None or window.resets_at <= now or window.limit != limit:
            window = self.windows[key] = Window(limit, now + HOUR)
        return window

    def _limit(self, caller: Caller) -> int:
        """GitHub docs: rate limits are off by default on an Enterprise Server."""
        chosen = self.host.anonymous_rate_limit if caller.anonymous else self.host.rate_limit
        if chosen is not None:
            return chosen
        return 0 if self.host.variant == "server" else 60 if caller.anonymous else 5000

    def failed(self, peer: str) -> None:
        """Note bad credentials."""
        self.failures.setdefault(peer, []).append(self.host.now().timestamp())

    def is_locked(self, peer: str) -> bool:
        """Whether an address has tried too often."""
        if self.host.login_attempts is None:
            return False
        since = self.host.now().timestamp() - LOCKED_FOR
        recent = [at for at in self.failures.get(peer, ()) if at > since]
        self.failures[peer] = recent
        return len(recent) >= self.host.login_attempts


def _whose(caller: Caller, peer: str) -> str:
    """A person's tokens share one limit; an installation has its own."""
    token = caller.token
    if token is None:
        return f"peer {peer}"
    if token.kind is TokenKind.INSTALLATION:
        return f"installation {token.installation_id}"
    return f"user {token.owner}"
