"""Git over HTTP: the advertisement of references, which proves read or push access.

The request has a side effect: for a push to a project that does not exist, a caller who may create projects creates it.
"""

from __future__ import annotations

import hashlib
import re

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.gitlab import granular
from webhook.simulator.gitlab.granular import Permission
from webhook.simulator.gitlab.model import Account, GitLabHost, Level, Project, Token, TokenKind

ADDRESS = re.compile(r"/(?P<path>[^/]+(?:/[^/]+?)+?)(?P<suffix>\.git)?/info/refs")
DOWNLOAD = Permission("project", "download", "Code")
PUSH = Permission("project", "push", "Code")

# Texts of lib/gitlab/git_access.rb and git_http_client_controller.rb, which Git prints after ``remote:``.
DENIED = (
    "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect or "
    "you're required to use a token instead of a password. If a token was provided, it was either incorrect, expired, "
    "or improperly scoped. See https://{host}/help/topics/git/troubleshooting_git.md"
    "#error-on-git-fetch-http-basic-access-denied"
)
NOT_FOUND = "The project you were looking for could not be found or you don't have permission to view it."


def advertise(host: GitLabHost, call: Call, path: str) -> Reply:
    """``GET /group/project.git/info/refs?service=…``."""
    service = call.query.get("service", "")
    if service not in ("git-upload-pack", "git-receive-pack"):
        return _forbidden("The command you're trying to execute is not allowed.")
    project = host.project(path) or host.moved_project(path)
    credentials = call.credentials()
    if credentials is None or credentials.scheme != "basic":
        open_to_all = project is not None and project.visibility == "public" and service == "git-upload-pack"
        return _advertisement(project, service) if project is not None and open_to_all else _sign_in(host)
    token = host.token_presented(credentials.secret)
    if token is not None and token.kind is TokenKind.DEPLOY:
        return _answer_deploy_token(host, token, credentials.username, project, service)
    account = _user_of(host, token, project)
    if token is None or account is None:
        return _sign_in(host)
    return _answer_user(host, token, account, path, service)


def _sign_in(host: GitLabHost) -> Reply:
    """The same response for unknown, expired, revoked and blocked tokens and for anonymous callers."""
    return Reply.text(401, DENIED.format(host=host.name)).with_headers({"WWW-Authenticate": 'Basic realm="GitLab"'})


def _user_of(host: GitLabHost, token: Token | None, project: Project | None) -> Account | None:
    """Return the account of a token for Git, with any user name; None for a bot that cannot see the project."""
    if token is None or not (token.personal or token.kind is TokenKind.OAUTH):
        return None
    account = host.account(token.owner)
    if token.revoked or token.expired(host.now()) or account is None or account.state != "active":
        return None
    if token.kind is TokenKind.IMPERSONATION and host.impersonation_disabled:
        return None
    is_blind = account.bot and project is not None and not host.sees_project(account.username, project)
    return None if is_blind else account


def _answer_user(host: GitLabHost, token: Token, account: Account, path: str, service: str) -> Reply:
    """First what the token may do anywhere, then whether the project is there, then what the user may do in it."""
    writes = service == "git-receive-pack"
    if token.kind is not TokenKind.FINE_GRAINED and not _holds(token, writes):
        return _forbidden("You are not allowed to upload code." if writes else "You are not allowed to download code.")
    project = host.project(path) or host.moved_project(path)
    if project is None and writes and _may_create(host, account, path.rpartition("/")[0]):
        project = Project(path=path, id=host.next_id(), empty=True)
        host.add(project)
        host.record("project created by a push", path, token.name)
    if project is None or not host.sees_project(account.username, project):
        return Reply.text(404, NOT_FOUND)
    lacking = granular.refusal_text(host, token, PUSH if writes else DOWNLOAD, project)
    if lacking is not None:
        return _forbidden(lacking)
    level = host.project_level(account.username, project)
    if writes and (level < Level.DEVELOPER or project.archived):
        return _forbidden("You are not allowed to push code to this project.")
    by_role = level >= Level.REPORTER or account.username in project.code_readers
    if not writes and project.visibility == "private" and not by_role:
        return _forbidden("You are not allowed to download code from this project.")
    return _advertisement(project, service)


def _holds(token: Token, writes: bool) -> bool:
    """lib/gitlab/auth.rb, ``abilities_for_scopes``: here, and only here, scopes imply others."""
    return ("write_repository" if writes else "read_repository") in token.holds


def _may_create(host: GitLabHost, account: Account, namespace: str) -> bool:
    own = namespace.lower() == account.username.lower() and not account.bot
    return own or (
        host.group(namespace) is not None and host.group_level(account.username, namespace) >= Level.DEVELOPER
    )


def _forbidden(text: str) -> Reply:
    return Reply.text(403, text)


def _answer_deploy_token(host: GitLabHost, token: Token, username: str, project: Project | None, service: str) -> Reply:
    """It needs its own user name, and knows one project only."""
    good = username == token.owner and not token.revoked and not token.expired(host.now())
    if not good or project is None or project.path != token.project:
        return _sign_in(host)
    if service == "git-receive-pack" or "read_repository" not in token.holds:
        return _forbidden("You are not allowed to upload code.")
    return _advertisement(project, service)


def _advertisement(project: Project, service: str) -> Reply:
    capabilities = "report-status delete-refs side-band-64k ofs-delta agent=git/gitlab-simulator"
    if project.empty:
        line = f"{'0' * 40} capabilities^{{}}\0{capabilities}\n"
    else:
        head = hashlib.sha256(project.path.encode()).hexdigest()[:40]
        line = f"{head} refs/heads/{project.default_branch}\0{capabilities}\n"
    packets = f"{_packet(f'# service={service}' + chr(10))}0000{_packet(line)}0000"
    return Reply.text(200, packets, f"application/x-{service}-advertisement")


def _packet(line: str) -> str:
    """A pkt-line: its length in four hexadecimal digits, themselves included (gitprotocol-common)."""
    return f"{len(line) + 4:04x}{line}"
