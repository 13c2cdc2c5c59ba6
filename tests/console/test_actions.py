"""Adding, replacing and deleting tokens, and notifications."""

from __future__ import annotations

import asyncio

from tests.console.conftest import Visitor, World, secret

NOTIFICATIONS = "git-token-webhook/notifications"


async def ready(world: World, *names: str, user: str = "admin") -> Visitor:
    """A visitor whose console has listed these Secrets."""
    visitor = await world.visitor(user)
    for name in names:
        await world.until(visitor, "/?q=" + name, f"{name} team")
    return visitor


async def test_a_sufficient_token_replaces_the_old_one(world: World) -> None:
    """The token is stored, and the page says what the provider reports about it."""
    await world.runtime("creds", world.github.weak_token())
    visitor, token = await ready(world, "creds"), world.github.good_token()
    page = await visitor.post("/secrets/team/creds/token", {"token": token})
    assert world.stored("creds", "password") == token
    assert "The token is stored. github.com accepts it as a classic token of octocat" in page.words


async def test_an_insufficient_token_changes_nothing(world: World) -> None:
    """The page says what is missing, with a link to create a better token, and the old token stays."""
    old = world.github.good_token()
    await world.runtime("creds", old)
    visitor = await ready(world, "creds")
    page = await visitor.post("/secrets/team/creds/token", {"token": world.github.weak_token()})
    assert world.stored("creds", "password") == old
    assert "also needs admin:repo_hook" in page.words and "Nothing was changed." in page.words
    assert 'href="https://github.com/settings/tokens/new?scopes=repo,admin:repo_hook"' in page.text
    assert "missing admin:repo_hook (request 1: x-oauth-scopes" in page.words


async def test_one_token_serves_several_runtimes(world: World) -> None:
    """A form with further Secrets stores the token in each of them, and says so for each."""
    for name in ("one", "two", "three"):
        await world.runtime(name, world.github.weak_token())
    visitor, token = await ready(world, "one", "two", "three"), world.github.good_token()
    form = await visitor.get("/secrets/team/one")
    assert 'name="also" value="team/two"' in form.text
    page = await visitor.post("/secrets/team/one/token", {"token": token, "also": "team/two"})
    assert [world.stored(name, "password") == token for name in ("one", "two", "three")] == [True, True, False]
    assert "team/one : The token is stored." in page.words and "team/two : The token is stored." in page.words


async def test_a_users_token_is_replaced_without_the_others(world: World) -> None:
    """In a Secret with a token for each user, only the named one changes."""
    bobs, token = world.github.good_token(), world.github.good_token()
    await world.write(secret("git-default-acme", {"alice": world.github.good_token(), "bob": bobs}))
    visitor = await world.visitor()
    await world.until(visitor, "/users", "2 entries")
    await visitor.post("/secrets/team/git-default-acme/token", {"token": token, "user": "alice"})
    assert (world.stored("git-default-acme", "alice"), world.stored("git-default-acme", "bob")) == (token, bobs)


async def test_a_new_secret_is_created(world: World) -> None:
    """A runtime's Secret that does not exist is created with its URL."""
    visitor, token = await world.visitor(), world.github.good_token()
    fields = {"namespace": "team", "name": "new", "url": "https://github.com/acme", "token": token}
    page = await visitor.post("/add", fields)
    assert "The token is stored." in page.words
    assert world.stored("new", "password") == token


async def test_a_new_secret_needs_a_url(world: World) -> None:
    """Without a URL, nothing is created, and the page says what is missing."""
    visitor = await world.visitor()
    fields = {"namespace": "team", "name": "new", "token": world.github.good_token()}
    assert "Nothing was changed." in (await visitor.post("/add", fields)).words
    assert world.stored("new", "password") is None


async def test_deleting_needs_the_name(world: World) -> None:
    """A runtime's Secret is deleted only if its name was typed, and the form says what stops working."""
    await world.runtime("creds", world.github.good_token())
    source = {"repoURL": "https://github.com/acme/apps.git"}
    application = {"metadata": {"name": "shop", "namespace": "team"}, "spec": {"source": source, "project": "default"}}
    await world.server.put("applications", application, api="apis/argoproj.io/v1alpha1")
    visitor = await ready(world, "creds")
    page = await world.until(visitor, "/secrets/team/creds", "no longer sync 1 Application with it: team/shop")
    assert "This deletes the Secret team/creds" in page.words
    response = await visitor.post("/secrets/team/creds/delete", {"confirmation": "cred"})
    assert response.status == 400 and world.stored("creds", "password") is not None
    done = await visitor.post("/secrets/team/creds/delete", {"confirmation": "creds"})
    assert "The Secret is deleted" in done.words and world.stored("creds", "password") is None


async def test_notifications_are_muted_and_shown(world: World) -> None:
    """The annotation is set and removed, and the token is not touched."""
    await world.runtime("creds", world.github.good_token())
    visitor = await ready(world, "creds")
    await visitor.post("/secrets/team/creds/notifications", {"muted": "yes"})
    page = await world.until(visitor, "/", "notifications muted")
    assert "creds" in page.words
    await visitor.post("/secrets/team/creds/notifications", {"muted": "no"})
    async with asyncio.timeout(10):
        while "notifications muted" in (await visitor.get("/")).words:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_missing_permissions_disable_actions_with_the_reason(world: World) -> None:
    """A user who may only read sees the forms disabled, and the reason."""
    await world.runtime("creds", world.github.good_token())
    visitor = await ready(world, "creds", user="reader")
    page = await visitor.get("/secrets/team/creds")
    assert "Your account lacks the verb patch on secrets in namespace team." in page.words
    assert page.text.count("<fieldset disabled>") == 2


async def test_the_api_server_decides(world: World) -> None:
    """A user without the right who sends the form anyway gets the API server's denial."""
    old = world.github.good_token()
    await world.runtime("creds", old)
    visitor = await ready(world, "creds", user="reader")
    page = await visitor.post("/secrets/team/creds/token", {"token": world.github.good_token()})
    assert "is forbidden" in page.words and world.stored("creds", "password") == old


async def test_a_concurrent_change_is_not_overwritten(world: World) -> None:
    """If another user stores another token between reading and writing, that token stays."""
    await world.runtime("creds", world.github.weak_token())
    visitor, theirs = await ready(world, "creds"), world.github.good_token()
    admit = world.server.admission
    raced: list[bool] = []

    async def race(operation: str, new: object, old: object, user: object) -> object:
        if operation == "UPDATE" and not raced:
            raced.append(True)
            await world.runtime("creds", theirs)
        return await admit(operation, new, old, user)  # type: ignore[arg-type]

    world.server.admission = race  # type: ignore[assignment]
    page = await visitor.post("/secrets/team/creds/token", {"token": world.github.good_token()})
    assert world.stored("creds", "password") == theirs
    assert "Nothing was changed." in page.words


async def test_bitbucket_asks_for_the_user_name(world: World) -> None:
    """The form for a Bitbucket token has a field for the user name, with the names that Git needs."""
    labels = {"git-token-webhook/provider": "bitbucket", "git-token-webhook/role": "user"}
    await world.server.put("secrets", secret("git-default-b", {"token": "x" * 40}, labels=labels))
    visitor = await world.visitor()
    await world.until(visitor, "/users", "git-default-b")
    page = await visitor.get("/secrets/team/git-default-b")
    assert 'name="username"' in page.text and "x-token-auth" in page.words
