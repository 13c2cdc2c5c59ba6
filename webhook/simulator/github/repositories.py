"""Endpoints of a repository.

A valid write changes the repository, so that a test can prove that none was made.
"""

from __future__ import annotations

import hashlib
from typing import Any

from webhook.simulator.exchange import Reply
from webhook.simulator.github import documents, replies
from webhook.simulator.github.access import Need
from webhook.simulator.github.model import SCOPED, DeployKey, Hook, Role
from webhook.simulator.github.routing import Ask, Route, requires

ADMIN_ONLY = "Must have admin rights to Repository."
PUSH_ONLY = "Must have push access to view repository collaborators."

METADATA = Need("metadata", open_to_all=True)
COLLABORATORS = Need("metadata", role=Role.WRITE, public_scopes=("public_repo",), person_refused=PUSH_ONLY)
CONTENTS = Need("contents", open_to_all=True)
CONTENTS_WRITE = Need("contents", "write", Role.WRITE, public_scopes=("public_repo",))
ADMINISTRATION = Need("administration", "read", Role.ADMIN, public_scopes=("public_repo",), person_refused=ADMIN_ONLY)
KEYS = Need("administration", "read", Role.ADMIN, public_scopes=("public_repo",))
KEYS_WRITE = Need("administration", "write", Role.ADMIN, public_scopes=("public_repo",))
HOOKS = Need(
    "repository_hooks",
    "read",
    Role.ADMIN,
    scopes=("repo", "read:repo_hook"),
    public_scopes=("public_repo", "read:repo_hook"),
    without_repo_scope=True,
)
HOOKS_WRITE = Need(
    "repository_hooks",
    "write",
    Role.ADMIN,
    scopes=("repo", "write:repo_hook"),
    public_scopes=("public_repo", "write:repo_hook"),
    without_repo_scope=True,
)
HOOK_SCOPES = "admin:repo_hook, public_repo, read:repo_hook, repo, write:repo_hook"


def repository(ask: Ask) -> Reply:
    return Reply.json(200, documents.repository(ask.host, ask.caller, ask.repository, ask.api))


def commits(ask: Ask) -> Reply:
    """409 for an empty repository, which still proves that its contents may be read."""
    if ask.repository.empty:
        return replies.error(409, "Git Repository is empty.")
    return Reply.json(200, [{"sha": head_of(ask.repository.full_name), "commit": {"message": "Start"}}])


def head_of(full_name: str) -> str:
    """A commit id that stays the same for a repository."""
    return hashlib.sha256(full_name.encode()).hexdigest()[:40]


def collaborators(ask: Ask) -> Reply:
    people = [documents.account(ask.host, login, ask.api) for login in ask.repository.roles]
    shown, headers = ask.page(people)
    return Reply.json(200, shown, headers)


def hooks(ask: Ask) -> Reply:
    found = [documents.hook(one, ask.api, ask.repository.full_name) for one in ask.repository.hooks]
    shown, headers = ask.page(found)
    return Reply.json(200, shown, headers)


def _hook_url(ask: Ask) -> str | None:
    config = ask.body.get("config")
    url = config.get("url") if isinstance(config, dict) else None
    return url if isinstance(url, str) and url else None


def _check_new_hook(ask: Ask) -> Reply | None:
    if _hook_url(ask) is None:
        return replies.validation_failed("Hook", "Config must contain URL for webhooks")
    return None


def create_hook(ask: Ask) -> Reply:
    events = ask.body.get("events")
    chosen = events if isinstance(events, list) else ["push"]
    hook = Hook(id=ask.host.next_id(), url=_hook_url(ask) or "", events=chosen)
    ask.repository.hooks.append(hook)
    ask.record(f"hook {hook.id} created")
    return Reply.json(201, documents.hook(hook, ask.api, ask.repository.full_name))


def _addressed_hook(ask: Ask) -> Hook | None:
    return next((one for one in ask.repository.hooks if str(one.id) == ask.params["id"]), None)


def _check_hook_exists(ask: Ask) -> Reply | None:
    return replies.not_found() if _addressed_hook(ask) is None else None


def update_hook(ask: Ask) -> Reply:
    hook = _addressed_hook(ask)
    if hook is None:
        return replies.not_found()
    before = hook.model_copy(deep=True)
    hook.url = _hook_url(ask) or hook.url
    if isinstance(ask.body.get("active"), bool):
        hook.active = ask.body["active"]
    if isinstance(ask.body.get("events"), list):
        hook.events = ask.body["events"]
    if hook != before:
        ask.record(f"hook {hook.id} changed")
    return Reply.json(200, documents.hook(hook, ask.api, ask.repository.full_name))


def keys(ask: Ask) -> Reply:
    found = [documents.deploy_key(one, ask.api, ask.repository.full_name) for one in ask.repository.keys]
    shown, headers = ask.page(found)
    return Reply.json(200, shown, headers)


def _check_new_key(ask: Ask) -> Reply | None:
    refused = requires("key")(ask)
    if refused is None and not str(ask.body["key"]).startswith(("ssh-", "ecdsa-", "sk-")):
        message = "key is invalid. You must supply a key in OpenSSH public key format"
        return replies.validation_failed("PublicKey", message)
    return refused


def create_key(ask: Ask) -> Reply:
    title = ask.body.get("title")
    key = DeployKey(id=ask.host.next_id(), title=title if isinstance(title, str) else "", key=str(ask.body["key"]))
    ask.repository.keys.append(key)
    ask.record(f"deploy key {key.id} added")
    return Reply.json(201, documents.deploy_key(key, ask.api, ask.repository.full_name))


def _check_key_exists(ask: Ask) -> Reply | None:
    exists = any(str(one.id) == ask.params["id"] for one in ask.repository.keys)
    return None if exists else replies.not_found()


def delete_key(ask: Ask) -> Reply:
    kept = [one for one in ask.repository.keys if str(one.id) != ask.params["id"]]
    ask.repository.keys[:] = kept
    ask.record(f"deploy key {ask.params['id']} removed")
    return Reply(204)


def actions_permissions(ask: Ask) -> Reply:
    return Reply.json(200, {"enabled": True, "allowed_actions": "all"})


def rulesets(ask: Ask) -> Reply:
    return Reply.json(200, [])


def rule_suites(ask: Ask) -> Reply:
    """Not on the list of endpoints for fine-grained tokens: 403 whatever they hold (measured in August 2026)."""
    token = ask.caller.token
    if token is not None and token.kind not in SCOPED:
        return replies.not_accessible(ask.caller.actor)
    return Reply.json(200, [])


def put_contents(ask: Ask) -> Reply:
    path = ask.params["path"]
    status = 200 if path in ask.repository.files else 201
    if status == 201:
        ask.repository.files.append(path)
    ask.repository.empty = False
    ask.record(f"file {path} written")
    return Reply.json(status, {"content": {"path": path}, "commit": {"message": ask.body["message"]}})


def _check_reference(ask: Ask) -> Reply | None:
    refused = requires("ref", "sha")(ask)
    if refused is None and not str(ask.body["ref"]).startswith("refs/"):
        return replies.error(422, "Reference name must start with 'refs/'")
    return refused


def create_reference(ask: Ask) -> Reply:
    reference = str(ask.body["ref"])
    if reference in ask.repository.refs:
        return replies.error(422, "Reference already exists")
    ask.repository.refs.append(reference)
    ask.record(f"{reference} created")
    return Reply.json(201, {"ref": reference, "object": {"type": "commit", "sha": ask.body["sha"]}})


def merge(ask: Ask) -> Reply:
    into: Any = ask.body["base"]
    ask.repository.merges.append(f"{ask.body['head']} into {into}")
    ask.record(f"{ask.body['head']} merged into {into}")
    return Reply.json(201, {"sha": head_of(f"{ask.repository.full_name}/{into}")})


REPOSITORY = "/repos/{owner}/{repo}"
ROUTES = (
    Route("GET", REPOSITORY, repository, METADATA, accepted_scopes="repo"),
    Route("GET", f"{REPOSITORY}/commits", commits, CONTENTS),
    Route("GET", f"{REPOSITORY}/collaborators", collaborators, COLLABORATORS),
    Route("GET", f"{REPOSITORY}/hooks", hooks, HOOKS, accepted_scopes=HOOK_SCOPES),
    Route("POST", f"{REPOSITORY}/hooks", create_hook, HOOKS_WRITE, _check_new_hook, HOOK_SCOPES),
    Route("PATCH", f"{REPOSITORY}/hooks/{{id}}", update_hook, HOOKS_WRITE, _check_hook_exists, HOOK_SCOPES),
    Route("GET", f"{REPOSITORY}/keys", keys, KEYS),
    Route("POST", f"{REPOSITORY}/keys", create_key, KEYS_WRITE, _check_new_key),
    Route("DELETE", f"{REPOSITORY}/keys/{{id}}", delete_key, KEYS_WRITE, _check_key_exists),
    Route("GET", f"{REPOSITORY}/actions/permissions", actions_permissions, ADMINISTRATION, accepted_scopes="repo"),
    Route("GET", f"{REPOSITORY}/rulesets", rulesets, METADATA),
    Route("GET", f"{REPOSITORY}/rulesets/rule-suites", rule_suites, ADMINISTRATION),
    Route("PUT", f"{REPOSITORY}/contents/{{path:.+}}", put_contents, CONTENTS_WRITE, requires("message", "content")),
    Route("POST", f"{REPOSITORY}/git/refs", create_reference, CONTENTS_WRITE, _check_reference),
    Route("POST", f"{REPOSITORY}/merges", merge, CONTENTS_WRITE, requires("base", "head")),
)
