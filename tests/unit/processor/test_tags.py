"""What the processor writes, as exiftool reads it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ContentError
from gateway.installing import how_to_install
from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.processor.container.grafting import metadata_of
from gateway.processor.container.parts import EXIF
from gateway.processor.tags import TaggingFailed, processor_available, write_tags
from tests.golden import golden
from tests.jpeg_parts import SOI, segment
from tests.pictures import (
    WRITTEN_TAGS,
    china,
    exiftool,
    grace_hopper,
    jpeg_with_exif,
    logo,
    picture_data,
    plain,
    tags_of,
    warnings_of,
    with_maker_note,
)

METADATA = Metadata(
    "Tïtle one",
    "What one sees – “quoted”, ünïcode 北京",
    ("kw", "zwei Wörter", "red & blue"),
)

XMP_OF_OTHERS = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:me="http://example.com/ns/mine/" xmlns:dc="http://purl.org/dc/elements/1.1/" me:simple="kept">
 <me:struct rdf:parseType="Resource"><me:a>1</me:a><me:b><rdf:Bag><rdf:li>x</rdf:li></rdf:Bag></me:b></me:struct>
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">old title</rdf:li><rdf:li xml:lang="de-DE">alter Titel</rdf:li>
 </rdf:Alt></dc:title><dc:subject><rdf:Bag><rdf:li>old</rdf:li></rdf:Bag></dc:subject>
 <dc:creator><rdf:Seq><rdf:li>Me</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""

# Make, whose text lies far out of bounds.
DAMAGED_EXIF = b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\xff\0\0\0\xff\xff\xff\x7f\0\0\0\0"
DAMAGED_XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<no end")
LONG_TAGS = {
    "IFD0:ImageDescription": 3000,
    "IFD0:XPTitle": 600,
    "IPTC:Headline": 256,
    "IPTC:Caption-Abstract": 2000,
    "IPTC:Keywords": 64,
    "XMP-dc:Description": 3000,
    "XMP-dc:Subject": 100,
    "XMP-dc:Title": 600,
}
MOVED = {"IFD1:ThumbnailOffset"}


@pytest.fixture(scope="module")
def well_described(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A JPEG that several programs have written into: EXIF, GPS, thumbnail, Latin-1 IPTC, XMP, Photoshop."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "of_others.xmp").write_text(XMP_OF_OTHERS)
    (folder / "thumbnail.jpg").write_bytes(plain("JPEG"))
    image = exiftool(f"-xmp<={folder}/of_others.xmp", image=grace_hopper())
    return exiftool(
        "-Artist=Me",
        "-GPSLatitude=1",
        "-GPSLatitudeRef=N",
        "-Make=Canon",
        "-UserComment=ünï",
        f"-ThumbnailImage<={folder}/thumbnail.jpg",
        "-IPTC:By-line=Jürgen",
        "-IPTC:City=Köln",
        "-IPTC:Keywords=älter",
        "-IPTC:Keywords=old",
        "-IPTC:DateCreated=2024:05:04",
        "-Photoshop:URL=http://example.com/",
        "-IPTCDigest=new",
        image=image,
    )


@pytest.mark.parametrize("picture", [china, grace_hopper, logo], ids=lambda picture: picture.__name__)
class TestARealPicture:
    def test_carries_each_field_in_exif_iptc_and_xmp(self, picture) -> None:
        tags = tags_of(write_tags(picture(), METADATA))
        expected = {
            "IFD0:XPTitle": METADATA.title,
            "IFD0:ImageDescription": METADATA.description,
            "IPTC:Headline": METADATA.title,
            "IPTC:Caption-Abstract": METADATA.description,
            "IPTC:Keywords": list(METADATA.keywords),
            "IPTC:CodedCharacterSet": "UTF8",
            "IPTC:ApplicationRecordVersion": 4,
            "XMP-dc:Title": METADATA.title,
            "XMP-dc:Description": METADATA.description,
            "XMP-dc:Subject": list(METADATA.keywords),
        }
        assert {name: tags.get(name) for name in expected} == expected

    def test_keeps_its_compressed_data_byte_for_byte(self, picture) -> None:
        assert picture_data(write_tags(picture(), METADATA)) == picture_data(picture())

    def test_gets_no_new_warning_of_exiftool(self, picture) -> None:
        assert set(warnings_of(write_tags(picture(), METADATA))) <= set(warnings_of(picture()))

    def test_keeps_all_other_metadata(self, picture) -> None:
        before, after = tags_of(picture()), tags_of(write_tags(picture(), METADATA))
        assert {name: after.get(name) for name in before.keys() - WRITTEN_TAGS - MOVED} == {
            name: before[name] for name in before.keys() - WRITTEN_TAGS - MOVED
        }

    def test_is_unchanged_by_empty_metadata(self, picture) -> None:
        assert write_tags(picture(), Metadata()) == picture()

    def test_tagged_twice_is_as_tagged_once(self, picture) -> None:
        once = write_tags(picture(), METADATA)
        assert write_tags(once, METADATA) == once


def test_all_metadata_of_others_is_kept(well_described: bytes) -> None:
    before, after = tags_of(well_described), tags_of(write_tags(well_described, METADATA))
    assert {name: after.get(name) for name in before.keys() - WRITTEN_TAGS - MOVED} == {
        name: before[name] for name in before.keys() - WRITTEN_TAGS - MOVED
    }
    assert {"XMP-me:Struct", "GPS:GPSLatitude", "IFD1:ThumbnailLength", "Photoshop:URL"} <= before.keys()


def test_all_is_written_that_the_existing_processor_writes_and_iptc_loses_no_character() -> None:
    existing = golden("processed_tags")[0]["plain"]
    words = existing["metadata"]
    metadata = Metadata(words["title"], words["description"], tuple(words["keywords"]))
    expected = existing["tags"] | {"IPTC:Caption-Abstract": metadata.description}
    tags = tags_of(write_tags(plain("JPEG"), metadata))
    assert {name: tags.get(name) for name in expected} == expected


def test_the_thumbnail_is_kept(well_described: bytes) -> None:
    assert plain("JPEG") in write_tags(well_described, METADATA)


def test_latin_1_iptc_is_converted_when_utf_8_is_declared(well_described: bytes) -> None:
    assert b"K\xf6ln" in well_described
    tags = tags_of(write_tags(well_described, METADATA))
    assert (tags["IPTC:City"], tags["IPTC:By-line"]) == ("Köln", "Jürgen")


def test_undeclared_utf_8_iptc_is_recognised() -> None:
    image = exiftool("-charset", "iptc=utf8", "-IPTC:City=Köln", image=plain("JPEG"))
    assert "IPTC:CodedCharacterSet" not in tags_of(image)
    assert tags_of(write_tags(image, METADATA))["IPTC:City"] == "Köln"


def test_keywords_join_those_that_were_there_without_doubles(well_described: bytes) -> None:
    tags = tags_of(write_tags(well_described, Metadata(keywords=("new", "Old", "new"))))
    assert (tags["IPTC:Keywords"], tags["XMP-dc:Subject"]) == (["old", "älter", "new"],) * 2


def test_title_is_replaced_in_the_default_language_alone(well_described: bytes) -> None:
    policy = MetadataPolicy(title=FieldPolicy.REPLACE)
    tags = tags_of(write_tags(well_described, METADATA, policy))
    assert (tags["XMP-dc:Title"], tags["XMP-dc:Title-de-DE"]) == (METADATA.title, "alter Titel")


def test_what_is_not_known_is_left_as_it_was(well_described: bytes) -> None:
    tags = tags_of(write_tags(well_described, Metadata(description="only this")))
    assert (tags["XMP-dc:Title"], tags["XMP-dc:Description"]) == ("old title", "only this")
    assert "IFD0:XPTitle" not in tags


def test_photoshops_digest_of_the_iptc_stays_current(well_described: bytes) -> None:
    tags = tags_of(write_tags(well_described, METADATA))
    assert tags["Photoshop:IPTCDigest"] == tags["File:CurrentIPTCDigest"]
    assert tags["File:CurrentIPTCDigest"] != tags_of(well_described)["File:CurrentIPTCDigest"]


def test_a_well_described_picture_gets_no_new_warning(well_described: bytes) -> None:
    assert set(warnings_of(write_tags(well_described, METADATA))) <= set(warnings_of(well_described))


@pytest.mark.parametrize("byte_order", ["II", "MM"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_maker_notes_are_kept_and_stay_readable(kind: str, byte_order: str) -> None:
    image = with_maker_note(kind, byte_order=byte_order)
    tags = tags_of(write_tags(image, METADATA))
    assert tags["Canon:CanonFirmwareVersion"] == "Firmware Ver 1.01"
    assert tags["Canon:Canon_0x4099"] == tags_of(image)["Canon:Canon_0x4099"]


def test_iptc_is_cut_to_its_lengths_in_bytes_and_nothing_else() -> None:
    tags = tags_of(write_tags(plain("JPEG"), Metadata("x" * 600, "y" * 3000, ("z" * 100,))))
    texts = {name: "".join(tags[name]) for name in LONG_TAGS}
    assert {name: len(text) for name, text in texts.items()} == LONG_TAGS


def test_iptc_is_never_cut_within_a_character() -> None:
    tags = tags_of(write_tags(plain("JPEG"), Metadata("a" + "ü" * 200, keywords=("北" * 40,))))
    assert (tags["IPTC:Headline"], tags["IPTC:Keywords"]) == ("a" + "ü" * 127, "北" * 21)


def test_dc_subject_is_an_unordered_array() -> None:
    tagged = write_tags(plain("JPEG"), METADATA)
    subject = tagged[tagged.index(b"<dc:subject>") : tagged.index(b"</dc:subject>")]
    assert b"<rdf:Bag>" in subject
    assert b"<rdf:Seq>" not in subject


def test_a_new_exif_takes_its_resolution_from_jfif() -> None:
    tags = tags_of(write_tags(grace_hopper(), METADATA))
    assert (tags["IFD0:XResolution"], tags["IFD0:ResolutionUnit"]) == (tags["JFIF:XResolution"], "inches")


def test_exif_with_latin_1_in_it_is_kept() -> None:
    image = exiftool("-charset", "exif=latin1", "-Artist=Müller", image=plain("JPEG"))
    assert b"M\xfcller" in image
    assert b"M\xfcller" in write_tags(image, METADATA)


def test_damaged_exif_stays_as_it_is_and_the_tags_stand_beside_it() -> None:
    image = jpeg_with_exif(plain("JPEG"), DAMAGED_EXIF)
    tagged = write_tags(image, METADATA)
    assert DAMAGED_EXIF[8:] in tagged
    assert tags_of(tagged)["XMP-dc:Title"] == METADATA.title
    assert picture_data(tagged) == picture_data(image)


def test_what_xml_cannot_hold_is_left_out() -> None:
    tags = tags_of(write_tags(plain("PNG"), Metadata("a\0b\x1bc\ud800d", keywords=("\x07", "bell"))))
    assert (tags["XMP-dc:Title"], tags["XMP-dc:Subject"]) == ("abcd", ["bell"])


@pytest.mark.parametrize(
    "image",
    [b"", b"GIF89a, no more", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", plain("PNG")[:40]],
    ids=["nothing", "gif", "png head", "jpeg head", "cut png"],
)
def test_what_cannot_be_tagged_fails_with_a_clean_text(image: bytes) -> None:
    with pytest.raises(TaggingFailed) as caught:
        write_tags(image, METADATA)
    assert isinstance(caught.value, ContentError)
    assert caught.value.code == "tagging_failed"
    assert "xiv2" not in caught.value.text


def test_a_failure_does_not_fail_the_next_image() -> None:
    """Exiv2's binding keeps what was logged before an image failed to open, and raises it at the next one."""
    with pytest.raises(TaggingFailed):
        write_tags(SOI + DAMAGED_XMP + plain("JPEG")[2:], METADATA)
    assert tags_of(write_tags(plain("PNG"), METADATA))["IPTC:Headline"] == METADATA.title


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    code = "import sys; from gateway.processor.tags import processor_available as known; print(known())\n"
    code += "sys.exit('pyexiv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"True\n"


def test_the_processor_is_available_where_its_library_is() -> None:
    assert processor_available()


def test_the_processor_is_not_available_without_its_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "pyexiv2", raising=False)
    assert not processor_available()


def test_without_its_library_the_image_fails_and_the_log_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyexiv2", None)
    with pytest.raises(TaggingFailed) as caught:
        write_tags(plain("JPEG"), METADATA)
    assert caught.value.detail == how_to_install("processor")


@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=80), max_size=5))
@settings(max_examples=60, deadline=None)
def test_any_text_is_written_or_refused_cleanly(title: str, description: str, keywords: list[str]) -> None:
    image = plain("PNG")
    tagged = write_tags(image, Metadata(title, description, tuple(keywords)))
    assert picture_data(tagged) == picture_data(image)


def test_keywords_alone_leave_exif_as_it_is(well_described: bytes) -> None:
    words = Metadata(keywords=("new",))
    assert not [tag for tag in tags_of(write_tags(plain("JPEG"), words)) if tag.startswith("IFD0:")]
    assert metadata_of(write_tags(well_described, words))[EXIF] == metadata_of(well_described)[EXIF]
