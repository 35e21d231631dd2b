import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import BadInput
from gateway.intake.json.string import closing_quote, finished, unescaped

STRINGS = st.lists(
    st.sampled_from(
        [
            *("a", "/", "\\/", "\\\\", '\\"', "\\n", "\\u002b", "\\u00e9", "\\uD83D\\uDE00", "é", "夜", "😀"),
            *("ud83d", "u00"),
        ]
    )
).map("".join)
"""Contents of strings, as JSON has them."""


@given(STRINGS)
@example('\\"' * 1000)
@example("\\\\" * 1000)
def test_a_string_ends_at_the_first_quote_that_is_not_escaped(content):
    raw = content.encode()
    assert closing_quote(raw + b'", "b"', 0, len(raw) + 6) == len(raw)


@given(STRINGS)
def test_a_string_without_its_quote_does_not_end(content):
    raw = content.encode()
    assert closing_quote(raw, 0, len(raw)) == -1


def test_a_quote_beyond_the_end_that_was_asked_for_is_not_looked_at():
    assert closing_quote(b'abc"', 0, 3) == -1
    assert closing_quote(b'\\"c"', 0, 3) == -1


@given(STRINGS, st.data())
def test_pieces_cut_anywhere_are_read_as_the_whole(content, data):
    raw = content.encode()
    at = data.draw(st.integers(0, len(raw)))
    whole = finished(raw[:at])
    assert unescaped(raw[:whole]) + unescaped(raw[whole:]) == orjson.loads(b'"%b"' % raw)
    assert at - whole < 12


@pytest.mark.parametrize(
    "content", [b"\n", b"\x00", b"\\x", b"\\u12g4", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"\\udc00"]
)
def test_what_no_string_of_json_holds_is_refused(content):
    with pytest.raises(BadInput, match="not JSON") as caught:
        unescaped(content)
    assert caught.value.code == "not_json"


@pytest.mark.parametrize(
    "content", [b"\\x", b"\\u12g4", b"\\ud800a", b"\\\\ud800", b"\xc3a", b"\x80", b"\xff\xff"]
)
def test_nothing_is_waited_for_that_more_bytes_can_not_mend(content):
    assert finished(content + b"abcd") == len(content) + 4


@pytest.mark.parametrize("content", [b"\\\\", b"\\\\u00", b"\\\\ud83d", b"\\\\\\\\u"])
def test_an_escaped_backslash_begins_no_escape(content):
    assert finished(content) == len(content)
