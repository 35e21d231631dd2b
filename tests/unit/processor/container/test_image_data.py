"""What counts as harm to an image: anything that is not metadata and differs."""

import hashlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ContentError
from gateway.images.signatures import JPEG_SIGNATURE, PNG_SIGNATURE
from gateway.metadata import Metadata
from gateway.processor.container.image_data import ImageDataChanged, check_same_image_data, image_data_hash
from gateway.processor.container.multi_picture import with_current_index
from gateway.processor.container.parts import parts
from gateway.processor.tags import write_tags
from tests.hostile_metadata import self_index
from tests.jpeg_parts import END, SCAN, SOI, multi_picture_jpeg, pictures_of, segment
from tests.pictures import china, logo

EXIF = segment(0xE1, b"Exif\0\0II*\0")
XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
EXTENDED_XMP = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40)
PHOTOSHOP = segment(0xED, b"Photoshop 3.0\08BIM")
JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
TABLE = segment(0xDB, bytes(65))
FRAME = segment(0xC0, bytes(15))

NOT_METADATA = {
    "JFIF": JFIF,
    "JFXX": segment(0xE0, b"JFXX\0\x10thumbnail"),
    "thermal data of FLIR": segment(0xE1, b"FLIR\0\1\0\0"),
    "ICC profile": segment(0xE2, b"ICC_PROFILE\0\1\1profile"),
    "unknown segment": segment(0xE9, b"nobody knows"),
    "Adobe's colour transform": segment(0xEE, b"Adobe\0\x64\0\0\0\0\1"),
    "comment": segment(0xFE, b"a comment"),
    "quantisation table": TABLE,
    "frame header": FRAME,
    "Huffman table": segment(0xC4, bytes(20)),
    "restart interval": segment(0xDD, b"\0\4"),
}


def jpeg(*header: bytes, trailer: bytes = b"") -> bytes:
    return b"".join([SOI, *header, SCAN, END, trailer])


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes, trailer: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"".join([PNG_SIGNATURE, head, *chunks, chunk(b"IEND"), trailer])


IDAT = chunk(b"IDAT", zlib.compress(b"\0\0"))


def is_same(before: bytes, after: bytes) -> bool:
    return image_data_hash(before) == image_data_hash(after)


def test_a_change_is_an_error_of_this_image_whose_detail_names_both_hashes() -> None:
    before, after = jpeg(TABLE), jpeg(FRAME)
    with pytest.raises(ImageDataChanged) as caught:
        check_same_image_data(before, after)
    assert isinstance(caught.value, ContentError)
    assert caught.value.code == "image_data_changed"
    assert image_data_hash(before) in caught.value.detail
    assert image_data_hash(after) in caught.value.detail


def test_no_change_is_no_error() -> None:
    check_same_image_data(jpeg(TABLE), jpeg(EXIF, TABLE))


def test_an_image_that_would_change_is_not_tagged() -> None:
    with pytest.raises(ImageDataChanged):
        write_tags(self_index(), Metadata("title"))


class TestJpeg:
    @pytest.mark.parametrize("metadata", [EXIF, XMP, EXTENDED_XMP, PHOTOSHOP])
    def test_metadata_may_come_go_and_move(self, metadata: bytes) -> None:
        versions = [jpeg(TABLE, FRAME), jpeg(metadata, TABLE, FRAME), jpeg(TABLE, metadata, metadata, FRAME)]
        assert len({image_data_hash(version) for version in versions}) == 1

    @pytest.mark.parametrize("name", NOT_METADATA)
    def test_all_else_may_not_go(self, name: str) -> None:
        assert not is_same(jpeg(NOT_METADATA[name], EXIF), jpeg(EXIF))

    @pytest.mark.parametrize("name", NOT_METADATA)
    def test_all_else_may_not_change_by_a_bit(self, name: str) -> None:
        there = NOT_METADATA[name]
        assert not is_same(jpeg(there), jpeg(there[:-1] + bytes([there[-1] ^ 1])))

    def test_all_else_may_not_change_its_order(self) -> None:
        assert not is_same(jpeg(TABLE, FRAME), jpeg(FRAME, TABLE))

    def test_a_comment_may_not_get_a_nul(self) -> None:
        assert not is_same(jpeg(segment(0xFE, b"comment")), jpeg(segment(0xFE, b"comment\0")))

    @pytest.mark.parametrize("trailer", [b"a second picture", b"\0", SOI + END])
    def test_what_follows_the_end_belongs_to_it(self, trailer: bytes) -> None:
        assert not is_same(jpeg(trailer=trailer), jpeg())

    def test_what_looks_like_metadata_in_a_trailer_is_none(self) -> None:
        assert not is_same(jpeg(trailer=SOI + EXIF + SCAN), jpeg(trailer=SOI + SCAN))

    def test_what_looks_like_metadata_between_scans_is_none(self) -> None:
        assert not is_same(SOI + FRAME + SCAN + EXIF + SCAN + END, SOI + FRAME + SCAN + SCAN + END)

    def test_where_the_structure_is_damaged_all_that_follows_counts(self) -> None:
        damaged = SOI + FRAME + b"\xff\xe9\0\0"
        assert not is_same(damaged + EXIF, damaged)

    def test_fill_bytes_before_metadata_go_with_it(self) -> None:
        assert is_same(jpeg(b"\xff\xff" + EXIF, TABLE), jpeg(TABLE))


class TestPng:
    @pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"])
    def test_metadata_may_come_go_and_move(self, kind: bytes) -> None:
        metadata = chunk(kind, b"Title\0text")
        versions = [png(IDAT), png(metadata, IDAT), png(IDAT, metadata, metadata)]
        assert len({image_data_hash(version) for version in versions}) == 1

    @pytest.mark.parametrize("kind", [b"iCCP", b"pHYs", b"tRNS", b"gAMA", b"fcTL", b"fdAT", b"prVt", b"IDAT"])
    def test_all_else_may_neither_go_nor_change_nor_move(self, kind: bytes) -> None:
        one, other = chunk(kind, b"content"), chunk(kind, b"content.")
        versions = [png(IDAT), png(one, IDAT), png(other, IDAT), png(IDAT, one)]
        assert len({image_data_hash(version) for version in versions}) == (4 if one != IDAT else 3)

    def test_a_checksum_belongs_to_its_chunk(self) -> None:
        assert not is_same(png(IDAT), png(IDAT[:-1] + b"\0"))

    def test_what_follows_the_end_belongs_to_it(self) -> None:
        assert not is_same(png(IDAT, trailer=b"layers of a drawing program"), png(IDAT))

    def test_what_looks_like_metadata_in_a_trailer_is_none(self) -> None:
        assert not is_same(png(IDAT, trailer=chunk(b"tEXt", b"a\0b")), png(IDAT))


class TestMultiPicture:
    """A phone's photo: a first picture with an index, two more behind its end."""

    def test_the_pictures_are_found_where_the_index_says(self) -> None:
        image = multi_picture_jpeg(JFIF, EXIF)
        assert [picture[:2] for picture in pictures_of(image)] == [SOI, SOI, SOI]

    @pytest.mark.parametrize("byte_order", ["<", ">"])
    def test_an_index_that_still_counts_from_where_it_was_is_a_change(self, byte_order) -> None:
        there = multi_picture_jpeg(JFIF, byte_order=byte_order)
        here = there.replace(JFIF, JFIF + EXIF)
        assert not is_same(there, here)

    @pytest.mark.parametrize("byte_order", ["<", ">"])
    @pytest.mark.parametrize("place", ["before", "behind"])
    def test_a_current_index_is_none(self, byte_order, place: str) -> None:
        there = multi_picture_jpeg(JFIF, EXIF, after=TABLE, byte_order=byte_order)
        here = (
            there.replace(EXIF, XMP + EXIF) if place == "before" else there.replace(TABLE, PHOTOSHOP + TABLE)
        )
        mended = with_current_index(there, here)
        assert is_same(there, mended)
        assert pictures_of(mended)[1:] == pictures_of(there)[1:]

    def test_the_first_picture_is_as_long_as_the_index_says(self) -> None:
        there = multi_picture_jpeg(JFIF)
        first, *_ = pictures_of(with_current_index(there, there.replace(JFIF, JFIF + XMP)))
        assert first.endswith(END)
        assert XMP in first

    def test_an_index_that_says_anything_else_is_a_change(self) -> None:
        there = multi_picture_jpeg(JFIF)
        start, end = there.index(b"MPF\0"), there.index(SCAN)
        changed = [there[:at] + bytes([there[at] ^ 1]) + there[at + 1 :] for at in range(start, end)]
        assert not any(is_same(there, other) for other in changed)

    def test_a_damaged_index_must_stay_as_it_is(self) -> None:
        there = jpeg(segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"), TABLE)
        here = jpeg(XMP, segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"), TABLE)
        assert with_current_index(there, here) == here
        assert is_same(there, here)


class TestWhateverTheBytesAre:
    @given(st.binary(max_size=300))
    def test_other_bytes_are_compared_as_a_whole(self, content: bytes) -> None:
        assert image_data_hash(content) == hashlib.sha256(content).hexdigest()

    @given(
        st.sampled_from([JPEG_SIGNATURE, PNG_SIGNATURE, china()[:900], logo()[:200]]), st.binary(max_size=300)
    )
    def test_parts_cover_them_without_a_gap(self, head: bytes, tail: bytes) -> None:
        image = head + tail
        found = parts(image)
        assert [part.start for part in found] == [0, *(part.end for part in found[:-1])]
        assert found[-1].end == len(image)

    @given(st.binary(max_size=120))
    def test_an_index_is_read_within_its_segment(self, content: bytes) -> None:
        there = jpeg(segment(0xE2, b"MPF\0II*\0" + content))
        here = jpeg(XMP, segment(0xE2, b"MPF\0II*\0" + content))
        assert is_same(there, with_current_index(there, here))


SEGMENTS = st.builds(
    segment, st.sampled_from([0xE0, 0xE1, 0xE2, 0xE9, 0xED, 0xFE, 0xC0, 0xDB]), st.binary(max_size=9)
)
METADATA = st.lists(st.sampled_from([EXIF, XMP, EXTENDED_XMP, PHOTOSHOP]), max_size=3)


@given(st.lists(st.tuples(METADATA, SEGMENTS, METADATA), max_size=5), st.binary(max_size=30))
def test_any_metadata_anywhere_in_the_header_leaves_a_jpeg_the_same(between, trailer: bytes) -> None:
    one = [piece for metadata, other, _ in between for piece in (*metadata, other)]
    two = [piece for _, other, metadata in between for piece in (other, *metadata)]
    assert is_same(jpeg(*one, trailer=trailer), jpeg(*two, trailer=trailer))


@given(st.lists(SEGMENTS, max_size=5), st.integers(0), st.integers(0, 7))
def test_any_bit_that_flips_in_a_jpeg_without_metadata_is_a_change(header, where: int, bit: int) -> None:
    there = jpeg(*header, trailer=b"trailer")
    here = bytearray(there)
    here[where % len(there)] ^= 1 << bit
    assert not is_same(there, bytes(here))
