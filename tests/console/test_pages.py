"""The pages for reading."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from tests.console.conftest import World, secret

RUNTIME_PASSED = {
    "argocd.argoproj.io/secret-type": "repo-creds",
    "git-token-webhook/role": "runtime",
    "git-token-webhook/validation": "passed",
}


async def test_runtimes_come_with_their_state_problems_first(world: World) -> None:
    """A runtime's row has its Secret, host, account, state and reason; the worst comes first."""
    await world.runtime("good", world.github.good_token())
    await world.runtime("weak", world.github.weak_token())
    visitor = await world.visitor()
    words = (await world.until(visitor, "/", "2 entries")).words
    assert words.index("weak team octocat github.com") < words.index("good team octocat github.com")
    assert "also needs admin:repo_hook" in words
    assert "Live, as of" in words


async def test_a_secret_that_was_never_checked_says_so(world: World) -> None:
    """A Secret without the webhook's labels is shown as not checked."""
    await world.server.put("secrets", secret("git-default-eve", {"token": world.github.good_token()}))
    visitor = await world.visitor()
    page = await world.until(visitor, "/users", "1 entry")
    assert "not checked" in page.words and "The webhook has never checked it." in page.words


async def test_users_have_a_row_for_each_entry(world: World) -> None:
    """A Secret with a token for each user has a row for each of them."""
    tokens = {"alice": world.github.good_token(), "bob": world.github.token("read:org")}
    await world.write(secret("git-default-acme", tokens))
    page = await world.until(await world.visitor(), "/users", "2 entries")
    assert "alice git-default-acme" in page.words and "bob git-default-acme" in page.words


async def test_changes_arrive_by_the_watch(world: World) -> None:
    """A Secret that is written or deleted while the console runs appears and disappears."""
    visitor = await world.visitor()
    await world.until(visitor, "/", "0 tokens of runtimes")
    await world.runtime("late", world.github.good_token())
    await world.until(visitor, "/", "1 token of runtimes")


async def test_the_stream_tells_of_changes(world: World) -> None:
    """The event stream sends an event when something changes."""
    visitor = await world.visitor()
    await world.until(visitor, "/", "0 tokens")
    async with visitor._session.get(f"{visitor.base}/events?live=auto") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        first = await response.content.readuntil(b"\n\n")
        await world.runtime("late", world.github.good_token())
        second = await response.content.readuntil(b"\n\n")
    assert b"event: changed" in first and b"event: changed" in second and first != second


async def test_filters_search_and_sort_are_in_the_address(world: World) -> None:
    """A query selects by state, search and namespace; a page has links that change one part of it."""
    await world.runtime("one", world.github.good_token())
    await world.runtime("two", world.github.good_token(), namespace="other")
    visitor = await world.visitor()
    await world.until(visitor, "/", "2 entries")
    for query in ("?q=TWO", "?namespace=other", "?state=valid&q=two+other"):
        words = (await visitor.get(f"/{query}")).words
        assert "1 of 2 entries match." in words, query
    page = await visitor.get("/?q=nothing")
    assert "0 of 2 entries match." in page.words


async def test_expiry_has_a_timeline(world: World) -> None:
    """The timeline lists tokens by their day of expiry."""
    await world.runtime("soon", world.github.token("repo", "admin:repo_hook", expires=timedelta(days=3)))
    visitor = await world.visitor()
    await world.until(visitor, "/", "expires soon")
    day = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%d")
    page = await visitor.get("/timeline")
    assert "1 token with a known expiry" in page.words and f"{day} team/soon" in page.words


async def test_applications_are_shown_with_their_credential(world: World) -> None:
    """A runtime's row names the Applications that Argo CD syncs with it."""
    await world.runtime("creds", world.github.good_token())
    source = {"repoURL": "https://github.com/acme/apps.git"}
    application = {"metadata": {"name": "shop", "namespace": "team"}, "spec": {"source": source, "project": "default"}}
    await world.server.put("applications", application, api="apis/argoproj.io/v1alpha1")
    await world.until(await world.visitor(), "/", "1 Application: team/shop")


async def test_an_outage_of_the_api_server_is_shown_and_ends(world: World) -> None:
    """While the API server fails, the page says that it is not live, and keeps what it had."""
    await world.runtime("one", world.github.good_token())
    visitor = await world.visitor()
    await world.until(visitor, "/", "Live, as of")
    world.server.failing = 503
    await world.runtime("two", world.github.good_token())  # wakes the watch, which ends
    page = await world.until(visitor, "/", "Updates have stopped: the API server answers 503.")
    assert "Not live, as of" in page.words and "one team" in page.words
    world.server.failing = None
    await world.until(visitor, "/", "Live, as of")


async def test_a_user_sees_only_the_namespaces_of_the_user(world: World) -> None:
    """Without the right to list all Secrets, the console shows the namespaces where the user has it."""
    await world.runtime("mine", world.github.good_token())
    await world.runtime("theirs", world.github.good_token(), namespace="other")
    visitor = await world.visitor("team-lead")
    page = await world.until(visitor, "/", "1 token of runtimes")
    assert "mine" in page.words and "theirs" not in page.text


async def test_check_now_asks_the_provider(world: World) -> None:
    """*Check now* shows what has changed at the provider since the Secret was written."""
    token = world.github.good_token()
    await world.runtime("creds", token)
    visitor = await world.visitor()
    await world.until(visitor, "/", "1 entry")
    world.github.revoke(token)
    await visitor.post("/check", {"secret": "team/creds"})
    page = await world.until(visitor, "/", "invalid")
    assert "by the console" in page.words


async def test_thousands_of_entries_are_filtered_quickly(world: World) -> None:
    """A filter of 5,000 entries takes less than 100 ms of CPU time, rendering included."""
    for number in range(5_000):
        marks = {"git-token-webhook/host": "github.com", "git-token-webhook/account": f"account-{number}"}
        labels = dict(RUNTIME_PASSED)
        await world.server.put("secrets", secret(f"s{number}", {}, labels=labels, annotations=marks))
    visitor = await world.visitor()
    await world.until(visitor, "/", "5,000 entries")
    times = []
    for number in range(20):
        start = time.process_time()
        page = await visitor.get(f"/?q=account-{number}1&live=user")
        times.append(time.process_time() - start)
        assert "of 5,000 entries match" in page.words
    assert sorted(times)[18] < 0.1, times
