"""The one next step towards certificates that are right, from whatever is there now.

A CA is rolled so that nobody ever has to trust what he doesn't know yet: the next CA is made and published beside the
current one; when it has been published for a while, it becomes the current one and issues the next leaf; the one before
stays published for as long as a leaf of it is valid, since there may be a server that still serves it: kubelet brings a
changed Secret to each of them at its own time.

The steps may be taken by several at once. Each is one write that is refused if the object has changed since it was
read; what one of them does too late is done again from what is there then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from webhook.certs.lifetimes import Lifetimes, renewal_of
from webhook.certs.state import Configuration, State, ca_problem, issued_by, shown


@dataclass(frozen=True, slots=True)
class StartCa:
    """Make a CA that issues at once: there is none before it that could be rolled.

    Attributes:
        distrust: whoever has issued certificates before is trusted no longer, whether or not they are still served.
    """

    because: str
    distrust: bool = False


@dataclass(frozen=True, slots=True)
class BeginRoll:
    """Make the next CA, to be published beside the current one."""

    because: str


@dataclass(frozen=True, slots=True)
class AllowLeaf:
    """Note until when a leaf may be valid, before there is one."""

    until: datetime


@dataclass(frozen=True, slots=True)
class IssueLeaf:
    """Make a serving certificate."""

    because: str


@dataclass(frozen=True, slots=True)
class WriteCaFile:
    """Put all trusted CAs into ``ca.crt`` beside the leaf."""


@dataclass(frozen=True, slots=True)
class Unpublish:
    """Note that the next CA isn't published everywhere, before it is published again: the wait begins anew."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Put all trusted CAs into the caBundle of a webhook configuration."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class NotePublished:
    """Note that the next CA is published everywhere since now."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Let the next CA be the current one."""

    because: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Trust the CAs before the current one no longer."""


@dataclass(frozen=True, slots=True)
class Rest:
    """There is nothing to do for now.

    Attributes:
        until: when there will be something.
        troubles: whole clauses about what can't be looked at or isn't ours to change.
        left_alone: nothing here is ours to change.
    """

    until: datetime
    troubles: tuple[str, ...] = ()
    left_alone: bool = False


Action = (
    StartCa | BeginRoll | AllowLeaf | IssueLeaf | WriteCaFile | Unpublish | Publish | NotePublished | Switch | Forget
)
Step = Action | Rest


def next_step(state: State, lifetimes: Lifetimes, now: datetime) -> Step:
    """What to do next."""
    names = state.installation.dns_names
    if state.tls is not None and (whose := state.tls.somebody_elses(state.ca.trusted if state.ca else [])) is not None:
        trouble = f"the Secret {state.installation.tls_secret} is left alone: {whose}"
        return Rest(now + lifetimes.leaf, (trouble,), left_alone=True)

    issuer = state.issuer(now)
    broken = ca_problem(state.ca.current if state.ca is not None else None, now)
    rolling = state.ca is not None and ca_problem(state.ca.following, now) is None
    if state.ca is None or broken is not None:
        # As long as what is served is good, nobody need notice: the CA goes, by its certificate alone, as any other.
        if not rolling:
            return StartCa(broken or "there is none") if issuer is None else BeginRoll(broken or "its Secret is gone")
        if issuer is None:
            return Switch(broken or "there is none before it")
    ca = state.ca
    if ca is None:
        raise AssertionError("a Secret that isn't there can't hold the next CA")
    current = ca.current.parsed() if ca.current is not None else None
    if ca.following is not None and not rolling:
        return BeginRoll(f"the next CA can't be used: {ca_problem(ca.following, now)}")
    if current is not None and not rolling and now >= renewal_of(current):
        return BeginRoll(f"the current one ends at {shown(current.not_valid_after_utc)}")

    tls = state.tls
    if broken is None and current is not None:
        why = tls.problem(names, now) if tls is not None else "there is none"
        if why is None and tls is not None and tls.leaf is not None:
            leaf = tls.leaf.parsed()
            if not issued_by(leaf, current):
                why = "the one that is served is from another CA"
            elif now >= renewal_of(leaf):
                why = f"the one that is served ends at {shown(leaf.not_valid_after_utc)}"
        if why is not None:
            if ca.leaves_end is None or ca.leaves_end < now + lifetimes.leaf:
                return AllowLeaf(now + lifetimes.leaf + min(timedelta(hours=1), lifetimes.leaf / 2))
            return IssueLeaf(why)
    if tls is not None and tls.leaf is not None and tls.ca_file != ca.bundle:
        return WriteCaFile()

    for configuration in state.configurations:
        if _unpublished(configuration, state, ca.bundle):
            return Publish(configuration) if ca.published_at is None else Unpublish()
    troubles = tuple(_troubles(state))
    # Of what can't be read nobody knows whether it is still published there.
    if rolling and not any(configuration.trouble for configuration in state.configurations):
        if ca.published_at is None:
            return NotePublished()
        if now >= ca.published_at + lifetimes.settle:
            return Switch(f"everybody trusts it since {shown(ca.published_at)}")
    if ca.previous and (ca.previous_until is None or now > ca.previous_until):
        return Forget()

    moments = [renewal_of(pair.parsed()) for pair in (ca.current, tls.leaf if tls is not None else None) if pair]
    if rolling and ca.published_at is not None:
        moments.append(ca.published_at + lifetimes.settle)
    if ca.previous and ca.previous_until is not None:
        moments.append(ca.previous_until)
    return Rest(min((moment for moment in moments if moment > now), default=now + lifetimes.settle), troubles)


def _unpublished(configuration: Configuration, state: State, bundle: bytes) -> bool:
    if configuration.injector is not None:
        return False
    return any(found != bundle for found in configuration.bundles(state.installation).values())


def _troubles(state: State) -> list[str]:
    troubles: list[str] = []
    for configuration in state.configurations:
        what = f"the {configuration.resource.kind} {configuration.name}"
        if configuration.trouble is not None:
            troubles.append(f"{what} can't be read: {configuration.trouble}")
        elif configuration.injector is not None:
            troubles.append(
                f"{what} is left alone: its annotation {configuration.injector} says who writes its caBundle"
            )
    return troubles
