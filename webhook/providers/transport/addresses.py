"""Connections to allowed addresses only.

A token is sent to a name, and DNS, which others may control, maps the name to addresses. So names are resolved here,
every address is checked, and the connection uses the checked address: DNS cannot return one address for the check and
another for the connection. TLS is still verified against the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import anyio
import httpcore

from webhook.providers.base import ProviderUnavailable

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Finds the addresses of a name, the best one first. Raises `OSError` (`socket.gaierror`) if there is none."""

ATTEMPT_DELAY = 0.25
"""Seconds before the next address is tried in parallel with one that does not answer (RFC 8305, section 5)."""
_MAX_ADDRESSES = 8

# These tables replace `is_global` of `ipaddress`, which changed between patch releases of Python (gh-113171), and which
# is true for every IPv6 address that is not known to be private.

# Never a provider, even if it is declared: services of the cloud that issue credentials to every client on the machine.
_NEVER_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # "this" network; 0.0.0.0 connects to this machine
            "169.254.0.0/16",  # link-local: metadata of AWS, Azure, Google, OpenStack; EKS pod identity
            "100.100.100.200/32",  # metadata of Alibaba Cloud
            "168.63.129.16/32",  # Azure's platform service, inside the public range
            "192.0.0.192/32",  # metadata of Oracle Cloud
            "224.0.0.0/4",  # multicast
            "255.255.255.255/32",  # broadcast
        ),
    )
)
_NEVER_V6 = tuple(
    map(
        IPv6Network,
        (
            "::/128",  # connects to this machine
            "fe80::/10",  # link-local
            "fec0::/10",  # site-local, deprecated
            "ff00::/8",  # multicast
            "fd00:ec2::/32",  # metadata and pod identity of AWS
            "fd20:ce::254/128",  # metadata of Google Cloud
            "fd00:42::42/128",  # metadata of Scaleway
        ),
    )
)
# Addresses of IANA's IPv4 Special-Purpose Address Registry that are not globally reachable, or have no use here.
_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by carriers' NAT, and by pods of some clusters
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "240.0.0.0/4",  # reserved
        ),
    )
)
# Global unicast is only 2000::/3; these are the parts of it that are not for hosts.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols of the IETF, Teredo among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: leads to the IPv4 address inside it
            "3fff::/20",  # documentation
        ),
    )
)
# Networks whose addresses contain an IPv4 address, and the position of its 32 bits from the right.
_NAT64 = IPv6Network("64:ff9b::/96")
_EMBEDDING = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped: the kernel connects by IPv4
    (IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated (SIIT)
    (IPv6Network("::/96"), 0),  # IPv4-compatible
    (_NAT64, 0),
    (IPv6Network("64:ff9b:1::/48"), 0),  # NAT64 of local use
    (IPv6Network("2002::/16"), 80),  # 6to4
)


class AddressNotAllowed(ProviderUnavailable):
    """No address of the name is allowed."""

    def __init__(self, clause: str) -> None:
        super().__init__(clause)


def may_connect(address: Address, *, declared: bool) -> bool:
    """Return whether a token may be sent to `address`.

    Built-in hosts have public addresses. A declared host may have a private address or be this machine, but never an
    address of cloud services (link-local, metadata), nor multicast or unspecified.
    """
    embedded = _embedded(address)
    if isinstance(address, IPv4Address):
        if any(address in network for network in _NEVER_V4):
            return False
        return declared or not any(address in network for network in _NOT_PUBLIC_V4)
    if embedded is not None and not may_connect(embedded, declared=declared):
        # ::1 is in ::/96, but it is not another form of 0.0.0.1.
        return declared and address.is_loopback
    if any(address in network for network in _NEVER_V6):
        return False
    if declared or address in _NAT64 or address.ipv4_mapped is not None:
        return True
    return address in _GLOBAL_UNICAST and not any(address in network for network in _NOT_PUBLIC_V6)


def _embedded(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv6Address):
        for network, shift in _EMBEDDING:
            if address in network:
                return IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
    return None


async def system_resolve(name: str) -> Sequence[str]:
    """Resolve a name with the system (``/etc/hosts``, DNS), in the order of RFC 6724.

    Raises:
        socket.gaierror: the name is unknown, or DNS is unavailable.
    """
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [address for *_, (address, *_) in found if isinstance(address, str)]


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects by TCP, only to addresses that `may_connect` allows."""

    def __init__(self, *, declared: bool, resolve: Resolve = system_resolve) -> None:
        self._declared = declared
        self._resolve = resolve
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that answers; the caller's timeout limits the attempts.

        Raises:
            AddressNotAllowed: it has no address that may be connected to.
            httpcore.ConnectError: the name is unknown, or no address answers.
        """
        addresses = await self.addresses(host)
        return await self._first_to_answer(addresses, port)

    async def addresses(self, host: str) -> list[Address]:
        """Return the allowed addresses of a host, the best one first, IPv6 and IPv4 in turns.

        Raises:
            AddressNotAllowed: none of its addresses is allowed.
            httpcore.ConnectError: it has no address.
        """
        found = [literal] if (literal := _literal(host)) else await self._resolve_name(host)
        allowed = [address for address in dict.fromkeys(found) if may_connect(address, declared=self._declared)]
        if not allowed:
            raise AddressNotAllowed(
                "resolves to an address that is not allowed (link-local, multicast or metadata)"
                if self._declared
                else "resolves to a private or reserved address, which only a host declared under providers: may have"
            )
        return _interleave_families(allowed)[:_MAX_ADDRESSES]

    async def _resolve_name(self, host: str) -> list[Address]:
        # The dot keeps the resolver from using the cluster's search domains first: with ndots:5, "github.com" could be
        # the Service "github" in a Namespace "com", which a user may be able to create. A declared host may be such a
        # name, for example "gitlab.tools.svc".
        name = host if self._declared else f"{host}."
        try:
            found = await self._resolve(name)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(error) from error
        return [ip_address(text) for text in found]

    async def _first_to_answer(self, addresses: Sequence[Address], port: int) -> httpcore.AsyncNetworkStream:
        """Race the addresses, each one `ATTEMPT_DELAY` after the one before or as soon as that one fails."""
        winners: list[httpcore.AsyncNetworkStream] = []
        failures: list[Exception] = []

        async def attempt(address: Address, failed: anyio.Event) -> None:
            try:
                stream = await self._plain.connect_tcp(str(address), port)
            except Exception as error:
                failures.append(error)
                failed.set()
            else:
                winners.append(stream)
                race.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as race:
                for address in addresses:
                    failed = anyio.Event()
                    race.start_soon(attempt, address, failed)
                    with anyio.move_on_after(ATTEMPT_DELAY):
                        await failed.wait()
        except BaseException:
            await _close(winners)
            raise
        if not winners:
            raise failures[0]  # of the best address
        await _close(winners[1:])
        return winners[0]


async def _close(streams: Iterable[httpcore.AsyncNetworkStream]) -> None:
    with anyio.CancelScope(shield=True):
        for stream in streams:
            await stream.aclose()


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _interleave_families(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses with IPv6 and IPv4 in turns, starting with the family of the first (RFC 8305, section 4)."""
    preferred = [address for address in addresses if address.version == addresses[0].version]
    others = [address for address in addresses if address.version != addresses[0].version]
    paired = [address for pair in zip(preferred, others, strict=False) for address in pair]
    shorter = min(len(preferred), len(others))
    return [*paired, *preferred[shorter:], *others[shorter:]]
