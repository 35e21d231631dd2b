"""IPTC of any length is found in a PNG."""

import zlib

import pytest

from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.processor.container.grafting import chunk, metadata_of, with_metadata
from gateway.processor.standards.raw_profile import with_bare_iptc
from gateway.processor.tags import write_tags
from tests.hostile_metadata import packet, png
from tests.pictures import exiftool, plain, tags_of

KEYWORD = b"Raw profile type iptc\0"
DATA_SET_HEAD = 5
REPLACE = MetadataPolicy(FieldPolicy.REPLACE, FieldPolicy.REPLACE, FieldPolicy.REPLACE)


def with_credit(block_bytes: int) -> bytes:
    """A PNG whose IPTC is a block of so many bytes, by a program that has no compression."""
    credit = b"x" * (block_bytes - DATA_SET_HEAD)
    block = b"\x1c\x02\x6e" + len(credit).to_bytes(2) + credit
    resource = b"8BIM\x04\x04\0\0" + len(block).to_bytes(4) + block + b"\0" * (len(block) % 2)
    text = f"\niptc\n{len(resource):8}\n{resource.hex()}\n".encode()
    return with_metadata(plain("PNG"), {b"tEXt" + KEYWORD[:-1]: [chunk(b"tEXt", KEYWORD + text)]})


@pytest.mark.parametrize("block_bytes", [27, 28, 29, 0x11C])
def test_iptc_that_is_as_long_as_its_first_byte_says_is_kept(block_bytes: int) -> None:
    image = with_credit(block_bytes)
    tags = tags_of(write_tags(image, Metadata("Title")))
    assert tags["IPTC:Headline"] == "Title"
    assert tags["IPTC:Credit"] == tags_of(image)["IPTC:Credit"] == "x" * (block_bytes - DATA_SET_HEAD)


def test_iptc_of_exiftool_is_kept() -> None:
    """With the record version that exiftool adds, 28 bytes."""
    image = exiftool("-IPTC:Credit=sixteen letters.", image=plain("PNG"))
    assert tags_of(write_tags(image, Metadata("Title")))["IPTC:Credit"] == "sixteen letters."


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0",
        b"\0no zlib",
        b"\0" + zlib.compress(b"\niptc\n  4\nxyz\n"),
        b"\0" + zlib.compress(b"0" * 5_000_000),
    ],
    ids=["none", "no text", "not compressed", "not hexadecimal", "too long"],
)
def test_what_can_not_be_read_stays_as_it_is(text: bytes) -> None:
    image = with_metadata(plain("PNG"), {b"zTXt" + KEYWORD[:-1]: [chunk(b"zTXt", KEYWORD + text)]})
    assert with_bare_iptc(image) == image


def test_a_jpeg_stays_as_it_is() -> None:
    assert with_bare_iptc(plain("JPEG")) == plain("JPEG")


PACKET = b"Raw profile type xmp\0\nxmp\n%8d\n%b\n"


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_what_is_written_takes_the_place_of_what_was_there(kind: bytes) -> None:
    image = png(chunk(kind, KEYWORD + text_of(kind, b"\x1c\x02\x78\0\x03old\x1c\x02\x6e\0\1x")))
    tagged = write_tags(image, Metadata("Title", "New"), REPLACE)
    assert tags_of(tagged)["IPTC:Caption-Abstract"] == "New"
    assert tags_of(tagged)["IPTC:Credit"] == "x"
    assert len([kind for kind in metadata_of(tagged) if b"iptc" in kind]) == 1


def test_what_stands_beside_the_first_stays() -> None:
    """Exiv2 would drop it, and somebody's words with it."""
    others = [
        chunk(b"tEXt", KEYWORD + text_of(b"tEXt", b"\x1c\x02\x6e\0\6credit")),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet(b"<me:a>two</me:a>")),
        chunk(b"tEXt", PACKET % (4, packet(b"<me:a>three</me:a>").hex().encode())),
    ]
    first = [
        chunk(b"tEXt", KEYWORD + text_of(b"tEXt", b"\x1c\x02\x78\0\7caption")),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet(b"<me:a>one</me:a>")),
    ]
    tagged = write_tags(png(*first, *others), Metadata("Title"))
    assert all(other in tagged for other in others)
    assert tags_of(tagged)["IPTC:Headline"] == "Title"
    assert write_tags(tagged, Metadata("Title")) == tagged


def text_of(kind: bytes, block: bytes) -> bytes:
    resource = b"8BIM\x04\x04\0\0" + len(block).to_bytes(4) + block + b"\0" * (len(block) % 2)
    text = f"\niptc\n{len(resource):8}\n{resource.hex()}\n".encode()
    return {b"tEXt": text, b"zTXt": b"\0" + zlib.compress(text), b"iTXt": bytes(4) + text}[kind]
