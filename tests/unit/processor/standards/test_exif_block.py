"""Texts come into a block of EXIF, and nothing in it moves."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.processor.standards.exif_block import ExifUnreadable, new_block, with_texts
from tests.jpeg_parts import SOI
from tests.pictures import jpeg_with_exif, plain, tags_of, with_maker_note

HEADERS = {"<": b"II*\0", ">": b"MM\0*"}
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
UNREADABLE = {
    "empty": b"",
    "a header alone": b"II*\0\x08\0\0\0",
    "a directory outside": b"II*\0\xff\xff\xff\xff" + bytes(20),
    "a directory in the header": b"II*\0\4\0\0\0" + bytes(20),
    "more fields than bytes": b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
    "no TIFF structure": b"Exif" + bytes(20),
}


def canon(byte_order: str = "II") -> bytes:
    jpeg = with_maker_note("JPEG", byte_order=byte_order)
    start = len(SOI) + 4 + len(b"Exif\0\0")
    return jpeg[start : 2 + 2 + int.from_bytes(jpeg[4:6])]


def tags(block: bytes) -> dict[str, object]:
    return tags_of(jpeg_with_exif(plain("JPEG"), block))


@pytest.mark.parametrize("byte_order", ["II", "MM"])
def test_the_texts_are_found_and_so_is_all_that_was_there(byte_order: str) -> None:
    before = tags(canon(byte_order))
    after = tags(with_texts(canon(byte_order), title="Tïtle", description="夜の東京"))
    assert after == before | {"IFD0:XPTitle": "Tïtle", "IFD0:ImageDescription": "夜の東京"}
    assert "Canon:CanonFirmwareVersion" in before


@given(st.sampled_from(["II", "MM"]), TEXTS, TEXTS)
def test_all_bytes_stay_where_they_are(byte_order: str, title: str, description: str) -> None:
    block = canon(byte_order)
    written = with_texts(block, title=title, description=description)
    assert written[:4] + written[8 : len(block)] == block[:4] + block[8:]


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("there", [b"", b"own", b"A description by somebody"])
@given(st.lists(st.tuples(TEXTS | st.just(""), TEXTS | st.just("")), min_size=1, max_size=4))
def test_writing_again_replaces_what_was_written_before(
    there: bytes, byte_order: str, texts: list[tuple[str, str]]
) -> None:
    block = original = with_description(there, byte_order)
    title = description = ""
    for new_title, new_description in texts:
        block = with_texts(block, title=new_title, description=new_description)
        title, description = new_title or title, new_description or description
    assert block == with_texts(original, title=title, description=description)


def with_description(text: bytes, order: str) -> bytes:
    """A block with one field, whose text stands behind the directory if there is no room for it within."""
    text += b"\0"
    value = text.ljust(4, b"\0") if len(text) <= 4 else struct.pack(order + "I", 8 + 2 + 12 + 4)
    field = struct.pack(order + "HHI", 0x010E, 2, len(text)) + value
    return HEADERS[order] + struct.pack(order + "IH", 8, 1) + field + bytes(4) + text + b"trailing bytes"


def test_what_is_there_already_is_not_written_again() -> None:
    written = with_texts(canon(), title="title", description="description")
    assert with_texts(written, title="title") is written


def test_no_text_changes_nothing() -> None:
    assert with_texts(canon()) == canon()


def test_a_new_block_has_the_texts_and_the_density() -> None:
    found = tags(new_block((300, 200, 1), title="Tïtle", description="夜"))
    expected = {
        "IFD0:XPTitle": "Tïtle",
        "IFD0:ImageDescription": "夜",
        "IFD0:XResolution": 300,
        "IFD0:YResolution": 200,
        "IFD0:ResolutionUnit": "inches",
        "IFD0:YCbCrPositioning": "Centered",
    }
    assert {name: value for name, value in found.items() if name.startswith("IFD0:")} == expected


def test_a_new_block_of_a_png_has_the_texts_alone() -> None:
    assert (
        new_block(None, title="ab")[8:]
        == struct.pack("<HHHII4s", 1, 0x9C9B, 1, 6, 26, bytes(4)) + b"a\0b\0\0\0"
    )


def test_a_field_that_is_there_twice_is_replaced_as_a_whole() -> None:
    field = struct.pack("<HHI4s", 0x010E, 2, 4, b"old\0")
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + field + field + bytes(4)
    written = with_texts(block, description="abc")
    assert written[len(block) :] == struct.pack("<HHHI4s", 1, 0x010E, 2, 4, b"abc\0") + bytes(4)


def test_a_next_directory_that_lies_outside_is_not_found_in_what_is_written() -> None:
    block = b"II*\0\x08\0\0\0" + struct.pack("<HI", 0, 30)
    assert with_texts(block, title="abc")[-12:] == bytes(4) + "abc\0".encode("utf-16-le")


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_block_whose_first_directory_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(ExifUnreadable):
        with_texts(UNREADABLE[name], title="title")


@given(st.sampled_from(["<", ">"]), st.integers(8, 60), st.binary(max_size=200))
def test_whatever_the_bytes_are_they_stay_or_are_refused(order: str, at: int, content: bytes) -> None:
    block = HEADERS[order] + struct.pack(order + "I", at) + content
    try:
        written = with_texts(block, title="a title", description="a description")
    except ExifUnreadable:
        return
    kept = min(at, len(block))
    assert written[8:kept] == block[8:kept]
    assert with_texts(written, title="a title", description="a description") == written
