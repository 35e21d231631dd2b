"""How much metadata is taken along."""

import pytest

from gateway.processor.container.grafting import metadata_of
from gateway.processor.standards.bounds import MAX_BYTES, MAX_DATA_SETS, TooMuchMetadata, check_bounds
from tests.jpeg_parts import END, SCAN, SOI, segment

XMP = b"http://ns.adobe.com/xap/1.0/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
SEGMENT_BYTES = 60_000


def jpeg(*segments: bytes) -> bytes:
    return b"".join([SOI, *segments, SCAN, END])


def keywords(count: int) -> list[bytes]:
    """Segments with so many keywords of one letter."""
    field, a_segment = b"\x1c\x02\x19\0\1k", SEGMENT_BYTES // 6
    return [
        segment(0xED, PHOTOSHOP + b"8BIM\4\4\0\0" + field * min(a_segment, count - start))
        for start in range(0, count, a_segment)
    ]


def test_what_photos_bring_is_taken() -> None:
    preview = segment(0xED, PHOTOSHOP + b"8BIM\4\x0c\0\0" + bytes(SEGMENT_BYTES))
    check_bounds(metadata_of(jpeg(segment(0xE1, XMP + bytes(SEGMENT_BYTES)), *[preview] * 20)))


def test_more_xmp_than_a_segment_has_room_for_many_times_is_too_much() -> None:
    count = MAX_BYTES // SEGMENT_BYTES + 1
    with pytest.raises(TooMuchMetadata, match=f"at most {MAX_BYTES} are taken along") as caught:
        check_bounds(metadata_of(jpeg(*[segment(0xE1, XMP + bytes(SEGMENT_BYTES))] * count)))
    assert caught.value.code == "tagging_failed"


def test_so_many_fields_of_iptc_are_taken_and_no_more() -> None:
    check_bounds(metadata_of(jpeg(*keywords(MAX_DATA_SETS))))
    with pytest.raises(TooMuchMetadata, match=f"{MAX_DATA_SETS + 1} fields of IPTC"):
        check_bounds(metadata_of(jpeg(*keywords(MAX_DATA_SETS + 1))))
