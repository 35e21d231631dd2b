"""Tags come into the files of many makers and programs, and nothing else in them is lost or changed.

Exiftool's reading of each file before and after is the truth, Pillow's decoding of its pixels a second one.
"""

import base64
import io
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import frozen
from PIL import Image

from gateway.metadata import FieldPolicy, Metadata, MetadataPolicy
from gateway.processor.tags import write_tags
from tests.pictures import WRITTEN_TAGS, picture_data
from tests.real_files import real_files

WORDS: Final = Metadata(
    "Tïtle: 夜の東京",
    "A street at night – “quoted”, 夜の東京の通り",
    ("street", "夜景", "red & blue", "Straße"),
    "local/test",
)
REPLACE: Final = MetadataPolicy(FieldPolicy.REPLACE, FieldPolicy.REPLACE, FieldPolicy.APPEND)
NAMES: Final = sorted(real_files())

Tags = dict[str, list[Any]]

NOT_TAGS: Final = {
    "ExifTool:ExifToolVersion",
    "ExifTool:Validate",
    "ExifTool:Warning",
    "SourceFile",
    "EXIF:EXIF",
}
"""Of exiftool itself; warnings and the block of EXIF have tests of their own."""
PLACES: Final = {"MPImage1:MPImageLength", "MPImage2:MPImageStart", "IFD1:ThumbnailOffset"}
"""Where something is in the file, or how long a picture is with its metadata: that it is found is tested."""
OF_A_NEW_EXIF: Final = {
    "File:ExifByteOrder",
    "IFD0:XResolution",
    "IFD0:YResolution",
    "IFD0:ResolutionUnit",
    "IFD0:YCbCrPositioning",
}
COPIED_WITHIN_XMP: Final = {"XMP-xmpMM:InstanceID": "XMP-rdf:About"}
"""Adobe's toolkit takes an `about` of before 2004 ("uuid:...") for what it is now called, and writes that too."""
RENUMBERED_WARNINGS: Final = {"infinite_loop_exif.jpg": ("entry 7", "entry 8")}
"""A field that is damaged has one more before it."""


@frozen
class Trip:
    """One file before and after, and what exiftool reads in both."""

    before: bytes
    after: bytes
    tags_before: Tags
    tags_after: Tags


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trip]:
    before = {name: read() for name, read in real_files().items()}
    after = {name: write_tags(image, WORDS, REPLACE) for name, image in before.items()}
    folders = [tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("after")]
    for folder, images in zip(folders, (before, after), strict=True):
        for name, image in images.items():
            (folder / name).write_bytes(image)
    found = read_by_exiftool(folders)
    there, here = folders
    return {name: Trip(before[name], after[name], found[there / name], found[here / name]) for name in before}


def read_by_exiftool(folders: list[Path]) -> dict[Path, Tags]:
    """All that exiftool reads in all files of the folders, binary values too: "Group:Tag" to its values."""
    options = ["-j", "-b", "-a", "-u", "-G1:4", "-s", "-struct", "-charset", "utf8"]
    wanted = ["-validate", "-warning", "-error", "-all:all", "-exif", "--System:all"]
    command = ["exiftool", *options, *wanted, *map(str, folders)]
    output = subprocess.run(command, capture_output=True, check=False).stdout
    return {Path(tags["SourceFile"]): by_name(tags) for tags in json.loads(output.decode(errors="replace"))}


def by_name(tags: dict[str, Any]) -> Tags:
    """Values under one name; which of them exiftool numbered as a copy depends on their order in the file."""
    named: Tags = {}
    for name, value in tags.items():
        named.setdefault(re.sub(r":Copy\d+:", ":", name), []).append(value)
    return named


def values(tags: Tags, name: str) -> Counter[str]:
    return Counter(json.dumps(value, sort_keys=True) for value in tags.get(name, []))


def test_they_are_of_many_makers_and_programs(trips: dict[str, Trip]) -> None:
    makers = {str(make).split(" ")[0].lower() for make in all_values(trips, "IFD0:Make")}
    assert len(trips) >= 70
    assert len(makers) >= 20
    assert len(all_values(trips, "IFD1:ThumbnailImage")) >= 40
    assert len(all_values(trips, "PreviewIFD:PreviewImage") + all_values(trips, "Casio:PreviewImage")) >= 5
    assert len(all_values(trips, "ICC_Profile:ProfileDescription")) >= 1


def all_values(trips: dict[str, Trip], name: str) -> list[Any]:
    return [value for trip in trips.values() for value in trip.tags_before.get(name, [])]


@pytest.mark.parametrize("name", NAMES)
class TestAFile:
    @pytest.fixture
    def trip(self, trips: dict[str, Trip], name: str) -> Trip:
        return trips[name]

    def test_has_the_words(self, trip: Trip) -> None:
        tags = trip.tags_after
        assert (tags["XMP-dc:Title"], tags["XMP-dc:Description"]) == ([WORDS.title], [WORDS.description])
        assert (tags["IPTC:Headline"], tags["IPTC:Caption-Abstract"]) == ([WORDS.title], [WORDS.description])
        assert (tags["IFD0:XPTitle"], tags["IFD0:ImageDescription"]) == ([WORDS.title], [WORDS.description])
        for keywords in (tags["XMP-dc:Subject"][0], tags["IPTC:Keywords"][0]):
            assert set(WORDS.keywords) <= set(keywords)

    def test_has_all_other_metadata_as_before(self, trip: Trip) -> None:
        there, here = trip.tags_before, trip.tags_after
        may_change = WRITTEN_TAGS | NOT_TAGS | PLACES | COPIED_WITHIN_XMP.keys()
        if "EXIF:EXIF" not in there:
            may_change |= OF_A_NEW_EXIF
        names = (there.keys() | here.keys()) - may_change
        assert {tag: here.get(tag) for tag in names if values(here, tag) != values(there, tag)} == {}

    def test_has_of_what_may_be_copied_nothing_new(self, trip: Trip) -> None:
        for copy, source in COPIED_WITHIN_XMP.items():
            known = trip.tags_before.get(copy) or trip.tags_before.get(source)
            assert trip.tags_after.get(copy) in (None, known)

    def test_has_each_byte_of_its_exif_where_it_was(self, trip: Trip) -> None:
        """But for the number that says where the first directory is: so maker notes and previews are the same."""
        for there, here in zip(
            trip.tags_before.get("EXIF:EXIF", []), trip.tags_after["EXIF:EXIF"], strict=False
        ):
            before, after = decoded(there), decoded(here)
            assert after[:4] + after[8 : len(before)] == before[:4] + before[8:]

    def test_has_no_new_warning(self, trip: Trip, name: str) -> None:
        known = trip.tags_before.get("ExifTool:Warning", [])
        known = [warning.replace(*RENUMBERED_WARNINGS.get(name, ("", ""))) for warning in known]
        assert set(trip.tags_after.get("ExifTool:Warning", [])) <= set(known)

    def test_has_its_compressed_data_byte_for_byte(self, trip: Trip) -> None:
        assert picture_data(trip.after) == picture_data(trip.before)

    def test_has_all_its_pixels(self, trip: Trip) -> None:
        assert list(pixels(trip.after)) == list(pixels(trip.before))

    def test_is_the_same_when_it_is_tagged_twice(self, trip: Trip) -> None:
        assert write_tags(trip.after, WORDS, REPLACE) == trip.after

    def test_says_where_its_further_pictures_are(self, trip: Trip) -> None:
        for place in trip.tags_after.get("MPImage2:MPImageStart", []):
            assert trip.after[place : place + 2] == b"\xff\xd8"


def decoded(value: str) -> bytes:
    return base64.b64decode(value.removeprefix("base64:"))


@cache
def pixels(image: bytes) -> list[tuple[str, bytes]]:
    """Mode and pixels of each picture in the file."""
    return list(_pixels(image))


def _pixels(image: bytes) -> Iterator[tuple[str, bytes]]:
    with Image.open(io.BytesIO(image)) as opened:
        for number in range(getattr(opened, "n_frames", 1)):
            opened.seek(number)
            yield opened.mode, opened.tobytes()
