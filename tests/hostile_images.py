"""Files that look like images and are made to do harm, each with the code of its refusal. Small; built by code."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Final

from attrs import frozen

from tests.jpeg_parts import SOI, segment
from tests.photos import a_jpeg, a_png, a_truncated_jpeg
from tests.png_parts import IEND, SIGNATURE, actl, animation, chunk, fctl, fdat, idat, ihdr, png, rows

MIB: Final = 1024 * 1024
START_OF_FRAME: Final = b"\xff\xc0"
PAGE: Final = b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"


@frozen
class Hostile:
    code: str
    build: Callable[[], bytes]
    says: str
    """Part of the error's text."""


def a_zip() -> bytes:
    """The same at any time."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("invoice.exe"), b"MZ" + bytes(1000), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def png_of(size: tuple[int, int], unpacked: int) -> bytes:
    """Its header says one thing, its image data another."""
    return png(header=ihdr(*size), data=idat(bytes(unpacked)))


def a_bomb(unpacked: int = 64 * MIB) -> bytes:
    """A PNG of few pixels that grows a thousandfold."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(unpacked // MIB)) + packer.flush()
    return png(data=chunk(b"IDAT", packed))


def resized_jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header says another size."""
    jpeg = a_jpeg()
    place = jpeg.index(START_OF_FRAME) + 5
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]


def with_many_scans(scans: int) -> bytes:
    """A JPEG whose only scan is there so many times."""
    jpeg = a_jpeg()
    start = jpeg.index(b"\xff\xda")
    return jpeg[:start] + jpeg[start:-2] * scans + jpeg[-2:]


def with_metadata(size: int) -> bytes:
    """A JPEG with application segments of `size` bytes in all."""
    full = segment(0xE5, bytes(65_533))
    return SOI + full * (size // len(full) + 1) + a_jpeg()[2:]


def with_pictures(said: int) -> bytes:
    """A JPEG that says it is the first of so many."""
    field = struct.pack("<HHII", 0xB001, 4, 1, said)
    return SOI + segment(0xE2, b"MPF\0II*\0" + struct.pack("<IH", 8, 1) + field + bytes(4)) + a_jpeg()[2:]


def of_kind(frame_header: int) -> bytes:
    """A JPEG of another process."""
    return a_jpeg().replace(START_OF_FRAME, bytes([0xFF, frame_header]), 1)


HOSTILE: Final = {
    "nothing at all": Hostile("not_an_image", bytes, "empty"),
    "a page": Hostile("not_an_image", lambda: PAGE, "HTML page"),
    "a page with a JPEG's first bytes": Hostile(
        "not_an_image", lambda: b"\xff\xd8\xff\xe0" + PAGE, "HTML page"
    ),
    "a page behind JFIF": Hostile("not_an_image", lambda: a_jpeg()[:20] + PAGE, "HTML page"),
    "a page with a PNG's first bytes": Hostile("not_an_image", lambda: SIGNATURE + PAGE, "HTML page"),
    "an archive with a JPEG's first bytes": Hostile("not_an_image", lambda: a_jpeg()[:3] + a_zip(), "ZIP"),
    "an archive with a PNG's first bytes": Hostile("not_an_image", lambda: SIGNATURE + a_zip(), "ZIP"),
    "an archive": Hostile("not_an_image", a_zip, "ZIP"),
    "a GIF": Hostile("unsupported_type", lambda: b"GIF89a" + bytes(100), "GIF"),
    "an SVG": Hostile(
        "unsupported_type", lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", "SVG"
    ),
    "a JPEG cut off": Hostile("damaged", a_truncated_jpeg, "cut off"),
    "a PNG cut off": Hostile("damaged", lambda: a_png()[:-20], "cut off"),
    "a JPEG of no width": Hostile("damaged", lambda: resized_jpeg(0, 48), "width or height is 0"),
    "a PNG of no height": Hostile("damaged", lambda: png(header=ihdr(48, 0)), "width or height is 0"),
    "a JPEG of too many pixels": Hostile(
        "too_many_pixels", lambda: resized_jpeg(65_500, 65_500), "65500 x 65500"
    ),
    "a PNG of too many pixels": Hostile(
        "too_many_pixels", lambda: png(header=ihdr(100_000, 100_000)), "100000 x 100000"
    ),
    "a PNG whose header says more": Hostile("damaged", lambda: png_of((480, 320), 4640), "smaller than"),
    "a PNG whose header says less": Hostile(
        "decompression_bomb", lambda: png_of((4, 4), 4640), "larger than"
    ),
    "a bomb": Hostile("decompression_bomb", a_bomb, "larger than its header says"),
    "a PNG whose image data is broken": Hostile(
        "damaged", lambda: png(data=chunk(b"IDAT", zlib.compress(rows())[:-1] + b"?")), "broken"
    ),
    "a JPEG of too many scans": Hostile("decompression_bomb", lambda: with_many_scans(101), "100 scans"),
    "a JPEG of much metadata": Hostile("too_much_metadata", lambda: with_metadata(17 * MIB), "metadata"),
    "a PNG of much metadata": Hostile(
        "too_much_metadata", lambda: png(chunk(b"zTXt", bytes(17 * MIB))), "metadata"
    ),
    "a JPEG of 12 bits": Hostile(
        "unsupported_type", lambda: a_jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"), "12 bits"
    ),
    "a hierarchical JPEG": Hostile("unsupported_type", lambda: of_kind(0xC5), "hierarchical"),
    "a JPEG of too many pictures": Hostile("too_many_frames", lambda: with_pictures(501), "501 frames"),
    "an animation of too many frames": Hostile(
        "too_many_frames", lambda: animation(*[fctl() + fdat()] * 500), "501 frames"
    ),
    "an animation with more frames than it says": Hostile(
        "damaged", lambda: animation(fctl(), fdat(), said=1), "more frames"
    ),
    "an animation beyond its picture": Hostile(
        "damaged", lambda: animation(fctl(left=1), fdat()), "not within"
    ),
    "an animation with a bomb": Hostile(
        "decompression_bomb", lambda: animation(fctl(2, 2), fdat(bytes(MIB))), "larger than"
    ),
    "an animation of too many pixels": Hostile(
        "too_many_pixels",
        lambda: (
            SIGNATURE
            + ihdr(8000, 8000)
            + actl(2)
            + idat(rows(8000, 8000))
            + fctl(8000, 8000)
            + fdat(rows(8000, 8000))
            + IEND
        ),
        "together",
    ),
    "a JPEG with an archive behind it": Hostile("polyglot", lambda: a_jpeg() + a_zip(), "ZIP"),
    "a PNG with an archive behind it": Hostile("polyglot", lambda: a_png() + a_zip(), "ZIP"),
    "a PNG with an archive far behind it": Hostile(
        "polyglot", lambda: a_png() + b"\0noise" * 50_000 + a_zip(), "ZIP"
    ),
    "a JPEG with a page behind it": Hostile("polyglot", lambda: a_jpeg() + b"\n" + PAGE, "HTML page"),
    "a PNG with a document behind it": Hostile("polyglot", lambda: a_png() + b"%PDF-1.7\n%", "PDF"),
    "a JPEG with a program behind it": Hostile(
        "polyglot", lambda: a_jpeg() + b"\x7fELF\2\1\1" + bytes(100), "program"
    ),
    "a JPEG with much behind it": Hostile(
        "trailing_data", lambda: a_jpeg() + bytes(9 * MIB), "behind the end"
    ),
    "a PNG with much behind it": Hostile("trailing_data", lambda: a_png() + b"x" * 9 * MIB, "behind the end"),
}
"""By a name that no other has."""
