"""The response of Git, which shows whether an account may read a project or push to it.

The request is sent only for projects that the API shows, with tokens that the API accepts: a push to a missing project
can create one (GitLab docs: user/project/#create-a-new-project-with-git-push), and failed sign-ins block the address
(GitLab docs: security/rate_limits). An advertisement of references changes nothing.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.gitlab import refusals, site
from webhook.providers.hosts import Host

_DENIED = ("not allowed to push code", "not allowed to upload code", "not allowed to download code")
"""Parts of lib/gitlab/git_access.rb's texts, in lower case (also: rht-labs/enablement-docs#342)."""
_MOST_TEXT = 2000
_ADVERTISED = (b"# service=git-receive-pack", b"# service=git-upload-pack")
"""The beginning of a reply of Git (gitprotocol-http)."""


async def get_refs(host: Host, api: Api, secret: str, path: str, writes: bool) -> Reply:
    """Request a project's references, as the first request of a push or a fetch does.

    Args:
        path: the project's full path.

    Raises:
        ProviderUnavailable: no response, or the URL of the website is not known.
    """
    root = site.root(host)
    if root is None:
        raise ProviderUnavailable("has its API at an unusual path, so Git cannot be asked")
    service = "git-receive-pack" if writes else "git-upload-pack"
    # Only OAuth tokens need this user name (GitLab docs: api/oauth2, access Git over HTTPS).
    authorization = f"Basic {b64encode(f'oauth2:{secret}'.encode()).decode()}"
    address = f"{root}/{quote(path)}.git/info/refs?service={service}"
    return await api.send("GET", address, headers={"authorization": authorization}, from_root=True, raw=True)


def allowed(reply: Reply) -> bool | None:
    """Return whether Git allows the requested fetch or push; None if the reply does not show it."""
    if reply.status == 200:
        return True if any(line in _body(reply)[:100] for line in _ADVERTISED) else None
    return False if reply.status == 403 and any(part in _text(reply) for part in _DENIED) else None


def policy(reply: Reply) -> refusals.Refusal | None:
    """Return the policy that blocks the token; None if there is none."""
    return refusals.find(_text(reply)) if reply.status == 403 else None


def _body(reply: Reply) -> bytes:
    return reply.body if isinstance(reply.body, bytes) else b""


def _text(reply: Reply) -> str:
    return _body(reply)[:_MOST_TEXT].decode("ascii", "replace").lower()
