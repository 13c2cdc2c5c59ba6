"""The configuration file: complete, strict, and readable when it is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import make_token
from webhook.errors import ConfigurationError
from webhook.providers.findings import Outcome
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Level, Role
from webhook.settings.doubts import doubts
from webhook.settings.model import Settings
from webhook.settings.schema import schema
from webhook.settings.source import load_settings, parse_settings
from webhook.settings.values import parse_duration, parse_flag


def error_of(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(text)
    return str(caught.value)


# --- durations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"), [("4s", 4), ("500ms", 0.5), ("1h30m", 5400), ("14d", 1209600), ("1.5h", 5400), ("0s", 0)]
)
def test_reads_a_duration(text: str, seconds: float) -> None:
    """Durations are numbers with units, also several after each other."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", ["", "44", "s", "-4s", "4 s", "4s\n", "4y", 4, None, "4s4", "1e3s", ".5s"])
def test_refuses_what_is_no_duration(value: object) -> None:
    """A number without a unit might mean anything, so it means nothing."""
    with pytest.raises(ValueError, match="unit"):
        parse_duration(value)


@given(st.text(alphabet="0123456789.smhd -", max_size=400) | st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    """No text makes the parser fail in another way, such as by being too long a time."""
    try:
        assert parse_duration(text) >= timedelta(0)
    except ValueError:
        pass


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_units_scale(number: int, unit: str) -> None:
    """A duration is its number times its unit."""
    assert parse_duration(f"{number}{unit}") == number * parse_duration(f"1{unit}")


def test_a_duration_beyond_all_time_is_an_error() -> None:
    """What overflows is told as a wrong value and ends nothing else."""
    assert "limits.cacheTtl" in error_of(f"limits: {{cacheTtl: {'9' * 400}d}}")


# --- the file as a whole --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "{}"])
def test_an_empty_file_is_the_defaults(text: str) -> None:
    """Every key is optional."""
    assert parse_settings(text) == Settings()


@pytest.mark.parametrize("key", ["providers", "installer", "app-proxy", "global", "mode", "limits", "rules", "expiry"])
def test_a_key_without_a_value_is_as_if_absent(key: str) -> None:
    """Values files have keys below which everything is commented out."""
    assert parse_settings(f"{key}:\n") == Settings()


def test_a_platform_values_file_can_be_used_as_it_is() -> None:
    """Whatever else stands under the platform's own sections is passed over."""
    settings = parse_settings(
        """
        global: {runtime: {gitCredentials: {username: u, password: {value: p}}}, 1: odd}
        installer: {skipValidation: true, image: {tag: v1}}
        app-proxy: {config: {skipGitPermissionValidation: "true", env: prod}, replicas: 2}
        """
    )
    assert settings.installer.skip_validation is True
    assert settings.app_proxy.config.skip_git_permission_validation == "true"


def test_the_global_section_is_never_shown() -> None:
    """A platform's values file holds its Git password there."""
    assert "hunter2" not in repr(parse_settings("global: {runtime: {gitCredentials: {password: {value: hunter2}}}}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mod: warn", "'mode'"),
        ("onUnverifed: warn", "'onUnverified'"),
        ("limits: {cacheTTL: 4s}", "'cacheTtl'"),
        ("providers: [{hots: git.acme.dev, kind: github}]", "'host'"),
        ("mod:", "'mode'"),
        ("zzzzzz: 1", "known keys"),
        ("on: 1", "unknown key 'True'"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(text: str, expected: str) -> None:
    """A slip in a key is never a setting that silently doesn't hold."""
    assert expected in error_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]",
        "just text",
        "a: [",
        "mode: &a [*b]",
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "when: 2020-13-45",
        "mode: !!python/object/apply:os.system [ls]",
        "\x00",
        "mode: sometimes",
        "limits: {concurrency: 0}",
        "limits: {providerTimeout: 0s}",
        "limits: {decisionTimeout: 4}",
        "limits: 4",
        "builtinRules: maybe",
        "encryption: {mode: rot13}",
        "rules: [{name: x, role: admin, labels: {a: b}}]",
        "rules: [{name: '', role: user, labels: {a: b}}]",
        "requirements: {githb: {}}",
    ],
)
def test_what_can_not_be_used_is_a_configuration_error(text: str) -> None:
    """No file, however broken, ends in any other exception."""
    assert error_of(text)


def test_yaml_nested_too_deeply_is_a_configuration_error() -> None:
    """A thousand brackets don't end the process that reloads its configuration."""
    assert "nested" in error_of("a: " + "[" * 5000)


@given(st.text(alphabet=":-[]{}&*!|>'\"#%@? \nab1", max_size=60))
def test_any_text_is_settings_or_a_configuration_error(text: str) -> None:
    """Nothing that somebody writes into the file crashes the reader."""
    try:
        parse_settings(text)
    except ConfigurationError:
        pass


def test_a_key_that_stands_twice_is_an_error() -> None:
    """YAML forbids it, and one of the two values would silently be lost."""
    message = error_of("mode: warn\nexpiry: {}\nmode: enforce\n")
    assert "line 3" in message
    assert "'mode'" in message


def test_an_error_quotes_no_value() -> None:
    """A password in the wrong place of the file doesn't come out in a log."""
    message = error_of("mode: hunter2\nlimits: {cacheTtl: hunter2}\nproviders: [{host: 'a b hunter2', kind: hunter2}]")
    assert "hunter2" not in message
    assert {"mode:", "limits.cacheTtl:", "providers[0].host:", "providers[0].kind:"} <= set(message.split())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mode: sometimes", "mode: must be 'enforce' or 'warn'"),
        ("rules: [{name: x, role: admin, labels: {a: b}}]", "rules[0].role: must be 'runtime' or 'user'"),
        ("builtinRules: maybe", "builtinRules: must be true or false"),
        ("builtinRules: [1]", "builtinRules: must be true or false"),
        ("limits: {concurrency: many}", "limits.concurrency: must be a whole number"),
        ("limits: {concurrency: 1.5}", "limits.concurrency: must be a whole number"),
        ("limits: {concurrency: 0}", "limits.concurrency: must be more than 0"),
        ("limits: 4", "limits: must be a mapping, with keys below it"),
        ("requirements: 4", "requirements: must be a mapping, with keys below it"),
        ("providers: {host: a}", "providers: must be a list"),
        ("providers: [{host: git.acme.dev}]", "providers[0].kind (git.acme.dev): is missing"),
        ("providers: [{host: Git.Acme.Dev, kind: 4}]", "providers[0].kind (git.acme.dev): must be text"),
        ("providers: [{host: a b, kind: github, caFile: 4}]", "providers[0].caFile: must be the path of a file"),
        ("rules: [{name: '', role: user, labels: {a: b}}]", "rules[0].name: must not be empty"),
        ("requirements: {githb: {}}", "requirements.githb: there is no such kind of provider; did you mean 'github'?"),
        ("repositories: {read: [x]}", "repositories.read[0]: a repository's URL has no scheme"),
    ],
)
def test_an_error_says_where_and_what_must_be_there(text: str, line: str) -> None:
    """In one voice, with places as people count them, and hosts by their names."""
    assert any(one.startswith(f"line 1: {line}") for one in error_of(text).splitlines())


def test_a_host_that_is_a_token_names_no_provider() -> None:
    """By somebody's slip it stands in the wrong line."""
    token = make_token("k", "glpat-")
    assert token.lower() not in error_of(f"providers: [{{host: {token}, kind: 4}}]").lower()


def test_all_that_is_wrong_is_told_at_once() -> None:
    """One line for each problem, with the path of its key."""
    assert len(error_of("mode: x\nonInvalid: y\nonBlocked: z").splitlines()) == 3


def test_a_file_is_named_in_every_line_of_its_errors(tmp_path: Path) -> None:
    """Whoever reads the log knows which file to mend."""
    path = tmp_path / "config.yaml"
    path.write_text("mode: x\nonInvalid: y\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert [line[: len(str(path)) + 3] for line in str(caught.value).splitlines()] == [f"{path}:1:", f"{path}:2:"]


def test_a_missing_file_and_one_that_is_no_text_are_configuration_errors(tmp_path: Path) -> None:
    """Neither comes out as an OSError or UnicodeDecodeError."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\xff")
    for path in (tmp_path / "absent", binary, tmp_path):
        with pytest.raises(ConfigurationError, match=str(path)):
            load_settings(path)


def test_without_a_file_the_defaults_hold() -> None:
    """`serve` needs no configuration."""
    assert load_settings(None) == Settings()


# --- flags ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "meaning"),
    [(True, True), (False, False), ("true", True), (" TRUE ", True), ("FALSE", False), ("", False)]
    + [(odd, None) for odd in ("yes", "1", "truee", "on", "null")],
)
def test_a_flag_is_true_false_or_neither(value: bool | str, meaning: bool | None) -> None:
    """Only true skips; what is neither is known as such."""
    assert parse_flag(value) is meaning


@pytest.mark.parametrize("value", ["1", "[true]", "{true: true}", "'yes'", "1.5", "2020-01-01"])
def test_a_dubious_flag_of_any_type_is_reported_and_skips_nothing(value: str) -> None:
    """A values file with an odd flag is still a configuration."""
    settings = parse_settings(
        f"installer: {{skipValidation: {value}}}\napp-proxy: {{config: {{skipGitPermissionValidation: {value}}}}}"
    )
    names = ["installer.skipValidation", "app-proxy.config.skipGitPermissionValidation"]
    assert doubts(settings) == [f"{name} is neither true nor false, so it skips nothing." for name in names]


def test_clear_flags_are_not_reported() -> None:
    """False, as a boolean or as text, changes nothing."""
    text = 'installer: {skipValidation: "false"}\napp-proxy: {config: {skipGitPermissionValidation: false}}'
    assert doubts(parse_settings(text)) == []


# --- providers ------------------------------------------------------------------------------------------------------


def test_a_declared_host_is_canonical_and_gets_its_api() -> None:
    """However it is written, it is found by the name that URLs have."""
    host = parse_settings("providers: [{host: 'Git.ACME.dev.:443', kind: github}]").hosts().find("git.acme.dev")
    assert host is not None
    assert (host.kind, host.api_url, host.declared) == (Kind("github"), "https://git.acme.dev/api/v3", True)


def test_a_declared_host_overrides_a_built_in_one() -> None:
    """github.com may be reached by another way."""
    host = parse_settings("providers: [{host: github.com, kind: github, apiUrl: https://proxy.acme.dev/gh/}]")
    found = host.hosts().find("github.com")
    assert found is not None
    assert found.api_url == "https://proxy.acme.dev/gh"


@pytest.mark.parametrize(
    ("provider", "why"),
    [
        ("{host: git.acme.dev, kind: github, apiUrl: http://git.acme.dev/api/v3}", "clear"),
        ("{host: git.acme.dev, kind: github, apiUrl: https://u:p@git.acme.dev/api}", "user name"),
        ("{host: git.acme.dev, kind: github, apiUrl: ''}", "empty"),
        ("{host: https://git.acme.dev, kind: github}", "write only the host"),
        ("{host: 'u@git.acme.dev', kind: github}", "write only the host"),
        ("{host: git.acme.dev}", "kind"),
        ("{host: git.acme.dev, kind: gogs}", "kind"),
    ],
)
def test_a_provider_that_tokens_must_not_go_to_is_refused(provider: str, why: str) -> None:
    """Tokens go over https, to a host that is written without doubt and whose kind is known."""
    assert why in error_of(f"providers: [{provider}]")


def test_a_host_that_is_declared_twice_is_refused() -> None:
    """Also where the two are written differently."""
    text = "providers: [{host: git.acme.dev, kind: github}, {host: GIT.acme.dev, kind: gitlab}]"
    assert "git.acme.dev is declared twice" in error_of(text)


# --- requirements and rules -----------------------------------------------------------------------------------------


def test_a_cell_replaces_what_it_names_and_keeps_the_rest() -> None:
    """Scopes may be changed without saying anything of permissions."""
    settings = parse_settings("requirements: {github: {runtime: {scopes: [repo]}}}")
    requirement = settings.requirement(Kind("github"), Role.RUNTIME)
    assert requirement.scopes == ("repo",)
    assert ("administration", Level.WRITE) in requirement.permissions
    assert settings.requirement(Kind("github"), Role.USER).scopes == ("repo",)


def test_the_default_requirements_are_the_documented_ones() -> None:
    """GitHub's row of the table."""
    runtime, user = (Settings().requirement(Kind("github"), role) for role in (Role.RUNTIME, Role.USER))
    assert runtime.scopes == ("repo", "admin:repo_hook")
    assert dict(runtime.permissions) == {
        "administration": Level.WRITE,
        "contents": Level.WRITE,
        "metadata": Level.READ,
        "repository_hooks": Level.WRITE,
    }
    assert user.scopes == ("repo",)
    assert dict(user.permissions) == {"contents": Level.WRITE, "metadata": Level.READ}


@pytest.mark.parametrize(
    "cell", ["{scopes: [rebo]}", "{permissions: {contentz: write}}", "{permissions: {contents: x}}"]
)
def test_a_requirement_that_the_provider_does_not_have_is_refused(cell: str) -> None:
    """A slip in a scope would otherwise deny every token, or ask for nothing."""
    assert error_of(f"requirements: {{github: {{runtime: {cell}}}}}")
    assert error_of(f"rules: [{{name: x, role: user, labels: {{a: b}}, requirements: {{github: {cell}}}}}]")


def test_one_permission_under_two_names_is_refused() -> None:
    """Of two levels for the same thing, the weaker one could win."""
    cell = "{permissions: {contents: write, Contents: read}}"
    assert error_of(f"requirements: {{github: {{runtime: {cell}}}}}")


def test_a_rule_that_selects_nothing_is_refused() -> None:
    """It would match every Secret of the cluster."""
    assert "every Secret" in error_of("rules: [{name: all, role: user, namespaces: ['*']}]")


def test_rules_are_added_to_the_built_in_ones_or_replace_them() -> None:
    """`builtinRules: false` leaves only the own ones."""
    own = "rules: [{name: mine, role: user, labels: {a: b}}]"
    assert {rule.name for rule in parse_settings(own).all_rules} == {"argocd-repo-creds", "git-default", "mine"}
    assert [rule.name for rule in parse_settings(f"{own}\nbuiltinRules: false").all_rules] == ["mine"]


# --- effects --------------------------------------------------------------------------------------------------------

EFFECTS = {
    Outcome.INSUFFICIENT: ("onInsufficient", "deny"),
    Outcome.INVALID: ("onInvalid", "deny"),
    Outcome.BLOCKED: ("onBlocked", "deny"),
    Outcome.UNVERIFIED: ("onUnverified", "deny"),
    Outcome.UNKNOWN_HOST: ("onUnknownHost", "warn"),
    Outcome.UNSUPPORTED: ("onUnsupported", "warn"),
}


@pytest.mark.parametrize("outcome", EFFECTS)
def test_each_outcome_has_its_documented_effect_and_its_own_setting(outcome: Outcome) -> None:
    """The table of decisions, by default and turned around."""
    name, default = EFFECTS[outcome]
    other = "warn" if default == "deny" else "deny"
    assert Settings().effect(outcome) == default
    assert parse_settings(f"{name}: {other}").effect(outcome) == other


def test_what_is_malformed_is_denied() -> None:
    """No setting of its own lets it in."""
    assert Settings().effect(Outcome.MALFORMED) == "deny"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_mode_warn_denies_nothing(outcome: Outcome) -> None:
    """Not even where a setting says so."""
    strict = "onUnknownHost: deny\nonUnsupported: deny\n"
    assert parse_settings(f"{strict}mode: warn").effect(outcome) == "warn"


def test_sealing_needs_keys_that_last() -> None:
    """What an ephemeral key sealed could never be opened again."""
    assert error_of("encryption: {mode: seal}").startswith("line 1: encryption: mode: seal needs keysDir")
    assert parse_settings("encryption: {mode: seal, keysDir: /keys}").encryption.mode == "seal"


def test_a_key_ring_that_is_not_there_is_reported(tmp_path: Path) -> None:
    """Where the file is checked it may be elsewhere than where the server runs, so it is no error."""
    (doubt,) = doubts(parse_settings(f"encryption: {{keysDir: {tmp_path / 'absent'}}}"))
    assert f"encryption.keysDir: the folder {tmp_path / 'absent'} does not exist" in doubt
    assert doubts(parse_settings(f"encryption: {{keysDir: {tmp_path}}}")) == []


def test_a_ca_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    """It may come later, so it is no error; but nobody should learn of it from a refused token."""
    host = f"{{host: git.acme.dev, kind: github, caFile: {tmp_path / 'absent.pem'}}}"
    (doubt,) = doubts(parse_settings(f"providers: [{host}]"))
    assert "git.acme.dev: caFile " in doubt


def test_a_rule_that_is_called_like_a_builtin_one_is_doubted() -> None:
    """Both hold, while somebody may have meant to change the built-in one."""
    rule = "rules: [{name: git-default, role: user, labels: {a: b}}]"
    (doubt,) = doubts(parse_settings(rule))
    assert "git-default" in doubt
    assert doubts(parse_settings(f"builtinRules: false\n{rule}")) == []


def keys_of(node: object) -> Iterator[tuple[str, dict[str, object]]]:
    """Every key of the file that the schema knows, with what is said of it."""
    if isinstance(node, list):
        for item in node:
            yield from keys_of(item)
    elif isinstance(node, dict):
        properties = node.get("properties")
        yield from properties.items() if isinstance(properties, dict) else ()
        for value in node.values():
            yield from keys_of(value)


def test_the_schema_describes_every_key() -> None:
    """Editors show that beside the key; a title made of its name would only repeat it."""
    keys = dict(keys_of(schema()))
    assert {"apiUrl", "onUnverified", "cacheEntries", "userHost", "app-proxy"} <= keys.keys()
    assert [name for name, key in keys.items() if not key.get("description")] == []
    assert [name for name, key in keys.items() if "title" in key or "``" in str(key["description"])] == []


def test_the_schema_has_nothing_to_write_null_for() -> None:
    """What is optional is left out."""
    assert '"null"' not in json.dumps(schema())


def test_defaults_in_the_schema_are_durations_as_the_file_has_them() -> None:
    """Whoever copies a default from the schema gets a valid file."""
    limits = schema()["$defs"]["Limits"]["properties"].values()
    defaults = [one["default"] for one in limits if one["type"] == "string"]
    assert "P14D" not in json.dumps(schema())
    assert defaults == ["4s", "8s", "60s"]


@pytest.mark.parametrize(
    ("kind", "url", "doubtful"),
    [
        ("gitlab", "https://git.acme.dev/gitlab", True),
        ("gitlab", "https://git.acme.dev/gitlab/api/v4", False),
        ("github", "https://git.acme.dev", True),
        ("bitbucket-server", "https://git.acme.dev/bitbucket/rest/api/1.0", True),
        ("bitbucket-server", "https://git.acme.dev/bitbucket", False),
    ],
)
def test_an_api_url_that_can_hardly_be_one_is_doubted(kind: str, url: str, doubtful: bool) -> None:
    """It may be right behind a proxy, and is usually a slip."""
    found = doubts(parse_settings(f"providers: [{{host: git.acme.dev, kind: {kind}, apiUrl: '{url}'}}]"))
    assert any("apiUrl" in doubt for doubt in found) is doubtful


def test_the_default_host_must_be_known() -> None:
    """A slip there would let in users' tokens unchecked."""
    assert "defaults.userHost" in error_of("defaults: {userHost: nowhere.acme.dev}")
    parse_settings("{defaults: {userHost: git.acme.dev}, providers: [{host: git.acme.dev, kind: gitea}]}")
