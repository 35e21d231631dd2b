"""The original, with the metadata of a tagged copy and nothing else of it."""

import pytest

from gateway.images.inspect import Inspector
from gateway.processor.container.grafting import metadata_of, with_metadata, xmp_and_iptc_alone
from gateway.processor.container.image_data import check_same_image_data
from tests.hostile_metadata import chunk, png
from tests.jpeg_parts import END, SCAN, SOI, multi_picture_jpeg, pictures_of, segment
from tests.photos import a_jpeg
from tests.pictures import plain
from tests.traced_memory import traced_memory

JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
COMMENT = segment(0xFE, b"comment")
EXIF, NEW_EXIF = segment(0xE1, b"Exif\0\0old"), segment(0xE1, b"Exif\0\0new one")
XMP, NEW_XMP = (segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text) for text in (b"old", b"new one"))
PHOTOSHOP = segment(0xED, b"Photoshop 3.0\0one"), segment(0xED, b"Photoshop 3.0\0two")


def jpeg(*header: bytes, trailer: bytes = b"trailer") -> bytes:
    return b"".join([SOI, *header, SCAN, END, trailer])


def with_metadata_of(tagged: bytes, original: bytes) -> bytes:
    return with_metadata(original, {kind: [] for kind in metadata_of(original)} | metadata_of(tagged))


def test_a_copy_that_is_the_same_gives_the_original() -> None:
    original = jpeg(JFIF, EXIF, COMMENT, XMP, *PHOTOSHOP)
    assert with_metadata_of(original, original) == original


def test_all_else_of_the_copy_is_left_out() -> None:
    copy = SOI + NEW_EXIF + segment(0xFE, b"comment\0") + SCAN + b"other data" + END
    assert with_metadata_of(copy, jpeg(COMMENT, EXIF)) == jpeg(NEW_EXIF, COMMENT)


def test_exif_comes_first_after_jfif() -> None:
    assert with_metadata_of(jpeg(NEW_EXIF), jpeg(JFIF, COMMENT)) == jpeg(JFIF, NEW_EXIF, COMMENT)


def test_what_has_not_changed_stays_where_it_is_and_what_is_new_comes_behind_exif() -> None:
    original = jpeg(EXIF, JFIF, COMMENT, PHOTOSHOP[0])
    assert with_metadata_of(jpeg(EXIF, NEW_XMP, PHOTOSHOP[0]), original) == jpeg(
        EXIF, JFIF, NEW_XMP, COMMENT, PHOTOSHOP[0]
    )


def test_several_segments_of_one_kind_stay_together() -> None:
    changed = segment(0xED, b"Photoshop 3.0\0other")
    original = jpeg(JFIF, PHOTOSHOP[0], COMMENT, PHOTOSHOP[1])
    assert with_metadata_of(jpeg(PHOTOSHOP[0], changed), original) == jpeg(
        JFIF, PHOTOSHOP[0], changed, COMMENT
    )


def test_kinds_that_are_not_named_stay() -> None:
    assert with_metadata(jpeg(EXIF, COMMENT, XMP), metadata_of(jpeg(NEW_XMP))) == jpeg(EXIF, NEW_XMP, COMMENT)


def test_a_library_gets_to_see_xmp_and_iptc_alone() -> None:
    alone = xmp_and_iptc_alone(jpeg(JFIF, EXIF, COMMENT, XMP, *PHOTOSHOP))
    assert [piece for pieces in metadata_of(alone).values() for piece in pieces] == [XMP, *PHOTOSHOP]
    assert len(alone) < len(XMP) + len(b"".join(PHOTOSHOP)) + 32


def test_of_a_png_it_gets_to_see_the_first_of_each_and_xmp_in_its_own_place_before_that_in_hexadecimal() -> (
    None
):
    xmp = [chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text) for text in (b"one", b"two")]
    as_text = [chunk(b"tEXt", b"Raw profile type " + name) for name in (b"xmp\0", b"iptc\0one", b"iptc\0two")]
    alone = xmp_and_iptc_alone(png(*as_text, *xmp))
    assert [piece for pieces in metadata_of(alone).values() for piece in pieces] == [xmp[0], as_text[1]]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_it_gets_to_see_is_a_whole_picture(kind: str) -> None:
    inspector = Inspector()
    inspector.feed(xmp_and_iptc_alone(plain(kind)))
    assert (inspector.finish().width, inspector.finish().height) == (1, 1)


def test_what_the_copy_has_no_longer_goes() -> None:
    assert with_metadata_of(jpeg(), jpeg(COMMENT, XMP)) == jpeg(COMMENT)


@pytest.mark.parametrize("after", [b"", EXIF], ids=["before the index", "behind the index"])
def test_further_pictures_are_found_where_the_index_says(after: bytes) -> None:
    original = multi_picture_jpeg(JFIF, after=after)
    grafted = with_metadata_of(jpeg(NEW_EXIF, NEW_XMP), original)
    check_same_image_data(original, grafted)
    first, *others = pictures_of(grafted)
    assert others == pictures_of(original)[1:]
    assert (first[:2], first[-2:]) == (SOI, END)


def test_a_large_image_is_copied_once() -> None:
    original = b"".join([SOI, EXIF, XMP, a_jpeg()[2:], bytes(20_000_000)])
    with traced_memory() as traced:
        with_metadata(original, metadata_of(jpeg(NEW_EXIF, NEW_XMP)))
    assert traced.peak_bytes < 1.1 * len(original)
