"""What IPTC holds beside our words stays, byte for byte, unless it is text of another encoding."""

import struct

import pytest

from gateway.metadata import Metadata
from gateway.processor.tags import write_tags
from tests.hostile_metadata import jpeg, photoshop, resource

WORDS = Metadata("A title", "A description", ("keyword",))
BINARY = b"\xe9\0\xff\x80\x1b"


def data_set(record: int, number: int, value: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


@pytest.mark.parametrize(
    ("record", "number"),
    [(1, 128), (2, 202), (2, 240), (3, 10), (7, 90), (8, 10)],
    ids=["unknown of the envelope", "preview", "unknown", "picture number of newsphoto", "size", "subfile"],
)
def test_binary_data_stays(record: int, number: int) -> None:
    binary = data_set(record, number, BINARY)
    tagged = write_tags(jpeg(photoshop(resource(0x0404, data_set(2, 5, b"a name") + binary))), WORDS)
    assert binary in tagged


def test_text_becomes_utf_8() -> None:
    tagged = write_tags(jpeg(photoshop(resource(0x0404, data_set(2, 90, b"M\xfcnchen")))), WORDS)
    assert data_set(2, 90, "München".encode()) in tagged


@pytest.mark.parametrize("keyword", [b"a\x1c\x02b", b"\x7fa b\x04", b"a\0\x1b"])
def test_a_keyword_with_control_characters_stays_one(keyword: bytes) -> None:
    once = write_tags(jpeg(photoshop(resource(0x0404, data_set(2, 25, keyword)))), WORDS)
    assert write_tags(once, WORDS) == once
