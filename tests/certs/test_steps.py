"""From whatever there is to certificates that are right, step by step."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.certs.objects import HERE, START, Clock, Memory
from webhook.certs.issue import issue_ca, issue_serving_certificate
from webhook.certs.lifetimes import Lifetimes, renewal_of
from webhook.certs.names import MUTATING, VALIDATING, Installation
from webhook.certs.plan import NotePublished, Rest, next_step
from webhook.certs.report import Report
from webhook.certs.state import State, encoded, issued_by
from webhook.certs.steps import Certificates, NoRest
from webhook.cluster.objects import SECRET
from webhook.errors import ConfigurationError

LIVES = Lifetimes(timedelta(days=30), timedelta(days=3), timedelta(minutes=5))
SECRETS, MUTATE, VALIDATE = "secrets", MUTATING.plural, VALIDATING.plural


class World:
    """An API server in memory, a clock, and what was told."""

    def __init__(self) -> None:
        self.objects = Memory()
        self.clock = Clock()
        self.told: list[str] = []

    def certificates(self) -> Certificates:
        """A process that has just been started."""
        return Certificates(self.objects, HERE, LIVES, clock=self.clock)

    async def settle(self) -> Rest:
        """Everything that is due."""
        self.told.clear()
        return (await self.certificates().settle(self.told.append))[1]

    async def look(self) -> State:
        """What there is."""
        return await self.certificates().look()

    async def problems(self) -> list[str]:
        """What ``certs check`` would say."""
        return Report(await self.look(), self.clock.now).problems()

    async def leaf(self) -> bytes:
        """The certificate that is served."""
        tls = (await self.look()).tls
        assert tls is not None and tls.leaf is not None
        return tls.leaf.certificate

    def bundle(self, plural: str = VALIDATE, webhook: int = 0) -> bytes:
        """The caBundle of a webhook."""
        return base64.b64decode(self.objects.get(plural, HERE.name)["webhooks"][webhook]["clientConfig"]["caBundle"])

    async def go(self, by: timedelta) -> Rest:
        """Later, with everything done that comes due at any time between."""
        end = self.clock.now + by
        while True:
            rest = await self.settle()
            if rest.until >= end:
                self.clock.now = end
                return await self.settle()
            self.clock.now = max(rest.until, self.clock.now + timedelta(seconds=1))


@pytest.fixture
async def world() -> World:
    """One where nothing but the webhook configurations is there."""
    made = World()
    await made.objects.register()
    return made


@pytest.fixture
async def settled(world: World) -> World:
    """One where everything is right."""
    await world.settle()
    assert await world.problems() == []
    return world


class TestFromNothing:
    async def test_everything_is_made_and_published(self, world: World) -> None:
        """A CA, a leaf for the Service's names, and the caBundle of each webhook that calls the Service."""
        rest = await world.settle()
        assert await world.problems() == []
        assert world.bundle() == world.bundle(MUTATE) == world.bundle(MUTATE, 1)
        assert rest.troubles == ()
        state = await world.look()
        assert state.tls is not None and state.ca is not None and state.ca.current is not None
        assert state.tls.ca_file == world.bundle() == state.ca.current.certificate
        assert any(text.startswith("Created a CA, valid until 2026-12-23T12:00:00Z") for text in world.told)

    async def test_done_again_it_changes_nothing(self, settled: World) -> None:
        """Whoever starts next finds nothing to do."""
        await settled.settle()
        assert settled.told == []

    async def test_others_in_the_same_configuration_are_left_alone(self, settled: World) -> None:
        """A webhook that calls another Service has a caBundle of its own."""
        assert "caBundle" not in settled.objects.get(MUTATE, HERE.name)["webhooks"][2]["clientConfig"]

    async def test_without_configurations_the_secrets_are_made(self) -> None:
        """They may be applied later, and are published to then."""
        world = World()
        await world.settle()
        assert await world.leaf()
        await world.objects.register()
        await world.settle()
        assert await world.problems() == []

    @pytest.mark.parametrize("quick", range(6))
    async def test_of_two_at_once_one_wins_each_step(self, world: World, quick: int) -> None:
        """After any number of steps of the one, the other goes on from there, whatever it had seen before."""
        slow = world.certificates()
        seen = await slow.look()
        for _ in range(quick):
            state = await world.look()
            if not isinstance(step := next_step(state, LIVES, START), Rest):
                await world.certificates().take(state, step)
        late = next_step(seen, LIVES, START)
        assert not isinstance(late, Rest)
        if quick:
            with pytest.raises(Exception, match="there already"):
                await slow.take(seen, late)
        await slow.settle(world.told.append)
        assert await world.problems() == []


def spoil(key: str, value: bytes | None) -> Callable[[Memory, str], None]:
    """A change of one value of a Secret."""

    def change(objects: Memory, name: str) -> None:
        data = objects.get(SECRETS, name)["data"]
        if value is None:
            data.pop(key, None)
        else:
            data |= encoded({key: value})

    return change


class TestRepair:
    @pytest.mark.parametrize(
        "change",
        [spoil("tls.crt", None), spoil("tls.crt", b"nonsense"), spoil("tls.key", b"nonsense"), spoil("tls.key", None)],
        ids=["no certificate", "not a certificate", "not a key", "no key"],
    )
    async def test_a_broken_leaf_is_made_anew(self, settled: World, change: Callable[[Memory, str], None]) -> None:
        """By the same CA, at once."""
        before = settled.bundle()
        change(settled.objects, HERE.tls_secret)
        await settled.settle()
        assert await settled.problems() == []
        assert settled.bundle() == before

    async def test_a_leaf_for_other_names_is_made_anew(self, settled: World) -> None:
        """The Service may have been renamed."""
        state = await settled.look()
        assert state.ca is not None and state.ca.current is not None
        other = issue_serving_certificate(state.ca.current, ["other.platform.svc"], now=settled.clock.now)
        data = settled.objects.get(SECRETS, HERE.tls_secret)["data"]
        data |= encoded({"tls.crt": other.certificate, "tls.key": other.key})
        assert any("is not valid for webhook.platform.svc" in problem for problem in await settled.problems())
        await settled.settle()
        assert await settled.problems() == []

    async def test_another_ones_key_is_noticed(self, settled: World) -> None:
        """Certificate and key must belong together."""
        other = issue_serving_certificate(issue_ca(), ["x"])
        spoil("tls.key", other.key)(settled.objects, HERE.tls_secret)
        assert any("its key belongs to another certificate" in problem for problem in await settled.problems())
        await settled.settle()
        assert await settled.problems() == []

    @pytest.mark.parametrize("key", ["ca.crt", "ca.key"])
    @pytest.mark.parametrize("value", [None, b"nonsense"])
    async def test_a_lost_ca_goes_without_anybody_noticing(self, settled: World, key: str, value: bytes | None) -> None:
        """What it has issued is trusted until the next one has taken over as in any roll."""
        spoil(key, value)(settled.objects, HERE.ca_secret)
        await self._rolled_unnoticed(settled)

    async def test_a_deleted_ca_goes_without_anybody_noticing(self, settled: World) -> None:
        """Its certificate stands beside the leaf."""
        settled.objects.drop(SECRETS, HERE.ca_secret)
        await self._rolled_unnoticed(settled)

    async def _rolled_unnoticed(self, world: World) -> None:
        leaf = await world.leaf()
        await world.settle()
        assert await world.problems() == []
        assert await world.leaf() == leaf
        await world.go(timedelta(minutes=6))
        assert await world.problems() == []
        assert await world.leaf() != leaf
        assert world.bundle().count(b"BEGIN CERTIFICATE") == 2

    async def test_after_a_long_sleep_everything_is_made_anew(self, settled: World) -> None:
        """A cluster that was switched off until CA and leaf had ended."""
        settled.clock.go(timedelta(days=100))
        assert len(await settled.problems()) > 0
        await settled.settle()
        assert await settled.problems() == []
        assert settled.bundle().count(b"BEGIN CERTIFICATE") == 1

    async def test_both_secrets_deleted(self, settled: World) -> None:
        """A new CA, published at once: nothing is left that could be kept."""
        settled.objects.drop(SECRETS, HERE.ca_secret)
        settled.objects.drop(SECRETS, HERE.tls_secret)
        await settled.settle()
        assert await settled.problems() == []

    @pytest.mark.parametrize("plural", [MUTATE, VALIDATE])
    async def test_a_reset_bundle_is_put_right(self, settled: World, plural: str) -> None:
        """Whoever applies the configurations anew may empty it."""
        wanted = settled.bundle(plural)
        settled.objects.get(plural, HERE.name)["webhooks"][0]["clientConfig"]["caBundle"] = ""
        await settled.settle()
        assert settled.bundle(plural) == wanted
        assert len(settled.told) == 1


class TestSomebodyElses:
    async def test_cert_managers_secret(self, world: World) -> None:
        """It is neither changed nor published."""
        metadata = {"name": HERE.tls_secret, "annotations": {"cert-manager.io/certificate-name": "webhook"}}
        await world.objects.create(SECRET, HERE.namespace, {"metadata": metadata | {"namespace": HERE.namespace}})
        rest = await world.settle()
        assert world.told == []
        assert rest.troubles == ("the Secret webhook-tls is left alone: cert-manager maintains it",)

    async def test_a_secret_that_somebody_made(self, world: World) -> None:
        """Also where it has its own CA beside it."""
        ca = issue_ca()
        leaf = issue_serving_certificate(ca, HERE.dns_names)
        data = encoded({"tls.crt": leaf.certificate, "tls.key": leaf.key, "ca.crt": ca.certificate})
        metadata = {"name": HERE.tls_secret, "namespace": HERE.namespace}
        await world.objects.create(SECRET, HERE.namespace, {"metadata": metadata, "data": data})
        rest = await world.settle()
        assert world.told == []
        assert rest.troubles == ("the Secret webhook-tls is left alone: another program created it",)

    async def test_a_bundle_that_an_injector_writes(self, world: World) -> None:
        """The annotation says so; the other configuration is ours."""
        marked = world.objects.get(MUTATE, HERE.name)["metadata"]
        marked["annotations"] = {"cert-manager.io/inject-ca-from": "platform/webhook"}
        rest = await world.settle()
        assert "caBundle" not in world.objects.get(MUTATE, HERE.name)["webhooks"][0]["clientConfig"]
        assert world.bundle(VALIDATE)
        assert "left alone" in rest.troubles[0]


class TestRenewal:
    async def test_a_leaf_is_renewed_in_the_last_third_of_its_life(self, settled: World) -> None:
        """By the same CA, with which it is trusted as the one before."""
        before, bundle = await settled.leaf(), settled.bundle()
        await settled.go(timedelta(days=1.8))
        assert await settled.leaf() == before
        await settled.go(timedelta(days=0.3))
        assert await settled.leaf() != before
        assert settled.bundle() == bundle
        assert await settled.problems() == []

    async def test_a_ca_is_published_before_it_is_used_and_after(self, settled: World) -> None:
        """Both are trusted from before the first leaf of the new one until the end of the last one of the old."""
        old = settled.bundle()
        state = await settled.look()
        assert state.ca is not None and state.ca.current is not None
        due = renewal_of(state.ca.current.parsed()) - settled.clock.now
        await settled.go(due - timedelta(minutes=1))
        await settled.go(timedelta(minutes=1, seconds=1))
        leaf = await settled.leaf()
        both = settled.bundle()
        assert both.count(b"BEGIN CERTIFICATE") == 2 and both.startswith(old)
        await settled.go(timedelta(minutes=4))
        assert await settled.leaf() == leaf
        await settled.go(timedelta(minutes=2))
        assert await settled.leaf() != leaf
        assert old in settled.bundle()
        await settled.go(LIVES.leaf * 1.6)
        assert old not in settled.bundle()
        assert settled.bundle().count(b"BEGIN CERTIFICATE") == 1

    async def test_a_ca_that_is_not_believed_long_enough_waits(self, settled: World) -> None:
        """When somebody resets the caBundle in the middle of a roll, the wait begins anew."""
        await settled.certificates().begin_roll(settled.told.append)
        leaf = await settled.leaf()
        settled.clock.go(timedelta(minutes=4))
        settled.objects.get(VALIDATE, HERE.name)["webhooks"][0]["clientConfig"]["caBundle"] = ""
        await settled.settle()
        assert settled.told[0].startswith("The next CA is not published everywhere")
        await settled.go(timedelta(minutes=4))
        assert await settled.leaf() == leaf
        await settled.go(timedelta(minutes=2))
        assert await settled.leaf() != leaf

    async def test_a_ca_is_not_used_where_nobody_can_tell_whether_it_is_published(self, settled: World) -> None:
        """Without the right to read a configuration the roll waits, and says why; leaves are renewed all the same."""
        settled.objects.refusing[VALIDATE] = 403
        await settled.certificates().begin_roll(settled.told.append)
        rest = await settled.go(timedelta(days=2.1))
        state = await settled.look()
        assert state.ca is not None and state.ca.following is not None and state.ca.current is not None
        assert state.tls is not None and state.tls.leaf is not None
        assert issued_by(state.tls.leaf.parsed(), state.ca.current.parsed())
        assert renewal_of(state.tls.leaf.parsed()) > settled.clock.now
        assert "cannot be read: the API server answers 403" in rest.troubles[0]

    async def test_a_leaf_made_on_demand(self, settled: World) -> None:
        """``certs rotate``."""
        before = await settled.leaf()
        await settled.certificates().renew_leaf(settled.told.append)
        assert await settled.leaf() != before
        assert await settled.problems() == []

    async def test_a_leaf_made_on_demand_is_trusted_to_its_end(self, settled: World) -> None:
        """However soon after it the CA is replaced."""
        settled.clock.go(timedelta(days=1))
        await settled.certificates().renew_leaf(settled.told.append)
        old = settled.bundle()
        await settled.certificates().begin_roll(settled.told.append)
        await settled.go(timedelta(days=2.9))
        assert old in settled.bundle()
        await settled.go(timedelta(days=2))
        assert old not in settled.bundle()

    async def test_a_ca_in_wrong_hands(self, settled: World) -> None:
        """``certs rotate --ca --distrust-old``: nothing of it is trusted any more."""
        old = settled.bundle()
        await settled.certificates().replace_ca(settled.told.append)
        assert old not in settled.bundle()
        assert settled.bundle().count(b"BEGIN CERTIFICATE") == 1
        assert await settled.problems() == []

    async def test_two_rolls_right_after_each_other(self, settled: World) -> None:
        """The first CA stays trusted until its last leaf has ended, although there are two after it."""
        first = settled.bundle()
        for _ in range(2):
            await settled.certificates().begin_roll(settled.told.append)
            await settled.go(timedelta(minutes=6))
        assert settled.bundle().count(b"BEGIN CERTIFICATE") == 3
        assert first in settled.bundle()
        await settled.go(LIVES.leaf * 1.6)
        assert settled.bundle().count(b"BEGIN CERTIFICATE") == 1

    async def test_somebody_who_undoes_everything_is_noticed(self, settled: World) -> None:
        """It ends, and says so."""

        class Undone(Memory):
            async def replace(self, *_: object) -> dict[str, object]:
                return {}

        settled.objects.get(VALIDATE, HERE.name)["webhooks"][0]["clientConfig"]["caBundle"] = ""
        undone = Undone()
        undone.__dict__ |= settled.objects.__dict__
        with pytest.raises(NoRest, match="another program keeps changing them"):
            await Certificates(undone, HERE, LIVES, clock=settled.clock).settle(lambda _: None)

    async def test_the_wait_is_noted_where_everybody_can_see_it(self, settled: World) -> None:
        """In the Secret, so that another replica goes on where this one was."""
        state = await settled.look()
        await settled.certificates().begin_roll(settled.told.append)
        state = await settled.look()
        assert state.ca is not None and state.ca.published_at == settled.clock.now
        assert not isinstance(next_step(state, LIVES, settled.clock.now), NotePublished)


class TestNames:
    def test_names_of_an_installation(self) -> None:
        """All after one; the API server's comes first."""
        found = Installation.parse("git-token-webhook/git-token-webhook")
        assert found.ca_secret == "git-token-webhook-ca"
        assert found.tls_secret == "git-token-webhook-tls"
        assert found.lease == "git-token-webhook-certificates"
        assert found.dns_names == [
            "git-token-webhook.git-token-webhook.svc",
            "git-token-webhook.git-token-webhook.svc.cluster.local",
            "git-token-webhook.git-token-webhook",
        ]

    @pytest.mark.parametrize("text", ["", "webhook", "/webhook", "platform/", "a/b/c", "Platform/webhook", "p/w.x"])
    def test_what_is_no_name(self, text: str) -> None:
        """It is told with an example."""
        with pytest.raises(ConfigurationError, match="NAMESPACE/NAME"):
            Installation.parse(text)

    @pytest.mark.parametrize(
        "lives",
        [("10d", "90d", "5m"), ("365d", "0s", "5m")],
    )
    def test_lifetimes_that_don_t_go_together(self, lives: tuple[str, str, str]) -> None:
        """A leaf never outlives its CA, and the last third of a CA's life must hold one."""
        from webhook.cli.certs import lifetimes

        with pytest.raises(ConfigurationError, match="lifetime"):
            lifetimes(*lives)
