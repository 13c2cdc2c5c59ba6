"""Plan the next step from the current state to valid certificates. Pure: no I/O, no clock.

A CA is rotated so that clients always trust the certificate that is served. The next CA is created and published next
to the current one. After a while it becomes the current one and issues the next leaf. The previous CA stays published
while a leaf from it is valid, because a server may still serve that leaf: the kubelet updates each mounted Secret at
another time.

Several processes may take steps at the same time. Each step is one write, which fails if the object has changed since
it was read; the process then plans again from the new state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from webhook.certs.lifetimes import Lifetimes, renewal_of
from webhook.certs.state import Configuration, State, ca_problem, issued_by, shown


@dataclass(frozen=True, slots=True)
class StartCa:
    """Create a CA that issues at once, because there is none to rotate.

    Attributes:
        distrust: no longer trust earlier CAs, even if their certificates are still served.
    """

    because: str
    distrust: bool = False


@dataclass(frozen=True, slots=True)
class BeginRoll:
    """Create the next CA, which is published next to the current one."""

    because: str


@dataclass(frozen=True, slots=True)
class AllowLeaf:
    """Record until when a leaf can be valid, before it is issued."""

    until: datetime


@dataclass(frozen=True, slots=True)
class IssueLeaf:
    """Issue a serving certificate."""

    because: str


@dataclass(frozen=True, slots=True)
class WriteCaFile:
    """Write all trusted CAs to ``ca.crt`` next to the leaf."""


@dataclass(frozen=True, slots=True)
class Unpublish:
    """Record that the next CA is not published everywhere, which restarts the waiting time."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Write all trusted CAs to the caBundle of a webhook configuration."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class NotePublished:
    """Record that the next CA is published everywhere from now on."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Make the next CA the current one."""

    because: str


@dataclass(frozen=True, slots=True)
class Forget:
    """No longer trust the previous CAs."""


@dataclass(frozen=True, slots=True)
class Rest:
    """No step is due.

    Attributes:
        until: when the next one is.
        troubles: clauses about objects that cannot be read, or that others maintain.
        left_alone: another program maintains all of it.
    """

    until: datetime
    troubles: tuple[str, ...] = ()
    left_alone: bool = False


Action = (
    StartCa | BeginRoll | AllowLeaf | IssueLeaf | WriteCaFile | Unpublish | Publish | NotePublished | Switch | Forget
)
Step = Action | Rest


def next_step(state: State, lifetimes: Lifetimes, now: datetime) -> Step:
    """Return the next step."""
    names = state.installation.dns_names
    if state.tls is not None and (whose := state.tls.somebody_elses(state.ca.trusted if state.ca else [])) is not None:
        trouble = f"the Secret {state.installation.tls_secret} is left alone: {whose}"
        return Rest(now + lifetimes.leaf, (trouble,), left_alone=True)

    issuer = state.issuer(now)
    broken = ca_problem(state.ca.current if state.ca is not None else None, now)
    rolling = state.ca is not None and ca_problem(state.ca.following, now) is None
    if state.ca is None or broken is not None:
        # While the served certificate is valid, the CA is rotated like any other; its certificate is enough for that.
        if not rolling:
            return StartCa(broken or "there is none") if issuer is None else BeginRoll(broken or "its Secret is gone")
        if issuer is None:
            return Switch(broken or "there is none before it")
    ca = state.ca
    if ca is None:
        raise AssertionError("the next CA cannot be in a Secret that does not exist")
    current = ca.current.parsed() if ca.current is not None else None
    if ca.following is not None and not rolling:
        return BeginRoll(f"the next CA cannot be used: {ca_problem(ca.following, now)}")
    if current is not None and not rolling and now >= renewal_of(current):
        return BeginRoll(f"the current one expires at {shown(current.not_valid_after_utc)}")

    tls = state.tls
    if broken is None and current is not None:
        why = tls.problem(names, now) if tls is not None else "there is none"
        if why is None and tls is not None and tls.leaf is not None:
            leaf = tls.leaf.parsed()
            if not issued_by(leaf, current):
                why = "another CA issued the current one"
            elif now >= renewal_of(leaf):
                why = f"the current one expires at {shown(leaf.not_valid_after_utc)}"
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
    # A configuration that cannot be read may have another caBundle.
    if rolling and not any(configuration.trouble for configuration in state.configurations):
        if ca.published_at is None:
            return NotePublished()
        if now >= ca.published_at + lifetimes.settle:
            return Switch(f"it is published everywhere since {shown(ca.published_at)}")
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
            troubles.append(f"{what} cannot be read: {configuration.trouble}")
        elif configuration.injector is not None:
            troubles.append(
                f"{what} is left alone: its annotation {configuration.injector} says who writes its caBundle"
            )
    return troubles
