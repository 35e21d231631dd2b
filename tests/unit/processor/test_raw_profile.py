"""IPTC of any length is found in a PNG."""

import zlib

import pytest

from gateway.metadata import Metadata
from gateway.processor.grafting import chunk, with_metadata
from gateway.processor.raw_profile import with_bare_iptc
from gateway.processor.tags import write_tags
from tests.pictures import exiftool, plain, tags_of

KEYWORD = b"Raw profile type iptc\0"
DATA_SET_HEAD = 5


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
