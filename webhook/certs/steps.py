"""Look at an installation, and take a step: one write, refused if anybody has written in between."""

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
"""Steps in a row, of which a whole roll has a dozen; more means that somebody undoes them."""


class NoRest(ApiError):
    """Each step leads to another one: somebody undoes them."""


class Certificates:
    """The certificates of an installation, as far as the API server lets us see and change them."""

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
        """What there is now.

        Raises:
            ApiError: the Secrets can't be read. Of a webhook configuration the state says so itself.
        """
        # What is published is read before what is to be published: whoever is late finds his write refused.
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
        """Take all steps that are due; what there is then.

        Args:
            on_step: told what was done, as a whole sentence.

        Raises:
            ApiError: a step can't be taken; those before it are, and it will be the next one again.
        """
        for _ in range(MOST_STEPS):
            state = await self.look()
            step = next_step(state, self.lifetimes, self.clock())
            if isinstance(step, Rest):
                return state, step
            try:
                on_step(await self.take(state, step))
            except Conflict:
                await asyncio.sleep(0.05)  # somebody else takes the same step
        raise NoRest(
            f"the certificates are not right after {MOST_STEPS} steps: somebody else changes them all the time"
        )

    async def renew_leaf(self, on_step: Callable[[str], None]) -> None:
        """Make a new serving certificate, however good the one is that there is.

        Raises:
            ApiError: it can't be made.
        """
        state, rest = await self.settle(on_step)
        _refuse_others(rest)
        until = self.clock() + self.lifetimes.leaf + min(timedelta(hours=1), self.lifetimes.leaf / 2)
        on_step(await self.take(state, AllowLeaf(until)))
        on_step(await self.take(await self.look(), IssueLeaf("somebody asked for it")))

    async def replace_ca(self, on_step: Callable[[str], None]) -> None:
        """Make a new CA and trust no other one, at once.

        Raises:
            ApiError: it can't be made or published.
        """
        state, rest = await self.settle(on_step)
        _refuse_others(rest)
        on_step(await self.take(state, StartCa("nobody shall trust the one before", distrust=True)))
        await self.settle(on_step)

    async def begin_roll(self, on_step: Callable[[str], None]) -> None:
        """Make and publish the next CA, unless there is one already.

        Raises:
            ApiError: it can't be made or published.
        """
        state, rest = await self.settle(on_step)
        _refuse_others(rest)
        if state.ca is None or state.ca.following is None:
            on_step(await self.take(state, BeginRoll("somebody asked for it")))
        await self.settle(on_step)

    async def end_roll(self, on_step: Callable[[str], None]) -> None:
        """Take the steps that are due until the next CA is the current one.

        Raises:
            ApiError: one can't be taken.
        """
        while True:
            state, rest = await self.settle(on_step)
            if state.ca is None or state.ca.following is None:
                return
            await asyncio.sleep(min(1.0, max(0.0, (rest.until - self.clock()).total_seconds())))

    async def take(self, state: State, step: Action) -> str:
        """Take one step; what was done, as a whole sentence.

        Raises:
            Conflict: somebody has written since `state` was read.
            ApiError: it can't be taken.
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
                return f"Certificates of this CA may be good until {shown(until)} from now on."
            case IssueLeaf():
                return await self._issue_leaf(state, step)
            case WriteCaFile():
                data = {"ca.crt": state.ca.bundle if state.ca is not None else b""}
                await self._write(self.installation.tls_secret, state.tls.document if state.tls else None, data)
                return f"Wrote {_cas(state)} to ca.crt in the Secret {self.installation.tls_secret}."
            case Unpublish():
                await self._write_ca(state.ca, annotations={PUBLISHED_AT: None})
                return "The next CA isn't published everywhere; the time that it must have been begins anew."
            case Publish(configuration):
                return await self._publish(state, configuration)
            case NotePublished():
                await self._write_ca(state.ca, annotations={PUBLISHED_AT: shown(self.clock())})
                return "The next CA is published everywhere since now."
            case Switch():
                return await self._switch(state, step)
            case Forget():
                await self._write_ca(state.ca, {"previous.crt": None}, {PREVIOUS_UNTIL: None})
                return "The CA before the current one goes: no certificate of it is valid any more."

    async def _start_ca(self, state: State, step: StartCa) -> str:
        ca = self._new_ca()
        # Whoever still serves a certificate of one before is trusted as long as that is valid.
        now = self.clock()
        known = [] if step.distrust else state.authorities
        before = [one for one in known if one.not_valid_after_utc > now]
        until = max((one.not_valid_after_utc for one in before), default=now)
        data = {"ca.crt": ca.certificate, "ca.key": ca.key, "previous.crt": as_pem(before) or None}
        data |= {"next.crt": None, "next.key": None}
        notes = {PREVIOUS_UNTIL: shown(until) if before else None, LEAVES_END: None, PUBLISHED_AT: None}
        await self._write_ca(state.ca, data, notes)
        return f"Made a CA, good until {_end(ca)}, in the Secret {self.installation.ca_secret}: {step.because}."

    async def _begin_roll(self, state: State, step: BeginRoll) -> str:
        following = self._new_ca()
        data: dict[str, bytes | None] = {"next.crt": following.certificate, "next.key": following.key}
        notes: dict[str, str | None] = {PUBLISHED_AT: None}
        issuer = state.issuer(self.clock())
        if issuer is not None and issuer not in (state.ca.trusted if state.ca is not None else []):
            # The Secret was lost or spoilt. By the certificate of its CA, beside the leaf, that stays trusted.
            data |= {"ca.crt": as_pem([issuer]), "ca.key": None}
            notes[LEAVES_END] = shown(issuer.not_valid_after_utc)
        await self._write_ca(state.ca, data, notes)
        where = f"in the Secret {self.installation.ca_secret}"
        return f"Made the next CA, good until {_end(following)}, {where}: {step.because}."

    async def _issue_leaf(self, state: State, step: IssueLeaf) -> str:
        if state.ca is None or state.ca.current is None:
            raise AssertionError("only a CA that is there can issue")
        leaf = issue_serving_certificate(
            state.ca.current, self.installation.dns_names, lifetime=self.lifetimes.leaf, now=self.clock()
        )
        data = {"tls.crt": leaf.certificate, "tls.key": leaf.key, "ca.crt": state.ca.bundle}
        name = self.installation.tls_secret
        await self._write(name, state.tls.document if state.tls else None, data, type_="kubernetes.io/tls")
        return f"Made a serving certificate, good until {_end(leaf)}, in the Secret {name}: {step.because}."

    async def _publish(self, state: State, configuration: Configuration) -> str:
        if state.ca is None or configuration.document is None:
            raise AssertionError("only a CA that is there can be published, and only in a configuration that is")
        document = deepcopy(configuration.document)
        for webhook in Configuration(configuration.resource, configuration.name, document).webhooks(self.installation):
            webhook["clientConfig"] |= encoded({"caBundle": state.ca.bundle})
        await self._objects.replace(configuration.resource, document)
        return f"Published {_cas(state)} as caBundle of the {configuration.resource.kind} {configuration.name}."

    async def _switch(self, state: State, step: Switch) -> str:
        ca = state.ca
        if ca is None or ca.following is None:
            raise AssertionError("only a CA that is there can be the next one")
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
        kept = f"; the one before stays trusted until {until}" if until else ""
        return f"The next CA is the current one now: {step.because}{kept}."

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
        """Make or change a Secret; a value of None takes the key away."""
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
