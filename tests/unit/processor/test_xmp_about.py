"""What XMP says that it is about stays."""

import pytest

from gateway.metadata import Metadata
from gateway.processor.tags import write_tags
from tests.hostile_metadata import XMP, jpeg, packet
from tests.jpeg_parts import segment
from tests.pictures import tags_of

WORDS = Metadata("A title", "A description", ("keyword",))


def about(text: bytes, body: bytes = b"<me:a>1</me:a>") -> bytes:
    return jpeg(segment(0xE1, XMP + packet(body).replace(b'rdf:about=""', b"rdf:about=" + text)))


@pytest.mark.parametrize("text", [b'"DJI Meta Data"', b"'DJI Meta Data'", '"東京"'.encode(), b'"uuid:1-2-3"'])
def test_it_stays(text: bytes) -> None:
    tags = tags_of(write_tags(about(text), WORDS))
    assert tags["XMP-rdf:About"] == text.decode()[1:-1]
    assert tags["XMP-dc:Title"] == "A title"


def test_it_stays_when_it_has_no_prefix() -> None:
    image = jpeg(segment(0xE1, XMP + packet(b"").replace(b'rdf:about=""', b'about="uuid:1-2-3"')))
    assert tags_of(write_tags(image, WORDS))["XMP-rdf:About"] == "uuid:1-2-3"


def test_where_it_says_nothing_nothing_is_put() -> None:
    assert "XMP-rdf:About" not in tags_of(write_tags(about(b'""'), WORDS))


def test_tagging_twice_gives_the_same_file() -> None:
    once = write_tags(about(b'"DJI Meta Data"'), WORDS)
    assert write_tags(once, WORDS) == once


def test_what_only_looks_like_it_breaks_nothing() -> None:
    image = about(b'""', b'<me:a><![CDATA[rdf:about="&nothing;" rdf:about="<b>"]]></me:a>')
    tags = tags_of(write_tags(image, WORDS))
    assert tags["XMP-dc:Title"] == "A title"
