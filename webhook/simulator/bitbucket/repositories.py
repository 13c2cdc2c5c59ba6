"""Endpoints of a repository.

A valid write changes the repository, so that a test can prove that none was made.
"""

from __future__ import annotations

import hashlib

from webhook.simulator.bitbucket import access, documents, replies
from webhook.simulator.bitbucket.model import Hook
from webhook.simulator.bitbucket.routing import Ask, Route, json_body
from webhook.simulator.exchange import Reply


def repository(ask: Ask) -> Reply:
    return Reply.json(200, documents.repository(ask.host, ask.repository, ask.api))


def head_of(full_name: str) -> str:
    """A commit id that stays the same for a repository."""
    return hashlib.sha256(full_name.encode()).hexdigest()[:40]


def branches(ask: Ask) -> Reply:
    """None in an empty repository."""
    one = ask.repository
    target = {"type": "commit", "hash": head_of(one.full_name)}
    return ask.page([] if one.empty else [{"type": "branch", "name": one.main_branch, "target": target}])


def hooks(ask: Ask) -> Reply:
    return ask.page([documents.hook(one, ask.repository, ask.api) for one in ask.repository.hooks])


def create_hook(ask: Ask) -> Reply:
    """The caller's rights were looked at before the body."""
    body = json_body(ask.call)
    if isinstance(body, Reply):
        return body
    url, events = body.get("url"), body.get("events")
    missing = {name: ["required key not provided"] for name, given in (("url", url), ("events", events)) if not given}
    if missing:
        return replies.bad_request(missing)
    hook = Hook.model_validate(
        {"uuid": ask.host.new_uuid(), "url": str(url), "events": [str(one) for one in events or ()]}
    )
    ask.repository.hooks.append(hook)
    ask.record(f"hook {hook.uuid} created")
    return Reply.json(201, documents.hook(hook, ask.repository, ask.api))


def delete_hook(ask: Ask) -> Reply:
    kept = [one for one in ask.repository.hooks if one.uuid != ask.params["uid"]]
    if len(kept) == len(ask.repository.hooks):
        return replies.hook_not_found(ask.params["uid"])
    ask.repository.hooks[:] = kept
    ask.record(f"hook {ask.params['uid']} removed")
    return Reply(204)


REPOSITORY = "/repositories/{workspace}/{repo}"
ROUTES = (
    Route("GET", REPOSITORY, repository, access.READ_REPOSITORY),
    Route("GET", f"{REPOSITORY}/refs/branches", branches, access.READ_REPOSITORY),
    Route("GET", f"{REPOSITORY}/hooks", hooks, access.READ_HOOKS),
    Route("POST", f"{REPOSITORY}/hooks", create_hook, access.WRITE_HOOKS),
    Route("DELETE", f"{REPOSITORY}/hooks/{{uid}}", delete_hook, access.DELETE_HOOKS),
)
