"""Of Photoshop's resources the IPTC is written, its digest kept current, and nothing else touched."""

import hashlib
import struct

import pytest

from gateway.metadata import Metadata
from gateway.processor.standards.photoshop import iptc_alone, with_iptc_of
from gateway.processor.tags import TaggingFailed, write_tags
from tests.hostile_metadata import MANY, PHOTOSHOP, jpeg, photoshop, resource
from tests.jpeg_parts import segment
from tests.pictures import tags_of

WORDS = Metadata("A title", "A description", ("keyword",))
IPTC, NEW = b"\x1c\x02\x05\0\3old", b"\x1c\x02\x05\0\7another"
URL = resource(0x040B, b"http://example.com/")
NAMED = b"8BIM\4\x0a\4name\0" + struct.pack(">I", 1) + b"\1\0"
IMAGE_READY = b"MeSa" + struct.pack(">H2xI", 7000, 3) + b"abc\0"


def digest_of(iptc: bytes) -> bytes:
    return resource(0x0425, hashlib.md5(iptc, usedforsecurity=False).digest())


def test_the_iptc_alone_is_given_away() -> None:
    segments = [photoshop(URL, resource(0x0404, IPTC), IMAGE_READY)]
    assert iptc_alone(segments) == [photoshop(resource(0x0404, IPTC))]


def test_where_there_is_none_nothing_is_given_away() -> None:
    assert iptc_alone([photoshop(URL)]) == []
    assert iptc_alone([]) == []


def test_all_other_resources_stay_as_they_are() -> None:
    segments = [photoshop(URL, resource(0x0404, IPTC), NAMED, IMAGE_READY)]
    written = with_iptc_of([photoshop(resource(0x0404, NEW))], segments)
    assert written == [photoshop(resource(0x0404, NEW), URL, NAMED, IMAGE_READY)]


def test_with_the_same_iptc_they_stay_where_they_are() -> None:
    segments = [photoshop(URL, resource(0x0404, IPTC), digest_of(NEW))]
    assert with_iptc_of([photoshop(resource(0x0404, IPTC))], segments) == segments


def test_the_digest_is_that_of_the_new_iptc() -> None:
    segments = [photoshop(resource(0x0404, IPTC), digest_of(IPTC))]
    written = with_iptc_of([photoshop(resource(0x0404, NEW))], segments)
    assert written == [photoshop(resource(0x0404, NEW), digest_of(NEW))]


def test_resources_go_on_in_the_next_segment() -> None:
    preview, iptc = resource(0x040C, bytes(100_000)), resource(0x0404, IPTC)
    whole = preview + iptc
    segments = [segment(0xED, PHOTOSHOP + part) for part in (whole[:60_000], whole[60_000:])]
    assert iptc_alone(segments) == [photoshop(iptc)]
    written = with_iptc_of([photoshop(resource(0x0404, NEW))], segments)
    assert b"".join(each[4 + len(PHOTOSHOP) :] for each in written) == resource(0x0404, NEW) + preview


def test_what_follows_the_last_one_stays() -> None:
    written = with_iptc_of([photoshop(resource(0x0404, NEW))], [photoshop(URL, b"\0\0\0")])
    assert written == [photoshop(resource(0x0404, NEW), URL, b"\0\0\0")]


def test_a_resource_that_is_longer_than_there_is_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than there is"):
        iptc_alone([photoshop(resource(0x0404, IPTC, length=MANY))])
    with pytest.raises(TaggingFailed):
        write_tags(jpeg(photoshop(resource(0x040B, b"", length=MANY))), WORDS)


def test_resources_of_other_programs_stay_in_a_tagged_image() -> None:
    image = jpeg(photoshop(IMAGE_READY, URL, resource(0x0404, IPTC), digest_of(IPTC)))
    tagged = write_tags(image, WORDS)
    tags = tags_of(tagged)
    assert IMAGE_READY + URL in tagged
    assert (tags["IPTC:ObjectName"], tags["IPTC:Headline"]) == ("old", "A title")
    assert tags["Photoshop:IPTCDigest"] == tags["File:CurrentIPTCDigest"]
