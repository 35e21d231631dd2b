import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ContentError
from gateway.intake.base64_body import decode_base64


async def decoded(text: str) -> bytes:
    return b"".join([piece async for piece in decode_base64(text)])


@given(st.binary(max_size=2000))
async def test_any_bytes_come_through(content):
    assert await decoded(base64.b64encode(content).decode()) == content


async def test_a_long_one_comes_in_pieces():
    content = bytes(range(256)) * 4000
    pieces = [piece async for piece in decode_base64(base64.b64encode(content).decode())]
    assert b"".join(pieces) == content
    assert len(pieces) > 1


@pytest.mark.parametrize(
    "prefix",
    [
        "data:image/jpeg;base64,",
        "DATA:image/png;BASE64,",
        "data:;base64,",
        "data:image/jpeg;charset=utf-8;base64,",
    ],
)
async def test_a_data_uri_prefix_is_taken_off(prefix):
    assert await decoded(prefix + "aGVsbG8=") == b"hello"


async def test_line_breaks_are_passed_over():
    assert await decoded("aGVs\r\nbG8=\n") == b"hello"


@pytest.mark.parametrize(
    "text",
    [
        "aGVsbG8",
        "aGVsbG8*",
        "aGVs bG8=",
        "aG=sbG8=",
        "aGVsbG8=aGVsbG8=",
        "ünïcode=",
        "data:image/jpeg,hello",
        "data:image/jpeg;base64",
        "aGVs_G8-",
    ],
)
async def test_broken_base64_is_refused_by_its_name(text):
    with pytest.raises(ContentError) as caught:
        await decoded(text)
    assert caught.value.code == "bad_base64"


async def test_padding_between_two_pieces_is_refused():
    piece = base64.b64encode(bytes(256 * 1024 // 4 * 3 - 1)).decode()
    with pytest.raises(ContentError, match="middle"):
        await decoded(piece + piece)


@given(st.text(max_size=200))
async def test_no_text_does_worse_than_a_content_error(text):
    with suppress(ContentError):
        await decoded(text)
