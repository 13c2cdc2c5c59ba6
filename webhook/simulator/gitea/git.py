"""Git over HTTP, as in ``routers/web/repo/githttp.go``."""

from __future__ import annotations

import hashlib
import re

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.gitea import replies
from webhook.simulator.gitea.identity import Caller
from webhook.simulator.gitea.model import GiteaHost, Repository, Role

ADDRESS = re.compile(r"/(?P<owner>[^/]+)/(?P<repo>[^/]+?)(?:\.git)?/info/refs")
SERVICES = ("git-upload-pack", "git-receive-pack")


def advertise(host: GiteaHost, call: Call, caller: Caller | None, owner: str, name: str) -> Reply:
    """``GET /owner/name.git/info/refs?service=…``.

    A user with the right to read only also gets the advertisement for a push. The right to write is checked during the
    push, because readers may push to ``refs/for/…``. The scopes of the token are checked here.
    """
    service = call.query.get("service", "")
    if service not in SERVICES:
        return Reply.text(400, "")
    writes = service == "git-receive-pack"
    repository = host.repository(owner, name) or host.renamed(owner, name)
    if repository is not None and repository.archived and writes:
        return Reply.text(403, "This repo is archived. You can view files and clone it, but cannot push.\n")
    if caller is None:
        return _sign_in()
    if repository is not None and not repository.private and not writes:
        return _advertisement(service, repository)
    if caller.token is None:
        return _sign_in()
    refused = _refused_by_token(caller, repository, writes)
    if refused is not None:
        return refused
    if repository is None:
        return _absent(host, service, owner)
    if host.role(caller.user, repository, caller.token) < Role.READ:
        return Reply.text(404, "Repository not found\n")
    return _advertisement(service, repository)


def _sign_in() -> Reply:
    return Reply.text(401, "Unauthorized\n").with_headers(replies.GIT_REALM)


def _refused_by_token(caller: Caller, repository: Repository | None, writes: bool) -> Reply | None:
    token = caller.token
    if token is None or not token.holds("write:repository" if writes else "read:repository"):
        return Reply.text(403, "Forbidden\n")
    private = repository is not None and repository.private
    return Reply.text(403, "Forbidden\n") if private and token.public_only else None


def _absent(host: GiteaHost, service: str, owner: str) -> Reply:
    """A push may create a repository; where it may, it is shown an empty one, without a look at whose name it is."""
    if service != "git-receive-pack":
        return Reply.text(404, "Repository not found\n")
    if host.push_to_create:
        return _advertisement(service, None)
    whom = "users" if host.organization(owner) is None else "organizations"
    return Reply.text(403, f"Push to create is not enabled for {whom}.\n")


def _advertisement(service: str, repository: Repository | None) -> Reply:
    capabilities = "report-status delete-refs side-band-64k ofs-delta agent=git/gitea-simulator"
    if repository is None or repository.empty:
        first = f"{'0' * 40} capabilities^{{}}"
    else:
        first = f"{hashlib.sha256(repository.full_name.encode()).hexdigest()[:40]} refs/heads/main"
    lines = f"{_packet(f'# service={service}' + chr(10))}0000{_packet(first + chr(0) + capabilities + chr(10))}0000"
    return Reply.text(200, lines, f"application/x-{service}-advertisement")


def _packet(line: str) -> str:
    """A pkt-line: its length in four hexadecimal digits, themselves included (gitprotocol-common)."""
    return f"{len(line) + 4:04x}{line}"
