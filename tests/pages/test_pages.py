"""The environment of the templates."""

from __future__ import annotations

import pytest
from jinja2 import Environment, UndefinedError
from markupsafe import Markup

from webhook.pages import csp_hash, environment


@pytest.fixture
def templates() -> Environment:
    """The environment of the report's templates."""
    return environment("webhook.report.page")


def test_texts_are_escaped_and_printable(templates: Environment) -> None:
    """A text can neither become an element nor change the writing direction, whatever template outputs it."""
    rendered = templates.from_string("<p title='{{ text }}'>{{ text }}</p>").render(text="<b>'\u202e\x1b")
    assert rendered == r"<p title='&lt;b&gt;&#39;\u202e\x1b'>&lt;b&gt;&#39;\u202e\x1b</p>"


def test_our_own_markup_stays_as_it_is(templates: Environment) -> None:
    """Styles and scripts keep their line breaks, which their hashes cover."""
    assert templates.from_string("{{ text }}").render(text=Markup("a > b\n")) == "a > b\n"


def test_a_missing_value_is_an_error(templates: Environment) -> None:
    """A template with a misspelled name fails instead of leaving a gap."""
    with pytest.raises(UndefinedError):
        templates.from_string("{{ tiken }}").render(token="")


def test_a_hash_is_a_source_expression() -> None:
    """The hash of an empty text in CSP's notation (known answer)."""
    assert csp_hash("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
