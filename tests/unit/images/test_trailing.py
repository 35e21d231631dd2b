"""What may stand behind the end of an image."""

import io
import tarfile
import zipfile

import pytest

from gateway.errors import ContentError
from gateway.images.inspect import STRUCTURE_ALONE, ImageLimits, Inspector
from gateway.images.limits import MAX_TRAILING_BYTES
from tests import inspected
from tests.hostile_images import a_zip
from tests.photos import a_jpeg, a_png

LIMITS = ImageLimits(max_trailing_bytes=1000)
BOTH = pytest.mark.parametrize("image", [a_jpeg(), a_png()], ids=["JPEG", "PNG"])

FILM = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + b"\0\1film" * 100
SAMSUNG = b"\0\0\x31\x0a\x0e\0\0\0Image_UTC_Data1700000000000" + b"SEFHj\0\0\0\2\0\0\0SEFT"


def inspect(data: bytes, limits: ImageLimits = LIMITS) -> None:
    inspected.inspect(data, limits)


def refused(data: bytes, limits: ImageLimits = LIMITS) -> ContentError:
    return inspected.refused(data, limits)


def a_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("run.sh"))
    return file.getvalue()


def an_empty_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w"):
        pass
    return file.getvalue()


@BOTH
@pytest.mark.parametrize(
    "behind",
    [
        FILM,
        SAMSUNG,
        a_jpeg(),
        bytes(1000),
        b"\n",
        b"some words",
        b"\0\0\0PK and so on",
        b"MP",
        b"<x:xmpmeta/>",
    ],
    ids=["film", "phone", "picture", "zeros", "line", "words", "letters", "two letters", "XMP"],
)
def test_what_cameras_and_programs_put_there_is_tolerated(image: bytes, behind: bytes) -> None:
    inspect(image + behind)


@BOTH
def test_as_much_as_allowed_is_taken(image: bytes) -> None:
    inspect(image + b"x" * 1000)


@BOTH
@pytest.mark.parametrize("byte", [b"x", b"\0"])
def test_a_byte_more_is_refused(image: bytes, byte: bytes) -> None:
    error = refused(image + byte * 1001)

    assert error.code == "trailing_data"
    assert "More than 1000 bytes" in error.text


def test_zeros_before_it_count_too() -> None:
    inspect(a_jpeg() + bytes(500) + b"x" * 500)

    assert refused(a_jpeg() + bytes(500) + b"x" * 501).code == "trailing_data"


def test_by_default_the_film_of_a_motion_photo_has_room() -> None:
    inspect(a_jpeg() + FILM + b"f" * (MAX_TRAILING_BYTES - len(FILM)), ImageLimits())


@pytest.mark.parametrize(
    ("behind", "says"),
    [
        (a_zip(), "ZIP"),
        (an_empty_zip(), "ZIP"),
        (b"Rar!\x1a\x07\1\0" + bytes(20), "RAR"),
        (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(20), "7z"),
        (b"\x1f\x8b\x08\0" + bytes(20), "gzip"),
        (b"\xfd7zXZ\0" + bytes(20), "xz"),
        (b"BZh91AY&SY" + bytes(20), "bzip2"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        (a_tar(), "tar"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(20), "office document"),
        (b"{\\rtf1}", "RTF"),
        (b"MZ\x90\0\3\0\0\0" + bytes(20), "program"),
        (b"\x7fELF\2\1\1" + bytes(20), "program"),
        (b"#!/bin/sh\nreboot\n", "script"),
        (b"<?php system($_GET['c']);", "script"),
        (b"<!DOCTYPE html><title>x</title>", "HTML"),
        (b"<HTML><body>", "HTML"),
        (b"<script>alert(1)</script>", "HTML"),
        (b"<svg onload='alert(1)'/>", "XML"),
        (b"<?xml version='1.0'?>", "XML"),
    ],
)
@pytest.mark.parametrize("before", [b"", b"\0\r\n\0  \t"], ids=["at once", "behind blanks"])
def test_another_file_there_is_named(behind: bytes, says: str, before: bytes) -> None:
    error = refused(a_jpeg() + before + behind, ImageLimits())

    assert error.code == "polyglot"
    assert says in error.text


@pytest.mark.parametrize(
    "behind",
    [
        a_zip(),
        an_empty_zip(),
        a_zip()[a_zip().index(b"PK\1\2") :],
        b"Rar!\x1a\x07",
        b"7z\xbc\xaf\x27\x1c",
        b"%PDF-1.4",
        b"\x7fELF\1\1\1",
        a_tar(),
        b"<script >",
        b"<?php ",
        b"<hTmL>",
    ],
)
@BOTH
def test_another_file_is_found_wherever_it_begins(image: bytes, behind: bytes) -> None:
    assert refused(image + b"\0film" * 20_000 + behind, ImageLimits()).code == "polyglot"


@pytest.mark.parametrize(
    "mark", [an_empty_zip()[:12], b"This program cannot be run in DOS mode"], ids=["archive", "program"]
)
def test_another_file_is_found_however_it_is_cut(mark: bytes) -> None:
    film = b"\0film" * 100
    behind = film + mark
    for place in range(len(film), len(behind)):
        inspector = Inspector()
        inspector.feed(a_jpeg() + behind[:place])
        with pytest.raises(ContentError) as caught:
            inspector.feed(behind[place:])
        assert caught.value.code == "polyglot"


def test_another_file_shows_before_what_stands_behind_it_has_come() -> None:
    inspector = Inspector()
    inspector.feed(a_jpeg())

    with pytest.raises(ContentError, match="ZIP"):
        inspector.feed(a_zip()[:64])


@pytest.mark.parametrize(("behind", "code"), [(988, "polyglot"), (989, "trailing_data")])
def test_a_mark_that_ends_beyond_the_bound_is_none(behind: int, code: str) -> None:
    assert refused(a_jpeg() + b"x" * behind + an_empty_zip()[:12] + bytes(9)).code == code


def test_of_two_other_files_the_first_is_named() -> None:
    """As it would be if the second had not come yet."""
    assert "HTML" in refused(a_jpeg() + b"\0film <html>" + a_zip()).text


def test_what_lies_beyond_the_bound_is_not_looked_at() -> None:
    assert refused(a_jpeg() + b"x" * 1000 + a_zip()).code == "trailing_data"


@pytest.mark.parametrize("behind", [bytes(MAX_TRAILING_BYTES + 1), a_zip()], ids=["much", "archive"])
def test_of_an_image_that_was_taken_before_nothing_behind_its_end_is_looked_at(behind: bytes) -> None:
    inspect(a_jpeg() + behind, STRUCTURE_ALONE)
