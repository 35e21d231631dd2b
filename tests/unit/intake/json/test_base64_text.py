import base64
import binascii
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.json.base64_text import Base64Text
from tests.json_documents import a_base64_text
from tests.standard_reading import read_base64


def decoded(pieces: Sequence[str]) -> tuple[bytes, str]:
    """The bytes, and what is wrong."""
    text = Base64Text()
    content = b"".join([*map(text.read, pieces), text.end()])
    return content, text.wrong


def halves(text: str) -> Sequence[Sequence[str]]:
    return [(text[:at], text[at:]) for at in range(len(text) + 1)]


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_any_bytes_come_through_in_pieces_of_any_size(content, size):
    text = base64.b64encode(content).decode()
    assert decoded([text[at : at + size] for at in range(0, len(text), size)]) == (content, "")


@pytest.mark.parametrize(
    "prefix",
    [
        *("data:image/jpeg;base64,", "DATA:image/png;BASE64,", "data:;base64,"),
        *("data:image/jpeg;charset=utf-8;base64,", f"data:{'x' * 1011};base64,"),
    ],
)
def test_a_data_uri_prefix_is_taken_off_wherever_it_is_cut(prefix):
    text = prefix + "aGVsbG8="
    assert {decoded(pieces) for pieces in halves(text)} == {(b"hello", "")}


def test_line_breaks_are_passed_over():
    assert decoded(["aGVs\r\nbG", "8\n=\r\n"]) == (b"hello", "")


OUTSIDE = "a character outside of the base64 alphabet, or padding in the middle"
CUT_SHORT = "the length is no multiple of 4: cut short, or padding is missing"


@pytest.mark.parametrize(
    ("text", "before", "wrong"),
    [
        ("aGVsbG8", b"hel", CUT_SHORT),
        ("aGVsbG8*", b"hel", OUTSIDE),
        ("aGVsbG8=aGVsbG8=", b"hello", OUTSIDE),
        ("aGVsbG8==", b"hello", OUTSIDE),
        ("aGVs bG8=", b"hel", OUTSIDE),
        ("aG=sbG8=", b"", OUTSIDE),
        ("aG==bG8=", b"h", OUTSIDE),
        ("=", b"", CUT_SHORT),
        ("*", b"", OUTSIDE),
        ("aGVs_G8-", b"hel", OUTSIDE),
        ("\0", b"", OUTSIDE),
        ("aGVsbGü", b"hel", "a character outside of the base64 alphabet at position 6"),
        ("data:;base64,aü", b"", "a character outside of the base64 alphabet at position 14"),
        ("data:image/jpeg,hello", b"", "a data URI that is not base64"),
        ("data:image/jpeg,ü", b"", "a data URI that is not base64"),
        ("data:image/jpeg;base64", b"", "a data URI without a comma"),
        (f"data:{'x' * 1100};base64,", b"", "a data URI without a comma"),
        (f"data:{'x' * 1100};base64,ü", b"", "a data URI without a comma"),
        ("data", b"u\xabZ", ""),
    ],
)
def test_what_is_wrong_and_what_came_before_it_is_the_same_wherever_it_is_cut(text, before, wrong):
    assert {decoded(pieces) for pieces in halves(text)} == {(before, wrong)}


@given(st.randoms(use_true_random=False))
def test_it_agrees_with_the_standard_module(chance: Random):
    text = a_base64_text(chance)
    content, wrong = decoded(chance.choice(halves(text)))
    assert (None if wrong else content) == read_base64(text)


@given(st.text(st.sampled_from('AZaz09+/==,;:*" \r\nü😀'), max_size=40))
def test_no_text_is_read_in_two_ways(text):
    assert len({decoded(pieces) for pieces in [*halves(text), list(text)]}) == 1


def begun(text: str) -> Base64Text:
    begun = Base64Text()
    begun.read(text)
    return begun


@pytest.mark.parametrize("piece", [b"aGVsbG8*", b"aGVsbG\\", b"\\u0041aGV", b"aG==aGVs", b"aGVs\n", b"a\xc3"])
def test_a_piece_that_is_not_base64_alone_changes_nothing(piece):
    text = begun("aGVsbG")
    with pytest.raises(binascii.Error):
        text.decode(memoryview(piece))
    assert text.read("8=") == b"lo"
    assert not text.wrong


def test_what_is_carried_over_a_border_goes_with_the_next_plain_piece():
    text = begun("aGVsbG")
    assert text.decode(memoryview(b"8gd29ybG")) == b"lo wor"
    assert text.decode(memoryview(b"Q=")) == b"ld"
    assert text.end() == b""
