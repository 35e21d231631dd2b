"""Words as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metadata import Metadata
from gateway.processor.words.texts import comparable, fit_to_write, without_case


def test_lines_of_a_description_end_alike() -> None:
    """XML knows one way to end a line: in XMP the others would not come back."""
    assert fit_to_write(Metadata(description="a\r\nb\rc\x85d\ne")).description == "a\nb\nc\nd\ne"


def test_all_else_is_one_line() -> None:
    words = fit_to_write(Metadata("a\r\n\tb", "", ("c\nd",), " local/x \n y "))
    assert words == Metadata("a b", "", ("c d",), "local/x y")


@pytest.mark.parametrize("text", ["a\0b", "a\x1bb", "a\x7fb", "a\ud800b", "a\ufffeb"])
def test_what_no_standard_can_hold_or_nobody_can_see_is_left_out(text: str) -> None:
    assert fit_to_write(Metadata(text, text, (text,))) == Metadata("ab", "ab", ("ab",))


def test_keywords_of_which_nothing_is_left_are_none() -> None:
    assert fit_to_write(Metadata(keywords=("\x07", " ", "bell"))).keywords == ("bell",)


def test_what_a_camera_says_is_no_description_from_an_analyzer_either() -> None:
    assert fit_to_write(Metadata("default", "default")) == Metadata("default")


@given(st.builds(Metadata, st.text(), st.text(), st.lists(st.text()).map(tuple), st.text()))
def test_words_that_are_fit_stay_as_they_are(words: Metadata) -> None:
    assert fit_to_write(fit_to_write(words)) == fit_to_write(words)


def test_accents_and_blanks_are_the_same_however_they_are_written() -> None:
    assert comparable("Cafe\u0301  au\nlait ") == comparable("Café au\u00a0lait")


@given(st.text())
def test_capitals_are_the_same_as_small_letters(text: str) -> None:
    assert without_case(without_case(text)) == without_case(text)
