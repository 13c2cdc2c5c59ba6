from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.providers.urls import GitUrl, MalformedUrl, parse_git_url, parse_host

LABEL = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?", fullmatch=True)
# Names that end in a number, decimal or hexadecimal, are addresses to some programs.
NAME = (
    st.lists(LABEL, min_size=1, max_size=4)
    .map(".".join)
    .filter(lambda name: re.search(r"(?i)(^|\.)([0-9]+|0x[0-9a-f]*)$", name) is None)
)
# What parsers have disagreed about, beside ordinary parts.
PIECE = st.sampled_from(
    (
        "github.com GitHub.com evil.example a www. ssh. git .git xn--mnchen-3ya @ : / 443 80 8443 0443 99999 ? # [ ] "
        "::1 ::ffff:1.2.3.4 %00 %2f %40 %25 . .. \\ 127.1 0x7f.1 0x7f000001 2130706433 1.2.3.4 01.2.3.4 - _ é 。 ／ ; "
        "& = + , ~ ! ' ( * $ | ^ ` {"
    ).split(" ")
    + list(" \t\n\r\x00\x7f")
)


def as_others_read(text: str) -> set[tuple[str | None, int]]:
    """Which hosts and ports widely used parsers would connect to; those that refuse say nothing."""
    read: set[tuple[str | None, int]] = set()
    parts = urlsplit(text)
    read.add((parts.hostname, parts.port or 443))
    for parse in (httpx_reads, yarl_reads):
        try:
            read.add(parse(text))
        except (httpx.InvalidURL, ValueError):
            pass
    return read


def httpx_reads(text: str) -> tuple[str, int]:
    url = httpx.URL(text)
    return url.raw_host.decode(), url.port or 443


def yarl_reads(text: str) -> tuple[str | None, int]:
    url = yarl.URL(text)
    return url.raw_host, url.port or 443


def in_our_form(name: str, port: int) -> str:
    name = name.lower().removesuffix(".")
    if name in {"www.github.com", "ssh.github.com"}:
        name = "github.com"
    if ":" in name:
        name = f"[{ipaddress.ip_address(name).compressed}]"
    return name if port == 443 else f"{name}:{port}"


@settings(max_examples=1000)  # most of them are refused, rightly
@given(st.lists(PIECE, min_size=1, max_size=7).map("".join))
def test_a_host_that_we_read_is_the_host_that_others_read(rest: str) -> None:
    """Whatever URL we accept, urllib, httpx and yarl would connect to the host that we decided by."""
    text = f"https://{rest}"
    try:
        url = parse_git_url(text)
    except MalformedUrl:
        return
    for name, port in as_others_read(text):
        assert name is not None
        assert in_our_form(name, port) == url.host


@given(NAME, st.one_of(st.none(), st.integers(1, 65535)), st.lists(LABEL, max_size=4))
def test_ordinary_urls_are_accepted(name: str, port: int | None, path: list[str]) -> None:
    """A DNS name, perhaps a port, perhaps a path: never refused."""
    text = "/".join(["https://" + name + (f":{port}" if port else ""), *path])
    assert parse_git_url(text).host == in_our_form(name, port or 443)


@given(NAME, st.sampled_from(["", ".", ":443", ".:443"]))
def test_spelling_makes_no_other_host(name: str, ending: str) -> None:
    """Letter case, a trailing dot and the scheme's own port leave the host what it is."""
    assert parse_host(name.swapcase() + ending) == parse_host(name)


@given(NAME, st.integers(1, 65535).filter(lambda port: port != 443))
def test_another_port_makes_another_host(name: str, port: int) -> None:
    """Whoever listens on another port isn't who was meant."""
    assert parse_host(f"{name}:{port}") != parse_host(name)


@given(NAME)
def test_a_canonical_host_is_its_own_canonical_form(name: str) -> None:
    """Parsing what came out of the parser changes nothing."""
    canonical = parse_host(name)
    assert parse_host(canonical) == canonical


@given(st.text(max_size=60))
def test_errors_never_quote_the_url(text: str) -> None:
    """A URL may hold a credential, so a refusal is one of our fixed sentences."""
    marker = "S3cretMarker"
    with pytest.raises(MalformedUrl) as caught:
        parse_git_url(f"https://{marker}:{text}@github.com/acme")
    assert marker not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com@evil.example/acme",
        "https://user:password@github.com/acme",
        "https://user:/@github.com/acme",
        "https://user:12/3@github.com/acme",
        "https://github.com?@evil.example/acme",
        "https://github.com#@evil.example/acme",
        "https://github.com\\@evil.example",
        "https:\\\\github.com/acme",
        "https://github.com%00.evil.example",
        "https://github.com%2f@evil.example",
        "https://github.com /acme",
        "https://github.com\n/acme",
        "https://github。com/acme",
        "https://gıthub.com/acme",
        "https://github.com#@evil.example",
        "https://github.com?@evil.example",
        "ssh://git@evil.example#@github.com/acme",
        "ssh://git@evil.example?@github.com/acme",
        "https://github.com:443:443/acme",
        "https://github.com:0/acme",
        "https://github.com:65536/acme",
        "https://github.com:+443/acme",
        "https://-github.com/acme",
        "https://github..com/acme",
        "https://.github.com/acme",
        f"https://{'a' * 64}.example/acme",
        "https:///acme",
        "https://[::1/acme",
        "https://[fe80::1%25eth0]/acme",
        "https://[::1]evil.example/acme",
        "https://github.com/acme/../evil",
        "https://github.com/acme/%2e%2e/evil",
        "github.com/acme",
        "file:///etc/passwd",
        "ext::sh -c id",
        "",
    ],
)
def test_urls_that_programs_read_in_different_ways_are_refused(text: str) -> None:
    """No guess: a URL with two possible readings is malformed."""
    with pytest.raises(MalformedUrl):
        parse_git_url(text)


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "1.2.3.256", "a.0x1"]
)
def test_an_address_in_disguise_is_refused(host: str) -> None:
    """Numbers that some programs take for an IPv4 address and others for a name."""
    with pytest.raises(MalformedUrl):
        parse_host(host)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://github.com/acme/apps.git", GitUrl("https", "github.com", ("acme", "apps"))),
        ("HTTPS://WWW.GitHub.COM.:443//acme/", GitUrl("https", "github.com", ("acme",))),
        ("https://ssh.github.com:443/acme", GitUrl("https", "github.com", ("acme",))),
        ("http://git.acme.example:80/x", GitUrl("https", "git.acme.example", ("x",), insecure=True)),
        ("https://git.acme.example:8443", GitUrl("https", "git.acme.example:8443")),
        ("https://192.0.2.7:8443/x", GitUrl("https", "192.0.2.7:8443", ("x",))),
        ("https://[2001:DB8:0::1]:8443/x", GitUrl("https", "[2001:db8::1]:8443", ("x",))),
        ("git@github.com:acme/apps.git", GitUrl("ssh", "github.com", ("acme", "apps"))),
        ("ssh://git@ssh.github.com:443/acme/apps", GitUrl("ssh", "github.com:443", ("acme", "apps"))),
        ("git+ssh://git@github.com/acme", GitUrl("ssh", "github.com", ("acme",))),
        ("git://git.acme.example/apps", GitUrl("git", "git.acme.example", ("apps",))),
        ("oci://registry.acme.example/charts", GitUrl("oci", "registry.acme.example", ("charts",))),
    ],
)
def test_the_forms_that_git_and_argo_cd_take(text: str, url: GitUrl) -> None:
    """Each of them names one scheme, one host and one path."""
    assert parse_git_url(text) == url


@pytest.mark.parametrize("scheme", ["ssh", "git", "oci"])
def test_only_https_sends_a_token(scheme: str) -> None:
    """The others use keys or nothing at all."""
    assert not parse_git_url(f"{scheme}://git.acme.example/acme").uses_token
