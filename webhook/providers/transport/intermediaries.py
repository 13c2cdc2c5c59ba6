"""Pages of what stands before a provider: challenges for browsers, sign-in pages, proxies' own errors.

None of them says anything about a token, and none goes away by waiting: a person has to let API requests pass. Each
has its own sentence. A page is known by a header or by words that stand in it since long ago; the sources are beside
each. What is not known here is judged by its status and type in `http`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.providers.base import NotTheProvider404, ProviderUnavailable

LONGEST = 1 << 14
"""Bytes of a page that are looked at. Titles and errors stand at its beginning."""

_EXEMPT = "Exempt API requests, or the address of this webhook, from it."
_NO_CERTIFICATE = (
    "Configure the API to accept this webhook without one, or set apiUrl of the host to an address that does."
)
_OWN_404 = (
    "Check apiUrl of the host, which may lack a path, and that the proxy passes %2F in a path unchanged "
    "(AllowEncodedSlashes NoDecode and nocanon in Apache, proxy_pass without a path in nginx)."
)

CLIENT_CERTIFICATE = ProviderUnavailable(
    "requires a TLS client certificate, which this webhook does not send", remedy=_NO_CERTIFICATE
)
"""Also what TLS itself says (RFC 8446, certificate_required)."""
HANDSHAKE_FAILED = ProviderUnavailable(
    "rejects the TLS handshake: it may require a client certificate, or share no cipher with this webhook",
    remedy=_NO_CERTIFICATE,
)
"""Before TLS 1.3 there is no other alert for a missing certificate (RFC 5246, 7.4.6)."""


@dataclass(frozen=True, slots=True)
class Page:
    """One kind of page.

    Attributes:
        clause: what a person reads after the host's name.
        remedy: what must change.
        source: where it is documented, or its text written.
        header: a response header that only it has, in lower case; empty for none.
        value: how that header's value begins, in lower case; empty for any.
        statuses: those that it comes with; empty for any.
        words: all of them stand in it, in lower case; without any the header alone counts. Without a header the
            response must be HTML: the names of a Git repository's branches are text as well.
    """

    clause: str
    remedy: str
    source: str
    header: str = ""
    value: str = ""
    statuses: tuple[int, ...] = ()
    words: tuple[str, ...] = ()

    def matches(self, status: int, headers: Mapping[str, str], text: str) -> bool:
        """Whether a response is this page; `text` is in lower case."""
        if self.statuses and status not in self.statuses:
            return False
        if self.header and (self.header not in headers or not headers[self.header].lower().startswith(self.value)):
            return False
        if not self.header and not _is_html(headers):
            return False
        return all(word in text for word in self.words)


def _is_html(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").strip().lower().startswith(("text/html", "application/xhtml+xml"))


PAGES: tuple[Page, ...] = (
    Page(
        "answered with an HTML page of Cloudflare that checks for a browser",
        _EXEMPT,
        "developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response",
        header="cf-mitigated",
        value="challenge",
    ),
    Page(
        "answered with an HTML page of Cloudflare that checks for a browser",
        _EXEMPT,
        "python-gitlab/python-gitlab#2510: the title before cf-mitigated came, and where a proxy takes it away",
        words=("<title>just a moment...</title>", "enable javascript and cookies to continue"),
    ),
    Page(
        "answered with an HTML page of Cloudflare that blocks this webhook's address",
        _EXEMPT,
        "developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors",
        statuses=(403,),
        words=("<title>attention required! | cloudflare</title>",),
    ),
    Page(
        "answered with an HTML page of Cloudflare that blocks this webhook's address",
        _EXEMPT,
        "developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors (1005 to 1020)",
        statuses=(403,),
        words=("cloudflare", "error code: 10"),
    ),
    Page(
        "answered with an HTML page of Anubis that checks for a browser",
        _EXEMPT,
        "TecharoHQ/anubis: lib/localization/locales/en.json, making_sure_not_bot",
        words=("<title>making sure you", "not a bot!</title>"),
    ),
    Page(
        "answered with an HTML page of Anubis that checks for a browser",
        _EXEMPT,
        "TecharoHQ/anubis: the element that holds the challenge, whatever the language",
        words=('id="anubis_challenge"',),
    ),
    Page(
        "answered with an HTML page of AWS WAF that checks for a browser",
        _EXEMPT,
        "docs.aws.amazon.com/waf/latest/developerguide: how the CAPTCHA and Challenge rule actions work",
        header="x-amzn-waf-action",
    ),
    Page(
        "answered with an HTML page of Imperva that blocks automated requests",
        _EXEMPT,
        "docs.imperva.com: Cloud WAF error pages and codes",
        words=("incapsula incident id",),
    ),
    Page(
        "is behind Google's Identity-Aware Proxy, which answered in its place",
        _EXEMPT,
        "cloud.google.com/iap/docs/faq: x-goog-iap-generated-response",
        header="x-goog-iap-generated-response",
    ),
    Page(
        "could not be reached, because the proxy Squid answered with its own HTML page",
        "Configure the proxy to allow this webhook to reach the host.",
        "squid-cache: src/errorpage.cc, X-Squid-Error",
        header="x-squid-error",
    ),
    Page(
        str(CLIENT_CERTIFICATE),
        CLIENT_CERTIFICATE.remedy,
        "nginx: src/http/ngx_http_special_response.c, ngx_http_error_496_page",
        statuses=(400,),
        words=("no required ssl certificate was sent",),
    ),
    Page(
        str(CLIENT_CERTIFICATE),
        CLIENT_CERTIFICATE.remedy,
        "nginx: src/http/ngx_http_special_response.c, ngx_http_error_495_page",
        statuses=(400,),
        words=("<title>400 the ssl certificate error</title>",),
    ),
    Page(
        str(CLIENT_CERTIFICATE),
        CLIENT_CERTIFICATE.remedy,
        "Apache: modules/ssl/ssl_engine_kernel.c, SSLVerifyClient at a location",
        statuses=(403,),
        words=("cannot perform post-handshake authentication",),
    ),
    Page(
        "answered 404 with an HTML page of Apache, instead of an API response",
        _OWN_404,
        "gitlabhq/gitlabhq#8924; Apache: modules/http/http_protocol.c, get_canned_error_string",
        statuses=(404,),
        words=("<title>404 not found</title>", "the requested url", "was not found on this server."),
    ),
    Page(
        "answered 404 with an HTML page of nginx, instead of an API response",
        _OWN_404,
        "nginx: src/http/ngx_http_special_response.c, ngx_http_error_404_page",
        statuses=(404,),
        words=("<center><h1>404 not found</h1></center>", "<center>nginx"),
    ),
    Page(
        "could not be asked: a proxy in between requires authentication (407)",
        "Exempt this host from the proxy's authentication, or name a proxy with credentials in HTTPS_PROXY.",
        "RFC 9110, 15.5.8; squid: src/client_side_request.cc",
        header="proxy-authenticate",
        statuses=(407,),
    ),
)
"""The first that matches counts."""

_SIGN_IN = ("<title>sign in", "<title>log in", "<title>login", "<title>single sign-on", 'name="samlrequest"')


def recognise(
    status: int, headers: Mapping[str, str], body: bytes = b"", *, raw: bool = False
) -> ProviderUnavailable | None:
    """Return what a response means that doesn't come from the provider; None for every other one.

    Args:
        body: its beginning, where it was read.
        raw: the response is not the API's but Git's, which may be a page in the provider's own words.
    """
    text = body[:LONGEST].decode("utf-8", "replace").lower()
    page = next((page for page in PAGES if page.matches(status, headers, text)), None)
    if page is not None:
        kind = NotTheProvider404 if status == 404 else ProviderUnavailable
        return kind(page.clause, remedy=page.remedy)
    if not _is_html(headers):
        return None
    if status < 400 and any(word in text for word in _SIGN_IN):
        clause = "answered with an HTML sign-in page instead of an API response"
        return ProviderUnavailable(
            clause, remedy="Check apiUrl of the host, and exempt API requests from that sign-in."
        )
    if status == 404 and not raw and text:
        return NotTheProvider404("answered 404 with an HTML page, instead of an API response", remedy=_OWN_404)
    return None
