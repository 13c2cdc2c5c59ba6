"""What every simulated host has in common, whichever provider it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from webhook.simulator.exchange import Call, Reply

Clock = Callable[[], datetime]
Found = TypeVar("Found")


def utc_now() -> datetime:
    """The real time, aware and in UTC."""
    return datetime.now(UTC)


class Model(BaseModel):
    """Base of all models of the world: unknown keys are errors, and no error repeats its input (it may be a token)."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, hide_input_in_errors=True)


class Mutation(Model):
    """Something in a provider's records that a request changed."""

    at: datetime
    host: str
    action: str
    target: str
    token: str | None
    """The token's name in the world, never its value."""


class NamedToken(Protocol):
    """What the world needs to know of any provider's token."""

    @property
    def name(self) -> str:
        """What tests and people call it."""

    @property
    def value(self) -> str:
        """The token itself."""


class HostModel(Model):
    """One installation of a provider. Subclasses add their ``kind``, accounts, repositories and tokens."""

    named_by: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """By section of a file, the fields that its keys stand for; those of a key with a slash are two."""

    kind: str
    name: str
    """The host name that people use in URLs, such as ``github.com``."""
    _mutations: list[Mutation] = PrivateAttr(default_factory=list)
    _clock: Clock = PrivateAttr(default_factory=lambda: utc_now)
    _last_id: int = PrivateAttr(default=900_000)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """In a file, ``tokens: {weak: {…}}`` need not say ``name: weak`` again."""
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        for section, fields in cls.named_by.items():
            if isinstance(entries := filled.get(section), dict):
                filled[section] = {key: _with_names(key, fields, entry) for key, entry in entries.items()}
        return filled

    def now(self) -> datetime:
        """The time as this world sees it."""
        return self._clock()

    @property
    def clock(self) -> Clock:
        """What tells the time here."""
        return self._clock

    def use_clock(self, clock: Clock) -> None:
        """Tell another time, in tests."""
        self._clock = clock

    def next_id(self) -> int:
        """An id that nothing here has yet."""
        self._last_id += 1
        return self._last_id

    @property
    def mutations(self) -> list[Mutation]:
        """Everything that requests changed here, oldest first."""
        return self._mutations

    def record(self, action: str, target: str, token: str | None) -> None:
        """Note a change."""
        self._mutations.append(Mutation(at=self.now(), host=self.name, action=action, target=target, token=token))

    def named_tokens(self) -> Mapping[str, NamedToken]:
        """All tokens by name."""
        raise NotImplementedError


class RateLimit(Model):
    """A rate-limit answer that a fault asks a site to phrase in its provider's words."""

    secondary: bool = False
    status: int = 403
    retry_after: int | None = None
    reset_in: int = 1800


class Site(Protocol):
    """A provider's behaviour over one ``HostModel``."""

    @property
    def model(self) -> HostModel:
        """What it answers from."""

    def api_url(self, origin: str) -> str:
        """The API's base URL where the host is served at ``origin`` (``https://name:port``)."""

    def git_url(self, origin: str) -> str:
        """What a repository's path is put behind to clone it, such as ``https://name:port``."""

    def token_name(self, call: Call) -> str | None:
        """Whose credentials a call carries, by name; ``None`` for an anonymous call, ``(unknown)`` for a stranger's."""

    def answer(self, call: Call) -> Reply:
        """What the provider says."""

    def rate_limited(self, call: Call, limit: RateLimit) -> Reply:
        """What the provider says to a caller who asked too much."""


def ignoring_case(entries: Mapping[str, Found], name: str) -> Found | None:
    """The entry of this name, in any letter case."""
    lowered = name.lower()
    return next((entry for key, entry in entries.items() if key.lower() == lowered), None)


def _with_names(key: Any, fields: tuple[str, ...], entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    first, _, second = key.partition("/") if len(fields) > 1 else (key, "", "")
    return dict(zip(fields, (first, second), strict=False)) | entry
