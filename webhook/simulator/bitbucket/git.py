"""Git's smart HTTP: the advertisement of references, which proves read or push access without changing anything."""

from __future__ import annotations

import json
import re

from webhook.simulator.bitbucket import access, replies
from webhook.simulator.bitbucket.identity import identify_for_git
from webhook.simulator.bitbucket.model import BitbucketHost, Repository
from webhook.simulator.bitbucket.repositories import head_of
from webhook.simulator.exchange import Call, Reply

ADDRESS = re.compile(r"/(?P<workspace>[^/]+)/(?P<repo>[^/]+?)(?:\.git)?/info/refs")
NEEDS = {"git-upload-pack": access.READ_REPOSITORY, "git-receive-pack": access.WRITE_REPOSITORY}


def advertise(host: BitbucketHost, call: Call, workspace: str, name: str) -> Reply:
    """``GET /workspace/name.git/info/refs?service=…``."""
    service = call.query.get("service", "")
    if service not in NEEDS:
        return Reply.text(403, "Please upgrade your git client.\n")
    caller = identify_for_git(host, call)
    if isinstance(caller, Reply):
        return caller
    repository = host.repository(workspace, name)
    refused = access.refusal(host, caller, repository, NEEDS[service])
    if refused is None and repository is not None:
        return _advertisement(repository, service)
    return _as_text(refused or replies.repository_not_found()) if caller.token is not None else replies.sign_in()


def _as_text(refused: Reply) -> Reply:
    """The API's words without its JSON: Git prints them after ``remote:``."""
    return Reply.text(refused.status, json.loads(refused.body)["error"]["message"] + "\n")


def _advertisement(repository: Repository, service: str) -> Reply:
    capabilities = "report-status delete-refs side-band-64k ofs-delta agent=git/bitbucket-simulator"
    if repository.empty:
        line = f"{'0' * 40} capabilities^{{}}\0{capabilities}\n"
    else:
        line = f"{head_of(repository.full_name)} refs/heads/{repository.main_branch}\0{capabilities}\n"
    packets = f"{_packet(f'# service={service}' + chr(10))}0000{_packet(line)}0000"
    return Reply.text(200, packets, f"application/x-{service}-advertisement")


def _packet(line: str) -> str:
    """A pkt-line: its length in four hexadecimal digits, themselves included (gitprotocol-common)."""
    return f"{len(line) + 4:04x}{line}"
