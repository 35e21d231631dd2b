"""Pictures to write tags into, and what to compare of them. Exiftool's reading is the truth."""

import functools
import hashlib
import io
import json
import struct
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

TEXT, SHORT, LONG, RATIONAL, BLOB = 2, 3, 4, 5, 7  # types of TIFF 6.0
Entry = tuple[int, int, int, bytes]

WRITTEN_TAGS = {
    "File:CurrentIPTCDigest",
    "IFD0:ImageDescription",
    "IFD0:XPTitle",
    "IPTC:ApplicationRecordVersion",
    "IPTC:Caption-Abstract",
    "IPTC:CodedCharacterSet",
    "IPTC:Headline",
    "IPTC:Keywords",
    "IPTC:Writer-Editor",
    "Photoshop:IPTCDigest",
    "XMP-dc:Description",
    "XMP-dc:Subject",
    "XMP-dc:Title",
    "XMP-photoshop:CaptionWriter",
    "XMP-x:XMPToolkit",
}
"""All that tagging may change or add, as exiftool calls it."""


def package_file(package: str, *path: str) -> bytes:
    """A file that a test dependency carries."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath(*path).read_bytes()


def china() -> bytes:
    """A photo with an ICC profile and XMP of Lightroom, whose header is not quite standard."""
    return package_file("sklearn", "datasets", "images", "china.jpg")


def grace_hopper() -> bytes:
    """A photo with a JFIF density and a comment, no EXIF."""
    return package_file("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg")


def logo() -> bytes:
    """A PNG with transparency, pHYs and tIME."""
    return package_file("matplotlib", "mpl-data", "sample_data", "logo2.png")


def plain(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, kind)
    return file.getvalue()


def exiftool(*options: str, image: bytes) -> bytes:
    """`image` after exiftool has written `options` into it."""
    command = ["exiftool", *options, "-o", "-", "-"]
    return subprocess.run(command, input=image, capture_output=True, check=True).stdout


@functools.cache
def tags_of(image: bytes) -> dict[str, Any]:
    """All that exiftool reads in the bytes: "Group:Tag" to value."""
    command = [
        "exiftool",
        "-j",
        "-G1",
        "-a",
        "-s",
        "-u",
        "-e",
        "-struct",
        "--System:all",
        "-charset",
        "utf8",
        "-",
    ]
    output = subprocess.run(command, input=image, capture_output=True, check=True).stdout
    tags: dict[str, Any] = json.loads(output.decode(errors="replace"))[0]
    return tags


@functools.cache
def warnings_of(image: bytes) -> list[str]:
    command = ["exiftool", "-validate", "-warning", "-error", "-a", "-s3", "-"]
    output = subprocess.run(command, input=image, capture_output=True, check=False).stdout.decode()
    return [line for line in output.splitlines() if line != "OK" and not line[:1].isdigit()]


def picture_data(image: bytes) -> str:
    """A digest of everything that is decoded: tables, frame and scans of a JPEG, the critical chunks of a PNG."""
    kept = _jpeg_data(image) if image.startswith(b"\xff\xd8") else _png_data(image)
    return hashlib.sha256(b"".join(kept)).hexdigest()


def _jpeg_data(jpeg: bytes) -> Iterator[bytes]:
    position = 2
    while jpeg[position + 1] != 0xDA:
        if jpeg[position + 1] == 0xFF:  # a fill byte
            position += 1
            continue
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4])
        if not (0xE0 <= jpeg[position + 1] <= 0xEF or jpeg[position + 1] == 0xFE):
            yield jpeg[position:end]
        position = end
    yield jpeg[position:]


def _png_data(png: bytes) -> Iterator[bytes]:
    position = 8
    while position < len(png):
        length = int.from_bytes(png[position : position + 4])
        if png[position + 4 : position + 5].isupper():
            yield png[position : position + 12 + length]
        position += 12 + length


def with_maker_note(kind: str, *, byte_order: str) -> bytes:
    """A picture of a Canon whose MakerNote has offsets from the start of the EXIF block, as real ones do."""
    exif = _exif_of_a_canon(byte_order)
    if kind == "PNG":
        return png_with_exif(exif)
    return jpeg_with_exif(plain("JPEG"), exif)


def png_with_exif(exif: bytes) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "PNG", exif=b"Exif\0\0" + exif)
    return file.getvalue()


def jpeg_with_exif(jpeg: bytes, exif: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + jpeg[2:]


def _exif_of_a_canon(byte_order: str) -> bytes:
    order = "<" if byte_order == "II" else ">"
    head = byte_order.encode() + struct.pack(order + "HI", 42, 8)
    exif_at = 8 + len(_first_directory(0, order))
    note_at = exif_at + 2 + 3 * 12 + 4 + 20  # behind the directory and the date
    note = _directory(
        [
            (0x0006, TEXT, 20, b"Canon EOS 80D image\0"),
            (0x0007, TEXT, 18, b"Firmware Ver 1.01\0"),
            (0x4099, BLOB, 12, b"nobody knows"),
        ],
        note_at,
        order,
    )
    exif = [
        (0x9000, BLOB, 4, b"0231"),
        (0x9003, TEXT, 20, b"2024:05:04 12:00:00\0"),
        (0x927C, BLOB, len(note), note),
    ]
    return head + _first_directory(exif_at, order) + _directory(exif, exif_at, order)


def _first_directory(exif_at: int, order: str) -> bytes:
    entries = [
        (0x010F, TEXT, 6, b"Canon\0"),
        (0x0110, TEXT, 14, b"Canon EOS 80D\0"),
        (0x011A, RATIONAL, 1, struct.pack(order + "II", 72, 1)),
        (0x011B, RATIONAL, 1, struct.pack(order + "II", 72, 1)),
        (0x0128, SHORT, 1, struct.pack(order + "H", 2)),
        (0x0213, SHORT, 1, struct.pack(order + "H", 1)),
        (0x8769, LONG, 1, struct.pack(order + "I", exif_at)),
    ]
    return _directory(entries, 8, order)


def _directory(entries: list[Entry], at: int, order: str) -> bytes:
    """A TIFF directory that lies at `at`, its values behind it."""
    values_at = at + 2 + 12 * len(entries) + 4
    directory, values = struct.pack(order + "H", len(entries)), b""
    for tag, kind, count, value in entries:
        if len(value) <= 4:
            directory += struct.pack(order + "HHI4s", tag, kind, count, value)
        else:
            directory += struct.pack(order + "HHII", tag, kind, count, values_at + len(values))
            values += value + b"\0" * (len(value) % 2)
    return directory + b"\0\0\0\0" + values
