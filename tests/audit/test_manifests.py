"""Reading manifests: what is valid is found with its lines, what isn't is named with its place and never quoted."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import make_token
from webhook.audit.manifests import Broken, Document, Manifest, SecretManifest, Template, Where, read
from webhook.audit.unreadable import look
from webhook.errors import ConfigurationError

SECRET = """apiVersion: v1
kind: Secret
metadata:
  name: git-default-alice
  namespace: platform
stringData:
  url: https://github.com
  token: VALUE
"""


def documents(text: str, namespace: str = "") -> list[Document]:
    """All that standard input holds."""
    return list(read(["-"], io.StringIO(text), namespace))


def secret(text: str) -> SecretManifest:
    """The only one that there is."""
    (found,) = documents(text)
    assert isinstance(found, SecretManifest), found
    return found


def value(found: SecretManifest, key: str) -> str:
    return base64.b64decode(found.secret.data[key]).decode()


def test_each_value_has_its_line() -> None:
    """Counted from 1 in the whole file, not in the document."""
    first, second = documents(f"# a comment\n{SECRET}---\n{SECRET}")
    assert isinstance(first, SecretManifest)
    assert isinstance(second, SecretManifest)
    assert (first.where.line, first.line("token"), second.line("token")) == (2, 9, 18)
    assert value(first, "token") == "VALUE"


def test_string_data_wins_over_data() -> None:
    """As it does when the API server stores it, and with the line of what counts."""
    found = secret(SECRET + "data:\n  token: " + base64.b64encode(b"other").decode() + "\n  key: aGVsbG8=\n")
    assert (value(found, "token"), value(found, "key")) == ("VALUE", "hello")
    assert (found.line("token"), found.line("key")) == (8, 11)


def test_base64_over_several_lines() -> None:
    """Go passes over the line breaks."""
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata:\n  token: |\n    aGVs\n    bG8=\n"
    assert value(secret(text), "token") == "hello"


@pytest.mark.parametrize("indent", [None, 2, "\t"], ids=["one line", "indented", "tabs"])
def test_json_as_any_tool_writes_it(indent: int | str | None) -> None:
    """Alone, in a list of Kubernetes' own, behind another, in an array."""
    one = yaml.safe_load(SECRET)
    for text in (
        json.dumps(one, indent=indent),
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [one]}, indent=indent),
        json.dumps([one], indent=indent),
    ):
        assert value(secret(text), "token") == "VALUE"
    both = documents(f"{json.dumps(one, indent=indent)}\n{json.dumps(one, indent=indent)}\n")
    assert len(both) == 2


def test_json_objects_know_their_lines() -> None:
    """Behind each other, however many: a hundred thousand are read in no time."""
    found = documents("\n{\n}\n{}{}\n" + "{}\n" * 100_000)
    assert [one.where.line for one in found[:4]] == [2, 4, 4, 5]


def test_lists_are_opened() -> None:
    """Of any kind that ends so, and inside of each other."""
    one = yaml.safe_load(SECRET)
    inner = {"apiVersion": "v1", "kind": "SecretList", "items": [one, {"apiVersion": "v1", "kind": "ConfigMap"}]}
    found = documents(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [inner]}))
    assert [type(one) for one in found] == [SecretManifest, Manifest]


def test_a_broken_document_leaves_the_others() -> None:
    """It is named with its line, and those before and after it are read."""
    first, broken, last = documents(f"{SECRET}---\na: b: c\n---\n{SECRET}")
    assert isinstance(first, SecretManifest)
    assert isinstance(last, SecretManifest)
    assert isinstance(broken, Broken)
    assert str(broken.where) == "<stdin>:10"
    assert broken.why == "isn't valid YAML (mapping values are not allowed in this context)"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{T: *T}", "isn't valid YAML"),
        (SECRET.replace("VALUE", '"T'), "isn't valid YAML"),
        (SECRET + "  token: T\n", "duplicate key in stringData"),
        (SECRET + "kind: T\n", "duplicate key"),
        (SECRET.replace("VALUE", "12345"), "has a value in stringData that is not a string; write it in quotes"),
        (SECRET.replace("VALUE", "[T]"), "has a value in stringData that is not a string"),
        (SECRET.replace("stringData:", "data: T\nx:"), "has a data that is not a mapping"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(text: str, why: str) -> None:
    """It may hold a token."""
    token = make_token("m")
    (found,) = documents(text.replace("T", token) if "T:" not in text else f"{{a: *{token}}}")
    assert isinstance(found, Broken)
    assert why in found.why
    assert token not in found.why


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {password: {{ .Values.token }}}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  password: {{ .Values.token }}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {{ .Values.data }}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x, labels: {a: {{ .Values.a }}}}\n",
    ],
)
def test_a_template_that_is_valid_yaml_is_a_template(text: str) -> None:
    """`{{ … }}` without quotes is a mapping in a mapping for YAML."""
    assert [type(found) for found in documents(text)] == [Template]


def test_a_mapping_as_a_value_is_no_template() -> None:
    """A value that the API server would reject stays an error."""
    (found,) = documents("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {password: {a: b}}\n")
    assert isinstance(found, Broken)


def test_fields_are_named_as_in_the_manifest() -> None:
    """An entry of `stringData` is not called `data`."""
    (found,) = documents("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: YQ==}\nstringData: {b: c}\n")
    assert isinstance(found, SecretManifest)
    assert (found.field("a", "data.a"), found.field("b", "data.b")) == ("data.a", "stringData.b")


def test_a_kustomization_without_a_kind_hides_its_secrets() -> None:
    """kustomize adds the kind where it is missing."""
    (found,) = documents("resources: [a.yaml]\nsecretGenerator: [{name: x, literals: [a=b]}]\n")
    assert isinstance(found, Manifest)
    hidden = look(found)
    assert hidden is not None and hidden.what == "secretGenerator"
    (other,) = documents("kind: Thing\napiVersion: acme.dev/v1\nsecretGenerator: []\n")
    assert isinstance(other, Manifest) and look(other) is None


def test_a_template_is_no_broken_manifest() -> None:
    """Nobody would apply it; what it renders can be checked."""
    (found,) = documents("a: {{ .Values.a }}\n{{- if b }}\n")
    assert isinstance(found, Template)


def test_folders_are_searched_but_for_hidden_ones(tmp_path: Path) -> None:
    """For YAML and JSON, in order, each file once."""
    for name in ("b/x.yml", "a.yaml", ".git/y.yaml", "notes.txt", "b/z.JSON"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(SECRET if not name.endswith("JSON") else json.dumps(yaml.safe_load(SECRET)))
    found = list(read([str(tmp_path), str(tmp_path / "a.yaml")], io.StringIO(), ""))
    assert [Path(one.where.file).name for one in found] == ["a.yaml", "x.yml", "z.JSON"]


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """A slip of the pen isn't taken for a file in which all is well."""
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: no such file or folder"):
        list(read([str(tmp_path / "absent.yaml")], io.StringIO(), ""))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Named, and the others are read."""
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.yaml").write_text(SECRET)
    assert [type(one) for one in read([str(tmp_path)], io.StringIO(), "")] == [Broken, SecretManifest]


def test_a_namespace_for_those_that_name_none() -> None:
    """And for no other."""
    without = SECRET.replace("  namespace: platform\n", "")
    assert [one.secret.namespace for one in documents(f"{SECRET}---\n{without}", "mine")] == [  # type: ignore[union-attr]
        "platform",
        "mine",
    ]


HIDDEN = {
    "SealedSecret": {
        "apiVersion": "bitnami.com/v1alpha1",
        "kind": "SealedSecret",
        "metadata": {"name": "some"},
        "spec": {"template": {"metadata": {"name": "git-default-x", "labels": {"a": "b"}}}},
    },
    "ExternalSecret": {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "some"},
        "spec": {"target": {"name": "git-default-x", "template": {"metadata": {"labels": {"a": "b"}}}}},
    },
    "SOPS file": {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "git-default-x", "labels": {"a": "b"}},
        "stringData": {"token": "ENC[AES256_GCM,data:eA==]"},
        "sops": {"version": "3.9.0"},
    },
}


@pytest.mark.parametrize("what", HIDDEN)
def test_what_becomes_a_secret_elsewhere(what: str) -> None:
    """Its name and labels are known, so that it is only named where it would be ours."""
    (found,) = documents(yaml.safe_dump(HIDDEN[what]))
    assert isinstance(found, Manifest)
    hidden = look(found)
    assert hidden is not None
    assert hidden.secret is not None
    assert (hidden.what, hidden.secret.name, dict(hidden.secret.labels)) == (what, "git-default-x", {"a": "b"})


def test_a_sops_file_that_shows_nothing() -> None:
    """Encrypted as a whole, it may be anything."""
    (found,) = documents("data: ENC[AES256_GCM,data:eA==]\nsops: {version: 3.9.0}\n")
    assert isinstance(found, Manifest)
    hidden = look(found)
    assert hidden is not None
    assert hidden.secret is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.text())
def test_no_text_at_all_ends_in_anything_but_documents(text: str) -> None:
    """Whatever somebody feeds it."""
    for found in documents(text):
        assert found.where.line >= 1


@given(st.dictionaries(st.sampled_from(["kind", "apiVersion", "metadata", "data", "stringData", "items"]), json_values))
def test_no_object_does_either(value: dict[str, Any]) -> None:
    """However far from a Secret it is."""
    assert documents(json.dumps({"apiVersion": "v1", "kind": "Secret", **value})) is not None


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9.]{0,8}\Z"), st.text(st.characters(codec="utf-8")), max_size=5))
def test_values_come_out_as_yaml_means_them(values: dict[str, str]) -> None:
    """In YAML and in JSON, whatever characters they have."""
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": values}
    found = secret(yaml.safe_dump(manifest))
    assert {key: value(found, key) for key in values} == values


def test_blank_lines_and_comments_are_nothing() -> None:
    """However many stand before a document, and also where nothing else does."""
    nothing = "# a comment\n\n  \n" * 200
    assert documents(f"{nothing}---\n{nothing}") == []
    assert secret(nothing + SECRET).where.line == 601


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 100_000 + "]" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "- " * 20_000 + "x\n"],
    ids=["flow", "JSON", "block"],
)
def test_what_is_nested_too_deep_is_broken(text: str) -> None:
    """It is named, and the document after it is read; composing it would end the process."""
    (broken,) = documents(text)
    assert broken == Broken(broken.where, "is nested too deeply")
    assert isinstance(documents(f"---\n{text}\n---\n{SECRET}")[1], SecretManifest)


def test_lists_that_multiply_themselves_are_read_once() -> None:
    """By aliases, or because a list is its own item."""
    items = "".join(f"- &l{n + 1} {{kind: List, items: [{', '.join([f'*l{n}'] * 10)}]}}\n" for n in range(7))
    first = "- &l0 {apiVersion: v1, kind: Secret, metadata: {name: x}}\n"
    assert len(documents(f"kind: List\nitems:\n{first}{items}")) == 1
    assert documents(f"&l\nkind: List\nitems: [{', '.join(['*l'] * 10)}]\n") == []


def test_merge_keys_are_read_as_kubectl_reads_them() -> None:
    """Own keys count before merged ones, and of those the first."""
    found = secret(
        """anchors:
  - &other {token: b, key: b, third: b}
  - &first {token: a, key: a}
  - &all {<<: [*first, *other]}
apiVersion: v1
kind: Secret
metadata: {name: x, labels: {<<: {team: atlas}}}
stringData:
  <<: *all
  token: own
"""
    )
    assert found.secret.labels == {"team": "atlas"}
    assert {key: value(found, key) for key in found.secret.data} == {"token": "own", "key": "a", "third": "b"}
    assert (found.line("token"), found.line("key"), found.line("third")) == (10, 3, 2)


def test_merge_keys_that_multiply_themselves() -> None:
    """Each mapping is merged once."""
    anchors = "".join(f"  - &m{n + 1} {{<<: [{', '.join([f'*m{n}'] * 10)}]}}\n" for n in range(12))
    text = f"anchors:\n  - &m0 {{a: b}}\n{anchors}{SECRET}  <<: *m12\n"
    assert secret(text).secret.data.keys() == {"url", "token", "a"}


def test_standard_input_that_is_no_text() -> None:
    """It is named as a file is; a mark of the byte order is none of the text."""
    stream = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00"), encoding="utf-8")
    assert list(read(["-"], stream)) == [Broken(Where("<stdin>", 1), "is not UTF-8 text")]
    assert secret("\ufeff" + SECRET).where.line == 1


def test_standard_input_that_brings_nothing() -> None:
    """What should write it may have failed; a comment is something."""
    (broken,) = documents(" \n")
    assert isinstance(broken, Broken)
    assert broken.why.startswith("is empty")
    assert documents("# nothing to see\n") == []


def test_a_pipe_in_a_folder_is_no_manifest(tmp_path: Path) -> None:
    """Nobody may ever write into it."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "secret.yaml").write_text(SECRET)
    assert len(list(read([str(tmp_path)], io.StringIO()))) == 1
