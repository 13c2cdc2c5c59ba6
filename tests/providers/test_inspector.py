from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from webhook.providers import PROVIDERS
from webhook.providers.base import Api, Provider, ProviderUnavailable, RateLimit, Reply
from webhook.providers.findings import (
    Answer,
    AuthScheme,
    Facts,
    Finding,
    GitAuth,
    GitHubAppCredential,
    Outcome,
    Question,
    TokenCredential,
    same_for_all,
)
from webhook.providers.hosts import Host, Kind
from webhook.providers.inspector import Bug, InspectionResult, Inspector
from webhook.providers.requirements import Requirement, Role

TOKEN = "gh" + "p_" + "Sentinel" * 4
GITHUB = Host("github.com", Kind("github"), "https://api.github.com")
RUNTIME = {Role.RUNTIME: PROVIDERS[Kind("github")].profile.defaults[Role.RUNTIME]}
USER = {Role.USER: PROVIDERS[Kind("github")].profile.defaults[Role.USER]}
QUESTION = Question(TokenCredential(SecretStr(TOKEN), "octocat"), GITHUB, ("acme", "apps"), RUNTIME)
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
Judge = Callable[[Question], Awaitable[Answer]]


class Clock:
    """Time that passes when a test says so, of day and monotonic."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def of_day(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Judging:
    """A provider that counts, and judges as a test says."""

    def __init__(self, judge: Judge) -> None:
        self.profile = replace(PROVIDERS[Kind("github")].profile, uses_username=True)
        self.judge = judge
        self.asked: list[Question] = []

    async def inspect(self, question: Question, api: Api) -> Answer:
        self.asked.append(question)
        return await self.judge(question)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        return None


class Silent:
    """An API that nobody uses."""

    needed_by = 0.0

    async def send(self, *args: object, **kwargs: object) -> Reply:
        raise NotImplementedError


class NoApis:
    """Gives everybody an API that does nothing, and notes what it was told."""

    def __init__(self) -> None:
        self.digests: list[bytes] = []
        self.deadlines: list[float] = []
        self.accounts: list[tuple[bytes, str]] = []

    def api(
        self, host: Host, provider: Provider, credential_digest: bytes, deadline: float, needed_by: float | None = None
    ) -> Api:
        self.digests.append(credential_digest)
        self.deadlines.append(deadline)
        return Silent()

    def note_account(self, host: Host, credential_digest: bytes, account: str) -> None:
        self.accounts.append((credential_digest, account))


def judged(outcome: Outcome, **facts: object) -> Judge:
    async def judge(question: Question) -> Answer:
        return same_for_all(question, Finding(outcome), Facts(**facts))  # type: ignore[arg-type]

    return judge


def failing(error: Exception) -> Judge:
    async def judge(question: Question) -> Answer:
        raise error

    return judge


class Bench:
    """An inspector with all that is around it."""

    def __init__(
        self, judge: Judge, *, ttl: float = 60, entries: int = 100, decision_timeout: float = 5, lasting: bool = False
    ) -> None:
        self.clock = Clock()
        self.provider = Judging(judge)
        self.client = NoApis()
        self.bugs: list[Bug] = []
        self.inspector = Inspector(
            {Kind("github"): self.provider},
            self.client,
            cache_ttl=ttl,
            cache_entries=entries,
            decision_timeout=decision_timeout,
            clock=self.clock.of_day,
            monotonic=self.clock.monotonic,
            on_error=self.bugs.append,
            lifetime=(lambda answer: math.inf) if lasting else None,
        )

    async def inspect(self, question: Question = QUESTION, *, seconds: float = 5) -> InspectionResult:
        return await self.inspector.inspect(question, deadline=asyncio.get_running_loop().time() + seconds)


def finding(inspected: InspectionResult, role: Role = Role.RUNTIME) -> Finding:
    return inspected.answer.findings[role]


# The cache.


async def test_an_answer_is_remembered() -> None:
    """Validating asks what mutating has just asked."""
    bench = Bench(judged(Outcome.SUFFICIENT))
    first, second = await bench.inspect(), await bench.inspect()
    assert (first.cached, second.cached) == (False, True)
    assert second.answer is first.answer
    assert len(bench.provider.asked) == 1


async def test_a_remembered_answer_says_when_the_provider_was_really_asked() -> None:
    """The annotation validated-at must not promise more."""
    bench = Bench(judged(Outcome.SUFFICIENT))
    await bench.inspect()
    bench.clock.seconds = 30
    assert (await bench.inspect()).checked_at == START


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        (Outcome.SUFFICIENT, 60),
        (Outcome.UNSUPPORTED, 60),
        (Outcome.INSUFFICIENT, 10),
        (Outcome.INVALID, 10),
        (Outcome.BLOCKED, 10),
    ],
)
async def test_how_long_an_answer_is_remembered(outcome: Outcome, seconds: float) -> None:
    """Bad news for a shorter time: whoever mends a token tries again at once."""
    bench = Bench(judged(outcome))
    await bench.inspect()
    bench.clock.seconds = seconds - 0.1
    assert (await bench.inspect()).cached
    bench.clock.seconds = seconds
    assert not (await bench.inspect()).cached


@pytest.mark.parametrize("outcome", [Outcome.SUFFICIENT, Outcome.INVALID, Outcome.UNVERIFIED])
async def test_a_report_remembers_every_answer(outcome: Outcome) -> None:
    """However long it takes: of one moment, each question is asked once, also where nobody could answer."""
    bench = Bench(judged(outcome), lasting=True)
    await bench.inspect()
    bench.clock.seconds = 1_000_000
    assert (await bench.inspect()).cached
    assert len(bench.provider.asked) == 1


async def test_and_asks_again_about_silence_alone() -> None:
    """Once whoever writes it says so."""
    outcomes = iter([Outcome.SUFFICIENT, Outcome.UNVERIFIED, Outcome.SUFFICIENT])
    bench = Bench(lambda question: judged(next(outcomes))(question), lasting=True)
    other = replace(QUESTION, path=("acme", "other"))
    await bench.inspect()
    await bench.inspect(other)
    bench.inspector.forget_unverified()
    assert (await bench.inspect()).cached
    assert finding(await bench.inspect(other)).outcome is Outcome.SUFFICIENT
    assert len(bench.provider.asked) == 3


@pytest.mark.parametrize(("ttl", "seconds"), [(12, 2), (600, 10)])
async def test_bad_news_is_remembered_for_a_sixth_or_ten_seconds(ttl: float, seconds: float) -> None:
    """Whichever is shorter."""
    bench = Bench(judged(Outcome.INVALID), ttl=ttl)
    await bench.inspect()
    bench.clock.seconds = seconds - 0.1
    assert (await bench.inspect()).cached
    bench.clock.seconds = seconds
    assert not (await bench.inspect()).cached


async def test_one_bad_role_makes_the_whole_answer_bad_news() -> None:
    """An answer for two roles is as good as the worse of both."""

    async def judge(question: Question) -> Answer:
        return Answer({Role.RUNTIME: Finding(Outcome.INSUFFICIENT), Role.USER: Finding(Outcome.SUFFICIENT)})

    bench = Bench(judge)
    both = replace(QUESTION, requirements=RUNTIME | USER)
    await bench.inspect(both)
    bench.clock.seconds = 10
    assert not (await bench.inspect(both)).cached


async def test_what_could_not_be_verified_is_asked_again() -> None:
    """A provider's bad moment must not last a minute."""
    bench = Bench(failing(ProviderUnavailable("did not answer within 4 s")))
    await bench.inspect()
    assert not (await bench.inspect()).cached
    assert len(bench.provider.asked) == 2


async def test_a_slow_inspection_is_remembered_for_a_moment() -> None:
    """The validating call follows the mutating one, and need not wait for the same silence."""

    async def hang(question: Question) -> Answer:
        bench.clock.seconds += 4
        raise ProviderUnavailable("did not answer within 4 s", transient=True)

    bench = Bench(hang)
    await bench.inspect()
    assert (await bench.inspect()).cached
    bench.clock.seconds += 3
    assert not (await bench.inspect()).cached
    assert len(bench.provider.asked) == 2


async def test_an_answer_is_forgotten_when_the_token_expires() -> None:
    """After that it would be wrong."""
    bench = Bench(judged(Outcome.SUFFICIENT, expires_at=START + timedelta(seconds=20)))
    await bench.inspect()
    bench.clock.seconds = 19
    assert (await bench.inspect()).cached
    bench.clock.seconds = 20
    assert not (await bench.inspect()).cached


async def test_an_answer_about_an_expired_token_is_not_remembered() -> None:
    """There is no time left for which it would hold."""
    bench = Bench(judged(Outcome.INVALID, expires_at=START - timedelta(days=1)))
    await bench.inspect()
    assert not (await bench.inspect()).cached


async def test_without_a_time_to_remember_nothing_is_remembered() -> None:
    """``cacheTtl: 0``."""
    bench = Bench(judged(Outcome.SUFFICIENT), ttl=0)
    await bench.inspect()
    assert not (await bench.inspect()).cached


async def test_those_longest_unused_are_forgotten_first() -> None:
    """Memory is bounded, and what is in use stays."""
    bench = Bench(judged(Outcome.SUFFICIENT), entries=2)
    questions = [replace(QUESTION, path=(name,)) for name in ("a", "b", "c")]
    await bench.inspect(questions[0])
    await bench.inspect(questions[1])
    await bench.inspect(questions[0])
    await bench.inspect(questions[2])
    assert [(await bench.inspect(question)).cached for question in (questions[0], questions[2])] == [True, True]
    assert not (await bench.inspect(questions[1])).cached


OTHERS = [
    replace(QUESTION, credential=TokenCredential(SecretStr(TOKEN + "x"), "octocat")),
    replace(QUESTION, credential=TokenCredential(SecretStr(TOKEN), "hubot")),
    replace(QUESTION, credential=TokenCredential(SecretStr(TOKEN), "")),
    replace(QUESTION, credential=TokenCredential(SecretStr(TOKEN))),
    replace(QUESTION, credential=TokenCredential(SecretStr(TOKEN), "octocat", GitAuth(AuthScheme.BASIC, "octocat"))),
    replace(QUESTION, credential=TokenCredential(SecretStr(TOKEN), "octocat", GitAuth(AuthScheme.BASIC))),
    replace(QUESTION, credential=TokenCredential(SecretStr(TOKEN), "octocat", GitAuth(AuthScheme.BEARER))),
    replace(QUESTION, open_ended=True),
    replace(QUESTION, credential=GitHubAppCredential("octocat", SecretStr(TOKEN))),
    replace(QUESTION, credential=GitHubAppCredential("octocat", SecretStr(TOKEN), "1")),
    replace(QUESTION, host=replace(GITHUB, name="git.acme.example")),
    replace(QUESTION, host=replace(GITHUB, api_url="https://api.acme.example")),
    replace(QUESTION, path=("acme",)),
    replace(QUESTION, path=("acmeapps",)),
    replace(QUESTION, path=("acmea", "pps")),
    replace(QUESTION, path=("acme", "app", "s")),
    replace(QUESTION, path=("acme", "apps", "")),
    replace(QUESTION, requirements=USER),
    replace(QUESTION, requirements=RUNTIME | USER),
    replace(QUESTION, requirements={Role.RUNTIME: Requirement(scopes=("repo",))}),
    replace(QUESTION, requirements={Role.USER: RUNTIME[Role.RUNTIME]}),
]


@pytest.mark.parametrize("other", OTHERS, ids=range(len(OTHERS)))
async def test_another_question_is_asked_anew(other: Question) -> None:
    """Whatever is different about it: nobody gets an answer about somebody else's token."""
    bench = Bench(judged(Outcome.SUFFICIENT))
    await bench.inspect()
    assert not (await bench.inspect(other)).cached
    assert bench.provider.asked == [QUESTION, other]


async def test_a_username_that_the_provider_does_not_use_is_not_another_question() -> None:
    """The same token beside another name is asked about once; how it is sent still counts."""
    bench = Bench(judged(Outcome.SUFFICIENT))
    bench.provider.profile = replace(bench.provider.profile, uses_username=False)
    names = [None, "", "octocat", "hubot"]
    basic = [TokenCredential(SecretStr(TOKEN), name, GitAuth(AuthScheme.BASIC, name or "")) for name in names]
    bearer = TokenCredential(SecretStr(TOKEN), "octocat", GitAuth(AuthScheme.BEARER, "octocat"))
    for credential in (*basic, bearer, *basic, bearer):
        await bench.inspect(replace(QUESTION, credential=credential))
    assert [question.credential for question in bench.provider.asked] == [basic[0], bearer]


async def test_no_two_questions_share_an_answer() -> None:
    """Also of those that look alike when they are written in a row."""
    bench = Bench(judged(Outcome.SUFFICIENT))
    assert not [question for question in (QUESTION, *OTHERS) if (await bench.inspect(question)).cached]


async def test_no_key_holds_the_token_or_a_hash_that_can_be_tried() -> None:
    """A heap dump with the cache tells nobody whether a guess was right: keys differ between processes."""
    one, two = Bench(judged(Outcome.SUFFICIENT)), Bench(judged(Outcome.SUFFICIENT))
    await one.inspect()
    await two.inspect()
    keys = [next(iter(bench.inspector._cache._cache)) for bench in (one, two)]
    assert keys[0] != keys[1]
    assert all(len(key) == 32 for key in keys)
    assert one.client.digests != two.client.digests


async def test_the_credentials_digest_is_about_the_credential_alone() -> None:
    """A limit that one token met for one repository holds for another."""
    bench = Bench(judged(Outcome.SUFFICIENT))
    await bench.inspect()
    await bench.inspect(replace(QUESTION, path=("acme", "other"), requirements=USER))
    await bench.inspect(OTHERS[0])
    digests = bench.client.digests
    assert digests[0] == digests[1] != digests[2]


# The single flight.


async def test_a_thousand_callers_ask_once() -> None:
    """A GitOps tool writes a hundred Secrets with one token, on two webhooks each."""

    async def judge(question: Question) -> Answer:
        await asyncio.sleep(0.05)
        return same_for_all(question, Finding(Outcome.SUFFICIENT))

    bench = Bench(judge, ttl=0)
    results = await asyncio.gather(*(bench.inspect() for _ in range(1000)))
    assert len(bench.provider.asked) == 1
    assert {finding(result).outcome for result in results} == {Outcome.SUFFICIENT}
    assert [result.coalesced for result in results].count(False) == 1


async def test_callers_share_a_failure_too() -> None:
    """A provider that is down isn't asked by each of them in turn."""

    async def judge(question: Question) -> Answer:
        await asyncio.sleep(0.02)
        raise ProviderUnavailable("answered with status 503")

    bench = Bench(judge)
    results = await asyncio.gather(*(bench.inspect() for _ in range(20)))
    assert len(bench.provider.asked) == 1
    assert {finding(result).reason for result in results} == {"answered with status 503"}


async def test_a_cancelled_caller_does_not_break_the_others() -> None:
    """Not even the one who began."""
    release = asyncio.Event()

    async def judge(question: Question) -> Answer:
        await release.wait()
        return same_for_all(question, Finding(Outcome.SUFFICIENT))

    bench = Bench(judge)
    first, second = asyncio.create_task(bench.inspect()), asyncio.create_task(bench.inspect())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    release.set()
    assert finding(await second).outcome is Outcome.SUFFICIENT
    assert len(bench.provider.asked) == 1


async def test_a_caller_in_a_hurry_does_not_break_the_others() -> None:
    """It is told that there was no answer in time; the answer is there for the next."""

    async def judge(question: Question) -> Answer:
        await asyncio.sleep(0.2)
        return same_for_all(question, Finding(Outcome.SUFFICIENT))

    bench = Bench(judge)
    hurried, patient = await asyncio.gather(bench.inspect(seconds=0.05), bench.inspect())
    assert finding(hurried) == Finding(Outcome.UNVERIFIED, reason="did not answer in time", transient=True)
    assert finding(patient).outcome is Outcome.SUFFICIENT
    assert (await bench.inspect()).cached


async def test_nobody_is_asked_after_the_deadline() -> None:
    """An answer that nobody waits for is no reason to send a token; a remembered one costs nothing."""
    bench = Bench(judged(Outcome.SUFFICIENT))
    assert finding(await bench.inspect(seconds=-1)).reason == "was not asked, because no time was left"
    assert not bench.provider.asked
    await bench.inspect()
    assert finding(await bench.inspect(seconds=-1)).outcome is Outcome.SUFFICIENT


async def test_a_provider_gets_the_time_of_a_decision() -> None:
    """Whoever asked first, and however little time that one had."""
    bench = Bench(judged(Outcome.SUFFICIENT), decision_timeout=5)
    now = asyncio.get_running_loop().time()
    await bench.inspect(seconds=1)
    assert 4.9 < bench.client.deadlines[0] - now < 5.1


async def test_a_provider_that_ignores_time_is_stopped() -> None:
    """It can't keep a flight for ever."""

    async def judge(question: Question) -> Answer:
        await asyncio.sleep(60)
        raise NotImplementedError

    bench = Bench(judge, decision_timeout=0.1)
    assert finding(await bench.inspect()).reason == "did not answer within 0.1 s"
    assert not bench.bugs


async def test_the_end_of_the_process_ends_all_in_flight() -> None:
    """Their callers get a word, nobody new is asked, and nothing is left behind."""

    async def judge(question: Question) -> Answer:
        await asyncio.sleep(60)
        raise NotImplementedError

    bench = Bench(judge)
    caller = asyncio.create_task(bench.inspect())
    await asyncio.sleep(0.01)
    await bench.inspector.aclose()
    assert finding(await caller).reason == "was not asked completely, because this process is shutting down"
    assert finding(await bench.inspect()).reason == "was not asked, because this process is shutting down"
    assert not bench.inspector._in_flight


# What is no answer.


async def test_no_answer_is_unverified_for_every_role() -> None:
    """In the words of whoever noticed."""
    bench = Bench(failing(ProviderUnavailable("answered with status 503")))
    result = await bench.inspect(replace(QUESTION, requirements=RUNTIME | USER))
    unverified = Finding(Outcome.UNVERIFIED, reason="answered with status 503")
    assert result.answer.findings == {Role.RUNTIME: unverified, Role.USER: unverified}


async def test_a_bug_is_unverified_and_told_without_its_content() -> None:
    """An exception's text may quote the token; its class and place don't."""
    bench = Bench(failing(KeyError(TOKEN)))
    reason = finding(await bench.inspect()).reason
    assert reason == "could not be asked, because of an error in this program (KeyError)"
    assert bench.bugs[0].exception == "KeyError"
    assert bench.bugs[0].where.startswith("webhook/providers/inspector.py:")
    assert TOKEN not in repr(bench.bugs)


async def test_a_time_out_inside_a_provider_is_a_bug() -> None:
    """It isn't ours: the time of the decision isn't over."""
    bench = Bench(failing(TimeoutError()))
    await bench.inspect()
    assert [bug.exception for bug in bench.bugs] == ["TimeoutError"]


async def test_an_answer_that_leaves_a_role_out_is_a_bug() -> None:
    """A missing finding must not look like a good one."""

    async def judge(question: Question) -> Answer:
        return Answer({Role.RUNTIME: Finding(Outcome.SUFFICIENT)})

    bench = Bench(judge)
    result = await bench.inspect(replace(QUESTION, requirements=RUNTIME | USER))
    assert {finding.outcome for finding in result.answer.findings.values()} == {Outcome.UNVERIFIED}
    assert bench.bugs


async def test_a_kind_that_nobody_checks_is_unsupported() -> None:
    """Until its provider is written."""
    bench = Bench(judged(Outcome.SUFFICIENT))
    question = replace(QUESTION, host=Host("gitlab.com", Kind("gitlab"), "https://gitlab.com/api/v4"))
    expected = Finding(Outcome.UNSUPPORTED, reason="is a gitlab host, which this version cannot check")
    assert finding(await bench.inspect(question)) == expected
    assert not bench.provider.asked


async def test_exceptions_of_flights_are_never_left_unretrieved(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Even where every caller has gone before the flight ended."""

    async def judge(question: Question) -> Answer:
        await asyncio.sleep(0.05)
        raise RuntimeError

    bench = Bench(judge)
    await bench.inspect(seconds=0.01)
    await asyncio.sleep(0.1)
    gc.collect()
    assert not bench.inspector._in_flight
    assert not caplog.records
    assert not recwarn.list


async def test_seconds_are_those_that_the_caller_waited() -> None:
    """For the metric: none for what was remembered."""
    bench = Bench(judged(Outcome.SUFFICIENT))

    async def judge(question: Question) -> Answer:
        bench.clock.seconds += 1.5
        return same_for_all(question, Finding(Outcome.SUFFICIENT))

    bench.provider.judge = judge
    assert (await bench.inspect()).seconds == 1.5
    assert (await bench.inspect()).seconds == 0


async def test_the_client_learns_whose_a_credential_is() -> None:
    """So that two tokens of one account don't count as two who hear of a limit."""
    bench = Bench(judged(Outcome.SUFFICIENT, account="octocat"))
    await bench.inspect()
    assert bench.client.accounts == [(bench.client.digests[0], "octocat")]
