"""What the documentation says is true: its examples load and do what the text says, and its links lead somewhere."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
import yaml

from tests.support import references
from tests.support.server_process import ServerProcess, running_server
from tests.test_no_leaks import review
from webhook.errors import ConfigurationError
from webhook.providers import PROVIDERS
from webhook.providers.findings import RepositoryNeed
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Level, Role
from webhook.settings.source import parse_settings
from webhook.simulator import Simulator, example_world

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
REQUIREMENTS = (REFERENCE / "requirements.md").read_text()
EXAMPLES: list[str] = [
    example
    for text in ((REFERENCE / "configuration.md").read_text(), REQUIREMENTS)
    for example in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "certs").rglob("*.md")]

# The example of the design, but for what seals.
DESIGNED = """
mode: enforce                      # enforce | warn
installer: {skipValidation: false}
app-proxy: {config: {skipGitPermissionValidation: "false"}}
providers:
  - host: git.acme.dev             # also overrides a built-in host
    kind: github
    apiUrl: https://git.acme.dev/api/v3
    caFile: /etc/ca/acme.pem
requirements:                      # replaces one cell of the table above
  github: {runtime: {scopes: [repo], permissions: {contents: write, metadata: read}}}
  gitlab: {runtime: {granular: ["Code: Push"]}}
repositories:
  write: [https://github.com/acme/shared-configuration]
  read: [https://github.com/acme/apps]
  applications: false
rules:
  - {name: repositories, role: runtime, labels: {argocd.argoproj.io/secret-type: repository}}
onUnverified: deny
expiry: {warnWithin: 14d}
defaults: {userHost: github.com}
encryption: {mode: annotate}
limits: {providerTimeout: 4s, decisionTimeout: 8s, concurrency: 64, cacheTtl: 60s, cacheEntries: 4096}
"""


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_example_loads(text: str) -> None:
    """Whoever copies one has a configuration that starts."""
    parse_settings(text)


def test_the_examples_show_every_word_and_every_provider() -> None:
    """Requirements can be stated as scopes, permissions, levels and granular permissions; each is shown once."""
    cells = [cell for text in EXAMPLES for role in _requirements(text).values() for cell in role]
    assert {word for cell in cells for word in cell} >= {"scopes", "permissions", "levels", "granular"}
    kinds = [set(_requirements(text)) for text in EXAMPLES if "requirements:" in text]
    assert all(kind >= PROVIDERS.keys() for kind in kinds)


def _requirements(text: str) -> dict[str, list[dict[str, object]]]:
    """The cells of an example, by kind of provider."""
    document = yaml.safe_load(text)
    cells = {kind: list(roles.values()) for kind, roles in document.get("requirements", {}).items()}
    for rule in document.get("rules", []):
        for kind, cell in rule.get("requirements", {}).items():
            cells.setdefault(kind, []).append(cell)
    return cells


def test_the_error_that_the_page_shows_is_the_one_that_is_printed() -> None:
    """A near miss is told with the name that was meant, and where it stands."""
    with pytest.raises(ConfigurationError) as refusal:
        parse_settings("requirements: {gitlab: {user: {scopes: [read_apis]}}}")
    message = str(refusal.value).removeprefix("line 1: ")
    assert f"git-token-webhook: config.yaml:3: {message}\n" in REQUIREMENTS


def test_wrong_names_are_told_all_at_once_each_by_its_place() -> None:
    """Three slips take one look, not three."""
    with pytest.raises(ConfigurationError) as refusal:
        parse_settings("""
            requirements: {gitlab: {user: {scopes: [read_apis]}}, bitbucket-server: {user: {levels: [REPO_WRIT]}}}
            rules: [{name: a, role: user, labels: {a: b}, requirements: {github: {permissions: {content: read}}}}]
        """)
    assert str(refusal.value).splitlines() == [
        "line 2: requirements.gitlab.user: there is no scope 'read_apis'; did you mean 'read_api'?",
        "line 2: requirements.bitbucket-server.user: there is no level 'REPO_WRIT'; did you mean 'REPO_WRITE'?",
        "line 3: rules[0].requirements.github: there is no permission 'content'; did you mean 'contents'?",
    ]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("GitHub classic token", "github"),
        ("GitLab personal", "gitlab"),
        ("Bitbucket Cloud API token", "bitbucket"),
        ("Bitbucket Server or Data Center", "bitbucket-server"),
        ("Gitea or Forgejo", "gitea"),
    ],
)
def test_the_table_names_what_is_asked_for(row: str, kind: str) -> None:
    """The table's cells are the defaults of the code."""
    profile = PROVIDERS[Kind(kind)].profile
    (cells,) = re.findall(rf"^\| {row}[^|]*\|([^|]*)\|([^|]*)\|$", REQUIREMENTS, re.MULTILINE)
    names = [set(re.findall(r"`([^`]+)`", cell)) for cell in cells]
    for role, shown in zip((Role.RUNTIME, Role.USER), (names[0], names[1] or names[0]), strict=True):
        default = profile.defaults[role]
        levels = {name for name, level in profile.vocabulary.levels.items() if level in default.permissions}
        assert shown == set(default.scopes or levels)


def test_the_design_s_example_loads() -> None:
    """All keys of the contract are there, with the values that it gives as defaults."""
    settings = parse_settings(DESIGNED)
    assert settings.mode == "enforce"
    assert settings.requirement(Kind("gitlab"), Role.RUNTIME).granular == ("Code: Push",)
    assert settings.requirement(Kind("gitlab"), Role.RUNTIME).scopes == ("api",)
    needs = (
        RepositoryNeed(("acme", "shared-configuration"), Level.WRITE),
        RepositoryNeed(("acme", "apps"), Level.READ),
    )
    assert settings.repositories.needs() == {"github.com": needs}
    defaults = parse_settings("")
    assert settings.limits == defaults.limits
    assert settings.expiry == defaults.expiry
    assert settings.expiry.warn_within == timedelta(days=14)


def test_the_readme_is_short() -> None:
    """A newcomer reads all of it; everything else is in docs/."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 110


@pytest.mark.parametrize("name", references.PAGES)
def test_the_generated_references_match_the_code(name: str) -> None:
    """`./dev docs` writes them."""
    assert (REFERENCE / name).read_text() == references.written(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Each relative link names a file that exists, and a heading of that file where it names one."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    broken = [
        link
        for link in re.findall(r"\]\(([^)\s]+)\)", text)
        if not re.match(r"[a-z]+:", link) and not _leads_somewhere(page, link)
    ]
    assert not broken


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


TOKENS = [
    ("https://github.com/acme/apps", "git", "weak-fine-grained", "user-fine-grained"),
    ("https://gitlab.com/acme/apps", "git", "gitlab-read-repository", "gitlab-write-only"),
    ("https://bitbucket.org/acme/apps", "x-token-auth", "bitbucket-weak-repo-token", "bitbucket-repo-token"),
    ("https://bitbucket.acme.dev/bitbucket/scm/acme/apps.git", "git", "server-read-only", "server-no-admin"),
    ("https://gitea.acme.dev/acme/apps", "git", "gitea-weak", "gitea-good-user"),
]
"""For each provider, a token that may only read a repository, and one that may also write to it."""


async def test_the_rules_of_the_page_ask_for_reading_and_for_writing(tmp_path: Path) -> None:
    """A token that may only read is enough for `repository` and not for `repo-write-creds`."""
    (rules,) = (text for text in EXAMPLES if text.startswith("rules:"))
    world, ca = example_world(datetime.now(UTC)), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    stored: dict[str, list[bool]] = {}
    async with Simulator(world, ssl_context=context) as simulator:
        providers = [
            {"host": name, "kind": host.kind, "apiUrl": host.api_url, "caFile": str(tmp_path / "ca.crt")}
            for name, host in simulator.hosts.items()
        ]
        async with running_server(tmp_path, ca, {"providers": providers, **yaml.safe_load(rules)}) as server:
            for url, username, *names in TOKENS:
                for name in names:
                    data = {"type": "git", "url": url, "username": username, "password": world.token(name).value}
                    stored[name] = [await _is_stored(server, data, kind) for kind in ("repository", "repo-write-creds")]
    for _, _, reads, writes in TOKENS:
        assert (reads, stored[reads]) == (reads, [True, False])
        assert (writes, stored[writes]) == (writes, [True, True])


async def _is_stored(server: ServerProcess, data: Mapping[str, str], kind: str) -> bool:
    answer = await server.review("validate", review(data, labels={"argocd.argoproj.io/secret-type": kind}))
    return bool(answer.json()["response"]["allowed"])
