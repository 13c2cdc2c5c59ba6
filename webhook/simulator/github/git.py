"""Git's smart HTTP: the advertisement of references, which proves read or push access without changing anything."""

from __future__ import annotations

import re

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.github import access, replies
from webhook.simulator.github.identity import Caller
from webhook.simulator.github.model import LEVELS, SCOPED, GitHubHost, Repository, Role, Token, TokenKind
from webhook.simulator.github.repositories import head_of

ADDRESS = re.compile(r"/(?P<owner>[^/]+)/(?P<repo>[^/]+?)(?:\.git)?/info/refs")
SERVICES = ("git-upload-pack", "git-receive-pack")


def advertise(host: GitHubHost, call: Call, caller: Caller | Reply, owner: str, name: str) -> Reply:
    """``GET /owner/name.git/info/refs?service=…``."""
    service = call.query.get("service", "")
    if service not in SERVICES:
        return Reply.text(403, "Please upgrade your git client.\n")
    if isinstance(caller, Reply) or caller.app is not None:
        return _sign_in("Invalid username or token. Password authentication is not supported for Git operations.\n")
    repository = host.repository(owner, name)
    writes = service == "git-receive-pack"
    token = caller.token
    if token is None:
        if repository is None or repository.private:
            return _sign_in("Repository not found.\n")
        return _sign_in("No anonymous write access.\n") if writes else _advertisement(repository, service)
    refused = _refusal(host, call, caller, token, repository, writes)
    if refused is not None or repository is None:
        return refused or Reply.text(404, "Repository not found.\n")
    return _advertisement(repository, service)


def _sign_in(text: str) -> Reply:
    return Reply.text(401, text).with_headers({"WWW-Authenticate": 'Basic realm="GitHub"'})


def _refusal(
    host: GitHubHost, call: Call, caller: Caller, token: Token, repository: Repository | None, writes: bool
) -> Reply | None:
    """404 where the person has no business; 403 with a text that tells token and person apart.

    The texts are those that Git prints after ``remote:``, as quoted in many public issues.
    """
    person = token.kind is not TokenKind.INSTALLATION
    role = Role.NONE if repository is None else host.role(token.owner, repository) if person else Role.ADMIN
    if repository is None or (repository.private and role < Role.READ):
        return Reply.text(404, "Repository not found.\n")
    forbidden = access.policy_refusal(host, caller, repository.owner, call)
    if forbidden is not None:
        return _policy_text(forbidden, repository.owner)
    if not _token_allows(host, token, repository, writes):
        return Reply.text(403, "Write access to repository not granted.\n")
    if writes and role < Role.WRITE:
        return Reply.text(403, f"Permission to {repository.full_name}.git denied to {token.owner}.\n")
    if writes and repository.archived:
        return Reply.text(403, "This repository was archived so it is read-only.\n")
    return None


def _policy_text(forbidden: Reply, organization: str) -> Reply:
    if "X-GitHub-SSO" not in forbidden.headers:
        return Reply.text(403, replies.message_of(forbidden) + "\n")
    text = (
        f"The `{organization}' organization has enabled or enforced SAML SSO.\n"
        "To access this repository, you must use the HTTPS remote with a personal access token\n"
        "or SSH with an SSH key and passphrase\nthat has been authorized for this organization.\n"
    )
    return Reply.text(403, text)


def _token_allows(host: GitHubHost, token: Token, repository: Repository, writes: bool) -> bool:
    if not repository.private and not writes:
        return True
    if token.kind in SCOPED:
        return ("repo" if repository.private else "public_repo") in token.holds
    held = (access.reached_permissions(host, token, repository) or {}).get("contents")
    return held is not None and LEVELS.index(held) >= LEVELS.index("write" if writes else "read")


def _advertisement(repository: Repository, service: str) -> Reply:
    capabilities = "report-status delete-refs side-band-64k ofs-delta agent=git/github-simulator"
    if repository.empty:
        lines = [f"{'0' * 40} capabilities^{{}}\0{capabilities}\n"]
    else:
        lines = [f"{head_of(repository.full_name)} refs/heads/{repository.default_branch}\0{capabilities}\n"]
    packets = f"{_packet(f'# service={service}' + chr(10))}0000{''.join(_packet(line) for line in lines)}0000"
    return Reply.text(200, packets, f"application/x-{service}-advertisement")


def _packet(line: str) -> str:
    """A pkt-line: its length in four hexadecimal digits, themselves included (gitprotocol-common)."""
    return f"{len(line) + 4:04x}{line}"
