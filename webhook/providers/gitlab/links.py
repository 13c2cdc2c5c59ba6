"""Where a better token is made, with the right boxes ticked."""

from __future__ import annotations

from webhook.providers.findings import Question
from webhook.providers.gitlab import site
from webhook.providers.gitlab.vocabulary import without_implied
from webhook.providers.requirements import Role, union


def new_token(question: Question, group: str = "") -> str:
    """A sentence with a link that makes a token with the scopes of all roles.

    Args:
        group: the group whose token would do for a runtime; `""` where the URL names none.
    """
    scopes = without_implied(union(question.requirements.values()).scopes)
    named = " and ".join((", ".join(scopes[:-1]), scopes[-1])) if len(scopes) > 1 else "".join(scopes)
    having = f" that has {named}" if named else ""
    if Role.RUNTIME not in question.requirements:
        return f"Make one{having}: {_personal(question, scopes)}"
    if group:
        page = f"{site.web_url(question.host)}/groups/{group}/-/settings/access_tokens"
        return f"Make a group access token{having}, or one of a service account: {page}"
    return f"Make one{having}, best as a service account: {_personal(question, scopes)}"


def new_fine_grained(question: Question) -> str:
    """A sentence with the page where fine-grained tokens are made, which has no parameters that are documented."""
    names = union(question.requirements.values()).granular
    having = f" that has {', '.join(names)}" if names else ""
    return f"Make a fine-grained one{having}: {_page(question)}"


def members(question: Question, path: str, *, of_group: bool) -> str:
    """Where roles in a project or group are given."""
    web = site.web_url(question.host)
    return f"{web}/groups/{path}/-/group_members" if of_group else f"{web}/{path}/-/project_members"


def _personal(question: Question, scopes: tuple[str, ...]) -> str:
    """GitLab docs: personal access tokens, prefill. Older versions know the page, too, and not the parameters."""
    return f"{_page(question)}?scopes={','.join(scopes)}" if scopes else _page(question)


def _page(question: Question) -> str:
    return f"{site.web_url(question.host)}/-/user_settings/personal_access_tokens"
