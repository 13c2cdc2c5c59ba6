"""Endpoints about the caller: its token, its user, and the GitLab it talks to."""

from __future__ import annotations

from webhook.simulator.exchange import Reply
from webhook.simulator.gitlab import documents, replies
from webhook.simulator.gitlab.granular import Permission
from webhook.simulator.gitlab.identity import Scopes
from webhook.simulator.gitlab.model import Token
from webhook.simulator.gitlab.routing import Ask, Route, least_level

READ_TOKEN = Permission("user", "read", "Personal Access Token")
ROTATE_TOKEN = Permission("user", "rotate", "Personal Access Token")
REVOKE_TOKEN = Permission("user", "revoke", "Personal Access Token")
READ_USER = Permission("user", "read", "User")
READ_METADATA = Permission("instance", "read", "Metadata")
ANY_SCOPE = Scopes(any=True)
USER_SCOPES = Scopes(own=("read_user",))
ROTATION_SCOPES = Scopes(writing=("self_rotate",))


def itself(ask: Ask) -> Reply:
    granular = ask.host.self_includes_granular_scopes
    return replies.document(200, documents.token(ask.host, ask.token, ask.account, granular_scopes=granular))


def by_id(ask: Ask) -> Reply:
    """Return a token by its ID. For other users' tokens and unknown ones, only administrators do not get 401.

    GitLab before 15.5 also returns 401 for ``self``, which is the ID of no token (lib/api/personal_access_tokens.rb,
    ``find_by_id(params[:id])``).
    """
    known = _own(ask)
    if known is None:
        return replies.unauthorized()
    return replies.document(200, documents.token(ask.host, known, ask.account, granular_scopes=True))


def _own(ask: Ask) -> Token | None:
    if not ask.params["token"].isdecimal():
        return None
    return next(
        (
            one
            for one in ask.host.tokens.values()
            if one.personal and one.id == int(ask.params["token"]) and one.owner == ask.account.username
        ),
        None,
    )


def associations(ask: Ask) -> Reply:
    """All groups and projects that the user sees, or those where it has a level: with the user's levels there.

    Without ``min_access_level`` public ones of strangers are among them (self_information.rb: GroupsFinder and
    ProjectsFinder of everything visible).
    """
    host, username = ask.host, ask.account.username
    least = least_level(ask.call)
    if isinstance(least, Reply):
        return least
    groups = [
        one
        for one in host.groups.values()
        if host.sees_group(username, one) and host.group_level(username, one.path) >= least
    ]
    projects = [
        one
        for one in host.projects.values()
        if host.sees_project(username, one) and host.project_level(username, one) >= least
    ]
    shown_groups, _ = ask.page(groups)
    shown_projects, headers = ask.page(projects)  # the second list's headers replace those of the first
    document = {
        "groups": [documents.group_association(host, one, username, ask.web) for one in shown_groups],
        "projects": [documents.project_association(host, one, username, ask.web) for one in shown_projects],
    }
    return replies.document(200, document, headers)


def rotate(ask: Ask) -> Reply:
    """The old token is revoked, which makes this no probe."""
    old = ask.token
    number = sum(1 for one in ask.host.tokens.values() if one.name.startswith(f"{old.name}-rotated")) + 1
    name = f"{old.name}-rotated-{number}"
    new = old.model_copy(update={"name": name, "fixed_value": None, "created_at": ask.host.now()}, deep=True)
    old.revoked = True
    ask.host.add(new)
    ask.record("token rotated", old.name)
    document = documents.token(ask.host, new, ask.account, granular_scopes=False)
    return replies.document(200, {**document, "token": new.value})


def revoke_itself(ask: Ask) -> Reply:
    ask.token.revoked = True
    ask.record("token revoked", ask.token.name)
    return Reply(204)


def revoke(ask: Ask) -> Reply:
    known = _own(ask)
    if known is None:
        return replies.not_found("Personal Access Token")
    known.revoked = True
    ask.record("token revoked", known.name)
    return Reply(204)


def user(ask: Ask) -> Reply:
    return replies.document(200, documents.own_user(ask.account, ask.web))


def version(ask: Ask) -> Reply:
    return replies.document(200, {"version": ask.host.version, "revision": "3f1c9a7d2b4"})


def metadata(ask: Ask) -> Reply:
    """The same with a little more."""
    more = {"kas": {"enabled": False, "externalUrl": None, "version": None}, "enterprise": "-ee" in ask.host.version}
    return replies.document(200, {"version": ask.host.version, "revision": "3f1c9a7d2b4", **more})


TOKENS = "/personal_access_tokens"
ROUTES = (
    Route("GET", f"{TOKENS}/self", itself, READ_TOKEN, ANY_SCOPE, (15, 5), personal_only=True),
    Route("GET", f"{TOKENS}/self/associations", associations, READ_TOKEN, ANY_SCOPE, (17, 4), personal_only=True),
    Route("DELETE", f"{TOKENS}/self", revoke_itself, REVOKE_TOKEN, ANY_SCOPE, (15, 0), personal_only=True),
    Route("POST", f"{TOKENS}/self/rotate", rotate, ROTATE_TOKEN, ROTATION_SCOPES, (16, 10), personal_only=True),
    Route("GET", f"{TOKENS}/{{token}}", by_id, READ_TOKEN, since=(15, 1)),
    Route("DELETE", f"{TOKENS}/{{token}}", revoke, REVOKE_TOKEN, since=(13, 3)),
    Route("GET", "/user", user, READ_USER, USER_SCOPES),
    Route("GET", "/version", version, READ_METADATA, USER_SCOPES),
    Route("GET", "/metadata", metadata, READ_METADATA, USER_SCOPES, (15, 2)),
)
