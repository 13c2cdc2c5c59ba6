from __future__ import annotations

import pytest

from webhook.proxy import Proxy, UnusableProxy, proxy_for


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://proxy.example"}, None),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, Proxy("proxy.example", 3128, secure=False)),
        ({"https_proxy": "proxy.example:3128"}, Proxy("proxy.example", 3128, secure=False)),
        (
            {"HTTPS_PROXY": "http://upper.example", "https_proxy": "http://lower.example"},
            Proxy("lower.example", 80, False),
        ),
        ({"ALL_PROXY": "https://proxy.example"}, Proxy("proxy.example", 443, secure=True)),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, Proxy("fd00::1", 3128, secure=False)),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": "http://u:p%40@proxy.example"}, Proxy("proxy.example", 80, False, "Basic dTpwQA==")),
    ],
)
def test_which_proxy_the_environment_names(environment: dict[str, str], proxy: Proxy | None) -> None:
    """The usual variables, lower case first, with and without a scheme."""
    assert proxy_for("git.acme.example", 443, environment) == proxy


@pytest.mark.parametrize(
    ("host", "exceptions", "excepted"),
    [
        ("git.acme.example", "", False),
        ("git.acme.example", "*", True),
        ("git.acme.example", "acme.example", True),
        ("git.acme.example", ".acme.example", True),
        ("git.acme.example", "*.acme.example", True),
        ("git.acme.example", "ACME.example ", True),
        ("git.acme.example", "other.example, acme.example", True),
        ("git.acme.example", "other.example acme.example", True),
        ("acme.example", ".acme.example", False),
        ("notacme.example", "acme.example", False),
        ("git.acme.example", "git.acme.example:443", True),
        ("git.acme.example", "git.acme.example:8443", False),
        ("git.acme.example", "10.0.0.0/8,,.svc", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("[fd00::1]", "fd00::/8", True),
        ("fd00::1", "[fd00::1]:443", True),
        ("localhost", "", True),
        ("127.0.0.1", "", True),
    ],
)
def test_which_hosts_are_reached_without_it(host: str, exceptions: str, excepted: bool) -> None:
    """``NO_PROXY`` as Go and curl read it."""
    environment = {"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": exceptions}
    assert (proxy_for(host, 443, environment) is None) == excepted


@pytest.mark.parametrize("value", ["socks5://u:secret@x.example", "http://", "http://x.example:port", "http://[x"])
def test_a_proxy_that_cannot_be_used_is_an_error_that_does_not_quote_it(value: str) -> None:
    """Going without it would be against the operator's word."""
    with pytest.raises(UnusableProxy) as caught:
        proxy_for("git.acme.example", 443, {"HTTPS_PROXY": value})
    assert "secret" not in str(caught.value) + repr(caught.value)


def test_repr_shows_no_password() -> None:
    """It ends in logs sooner or later."""
    assert "Basic" not in repr(proxy_for("x.example", 443, {"HTTPS_PROXY": "http://u:p@proxy.example"}))
