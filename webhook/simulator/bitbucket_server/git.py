"""Git's smart HTTP below ``/scm``: the advertisement of references, which changes nothing."""

from __future__ import annotations

import hashlib
import re

from webhook.simulator.bitbucket_server import access, replies
from webhook.simulator.bitbucket_server.identity import Caller
from webhook.simulator.bitbucket_server.model import BitbucketServerHost, Level, Repository
from webhook.simulator.exchange import Call, Reply

ADDRESS = re.compile(r"/scm/(?P<project>[^/]+)/(?P<repo>[^/]+?)(?:\.git)?/info/refs")
SERVICES = ("git-upload-pack", "git-receive-pack")
NOT_FOUND = (
    "Repository not found\nThe requested repository does not exist, or you do not have permission to access it.\n"
)


def advertise(host: BitbucketServerHost, call: Call, caller: Caller | Reply, project: str, repo: str) -> Reply:
    """``GET /scm/project/repo.git/info/refs?service=…``.

    What Git prints as ``fatal: remote error:`` came in a reply of status 200, so a status alone proves nothing here. A
    push without the permission for it is 403 (Atlassian KB: Git push returns error code 403).
    """
    service = call.query.get("service", "")
    if service not in SERVICES:
        return Reply.text(403, "Only the smart HTTP protocol is supported.\n")
    if isinstance(caller, Reply):
        if b"CaptchaRequired" in caller.body:
            return _remote_error(service, replies.CAPTCHA_REQUIRED + "\n")
        return _sign_in()
    repository = host.repository(project, repo)
    level = Level.NONE if repository is None else access.repository_level(host, caller, repository)
    writes = service == "git-receive-pack"
    if caller.anonymous and (writes or level < Level.READ):
        return _sign_in()
    if repository is None or level < Level.READ:
        return _remote_error(service, NOT_FOUND)
    if writes and (level < Level.WRITE or repository.archived):
        return Reply.text(403, "You do not have permission to push to this repository.\n")
    return _advertisement(repository, service)


def _sign_in() -> Reply:
    return Reply.text(401, "Authentication is required.\n").with_headers(replies.GIT_REALM)


def _remote_error(service: str, text: str) -> Reply:
    return _packets(service, [f"ERR {text}"])


def _advertisement(repository: Repository, service: str) -> Reply:
    capabilities = "report-status delete-refs side-band-64k ofs-delta agent=git/bitbucket-server-simulator"
    head = hashlib.sha256(repository.full_name.encode()).hexdigest()[:40]
    first = f"{'0' * 40} capabilities^{{}}" if repository.empty else f"{head} refs/heads/main"
    return _packets(service, [f"{first}\0{capabilities}\n"])


def _packets(service: str, lines: list[str]) -> Reply:
    text = f"{_packet(f'# service={service}' + chr(10))}0000{''.join(_packet(line) for line in lines)}0000"
    return Reply.text(200, text, f"application/x-{service}-advertisement")


def _packet(line: str) -> str:
    """A pkt-line: its length in four hexadecimal digits, themselves included (gitprotocol-common)."""
    return f"{len(line.encode()) + 4:04x}{line}"
