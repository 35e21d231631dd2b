"""IPTC that does not say in which characters it is written becomes UTF-8 without a letter misread, or stays."""

import pytest

from gateway.metadata import Metadata
from gateway.processor.standards.iptc_characters import as_text, character_set
from gateway.processor.tags import write_tags
from tests.hostile_metadata import XMP, jpeg, packet, photoshop, resource
from tests.jpeg_parts import segment
from tests.pictures import tags_of

TEXTS = {
    "cp1252": "Käse und Brötchen, ça va",
    "mac_roman": "Käse und Brötchen, ça va",
    "cp1250": "Žluťoučký kůň",
    "cp1251": "Привет, мир",
    "koi8_r": "Привет, мир",
    "cp1253": "Γειά σου",
    "cp932": "東京の夜",
    "gb18030": "北京的夜晚",
    "euc_kr": "서울의 밤",
}
WORDS = Metadata("A title", "A description", ("keyword",))


@pytest.mark.parametrize("encoding", TEXTS)
def test_xmp_with_the_same_text_tells_it(encoding: str) -> None:
    text = TEXTS[encoding]
    data = text.encode(encoding)
    found = character_set([data, b"ascii"], ["another", text])
    assert found
    assert as_text(data, found) == text


def test_a_text_that_iptc_has_no_room_for_is_known_by_its_beginning() -> None:
    assert character_set(["Привет".encode("cp1251")], ["Привет, мир"]) == "cp1251"


def test_what_is_left_of_it_in_ascii_tells_nothing() -> None:
    assert character_set(["José".encode("cp1252"), "München".encode("cp1252")], ["Joseph"]) == "cp1252"


@pytest.mark.parametrize("text", ["Käse und Brötchen", "l’été à la cœur", "“Straße”", "plain", ""])
def test_without_it_what_looks_western_is_windows_latin_1(text: str) -> None:
    assert character_set([text.encode("cp1252")], ["another"]) == "cp1252"


@pytest.mark.parametrize("encoding", [encoding for encoding in TEXTS if encoding != "cp1252"])
def test_of_anything_else_nobody_can_tell(encoding: str) -> None:
    assert character_set([TEXTS[encoding].encode(encoding)], ["another"]) is None


def test_utf_8_is_known_by_itself_beside_others() -> None:
    assert as_text("Привет".encode(), "cp1252") == "Привет"
    assert character_set(["Привет".encode()], []) == "cp1252"


def test_thousands_of_texts_take_no_long_time() -> None:
    known = [f"слово {number}" for number in range(10_000)]
    assert character_set([text.encode("cp1251") for text in known], known) == "cp1251"


def with_iptc(encoding: str, xmp: bytes = b"") -> bytes:
    fields = {25: "Кот", 80: "Иван", 120: "Привет, мир"}
    block = b"".join(
        b"\x1c\x02" + bytes([number]) + len(text.encode(encoding)).to_bytes(2) + text.encode(encoding)
        for number, text in fields.items()
    )
    return jpeg(segment(0xE1, XMP + packet(xmp)), photoshop(resource(0x0404, block)))


def test_all_of_it_becomes_utf_8_and_no_keyword_comes_twice() -> None:
    xmp = "<dc:subject><rdf:Bag><rdf:li>Кот</rdf:li></rdf:Bag></dc:subject>".encode()
    tags = tags_of(write_tags(with_iptc("cp1251", xmp), WORDS))
    assert tags["IPTC:By-line"] == "Иван"
    assert tags["IPTC:Caption-Abstract"] == "Привет, мир"
    assert tags["IPTC:Keywords"] == tags["XMP-dc:Subject"] == ["Кот", "keyword"]


def test_what_nobody_can_read_stays_byte_for_byte_and_the_words_stand_in_xmp() -> None:
    image = with_iptc("cp1251")
    tagged = write_tags(image, WORDS)
    assert photoshop_of(image) in tagged
    tags = tags_of(tagged)
    assert (tags["XMP-dc:Title"], tags["XMP-dc:Subject"]) == ("A title", ["keyword"])
    assert "XMP-dc:Description" not in tags  # there is one already
    assert write_tags(tagged, WORDS) == tagged


def photoshop_of(image: bytes) -> bytes:
    start = image.index(b"Photoshop 3.0\0") - 4
    return image[start : start + 2 + int.from_bytes(image[start + 2 : start + 4])]
