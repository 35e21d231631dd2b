"""Entity tags and byte ranges (RFC 9110, 13 and 14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.conditions import ByteRange, asked_range, is_known
from gateway.errors import RangeRefused

ETAG = '"e:1"'


@pytest.mark.parametrize("header", [ETAG, "*", f"W/{ETAG}", f'"x", {ETAG}', f'"x",W/{ETAG} ,"y"'])
def test_a_client_that_names_the_version_has_it(header: str) -> None:
    assert is_known(ETAG, header)


@pytest.mark.parametrize("header", [None, "", "e:1", '"e:2"', '"x", "y"', '"e:1', "w/" + ETAG])
def test_a_client_that_names_another_or_none_has_not(header: str | None) -> None:
    assert not is_known(ETAG, header)


def asked(header: str | None, size: int = 100, if_range: str | None = None) -> ByteRange | None:
    return asked_range(size, ETAG, range_=header, if_range=if_range)


@pytest.mark.parametrize(
    "header", [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-8", "bytes=0-1,3-4"]
)
def test_what_asks_for_no_single_range_gets_the_whole(header: str | None) -> None:
    assert asked(header) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=999999999999-"])
def test_a_range_without_a_byte_is_refused_with_the_size(header: str) -> None:
    with pytest.raises(RangeRefused) as refusal:
        asked(header)
    assert refusal.value.size == 100


def test_of_nothing_there_is_no_range() -> None:
    with pytest.raises(RangeRefused):
        asked("bytes=0-", size=0)


def test_if_range_takes_this_version_alone() -> None:
    assert asked("bytes=0-1", if_range=ETAG) == ByteRange(0, 2, 100)
    assert asked("bytes=0-1", if_range=f"W/{ETAG}") is None


@given(size=st.integers(0, 300), first=st.integers(0, 400), last=st.integers(0, 400))
def test_a_range_holds_the_bytes_that_exist_of_those_asked_for(size: int, first: int, last: int) -> None:
    whole = bytes(index % 251 for index in range(size))
    try:
        part = asked(f"bytes={first}-{last}", size)
    except RangeRefused:
        assert not whole[first : last + 1]
        return
    if part is None:
        assert last < first
        return
    assert whole[part.start : part.end] == whole[first : last + 1]
    assert part.content_range == f"bytes {first}-{min(last, size - 1)}/{size}"


@given(size=st.integers(1, 300), count=st.integers(1, 400))
def test_a_suffix_holds_the_last_bytes(size: int, count: int) -> None:
    assert asked(f"bytes=-{count}", size) == ByteRange(max(0, size - count), size, size)


@given(header=st.text(max_size=40) | st.from_regex(r"bytes=[0-9,\- ]{0,12}", fullmatch=True))
def test_no_header_breaks_it(header: str) -> None:
    try:
        part = asked(header)
    except RangeRefused:
        return
    assert part is None or 0 <= part.start < part.end <= 100
