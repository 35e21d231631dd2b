"""What an image is, by its bytes alone, wherever they are cut."""

import io
import struct
import tarfile
import weakref
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from gateway.errors import ContentError
from gateway.images.inspect import MAX_PIXELS, ImageFacts, ImageLimits, ImageType, Inspector
from tests.garbage import collector_at_rest
from tests.hostile_images import HOSTILE, a_zip
from tests.png_parts import IEND, animation, chunk, fctl, fdat, idat, ihdr
from tests.png_parts import SIGNATURE as PNG_SIGNATURE
from tests.traced_memory import traced_memory

SKLEARN_IMAGES = Path(sklearn.__file__).parent / "datasets/images"
MATPLOTLIB_IMAGES = Path(mpl.get_data_path()) / "sample_data"


def encoded(
    image_format: str, *, size: tuple[int, int] = (48, 32), mode: str = "RGB", **options: object
) -> bytes:
    image = Image.effect_noise(size, 80).convert(mode)
    ImageDraw.Draw(image).ellipse((4, 4, 30, 20), fill=1)
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


IDAT = idat()
SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF = segment(0xC0, struct.pack(">BHHB", 8, 32, 48, 1) + b"\1\x11\0")
SOS = segment(0xDA, b"\1\1\0\0\x3f\0")
JPEG = encoded("JPEG")
PROGRESSIVE = encoded("JPEG", progressive=True)
PNG = encoded("PNG")


def inspect(chunks: Iterable[bytes], *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    inspector = Inspector(ImageLimits(max_pixels))
    for each in chunks:
        inspector.feed(each)
    return inspector.finish()


def a_tar(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def verdict(chunks: Iterable[bytes]) -> ImageFacts | tuple[str, str]:
    try:
        return inspect(chunks)
    except ContentError as error:
        return error.code, error.text


def refused(data: bytes) -> ContentError:
    with pytest.raises(ContentError) as caught:
        inspect([data])
    return caught.value


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        (SKLEARN_IMAGES / "china.jpg", ImageFacts(ImageType.JPEG, 640, 427)),
        (SKLEARN_IMAGES / "flower.jpg", ImageFacts(ImageType.JPEG, 640, 427)),
        (MATPLOTLIB_IMAGES / "grace_hopper.jpg", ImageFacts(ImageType.JPEG, 512, 600)),
        (MATPLOTLIB_IMAGES / "logo2.png", ImageFacts(ImageType.PNG, 542, 130)),
        (MATPLOTLIB_IMAGES / "Minduka_Present_Blue_Pack.png", ImageFacts(ImageType.PNG, 128, 128)),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_real_photos_are_known_by_type_and_size(path: Path, facts: ImageFacts) -> None:
    assert inspect([path.read_bytes()]) == facts


@pytest.mark.parametrize(
    "data",
    [
        JPEG,
        PROGRESSIVE,
        encoded("JPEG", mode="L"),
        encoded("JPEG", mode="CMYK"),
        encoded("JPEG", restart_marker_blocks=1),
        encoded("JPEG", comment=b"\xff\xd9 no end"),
        encoded("JPEG", quality=100, subsampling=0),
        PNG,
        encoded("PNG", mode="RGBA"),
        encoded("PNG", mode="1"),
        encoded("PNG", mode="I;16"),
        encoded("PNG", mode="P"),
    ],
)
def test_every_common_way_of_writing_is_taken(data: bytes) -> None:
    facts = inspect([data])

    assert (facts.width, facts.height) == (48, 32)


def test_a_type_knows_its_media_type_and_its_extension() -> None:
    assert (ImageType.JPEG, ImageType.JPEG.media_type, ImageType.JPEG.extension) == (
        "jpeg",
        "image/jpeg",
        "jpg",
    )
    assert (ImageType.PNG, ImageType.PNG.media_type, ImageType.PNG.extension) == ("png", "image/png", "png")


@pytest.mark.parametrize(("data", "image_type"), [(JPEG, ImageType.JPEG), (PNG, ImageType.PNG)])
def test_the_type_is_known_after_the_first_bytes(data: bytes, image_type: ImageType) -> None:
    inspector = Inspector()
    assert inspector.type is None

    inspector.feed(data[:16])

    assert inspector.type is image_type


def test_the_end_mark_of_a_thumbnail_is_not_the_end_of_the_image() -> None:
    app1 = segment(0xE1, b"Exif\0\0" + JPEG)
    cut_off = SOI + app1 + SOF + SOS + b"12345"

    assert refused(cut_off).code == "damaged"
    assert inspect([cut_off + EOI]).width == 48


def test_stuffed_bytes_restart_marks_and_fill_bytes_do_not_end_the_image() -> None:
    scan = b"\1\xff\0\xd9\xff\xd0\2\xff\xd7\3\xff\xff\xff\xd9"

    assert inspect([SOI, b"\xff\xff" + SOF, SOS, scan]).height == 32


def test_a_large_scan_may_have_any_number_of_stuffed_bytes_and_restart_marks() -> None:
    assert inspect([SOI, SOF, SOS, b"\1\xff\0\2\xff\xd3" * 200_000, EOI]).height == 32


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, PNG], ids=["jpeg", "progressive", "png"])
def test_an_image_cut_off_anywhere_is_damaged(data: bytes) -> None:
    for length in range(3, len(data)):
        assert refused(data[:length]).code == "damaged", length


@pytest.mark.parametrize(
    "data",
    [
        SOI + SOF + EOI,
        SOI + SOS + b"12345" + EOI,
        SOI + segment(0xE0, b"JFIF") + EOI,
        SOI + b"\xff\xe0\0\1" + SOF + SOS + b"12345" + EOI,
        SOI + b"\xff\xe0\0\7JFIF" + SOF + SOS + b"12345" + EOI,
        SOI + SOI + SOF + SOS + b"12345" + EOI,
        SOI + SOF + SOF + SOS + b"12345" + EOI,
        SOI + segment(0xC0, b"\x08\0") + SOS + b"12345" + EOI,
        SOI + segment(0xC0, struct.pack(">BHHB", 8, 0, 48, 1)) + SOS + b"12345" + EOI,
        SOI + segment(0xC0, struct.pack(">BHHB", 8, 32, 0, 1)) + SOS + b"12345" + EOI,
        SOI + SOF + SOS + b"12345" + SOI + SOF + SOS + b"12345" + EOI,
        SOI + SOF + SOS + b"12345" + SOI + EOI,
        SOI + SOF + SOS + b"12345" + b"\xff\xc4\0\1" + EOI,
        PNG_SIGNATURE + ihdr() + IEND,
        PNG_SIGNATURE + ihdr() + chunk(b"IDAT", b"") + IEND,
        PNG_SIGNATURE + IDAT + IEND,
        PNG_SIGNATURE + ihdr(width=0) + IDAT + IEND,
        PNG_SIGNATURE + ihdr(height=0) + IDAT + IEND,
        PNG_SIGNATURE + ihdr(width=2**31) + IDAT + IEND,
        PNG_SIGNATURE + ihdr(colour_type=5) + IDAT + IEND,
        PNG_SIGNATURE + ihdr(depth=3) + IDAT + IEND,
        PNG_SIGNATURE + ihdr(compression=1) + IDAT + IEND,
        PNG_SIGNATURE + ihdr()[:-1] + b"!" + IDAT + IEND,
        PNG_SIGNATURE + ihdr() + ihdr() + IDAT + IEND,
        PNG_SIGNATURE + ihdr() + IDAT[:-1] + b"!" + IEND,
        PNG_SIGNATURE + ihdr() + IDAT[:9] + b"!" + IDAT[10:] + IEND,
        PNG_SIGNATURE + ihdr() + IDAT + b"\0\0\0\1IDATx\0\0\0\0" + IEND,
        PNG_SIGNATURE + ihdr() + b"\0\0\0\3PLTErgb\0\0\0\0" + IDAT + IEND,
        PNG_SIGNATURE + ihdr() + IDAT + IEND[:-1] + b"!",
        PNG_SIGNATURE + ihdr() + b"\0\0\0\2" + IDAT[4:] + IEND,
        PNG_SIGNATURE + ihdr() + b"\xff\xff\xff\xff" + IDAT[4:] + IEND,
        PNG.replace(b"\r\n", b"\n", 1),
        b"\xff\xd8 and nothing that follows",
        b"\xff\xd8",
        b"\x89PN",
    ],
)
def test_a_broken_structure_is_damaged(data: bytes) -> None:
    assert refused(data).code == "damaged"


FAKED = {
    "two bytes of a JPEG": b"\xff\xd8",
    "a JPEG's signature": SOI + b"\xff",
    "a marker": SOI + b"\xff\xe0",
    "the head of a segment": JPEG[:6],
    "JFIF": JPEG[:20],
    "four bytes of a PNG": PNG_SIGNATURE[:4],
    "a PNG's signature": PNG_SIGNATURE,
    "IHDR": PNG_SIGNATURE + ihdr(),
}


@pytest.mark.parametrize("start", FAKED)
@pytest.mark.parametrize(
    ("rest", "looks_like"),
    [
        (b"<html><body>404</body></html>" * 3, "HTML"),
        (a_zip(), "ZIP"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3" * 9, "PDF"),
        (b"<?php echo 1; ?>" * 9, "script"),
    ],
)
def test_another_file_behind_an_images_first_bytes_is_named(start: str, rest: bytes, looks_like: str) -> None:
    error = refused(FAKED[start] + rest)

    assert error.code == "not_an_image"
    assert "behind the first bytes of a" in error.text
    assert looks_like in error.text


@pytest.mark.parametrize("length", [0x4D5A, 0x2321])
def test_the_length_of_a_segment_is_no_program(length: int) -> None:
    """In letters it may be that of one."""
    cut_off = SOI + b"\xff\xe1" + struct.pack(">H", length) + b"Exif\0\0II*\0" + bytes(100)

    assert refused(cut_off).code == "damaged"


def test_a_wrong_checksum_of_what_the_picture_does_not_need_is_tolerated() -> None:
    note = chunk(b"tEXt", b"Title\0Sea")[:-1] + b"!"
    assert inspect([PNG_SIGNATURE + ihdr() + note + IDAT + IEND]).width == 48


def test_a_wrong_checksum_shows_before_the_image_has_ended() -> None:
    with pytest.raises(ContentError, match="checksum"):
        Inspector().feed(PNG_SIGNATURE + ihdr() + IDAT[:-1] + b"!" + bytes(64))


def test_an_impossible_length_is_refused_without_waiting_for_the_rest() -> None:
    with pytest.raises(ContentError, match="length"):
        Inspector().feed(PNG_SIGNATURE + ihdr() + b"\xff\xff\xff\xffIDAT" + bytes(64))


@pytest.mark.parametrize(
    "endless", [SOI + b"\xff\xfe\0\2" * 200_000, PNG_SIGNATURE + ihdr() + chunk(b"tEXt", b"") * 200_000]
)
def test_an_image_of_countless_parts_is_refused_before_they_are_all_read(endless: bytes) -> None:
    assert "too many" in refused(endless).text


@pytest.mark.parametrize(
    ("data", "looks_like"),
    [
        (b"", "empty"),
        (b"Hello, this is a text file called .jpg\n", "text"),
        (b"hi", "text"),
        ("fünfzehn Bytesä dann".encode(), "text"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"),
        (b"\xef\xbb\xbf\n <html lang=en><body>", "HTML"),
        (b'<?xml version="1.0"?><error/>', "XML"),
        (b'{"error": "not found", "status": 404}', "JSON"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3 and so on", "PDF"),
        (b"PK\3\4\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0", "ZIP"),
        (b"data:image/jpeg;base64,/9j/4AAQ", "data URI"),
        (b"/9j/4AAQSkZJRgABAQEASABIAAD", "base64"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "film"),
        (b"Rar!\x1a\x07\1\0 and so on", "RAR"),
        (b"7z\xbc\xaf\x27\x1c\0\4 and so on", "7z"),
        (b"\x1f\x8b\x08\0 and so on, for long", "gzip"),
        (b"\xfd7zXZ\0\0\4 and so on, for long", "xz"),
        (b"BZh91AY&SY and so on, for long", "bzip2"),
        (b"\x28\xb5\x2f\xfd\x04\x88 and so on", "zstd"),
        (a_tar("run.sh"), "tar"),
        (a_tar("a-long-name-that-looks-like-text.sh"), "tar"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(20), "office document"),
        (b"{\\rtf1\\ansi and so on, for long", "RTF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"#!/bin/sh\nreboot\n", "script"),
        (b"<?php echo 1; and so on", "script"),
        (b"<script>alert(1)</script>", "HTML"),
        (b"<!-- saved from --><html>", "HTML"),
        (b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0", "program"),
        (b"\x7fELF\2\1\1" + bytes(20), "program"),
        (b"RIFF\x24\0\0\0AVI LIST", "AVI film"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "WAV sound"),
        (b"\x1aE\xdf\xa3" + bytes(20), "WebM film"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "film"),
        (b"x" * 1000, "text"),
        (bytes(100), "unknown"),
        (bytes(1000), "unknown"),
        (b"\xfe\xdc\xba\x98 and so on, for long", "unknown"),
    ],
)
def test_what_is_not_an_image_is_told_what_it_looks_like(data: bytes, looks_like: str) -> None:
    error = refused(data)

    assert error.code == "not_an_image"
    assert looks_like in error.text


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded("GIF", mode="P"), "GIF"),
        (encoded("WEBP"), "WebP"),
        (encoded("TIFF"), "TIFF"),
        (encoded("BMP"), "BMP"),
        (encoded("ICO"), "ICO"),
        (encoded("JPEG2000"), "JPEG 2000"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14", "JPEG XL"),
        (b"MM\0*\0\0\0\x08\0\0\0\0\0\0\0\0", "TIFF"),
        (b"8BPS\0\1\0\0\0\0\0\0\0\3\0\0\2\0", "PSD"),
        (b"II\xbc\1\x08\0\0\0" + bytes(20), "JPEG XR"),
        (b"FOVb" + bytes(20), "Sigma raw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "Canon raw"),
        (b"v/1\1\2\0\0\0" + bytes(20), "OpenEXR"),
        (b"P6\n640 480\n255\n" + bytes(20), "PPM"),
        (b"gimp xcf v011\0" + bytes(20), "GIMP"),
        (b"AT&TFORM\0\0\0\x20DJVU", "DjVu"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_another_kind_of_image_is_named_with_what_is_taken(data: bytes, name: str) -> None:
    error = refused(data)

    assert error.code == "unsupported_type"
    assert name in error.text
    assert "JPEG or PNG" in error.text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_by_the_name_of_its_problem(name: str) -> None:
    error = refused(HOSTILE[name].build())

    assert error.code == HOSTILE[name].code
    assert HOSTILE[name].says in error.text


@pytest.mark.parametrize("data", [JPEG, PNG])
def test_a_picture_of_too_many_pixels_is_refused(data: bytes) -> None:
    with pytest.raises(ContentError, match="48 x 32") as caught:
        inspect([data], max_pixels=48 * 32 - 1)

    assert caught.value.code == "too_many_pixels"
    assert inspect([data], max_pixels=48 * 32).width == 48


def test_too_many_pixels_show_before_the_image_has_come() -> None:
    inspector = Inspector()

    with pytest.raises(ContentError):
        inspector.feed(PNG_SIGNATURE + ihdr(10_001, 10_000))


def test_a_refused_image_stays_refused() -> None:
    inspector = Inspector()
    for attempt in (
        lambda: inspector.feed(b"GIF89a and so on, for long"),
        lambda: inspector.feed(JPEG),
        inspector.finish,
    ):
        with pytest.raises(ContentError, match="GIF"):
            attempt()


good_bytes = st.sampled_from(
    [
        JPEG,
        PROGRESSIVE,
        PNG,
        encoded("JPEG", restart_marker_blocks=1),
        animation(fctl(), fdat()),
        JPEG + b"\0\0 a film" + JPEG,
    ]
)
small_hostile_bytes = st.sampled_from(
    [data for hostile in HOSTILE.values() if len(data := hostile.build()) < 20_000]
)
marks = [b"\xff", b"\xff\xd9", b"\xff\xc4\0\0", b"\xff\xff", b"PK\3\4\x14\0", b"<html>", b"MZ", b"\0\0\0\0"]
broken_bytes = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda start, rest: start + rest, st.sampled_from([SOI, SOI + SOF + SOS, PNG_SIGNATURE]), st.binary()
    ),
    st.builds(
        lambda data, at, new: data[: at % len(data)] + new + data[at % len(data) + len(new) :],
        good_bytes | small_hostile_bytes.filter(len),
        st.integers(min_value=0),
        st.binary(min_size=1, max_size=6) | st.sampled_from(marks),
    ),
    st.builds(
        lambda data, rest: data + rest,
        good_bytes,
        st.lists(st.binary() | st.sampled_from(marks)).map(b"".join),
    ),
)


@given(
    good_bytes | small_hostile_bytes | broken_bytes, st.lists(st.integers(0, 700), max_size=12), st.booleans()
)
@settings(max_examples=300)
def test_the_verdict_does_not_depend_on_where_the_bytes_are_cut(
    data: bytes, cuts: list[int], byte_by_byte: bool
) -> None:
    borders = list(range(len(data) + 1)) if byte_by_byte else [0, *sorted(cuts), len(data)]
    chunks = [data[start:end] for start, end in pairwise(borders)]
    chunks.append(data[borders[-1] :])

    assert verdict(chunks) == verdict([data])


@pytest.mark.parametrize(
    "data", [b" " * 12 + b"<html>", b"<!DOCTYPE html><title>" * 20, b"\xff\xd8<!doctype html>", b"n" * 264]
)
def test_what_it_looks_like_does_not_depend_on_that_either(data: bytes) -> None:
    for place in range(len(data)):
        assert verdict([data[:place], data[place:]]) == verdict([data])


MILLION = 1_000_000
STORED = zlib.compress(bytes(20 * MILLION), 0)


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        (SOI, b"\xff" * 15 * MILLION),
        (SOI + SOF + SOS, bytes(20 * MILLION)),
        (JPEG, b"a film, " * MILLION),
        (PNG_SIGNATURE + ihdr(3000, 3000) + struct.pack(">I4s", len(STORED), b"IDAT"), STORED),
        (PNG_SIGNATURE + ihdr() + struct.pack(">I4s", 15 * MILLION, b"zTXt"), bytes(15 * MILLION)),
    ],
    ids=["fill bytes", "scan", "behind the end", "image data", "metadata"],
)
def test_little_is_held_however_much_comes(start: bytes, rest: bytes) -> None:
    chunks = [rest[place : place + MILLION] for place in range(0, len(rest), MILLION)]
    inspector = Inspector()
    inspector.feed(start)
    with traced_memory() as traced:
        for each in chunks:
            inspector.feed(each)

    assert traced.held_bytes < 70_000  # of which unpacking takes 50_000
    assert traced.peak_bytes < 3_500_000


def test_a_refused_image_is_gone_without_the_collector_of_garbage():
    """With its refusal its sender's bytes would wait for a collection."""
    with collector_at_rest():
        inspector = Inspector()
        try:
            inspector.feed(b"GIF89a, whatever it is called")
        except ContentError as error:
            refusal = weakref.ref(error)
        gone = weakref.ref(inspector)
        del inspector
        assert (refusal(), gone()) == (None, None)
