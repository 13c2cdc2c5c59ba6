from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.servers import Site, conversing, loopback, saying
from webhook.providers.transport.addresses import ATTEMPT_DELAY, AddressNotAllowed, CheckedBackend, Resolve, may_connect

PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "127.0.0.1",
    "127.8.8.8",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "240.0.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    "4000::1",
    "5f00::1",
    "64:ff9b:1::808:808",
]
NEVER = [
    "0.0.0.0",  # noqa: S104
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
]
PUBLIC = ["140.82.121.4", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:50c0:8000::154", "2a00::1"]


def embeddings(address: IPv4Address) -> list[IPv6Address]:
    """The IPv6 addresses by which a kernel, a gateway or a tunnel reaches this IPv4 address."""
    bits = int(address)
    return [
        IPv6Address(int(IPv6Address("::ffff:0:0")) | bits),
        IPv6Address(int(IPv6Address("::ffff:0:0:0")) | bits),
        IPv6Address(int(IPv6Address("64:ff9b::")) | bits),
        IPv6Address(int(IPv6Address("64:ff9b:1::")) | bits),
        IPv6Address(int(IPv6Address("2002::")) | bits << 80),
        IPv6Address(bits),
    ]


@pytest.mark.parametrize("text", [*PRIVATE, *NEVER])
def test_a_host_that_everybody_knows_has_no_such_address(text: str) -> None:
    """Whoever controls DNS must not turn a token, or a request, to the inside of the network."""
    assert not may_connect(ip_address(text), declared=False)


@pytest.mark.parametrize("text", PRIVATE)
def test_a_declared_host_may_be_private(text: str) -> None:
    """Self-hosted providers usually are."""
    assert may_connect(ip_address(text), declared=True)


@pytest.mark.parametrize("text", NEVER)
def test_not_even_a_declared_host_may_be_the_clouds_metadata(text: str) -> None:
    """Link-local, metadata, multicast and unspecified addresses are nobody's provider."""
    assert not may_connect(ip_address(text), declared=True)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_for_everybody(text: str, declared: bool) -> None:
    """Also those just outside a private range."""
    assert may_connect(ip_address(text), declared=declared)


@pytest.mark.parametrize("text", ["140.82.121.4", "8.8.8.8"])
def test_a_gateway_of_an_ipv6_only_cluster_reaches_public_hosts(text: str) -> None:
    """NAT64 with DNS64 makes github.com's address one of 64:ff9b::/96."""
    assert may_connect(embeddings(ip_address(text))[2], declared=False)  # type: ignore[arg-type]


@given(st.ip_addresses(v=4))
def test_no_other_notation_reaches_what_ipv4_does_not(address: IPv4Address) -> None:
    """An IPv4 address inside an IPv6 address is judged like itself, or refused."""
    for declared in (True, False):
        for form in embeddings(address):
            if may_connect(form, declared=declared) and not form.is_loopback:
                assert may_connect(address, declared=declared)


@given(st.ip_addresses())
def test_what_everybodys_host_may_be_a_declared_one_may_be(address: IPv4Address | IPv6Address) -> None:
    """Declaring a host never takes an address away."""
    assert may_connect(address, declared=True) or not may_connect(address, declared=False)


@given(st.ip_addresses())
def test_python_calls_global_what_we_do(address: IPv4Address | IPv6Address) -> None:
    """Our tables are a part of what the standard library takes for global."""
    if may_connect(address, declared=False) and getattr(address, "ipv4_mapped", None) is None:
        assert (address.is_global and not address.is_multicast and not address.is_reserved) or _is_nat64(address)


def _is_nat64(address: IPv4Address | IPv6Address) -> bool:
    return str(address).startswith("64:ff9b::")


whole_of_loopback = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.9 is this machine on Linux alone")


def answering(*addresses: str) -> Resolve:
    async def resolve(name: str) -> Sequence[str]:
        return addresses

    return resolve


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with conversing(saying(b"hello"), None) as site:
        yield site


async def test_a_name_is_connected_to_where_it_was_checked(site: Site) -> None:
    """The answer that was checked is the one that is used: a second one isn't asked for."""
    asked: list[str] = []

    async def rebinding(name: str) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    stream = await CheckedBackend(declared=True, resolve=rebinding).connect_tcp("git.acme.example", site.port)
    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    await stream.aclose()
    assert asked == ["git.acme.example"]


async def test_a_refused_address_is_never_connected_to(site: Site) -> None:
    """A built-in host on loopback is refused before a packet is sent."""
    with pytest.raises(AddressNotAllowed, match="private or reserved"):
        await CheckedBackend(declared=False, resolve=loopback).connect_tcp("github.com", site.port)
    await asyncio.sleep(0.05)
    assert not site.peers


@pytest.mark.parametrize("literal", ["169.254.169.254", "[fe80::1]", "::", "0.0.0.0"])  # noqa: S104
async def test_an_address_in_the_url_is_checked_too(literal: str) -> None:
    """It needs no resolver, and no less care."""
    with pytest.raises(AddressNotAllowed, match="is not allowed"):
        await CheckedBackend(declared=True).connect_tcp(literal, 443)


async def test_a_zone_hides_no_link_local_address() -> None:
    """``fe80::1%eth0`` is link-local whatever its zone."""
    with pytest.raises(AddressNotAllowed):
        await CheckedBackend(declared=True, resolve=answering("fe80::1%eth0")).addresses("git.acme.example")


async def test_among_several_addresses_only_allowed_ones_are_used() -> None:
    """A name that mixes public and private addresses gets the public ones."""
    backend = CheckedBackend(declared=False, resolve=answering("10.0.0.1", "8.8.8.8", "::1", "8.8.8.8", "2a00::1"))
    assert await backend.addresses("github.com") == [ip_address("8.8.8.8"), ip_address("2a00::1")]


async def test_families_take_turns() -> None:
    """A dead IPv6 route costs one delay and not one for each of its addresses."""
    backend = CheckedBackend(declared=False, resolve=answering("2a00::1", "2a00::2", "2a00::3", "8.8.8.8"))
    assert [str(address) for address in await backend.addresses("github.com")] == [
        "2a00::1",
        "8.8.8.8",
        "2a00::2",
        "2a00::3",
    ]


@whole_of_loopback
async def test_the_next_address_is_tried_when_one_refuses(site: Site) -> None:
    """One dead machine of several is no outage, and costs no waiting."""
    backend = CheckedBackend(declared=True, resolve=answering("127.0.0.9", "127.0.0.1"))
    started = time.monotonic()
    stream = await backend.connect_tcp("git.acme.example", site.port)
    await stream.aclose()
    assert time.monotonic() - started < ATTEMPT_DELAY


@whole_of_loopback
async def test_the_next_address_is_tried_beside_one_that_does_not_answer(site: Site) -> None:
    """A machine that drops packets must not eat the whole time-out."""
    with socket.create_server(("127.0.0.9", site.port), backlog=0) as deaf:
        # Its queue is full, so the kernel drops further SYN packets.
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            backend = CheckedBackend(declared=True, resolve=answering("127.0.0.9", "127.0.0.1"))
            async with asyncio.timeout(5):
                stream = await backend.connect_tcp("git.acme.example", site.port)
            assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
            await stream.aclose()
        finally:
            for filler in fillers:
                filler.close()


async def test_an_unknown_name_is_a_failed_connection() -> None:
    """The resolver's error stays inside, for the table of mishaps."""

    async def unknown(name: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    with pytest.raises(httpcore.ConnectError) as caught:
        await CheckedBackend(declared=True, resolve=unknown).connect_tcp("git.acme.example", 443)
    assert isinstance(caught.value.args[0], socket.gaierror)


@pytest.mark.parametrize(("declared", "asked"), [(False, "github.com."), (True, "github.com")])
async def test_search_domains_apply_to_declared_hosts_alone(declared: bool, asked: str) -> None:
    """In a cluster "github.com" may be the Service github of a Namespace com; the dot at the end says that it isn't."""
    names: list[str] = []

    async def resolve(name: str) -> Sequence[str]:
        names.append(name)
        return ["8.8.8.8"]

    await CheckedBackend(declared=declared, resolve=resolve).addresses("github.com")
    assert names == [asked]


async def test_a_cancelled_connection_leaves_nothing_open(site: Site) -> None:
    """A time-out in the middle closes what was begun; an open socket would be a ResourceWarning, hence an error."""
    backend = CheckedBackend(declared=True, resolve=answering("127.0.0.1"))
    for delay in (0.0, 0.0001, 0.0005, 0.001):
        task = asyncio.create_task(backend.connect_tcp("git.acme.example", site.port))
        await asyncio.sleep(delay)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(outcome, httpcore.AsyncNetworkStream):
            await outcome.aclose()
