"""Of IPTC that is cut off nothing is lost; times without a zone stay so, for nobody has said that they are UTC."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metadata import Metadata
from gateway.processor.standards.iptc_block import readable, with_times_of
from gateway.processor.tags import TaggingFailed, write_tags
from tests.hostile_metadata import chunk, jpeg, photoshop, png, raw_profile, resource
from tests.pictures import exiftool, grace_hopper, package_file, picture_data, tags_of, warnings_of

METADATA = Metadata("A flower", "It is red", ("red", "flower"))


def flower() -> bytes:
    """A photo whose IPTC times have no zone, and that has a digest of its IPTC."""
    return package_file("sklearn", "datasets", "images", "flower.jpg")


@pytest.mark.parametrize("title", ["even", "odd"])
def test_a_time_without_zone_stays_so(title: str) -> None:
    """Whatever the parity of the block's size, which is padded to even."""
    tags = tags_of(write_tags(flower(), Metadata(title)))
    assert tags["IPTC:TimeCreated"] == tags_of(flower())["IPTC:TimeCreated"] == "18:24:59"


def test_the_rest_is_as_without_such_times() -> None:
    tagged = write_tags(flower(), METADATA)
    tags = tags_of(tagged)
    assert tags["IPTC:Headline"] == METADATA.title
    assert tags["Photoshop:IPTCDigest"] == tags["File:CurrentIPTCDigest"]
    assert picture_data(tagged) == picture_data(flower())
    assert set(warnings_of(tagged)) <= set(warnings_of(flower()))


def test_tagged_twice_is_as_tagged_once() -> None:
    once = write_tags(flower(), METADATA)
    assert write_tags(once, METADATA) == once


def test_a_time_with_a_zone_stays_as_it_is() -> None:
    image = exiftool("-IPTC:TimeCreated=18:24:59+05:30", image=grace_hopper())
    assert tags_of(write_tags(image, METADATA))["IPTC:TimeCreated"] == "18:24:59+05:30"


WITHOUT_ZONE, WITH_UTC = (
    b"\x1c\x02\x3c\0" + bytes([len(time)]) + time for time in (b"182459", b"182459+0000")
)
CAPTION = b"\x1c\x02\x78\0\7caption"
CREDIT = b"\x1c\x02\x6e\0\1x"


def test_so_does_one_in_a_png() -> None:
    text = raw_profile(WITHOUT_ZONE + CREDIT)
    tagged = write_tags(png(chunk(b"tEXt", b"Raw profile type iptc\0" + text)), METADATA)
    assert tags_of(tagged)["IPTC:TimeCreated"] == "18:24:59"
    assert tags_of(tagged)["IPTC:Headline"] == METADATA.title


@pytest.mark.parametrize("time", [b"182459Z", b"18:24:59", b"1824", b"182459+0", b"18:24:59-05:30"])
def test_one_in_a_form_of_its_own_keeps_it(time: bytes) -> None:
    field = b"\x1c\x02\x3c\0" + bytes([len(time)]) + time
    tagged = write_tags(jpeg(photoshop(resource(0x0404, field + CREDIT))), METADATA)
    assert field + b"\x1c" in tagged
    assert write_tags(tagged, METADATA) == tagged


def test_of_several_each_gets_its_own() -> None:
    assert (
        with_times_of(WITHOUT_ZONE + WITH_UTC, CREDIT + WITH_UTC + WITH_UTC)
        == CREDIT + WITHOUT_ZONE + WITH_UTC
    )


def test_a_time_that_is_cut_off_stays_so_with_its_own_length() -> None:
    image = jpeg(photoshop(resource(0x0404, CAPTION + b"\x1c\x02\x3c\x3c\x3c12")))
    tagged = write_tags(image, METADATA)
    assert tags_of(tagged)["IPTC:Headline"] == METADATA.title
    assert write_tags(tagged, METADATA) == tagged


@pytest.mark.parametrize("original", [b"", CREDIT, WITH_UTC, b"\x1c\x02", b"\x1c\x02\x3c\xff\xff"])
def test_nothing_to_put_back_changes_nothing(original: bytes) -> None:
    assert with_times_of(original, CREDIT + WITH_UTC + b"rest") == CREDIT + WITH_UTC + b"rest"


CUT_OFF = b"\x1c\x02\x19\0\xffkeyw"


@pytest.mark.parametrize("between", [b"", b"\0\0", b"garbage"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_block_that_is_cut_off_is_read_as_far_as_it_goes(kind: str, between: bytes) -> None:
    block = CAPTION + CREDIT + between + CUT_OFF
    as_text = raw_profile(resource(0x0404, block))
    images = {
        "JPEG": jpeg(photoshop(resource(0x0404, block))),
        "PNG": png(chunk(b"tEXt", b"Raw profile type iptc\0" + as_text)),
    }
    tags = tags_of(write_tags(images[kind], METADATA))
    assert (tags["IPTC:Caption-Abstract"], tags["IPTC:Credit"]) == ("caption", "x")
    assert tags["IPTC:Keywords"] == ["keyw", *METADATA.keywords]
    assert "XMP-dc:Description" not in tags  # it has one


@pytest.mark.parametrize(
    "block", [CAPTION + b"\x1c\x02\x19\x80\4\0\0\0\xffkey", CAPTION + b"\x1c\x02\x19\x80\7key"]
)
def test_a_large_field_that_is_cut_off_fails_the_image(block: bytes) -> None:
    as_text = chunk(b"tEXt", b"Raw profile type iptc\0" + raw_profile(block))
    for image in (jpeg(photoshop(resource(0x0404, block))), png(as_text)):
        with pytest.raises(TaggingFailed):
            write_tags(image, METADATA)


@pytest.mark.parametrize(
    "block", [b"", CAPTION, CAPTION + b"garbage", b"\0" + CAPTION, CAPTION + b"\x1c\x02"]
)
def test_one_that_is_not_stays_as_it_is(block: bytes) -> None:
    assert readable(block) == block


@given(
    st.binary(max_size=30),
    st.lists(st.sampled_from([CAPTION, CREDIT, WITHOUT_ZONE, CUT_OFF, b"\x1c", b"\0"])),
)
def test_whatever_the_bytes_are_they_become_readable_or_are_refused(tail: bytes, start: list[bytes]) -> None:
    with contextlib.suppress(ValueError):
        block = readable(b"".join(start) + tail)
        assert readable(block) == block
        assert with_times_of(block, block) == block
