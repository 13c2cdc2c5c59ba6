"""Warnings that the API server neither drops nor cuts."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from webhook.admission.text import WARNINGS_LIMIT, clean, fit_warnings


def test_warnings_that_fit_stay_as_they_are() -> None:
    """Nothing is changed without need."""
    warnings = ["One thing – is so.", "Another is, too."]
    assert fit_warnings(warnings) == warnings


def test_line_breaks_and_tabs_become_spaces() -> None:
    """A control character makes the API server drop the whole warning without a word."""
    assert fit_warnings(["a\nb\tc\x00d\u2028e"]) == ["a b cd e"]


def test_no_empty_warnings() -> None:
    """The API server drops them."""
    assert fit_warnings(["", "\n", "x"]) == ["x"]


def test_each_warning_once() -> None:
    """Two entries with the same trouble say it once."""
    assert fit_warnings(["x", "y", "x\n"]) == ["x", "y"]


def test_long_warnings_are_cut_and_short_ones_are_not() -> None:
    """What the short ones leave goes to the long ones, which end in an ellipsis."""
    short, long, longer = "s" * 100, "l" * 3000, "m" * 5000
    fitted = fit_warnings([short, long, longer])
    assert fitted[0] == short
    assert [len(text) for text in fitted[1:]] == [1998, 1998]
    assert all(text.endswith("…") for text in fitted[1:])


def test_what_cutting_makes_equal() -> None:
    """Two warnings that differ only where they are cut would be merged by the API server, so they are merged here."""
    assert len(fit_warnings(["w" * 5000 + "1", "w" * 5000 + "2"])) == 1


def test_what_is_left_out_is_counted() -> None:
    """Rather than cutting hundreds to nothing, the last says how many there are."""
    fitted = fit_warnings(f"{number} " + "w" * 300 for number in range(100))
    assert len(fitted) == 34
    assert all(len(text) >= 100 for text in fitted[:-1])
    assert fitted[-1] == "There are 67 more warnings than fit here."


@given(st.lists(st.text(max_size=3000), max_size=60))
def test_any_warnings(warnings: list[str]) -> None:
    """Whatever they are, the API server has nothing to cut, drop or merge."""
    fitted = fit_warnings(warnings)
    assert sum(map(len, fitted)) <= WARNINGS_LIMIT
    assert all(fitted)
    assert len(set(fitted)) == len(fitted)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for text in fitted for character in text)


def test_letters_of_every_script_stay() -> None:
    """Only what steers is taken away, not what isn't ASCII."""
    assert clean("naïve – 猫 🐈 עברית") == "naïve – 猫 🐈 עברית"
