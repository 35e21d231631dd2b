"""Texts that are longer than IPTC has room for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.processor.words.lengths import could_be_cut, cut, forms_in_iptc
from gateway.processor.words.texts import comparable

FAMILY = "👩‍👩‍👧‍👦"


def test_what_fits_stays_as_it_is() -> None:
    assert cut("Größe", 7) == "Größe"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("ab" + "ü", "ab"),
        ("ab" + "u\u0308", "ab"),
        ("ab" + "u\u0308\u0301", "ab"),
        ("ab" + FAMILY, "ab"),
        ("ab" + "👍🏽", "ab"),
        ("ab" + "✈\ufe0f", "ab"),
        ("ab" + "🇯🇵", "ab"),
        ("ab🇫🇷" + "🇯🇵", "ab🇫🇷"),
        ("ab" + "की", "ab"),
    ],
    ids=[
        "umlaut",
        "accent",
        "two accents",
        "family",
        "skin tone",
        "presentation",
        "flag",
        "second flag",
        "vowel sign",
    ],
)
def test_what_is_seen_as_one_character_is_never_parted(text: str, whole: str) -> None:
    assert {cut(text, length) for length in range(len(whole.encode()), len(text.encode()))} == {whole}


def test_of_a_character_that_is_longer_than_the_room_its_beginning_is_left() -> None:
    assert cut("a" + "\u0301" * 40, 9) == "a" + "\u0301" * 4


def test_no_blank_is_left_at_the_end() -> None:
    assert cut("one two", 4) == "one"


@given(st.text(), st.integers(min_value=4, max_value=40))
def test_any_text_is_cut_to_a_beginning_that_fits(text: str, max_bytes: int) -> None:
    text = text.strip()
    shown = cut(text, max_bytes)
    assert text.startswith(shown)
    assert len(shown.encode()) <= max_bytes
    assert cut(shown, max_bytes) == shown


@given(st.text(min_size=1), st.integers(min_value=4, max_value=40))
def test_what_was_cut_at_a_character_could_have_been(text: str, max_bytes: int) -> None:
    shown = text.encode()[:max_bytes].decode(errors="ignore")
    assert shown == text or could_be_cut(shown, max_bytes)


@pytest.mark.parametrize(
    "form",
    ["Straße in 北京", "Straße in ??", "Straße in", "Straße in 北"],
    ids=["whole", "as Latin-1", "cut in Latin-1", "cut"],
)
def test_what_the_iptc_of_any_program_has_of_a_text_is_known_as_that_text(form: str) -> None:
    lengths = {"Straße in 北京": 64, "Straße in ??": 64, "Straße in": 10, "Straße in 北": 15}
    assert form in forms_in_iptc("Straße in 北京", lengths[form])


@given(st.text())
def test_a_text_is_known_whatever_it_is(text: str) -> None:
    assert comparable(text) in forms_in_iptc(text, 32)
