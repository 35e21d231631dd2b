"""IPTC times without a zone: nobody has said that they are UTC, so nobody shall read it."""

import pytest

from gateway.metadata import Metadata
from gateway.processor.iptc_times import with_times_of
from gateway.processor.tags import write_tags
from tests.hostile_metadata import chunk, png, raw_profile
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
CREDIT = b"\x1c\x02\x6e\0\1x"


def test_so_does_one_in_a_png() -> None:
    text = raw_profile(WITHOUT_ZONE + CREDIT)
    tagged = write_tags(png(chunk(b"tEXt", b"Raw profile type iptc\0" + text)), METADATA)
    assert tags_of(tagged)["IPTC:TimeCreated"] == "18:24:59"
    assert tags_of(tagged)["IPTC:Headline"] == METADATA.title


def test_of_several_each_gets_its_own() -> None:
    assert (
        with_times_of(WITHOUT_ZONE + WITH_UTC, CREDIT + WITH_UTC + WITH_UTC)
        == CREDIT + WITHOUT_ZONE + WITH_UTC
    )


@pytest.mark.parametrize("original", [b"", CREDIT, WITH_UTC, b"\x1c\x02", b"\x1c\x02\x3c\xff\xff"])
def test_nothing_to_put_back_changes_nothing(original: bytes) -> None:
    assert with_times_of(original, CREDIT + WITH_UTC + b"rest") == CREDIT + WITH_UTC + b"rest"
