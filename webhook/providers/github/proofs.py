"""The permissions that the replies to probes prove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.github import replies, repository
from webhook.providers.github.probes import Probes
from webhook.providers.github.repository import Role
from webhook.providers.requirements import Level

_META = "metadata"
_PUBLIC = "the repository is public, so anyone can read it"


@dataclass(slots=True)
class Proofs:
    """What the probes prove.

    Attributes:
        held: proven, by permission and level.
        absent: proven to be missing.
        open: not proven, with the reason.
        refused: rejected, for any reason.
        transient: something is open because of a missing response, so a retry may help.
        role: the user's role in the repository's document.
    """

    held: set[tuple[str, Level]] = field(default_factory=set)
    absent: set[tuple[str, Level]] = field(default_factory=set)
    open: dict[tuple[str, Level], str] = field(default_factory=dict)
    refused: set[tuple[str, Level]] = field(default_factory=set)
    transient: bool = False
    role: Role = field(default_factory=Role)


def prove(probes: Probes, *, installation: bool) -> Proofs:
    """Return what the replies for one visible repository prove."""
    body = probes.found.body if isinstance(probes.found, Reply) else None
    details = body if isinstance(body, Mapping) else {}
    private = repository.is_private(details) is True
    proofs = Proofs()
    if not installation:  # whose `permissions` are all false (recorded responses)
        proofs.role = repository.role_in(details)
    for (permission, level), reply in probes.replies.items():
        key = (permission, level)
        second = probes.absent.get(permission) if level is not Level.READ else None
        if any(isinstance(one, Reply) and one.status in (403, 404) for one in (reply, second)):
            proofs.refused.add(key)
        if isinstance(reply, ProviderUnavailable):
            proofs.open[key] = f"GitHub {reply}"
            proofs.transient = proofs.transient or reply.transient
            continue
        read = (permission, Level.READ)
        if isinstance(second, Reply) and second.status == 403 and _forbidden(permission, second) is False:
            proofs.absent.add(key)
            continue
        match _meaning(permission, level, reply, private=private, read_held=read in proofs.held):
            case True:
                proofs.held |= {key, read}
                proofs.open.pop(read, None)
            case False:
                proofs.absent.add(key)
            case str(why):
                proofs.open[key] = why
    if private or proofs.held:
        proofs.held.add((_META, Level.READ))  # comes with any permission for a repository (GitHub docs)
    else:
        proofs.open[_META, Level.READ] = _PUBLIC
    return proofs


def _meaning(permission: str, level: Level, reply: Reply, *, private: bool, read_held: bool) -> bool | str:
    """Return True if a permission is proven, False if its absence is, and otherwise the reason for neither."""
    status = reply.status
    if status == 403:
        return _forbidden(permission, reply)
    if level is Level.READ:
        empty = permission == "contents" and status == 409 and replies.is_own(reply)
        if empty or (status == 200 and isinstance(reply.body, list)):
            if permission == "contents" and not private:
                return _PUBLIC
            return True
        return f"GitHub answers {status}"
    if not read_held and (private or permission != "contents"):
        return "read access is not proven either"
    return True if status in (400, 422) and replies.is_own(reply) else f"GitHub answers {status}"


def _forbidden(permission: str, reply: Reply) -> bool | str:
    text = replies.message_of(reply)
    if "must have" in text:  # "… admin rights to Repository.", "… push access …": the account's role
        return "the account's own role there is too low"
    if "archived" in text:
        return "the repository is archived"
    # The header names what the endpoint needs, for any rejection.
    accepted = replies.accepted_permissions(reply)
    if accepted and permission not in accepted:
        return "GitHub denies it for lack of another permission"
    if "not accessible by" in text or permission in accepted:
        return False
    return "GitHub denies it without a reason"
