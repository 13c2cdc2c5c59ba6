"""Asks the way the webhook does: inspector, client and provider over real HTTPS, then policy and wording."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from tests.providers.contract.cases import Case, Fixtures
from webhook.credentials.entries import Checkable, Entry
from webhook.providers import PROVIDERS
from webhook.providers.findings import Answer, Credential, Finding, Outcome, Question, TokenCredential
from webhook.providers.hosts import Host
from webhook.providers.inspector import Bug, Inspector
from webhook.providers.requirements import Requirement, Role
from webhook.providers.transport.client import ProviderClient
from webhook.providers.transport.limits import FailedLogins, HostThrottle, Pauses
from webhook.review.policy import Judged, Verdict, decide
from webhook.settings.source import parse_settings
from webhook.simulator import Fault, Journal, RequestRecord, Simulator, World
from webhook.simulator.provider import HostModel

_SETTINGS = parse_settings("")
_MENDABLE = {Outcome.INSUFFICIENT, Outcome.INVALID, Outcome.BLOCKED}
_ACCOUNTS_OF_OTHERS = {"id.atlassian.com"}
"""Where people make tokens that isn't the Git host itself."""
_ODD = re.compile(r"None|Outcome|\{|\}|  |\.\.|[&<>]")
_LINK = re.compile(r"https?://[^\s)]+")


class Timeline(Journal):
    """A journal that also knows the order in which requests began and ended."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, int]] = []

    def begin(self, record: RequestRecord) -> None:
        super().begin(record)
        self.events.append(("begin", id(record)))

    def end(self, record: RequestRecord, status: int | None, seconds: float) -> None:
        self.events.append(("end", id(record)))
        super().end(record, status, seconds)

    def clear(self) -> None:
        super().clear()
        self.events.clear()

    @property
    def rounds(self) -> int:
        """The longest chain of requests of which each began when the one before it was over."""
        depth: dict[int, int] = {}
        over = 0
        for event, request in self.events:
            if event == "begin":
                depth[request] = over + 1
            else:  # of a request from before, which nobody waited for any more, too
                over = max(over, depth.get(request, 0))
        return max(depth.values(), default=0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one case.

    Attributes:
        sentence: what is wrong, as a person reads it; empty where nothing is.
        requests: those that the simulator got, in the order of their arrival.
        rounds: see `Timeline.rounds`.
    """

    case: Case
    host: Host
    answer: Answer
    verdict: Verdict
    requests: list[RequestRecord] = field(repr=False)
    rounds: int = 0
    question: Question | None = field(default=None, repr=False)

    @property
    def findings(self) -> Mapping[Role, Finding]:
        """As policy sees them, which holds the token's end against the clock."""
        return self.verdict.judged.findings

    @property
    def finding(self) -> Finding:
        return self.findings[self.case.role]

    @property
    def sentence(self) -> str:
        return self.verdict.cause.message if self.verdict.cause is not None else ""

    @property
    def paths(self) -> set[tuple[str, str]]:
        """Method and path of each request."""
        return {(record.method, record.path) for record in self.requests}


@dataclass
class Bench:
    """A simulator and a client, on which one case after the other is tried, each as if it were the first."""

    simulator: Simulator
    client: ProviderClient
    throttle: HostThrottle
    ca_file: Path
    timeline: Timeline = field(default_factory=Timeline)

    def __post_init__(self) -> None:
        self.simulator.journal = self.timeline

    async def ask(
        self,
        fixtures: Fixtures,
        case: Case,
        *,
        roles: Mapping[Role, Requirement] | None = None,
        ca_file: Path | None = None,
        again: bool = False,
    ) -> Seen:
        """What becomes of a case.

        Args:
            roles: asked all at once, in place of the case's own role.
            ca_file: what the host's certificate is checked against, in place of the right one.
            again: nothing begins anew: the world, its faults and what hosts asked of us stay.
        """
        if not again:
            self._begin_anew(case)
        return await self._ask(fixtures, case, roles, ca_file or self.ca_file)

    async def ask_amid(self, fixtures: Fixtures, case: Case, fault: Fault) -> Seen:
        """What becomes of the case that was asked last, in the same world, while this and nothing else goes wrong."""
        self._forget()
        self.simulator.faults.add(fault)
        return await self._ask(fixtures, case, None, self.ca_file)

    async def _ask(
        self, fixtures: Fixtures, case: Case, roles: Mapping[Role, Requirement] | None, ca_file: Path
    ) -> Seen:
        self.timeline.clear()
        host = self._host(fixtures, ca_file)
        credential = fixtures.credential(self.simulator.world, case)
        question = Question(
            credential,
            host,
            tuple(part for part in case.path.split("/") if part),
            {case.role: needs_of(fixtures, case)} if roles is None else roles,
            case.repositories,
        )
        bugs: list[Bug] = []
        # The same digest in each: what is told of one credential must be known of it the next time.
        inspector = Inspector(
            PROVIDERS, self.client, digest_key=b"contract", cache_ttl=0.0, on_error=bugs.append, evidence=True
        )
        inspected = await inspector.inspect(question, deadline=asyncio.get_running_loop().time() + 8)
        await inspector.aclose()
        assert not bugs, f"{case}: {bugs}"
        answer = inspected.answer
        judged = Judged(
            Entry("password", Checkable(credential)),
            answer.findings,
            host,
            host.name,
            answer.facts,
            answer.remedy,
            checked_at=inspected.checked_at,
        )
        verdict = decide(judged, _SETTINGS, datetime.now(UTC))
        seen = Seen(case, host, answer, verdict, list(self.timeline.records), self.timeline.rounds, question)
        check_words(seen, credential)
        world: Mapping[str, HostModel] = self.simulator.world.hosts
        assert not any(one.mutations for one in world.values()), f"{case}: something was changed"
        return seen

    def _begin_anew(self, case: Case) -> None:
        self.simulator.reset()
        self._forget()
        case.arrange(self.simulator.world)
        for fault in case.faults:
            self.simulator.faults.add(fault.model_copy())

    def _forget(self) -> None:
        """Nothing goes wrong any more, and nobody has asked us to wait."""
        self.simulator.faults.clear()
        self.throttle.pauses, self.throttle.failed_logins = Pauses(time.monotonic), FailedLogins(time.monotonic)

    def _host(self, fixtures: Fixtures, ca_file: Path) -> Host:
        api_url = self.simulator.hosts[fixtures.host].api_url
        return Host(fixtures.host, fixtures.kind, api_url, ca_file, declared=True)


def needs_of(fixtures: Fixtures, case: Case) -> Requirement:
    """What the case's role needs."""
    return case.needs if case.needs is not None else PROVIDERS[fixtures.kind].profile.defaults[case.role]


def token_in(world: World, case: Case, username: str | None = None) -> TokenCredential:
    """A token of the world, with the username of the case or else this one."""
    token = world.token(case.token)
    return TokenCredential(SecretStr(token.value), case.username if case.username is not None else username)


# What must be true of every word that a person reads, whatever it is about.


def check_words(seen: Seen, credential: Credential) -> None:
    """A denial is one or more whole sentences, names the host, says what to do, and holds no part of a token."""
    verdict, sentence = seen.verdict, seen.sentence
    bad = [finding for finding in seen.findings.values() if finding.outcome is not Outcome.SUFFICIENT]
    assert verdict.denied == any(finding.outcome is not Outcome.UNSUPPORTED for finding in bad), f"{seen.case}"
    assert bool(bad) == bool(sentence), f"{seen.case}: {sentence}"
    texts = [*seen.answer.facts.warnings, *([sentence] if sentence else [])]
    for text in texts:
        assert is_whole(text), f"{seen.case}: {text}"
        for link in _LINK.findall(text):
            assert urlsplit(link).hostname in {seen.host.name, *_ACCOUNTS_OF_OTHERS}, f"{seen.case}: {text}"
    facts = seen.answer.facts
    told = [*texts, *facts.holds, facts.account or "", facts.described, facts.token_type, facts.probed or ""]
    for text in (*told, *(finding.reason for finding in seen.findings.values()), repr(seen.answer)):
        assert not shows_part(text, credential), f"{seen.case}: part of the token is shown"
    if bad:
        assert seen.host.name in sentence, f"{seen.case}: {sentence}"
    if any(finding.outcome is Outcome.UNVERIFIED for finding in bad):
        retry = any(finding.transient for finding in bad)
        assert retry == ("; a retry may pass." in sentence) == ("retry" in sentence), f"{seen.case}: {sentence}"
    if any(finding.outcome in _MENDABLE for finding in bad):
        remedy = seen.answer.remedy
        assert remedy and is_whole(remedy) and remedy in sentence, f"{seen.case}: {sentence}"


def is_whole(text: str) -> bool:
    """Whether it begins and ends as sentences do (or with a link), and holds nothing that only a program would say."""
    last = text.rsplit(maxsplit=1)[-1] if text.strip() else ""
    ends = text.endswith((".", ")")) or _LINK.match(last) is not None
    begins = re.match(r"[A-Z]|[a-z0-9_.-]+ [a-z]", text) is not None  # a host's name, or somebody's
    return begins and ends and _ODD.search(text) is None


def shows_part(text: str, credential: Credential) -> bool:
    """Whether eight characters in a row are those of the token, or of an App's key."""
    if isinstance(credential, TokenCredential):
        secret = credential.token.get_secret_value()
    else:
        secret = "".join(credential.private_key.get_secret_value().splitlines()[1:-1])
    return any(secret[start : start + 8] in text for start in range(len(secret) - 7))
