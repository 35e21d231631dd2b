"""What a JPEG must be: its frame header, its scans, its segments and the pictures it says it has."""

import io
import struct

import pytest
from PIL import Image

from gateway.errors import ContentError
from gateway.images.inspect import ImageLimits, Inspector
from gateway.images.jpeg.walk import MAX_SCANS, MAX_SEGMENTS
from gateway.images.limits import MAX_METADATA_BYTES
from tests.hostile_images import of_kind, with_many_scans, with_metadata, with_pictures
from tests.inspected import inspect, refused
from tests.jpeg_parts import SOI, segment
from tests.photos import a_jpeg
from tests.real_files import two_pictures

BASELINE, EXTENDED, LOSSLESS = 0xC0, 0xC1, 0xC3
EOI = b"\xff\xd9"


def jpeg(frame_header: bytes) -> bytes:
    """With this content of its frame header, and image data that nobody decodes."""
    scan = segment(0xDA, b"\1\1\0\0\x3f\0") + b"12345"
    return SOI + segment(BASELINE, frame_header) + scan + EOI


def frame(*sampling: int, bits: int = 8, said: int | None = None) -> bytes:
    components = b"".join(bytes([number, factors, 0]) for number, factors in enumerate(sampling, 1))
    return struct.pack(">BHHB", bits, 48, 64, len(sampling) if said is None else said) + components


def a_lossless_jpeg(bits: int = 8) -> bytes:
    """Of 8 by 8 grey pixels, all alike."""
    table = segment(0xC4, bytes([0, 1]) + bytes(15) + b"\0")
    header = struct.pack(">BHHB", bits, 8, 8, 1) + b"\1\x11\0"
    return SOI + segment(LOSSLESS, header) + table + segment(0xDA, b"\1\1\0\1\0\0") + bytes(8) + EOI


def opened_by_pillow(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        image.load()
        return image.size


@pytest.mark.parametrize("sampling", [(0x11,), (0x22, 0x11, 0x11), (0x41, 0x11, 0x11), (0x11,) * 4])
def test_one_three_and_four_components_are_taken(sampling: tuple[int, ...]) -> None:
    assert inspect(jpeg(frame(*sampling))).width == 64


def test_two_components_are_told_as_what_no_decoder_knows() -> None:
    assert refused(jpeg(frame(0x11, 0x11))).code == "unsupported_type"


@pytest.mark.parametrize(
    "header",
    [
        frame(),
        frame(*[0x11] * 5),
        frame(0x11, said=3),
        frame(0x11, 0x11, 0x11, said=1),
        frame(0x01),
        frame(0x10),
        frame(0x51),
        frame(0x15),
        frame(0x11, bits=0),
        frame(0x11, bits=17),
        frame(0x11)[:5],
        b"",
    ],
)
def test_a_frame_header_that_contradicts_itself_is_damaged(header: bytes) -> None:
    assert refused(jpeg(header)).code == "damaged"


@pytest.mark.parametrize("bits", [2, 12, 16])
def test_other_than_8_bits_a_sample_are_not_taken(bits: int) -> None:
    error = refused(jpeg(frame(0x11, bits=bits)))

    assert error.code == "unsupported_type"
    assert f"{bits} bits" in error.text


@pytest.mark.parametrize("kind", [0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF, 0xDE, 0xF7])
def test_a_kind_of_jpeg_that_no_common_decoder_knows_is_named(kind: int) -> None:
    error = refused(of_kind(kind))

    assert error.code == "unsupported_type"
    assert "send a baseline or progressive JPEG" in error.text


@pytest.mark.parametrize("data", [a_lossless_jpeg(), of_kind(EXTENDED)], ids=["lossless", "extended"])
def test_rare_kinds_that_decoders_know_are_taken(data: bytes) -> None:
    facts = inspect(data)

    assert opened_by_pillow(data) == (facts.width, facts.height)


def test_as_many_scans_as_encoders_write_are_taken() -> None:
    assert inspect(with_many_scans(MAX_SCANS)).width == 64


def test_more_scans_are_a_bomb() -> None:
    assert refused(with_many_scans(MAX_SCANS + 1)).code == "decompression_bomb"


def test_megabytes_of_metadata_are_taken() -> None:
    assert inspect(with_metadata(MAX_METADATA_BYTES - 300_000)).width == 64


def test_endless_metadata_is_refused_before_it_has_come() -> None:
    one = segment(0xE1, bytes(65_000))
    inspector = Inspector()
    inspector.feed(SOI + one * (MAX_METADATA_BYTES // (len(one) - 2)))

    with pytest.raises(ContentError, match="metadata"):
        inspector.feed(one[:4])


def test_metadata_between_the_scans_counts_too() -> None:
    start = a_jpeg()[:-2]
    endless = segment(0xFE, bytes(65_000)) * (MAX_METADATA_BYTES // 65_000 + 1)

    assert refused(start + endless + EOI).code == "too_much_metadata"


def test_the_pictures_of_a_stereo_camera_are_counted() -> None:
    assert inspect(two_pictures()).frames == 2


def test_as_many_pictures_as_allowed_are_taken() -> None:
    assert inspect(with_pictures(3), ImageLimits(max_frames=3)).frames == 3


def test_a_jpeg_that_says_it_has_more_pictures_is_refused() -> None:
    error = refused(with_pictures(4), ImageLimits(max_frames=3))

    assert error.code == "too_many_frames"
    assert "4 frames; at most 3" in error.text


@pytest.mark.parametrize(
    "garbage",
    [bytes(2000), b"\x7f", b"\xff\0" * 100, b"\xff\xd1\xff\xd5", b"\xff" * 100, b"\xff\1" * 100],
    ids=["zeros", "a byte", "stuffed", "restarts", "fill bytes", "temporary markers"],
)
def test_what_scanners_and_drones_leave_between_scan_and_end_is_passed_over(garbage: bytes) -> None:
    data = a_jpeg()[:-2] + garbage + EOI

    assert inspect(data).width == opened_by_pillow(data)[0]


def test_a_profile_behind_the_index_of_pictures_changes_nothing() -> None:
    jpeg_of_three = with_pictures(3)
    index_ends = jpeg_of_three.index(a_jpeg()[2:])
    profile = segment(0xE2, b"ICC_PROFILE\0\1\1profile")

    assert inspect(jpeg_of_three[:index_ends] + profile + a_jpeg()[2:]).frames == 3


def test_a_second_frame_header_begins_another_picture() -> None:
    second = a_jpeg()[:-2] + segment(BASELINE, frame(0x11)) + EOI

    assert "another picture begins" in refused(second).text


@pytest.mark.parametrize(
    "data",
    [
        SOI + segment(0xE0, b"") * MAX_SEGMENTS + a_jpeg()[2:],
        a_jpeg()[:-2] + segment(0xE0, b"") * MAX_SEGMENTS + EOI,
    ],
    ids=["before the scan", "behind it"],
)
def test_too_many_segments_are_refused(data: bytes) -> None:
    assert "too many JPEG segments" in refused(data).text
