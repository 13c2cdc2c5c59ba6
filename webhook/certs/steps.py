"""Read the state of an installation's certificates, and take steps: one write each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta

from webhook.certs.issue import KeyPair, issue_ca, issue_serving_certificate
from webhook.certs.lifetimes import Lifetimes
from webhook.certs.names import CONFIGURATIONS, Installation
from webhook.certs.plan import (
    Action,
    AllowLeaf,
    BeginRoll,
    Forget,
    IssueLeaf,
    NotePublished,
    Publish,
    Rest,
    StartCa,
    Switch,
    Unpublish,
    WriteCaFile,
    next_step,
)
from webhook.certs.state import (
    OURSELVES,
    CaState,
    Configuration,
    State,
    TlsState,
    as_pem,
    encoded,
    shown,
)
from webhook.cluster.objects import SECRET, ApiObjects, Json, Resource
from webhook.cluster.requests import ApiError, Conflict
from webhook.names import LEAVES_END, MANAGED_BY, PREVIOUS_UNTIL, PUBLISHED_AT

MOST_STEPS = 50
"""Steps in a row. A whole rotation has a dozen; more mean that another program reverts them."""


class NoRest(ApiError):
    """Steps do not end, because another program reverts them."""


class Certificates:
    """Reads and changes the certificates of an installation."""

    def __init__(
        self,
        objects: ApiObjects,
        installation: Installation,
        lifetimes: Lifetimes,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.installation = installation
        self.lifetimes = lifetimes
        self.clock = clock
        self._objects = objects

    async def look(self) -> State:
        """Return the current state.

        Raises:
            ApiError: the Secrets cannot be read. If a webhook configuration cannot be read, the state says so.
        """
        # The configurations are read first, so that a process with an old state gets a conflict when it writes.
        configurations = [await self._configuration(resource) for resource in CONFIGURATIONS]
        namespace = self.installation.namespace
        tls = await self._objects.read(SECRET, namespace, self.installation.tls_secret)
        ca = await self._objects.read(SECRET, namespace, self.installation.ca_secret)
        return State(
            self.installation,
            CaState.of(ca) if ca is not None else None,
            TlsState.of(tls) if tls is not None else None,
            tuple(configurations),
        )

    async def settle(self, on_step: Callable[[str], None]) -> tuple[State, Rest]:
        """Take all steps that are due, and return the state afterwards.

        Args:
            on_step: called with what was done, as a sentence.

        Raises:
            ApiError: a step failed. The steps before it remain, and it is the next one again.
        """
        for _ in range(MOST_STEPS):
            state = await self.look()
            step = next_step(state, self.lifetimes, self.clock())
            if isinstance(step, Rest):
                return state, step
            try:
                on_step(await self.take(state, step))
            except Conflict:
                await asyncio.sleep(0.05)  # another process takes the same step
        raise NoRest(
            f"the certificates are not valid after {MOST_STEPS} steps, because another program keeps changing them"
        )

    async def renew_leaf(self, on_step: Callable[[str], None]) -> None:
        """Issue a new serving certificate, even if the current one is valid.

        Raises:
            ApiError: it cannot be issued.
        """
        state, rest = await self.settle(on_step)
        _refuse_others(rest)
        until = self.clock() + self.lifetimes.leaf + min(timedelta(hours=1), self.lifetimes.leaf / 2)
        on_step(await self.take(state, AllowLeaf(until)))
        on_step(await self.take(await self.look(), IssueLeaf("requested")))

    async def replace_ca(self, on_step: Callable[[str], None]) -> None:
        """Create a new CA, and at once trust no other one.

        Raises:
            ApiError: it cannot be created or published.
        """
        state, rest = await self.settle(on_step)
        _refuse_others(rest)
        on_step(await self.take(state, StartCa("the previous one must not be trusted", distrust=True)))
        await self.settle(on_step)

    async def begin_roll(self, on_step: Callable[[str], None]) -> None:
        """Create and publish the next CA, unless there is one.

        Raises:
            ApiError: it cannot be created or published.
        """
        state, rest = await self.settle(on_step)
        _refuse_others(rest)
        if state.ca is None or state.ca.following is None:
            on_step(await self.take(state, BeginRoll("requested")))
        await self.settle(on_step)

    async def end_roll(self, on_step: Callable[[str], None]) -> None:
        """Take the steps that are due until the next CA is the current one.

        Raises:
            ApiError: a step failed.
        """
        while True:
            state, rest = await self.settle(on_step)
            if state.ca is None or state.ca.following is None:
                return
            await asyncio.sleep(min(1.0, max(0.0, (rest.until - self.clock()).total_seconds())))

    async def take(self, state: State, step: Action) -> str:
        """Take one step, and return what was done, as a sentence.

        Raises:
            Conflict: an object has changed since `state` was read.
            ApiError: the step failed.
        """
        match step:
            case StartCa():
                return await self._start_ca(state, step)
            case BeginRoll():
                return await self._begin_roll(state, step)
            case AllowLeaf(until):
                if state.ca is not None and state.ca.leaves_end is not None:
                    until = max(until, state.ca.leaves_end)
                await self._write_ca(state.ca, annotations={LEAVES_END: shown(until)})
                return f"Recorded that certificates from this CA can be valid until {shown(until)}."
            case IssueLeaf():
                return await self._issue_leaf(state, step)
            case WriteCaFile():
                data = {"ca.crt": state.ca.bundle if state.ca is not None else b""}
                await self._write(self.installation.tls_secret, state.tls.document if state.tls else None, data)
                return f"Wrote {_cas(state)} to ca.crt in the Secret {self.installation.tls_secret}."
            case Unpublish():
                await self._write_ca(state.ca, annotations={PUBLISHED_AT: None})
                return "The next CA is not published everywhere; the waiting time starts again."
            case Publish(configuration):
                return await self._publish(state, configuration)
            case NotePublished():
                await self._write_ca(state.ca, annotations={PUBLISHED_AT: shown(self.clock())})
                return "The next CA is published everywhere from now on."
            case Switch():
                return await self._switch(state, step)
            case Forget():
                await self._write_ca(state.ca, {"previous.crt": None}, {PREVIOUS_UNTIL: None})
                return "Removed the previous CA: no certificate from it is valid any more."

    async def _start_ca(self, state: State, step: StartCa) -> str:
        ca = self._new_ca()
        # A server that still serves a certificate from a previous CA is trusted while that is valid.
        now = self.clock()
        known = [] if step.distrust else state.authorities
        before = [one for one in known if one.not_valid_after_utc > now]
        until = max((one.not_valid_after_utc for one in before), default=now)
        data = {"ca.crt": ca.certificate, "ca.key": ca.key, "previous.crt": as_pem(before) or None}
        data |= {"next.crt": None, "next.key": None}
        notes = {PREVIOUS_UNTIL: shown(until) if before else None, LEAVES_END: None, PUBLISHED_AT: None}
        await self._write_ca(state.ca, data, notes)
        return f"Created a CA, valid until {_end(ca)}, in the Secret {self.installation.ca_secret}: {step.because}."

    async def _begin_roll(self, state: State, step: BeginRoll) -> str:
        following = self._new_ca()
        data: dict[str, bytes | None] = {"next.crt": following.certificate, "next.key": following.key}
        notes: dict[str, str | None] = {PUBLISHED_AT: None}
        issuer = state.issuer(self.clock())
        if issuer is not None and issuer not in (state.ca.trusted if state.ca is not None else []):
            # The Secret was lost or damaged. Its CA stays trusted by its certificate next to the leaf.
            data |= {"ca.crt": as_pem([issuer]), "ca.key": None}
            notes[LEAVES_END] = shown(issuer.not_valid_after_utc)
        await self._write_ca(state.ca, data, notes)
        where = f"in the Secret {self.installation.ca_secret}"
        return f"Created the next CA, valid until {_end(following)}, {where}: {step.because}."

    async def _issue_leaf(self, state: State, step: IssueLeaf) -> str:
        if state.ca is None or state.ca.current is None:
            raise AssertionError("there is no CA that can issue")
        leaf = issue_serving_certificate(
            state.ca.current, self.installation.dns_names, lifetime=self.lifetimes.leaf, now=self.clock()
        )
        data = {"tls.crt": leaf.certificate, "tls.key": leaf.key, "ca.crt": state.ca.bundle}
        name = self.installation.tls_secret
        await self._write(name, state.tls.document if state.tls else None, data, type_="kubernetes.io/tls")
        return f"Issued a serving certificate, valid until {_end(leaf)}, in the Secret {name}: {step.because}."

    async def _publish(self, state: State, configuration: Configuration) -> str:
        if state.ca is None or configuration.document is None:
            raise AssertionError("there is no CA to publish, or no configuration")
        document = deepcopy(configuration.document)
        for webhook in Configuration(configuration.resource, configuration.name, document).webhooks(self.installation):
            webhook["clientConfig"] |= encoded({"caBundle": state.ca.bundle})
        await self._objects.replace(configuration.resource, document)
        return f"Published {_cas(state)} in the caBundle of the {configuration.resource.kind} {configuration.name}."

    async def _switch(self, state: State, step: Switch) -> str:
        ca = state.ca
        if ca is None or ca.following is None:
            raise AssertionError("there is no next CA")
        now = self.clock()
        before = [one for one in (ca.current.parsed(),) if one.not_valid_after_utc > now] if ca.current else []
        ends = [end for end in (ca.leaves_end, ca.previous_until) if end is not None]
        previous = list(dict.fromkeys([*before, *ca.previous]))
        data = {
            "ca.crt": ca.following.certificate,
            "ca.key": ca.following.key,
            "next.crt": None,
            "next.key": None,
            "previous.crt": as_pem(previous) or None,
        }
        until = shown(max(ends, default=now)) if previous else None
        await self._write_ca(ca, data, {PUBLISHED_AT: None, LEAVES_END: None, PREVIOUS_UNTIL: until})
        kept = f"; the previous one stays trusted until {until}" if until else ""
        return f"The next CA is now the current one: {step.because}{kept}."

    def _new_ca(self) -> KeyPair:
        now = self.clock()
        return issue_ca(f"{self.installation.name}-ca {now:%Y-%m-%dT%H:%M:%SZ}", lifetime=self.lifetimes.ca, now=now)

    async def _configuration(self, resource: Resource) -> Configuration:
        name = self.installation.name
        try:
            return Configuration(resource, name, await self._objects.read(resource, None, name))
        except ApiError as error:
            return Configuration(resource, name, None, str(error))

    async def _write_ca(
        self,
        ca: CaState | None,
        data: Mapping[str, bytes | None] | None = None,
        annotations: Mapping[str, str | None] | None = None,
    ) -> None:
        document = ca.document if ca is not None else None
        await self._write(self.installation.ca_secret, document, data or {}, annotations)

    async def _write(
        self,
        name: str,
        before: Json | None,
        data: Mapping[str, bytes | None],
        annotations: Mapping[str, str | None] | None = None,
        type_: str = "Opaque",
    ) -> None:
        """Create or change a Secret; a value of None removes the key."""
        metadata: Json = (
            dict(before["metadata"]) if before else {"name": name, "namespace": self.installation.namespace}
        )
        metadata["labels"] = {**(metadata.get("labels") or {}), MANAGED_BY: OURSELVES}
        marks = {**(metadata.get("annotations") or {}), **(annotations or {})}
        metadata["annotations"] = {key: value for key, value in marks.items() if value is not None}
        kept = {key: value for key, value in ((before or {}).get("data") or {}).items() if key not in data}
        new = encoded({key: value for key, value in data.items() if value is not None})
        document = {**(before or {"type": type_}), "metadata": metadata, "data": {**kept, **new}}
        if before is None:
            await self._objects.create(SECRET, self.installation.namespace, document)
        else:
            await self._objects.replace(SECRET, document)


def _refuse_others(rest: Rest) -> None:
    if rest.left_alone:
        raise ApiError("; ".join(rest.troubles))


def _end(pair: KeyPair) -> str:
    return shown(pair.parsed().not_valid_after_utc)


def _cas(state: State) -> str:
    count = len(state.ca.trusted) if state.ca is not None else 0
    return "the CA" if count == 1 else f"{count} CAs"
