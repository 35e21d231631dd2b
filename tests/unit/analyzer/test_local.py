"""What the local analyzer says of an image: facts, and silence where nothing is sure."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageDraw, ImageFilter

from gateway.analyzer.local.colours import dominant_colours, name_of
from gateway.analyzer.local.describe import ANALYZER, describe
from gateway.analyzer.local.facts import Facts, metadata_of
from gateway.analyzer.local.file_names import title_of
from gateway.analyzer.local.shot import Position, Shot
from gateway.analyzer.provider import AnalysisFailed
from gateway.errors import ContentError
from gateway.metadata import Metadata
from tests.pictures import china, grace_hopper, logo, package_file

ORANGE, BLUE = (240, 140, 35), (40, 95, 200)


def a_picture(*colours: tuple[int, int, int], size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Stripes of equal height, a colour each."""
    picture = Image.new("RGB", size)
    height = size[1] / len(colours)
    for number, colour in enumerate(colours):
        picture.paste(colour, (0, round(number * height), size[0], round((number + 1) * height)))
    return picture


def a_file(picture: Image.Image, kind: str = "JPEG", exif: Image.Exif | None = None) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, exif=exif or Image.Exif())
    return file.getvalue()


def an_exif(
    *,
    taken: str = "",
    make: str = "",
    model: str = "",
    gps: dict[int, object] | None = None,
    orientation: int = 1,
) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = make, model
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
    return exif


def described(picture: Image.Image, name: str = "image-0.jpg", **exif: object) -> Metadata:
    return describe(a_file(picture, exif=an_exif(**exif)), name)  # type: ignore[arg-type]


EIFFEL_TOWER: dict[int, object] = {1: "N", 2: (48.0, 51.0, 30.24), 3: "E", 4: (2.0, 17.0, 40.2)}


def test_all_facts_make_one_sentence() -> None:
    metadata = described(
        a_picture(ORANGE, ORANGE, BLUE),
        "sunset-over-the-sea.jpg",
        taken="2024:05:04 21:12:00",
        make="Canon",
        model="Canon EOS 80D",
    )
    assert metadata == Metadata(
        "Sunset over the sea",
        "Sunset over the sea, orange and blue tones, 4 May 2024, taken with a Canon EOS 80D.",
        ("sunset", "sea", "orange", "blue", "2024", "canon eos 80d", "landscape format"),
    )


def test_without_words_the_title_is_made_of_looks_and_date() -> None:
    metadata = described(a_picture(ORANGE, ORANGE, BLUE), "IMG_1234.JPG", taken="2024:05:04 21:12:00")
    assert metadata.title == "Orange and blue tones, 4 May 2024"


def test_the_place_is_told_as_coordinates() -> None:
    assert "48.8584° N, 2.2945° E" in described(a_picture(ORANGE), gps=EIFFEL_TOWER).description


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert metadata_of(Facts()) == Metadata()


@pytest.mark.parametrize(
    ("picture", "name", "expected"),
    [
        (china, "china.jpg", "China"),
        (grace_hopper, "grace_hopper.jpg", "Grace hopper"),
        (logo, "logo2.png", "Dark blue tones"),
        (
            lambda: package_file("sklearn", "datasets", "images", "flower.jpg"),
            "DSC_0001.jpg",
            "Dark green tones",
        ),
    ],
)
def test_real_pictures_are_described(picture: Callable[[], bytes], name: str, expected: str) -> None:
    assert describe(picture(), name).title == expected


def test_the_analyzer_has_a_name_and_a_version() -> None:
    assert ANALYZER == "local/1"


# The words of the file name.


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("sunset-over-the-sea.jpg", "Sunset over the sea"),
        ("Köln_Dom bei Nacht.JPG", "Köln Dom bei Nacht"),
        ("SunsetOverTheSea.jpeg", "Sunset Over The Sea"),
        ("SUNSET SEA.JPG", "Sunset sea"),
        ("東京タワー.jpg", "東京タワー"),
        ("paris-2024.jpg", "Paris 2024"),
        ("photo-1-Paris.jpg", "Paris"),
        ("Grandma's birthday (1).jpg", "Grandma's birthday"),
        ("McDonald.jpg", "McDonald"),
        ("beach_copy.png", "Beach"),
        ("image-of-a-cat.png", "A cat"),
        ("folder/sea.view.jpg", "Sea view"),
    ],
)
def test_words_of_a_person_become_the_title(name: str, title: str) -> None:
    assert title_of(name) == title


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".jpg",
        "IMG_1234.JPG",
        "_MG_1234.jpg",
        "DSC0001.jpg",
        "DSC_0001.JPG",
        "P1010001.JPG",
        "PXL_20240504_123000.MP.jpg",
        "20240504_120000.jpg",
        "WhatsApp Image 2024-05-04 at 12.00.00.jpeg",
        "IMG-20240504-WA0003.jpg",
        "550e8400-e29b-41d4-a716-446655440000.jpg",
        "{550E8400-E29B-41D4-A716-446655440000}.png",
        "d41d8cd98f00b204e9800998ecf8427e.png",
        "deadbeef01.jpg",
        "dQw4w9WgXcQ.jpg",
        "image-0",
        "image-12.png",
        "photo1.jpg",
        "Untitled.png",
        "a-b-c.jpg",
        "of-the.jpg",
        "john-doe-Xy12zz-unsplash.jpg",
        "1.jpg",
    ],
)
def test_names_that_no_person_gave_say_nothing(name: str) -> None:
    assert title_of(name) == ""


@given(st.text(max_size=300))
def test_any_name_gives_a_short_printable_title_or_none(name: str) -> None:
    title = title_of(name)
    assert len(title) <= 100
    assert title == title.strip()
    assert title.replace(" ", "").replace("'", "").replace("\u2019", "").isalnum() or title == ""


# EXIF.


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 80D", "a Canon EOS 80D"),
        ("NIKON CORPORATION", "NIKON D80", "a Nikon D80"),
        ("OLYMPUS IMAGING CORP.", "E-M10", "an Olympus E-M10"),
        ("Apple", "iPhone 13", "an Apple iPhone 13"),
        ("SONY", "ILCE-7M3", "a Sony ILCE-7M3"),
    ],
)
def test_a_camera_is_called_as_people_call_it(make: str, model: str, camera: str) -> None:
    assert f"taken with {camera}." in described(a_picture(ORANGE), make=make, model=model).description


@pytest.mark.parametrize(("make", "model"), [("", "X"), ("Canon", ""), ("Canon", "\x01"), ("Acme", "9" * 80)])
def test_a_camera_that_is_not_clear_is_not_mentioned(make: str, model: str) -> None:
    assert "taken with" not in described(a_picture(ORANGE), make=make, model=model).description


@pytest.mark.parametrize(
    "taken",
    ["0000:00:00 00:00:00", "2024:13:01 00:00:00", "    :  :     :  :  ", "1970:01:01 00:00:00", "soon"],
)
def test_a_date_that_no_clock_showed_is_not_mentioned(taken: str) -> None:
    assert described(a_picture(ORANGE), taken=taken).title == "Orange tones"


@pytest.mark.parametrize(
    "gps",
    [
        EIFFEL_TOWER | {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},
        EIFFEL_TOWER | {2: (99.0, 0.0, 0.0)},
        EIFFEL_TOWER | {1: "?"},
        {2: (48.0, 51.0, 30.0)},
    ],
    ids=["null island", "beyond the pole", "no hemisphere", "half of it"],
)
def test_a_place_that_cannot_be_is_not_mentioned(gps: dict[int, object]) -> None:
    assert "°" not in described(a_picture(ORANGE), gps=gps).description


def test_damaged_exif_says_nothing() -> None:
    broken = a_file(a_picture(ORANGE), exif=an_exif(taken="2024:05:04 00:00:00"))
    broken = broken.replace(struct.pack("<I", 0x8769)[:2], b"\xff\xff").replace(b"\x87\x69", b"\xff\xff")
    assert describe(broken, "image-0").title == "Orange tones"


def test_southern_and_western_places_are_told_as_such() -> None:
    facts = Facts(shot=Shot(taken_on=date(2024, 5, 4), position=Position(-33.8568, -70.5)))
    assert metadata_of(facts).description == "4 May 2024, 33.8568° S, 70.5000° W."


# Looks.


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((300, 200), "landscape format"),
        ((200, 300), "portrait format"),
        ((200, 200), "square format"),
        ((600, 200), "panorama"),
        ((1, 1), "square format"),
    ],
)
def test_the_shape_is_a_keyword(size: tuple[int, int], shape: str) -> None:
    assert described(a_picture(ORANGE, size=size)).keywords[-1] == shape


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_shape_is_that_of_the_upright_picture(orientation: int) -> None:
    assert "portrait format" in described(a_picture(ORANGE), orientation=orientation).keywords


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((255, 0, 0), "red"),
        ((0, 128, 0), "green"),
        ((0, 0, 255), "blue"),
        ((255, 255, 0), "yellow"),
        ((255, 165, 0), "orange"),
        ((128, 0, 128), "purple"),
        ((255, 192, 203), "pink"),
        ((139, 69, 19), "brown"),
        ((0, 0, 128), "dark blue"),
        ((135, 206, 235), "light blue"),
        ((64, 224, 208), "turquoise"),
        ((245, 245, 220), "cream"),
        ((0, 128, 128), "teal"),
    ],
)
def test_colours_have_everyday_names(colour: tuple[int, int, int], name: str) -> None:
    assert name_of(colour) == name


def test_the_larger_colour_comes_first_and_small_ones_are_left_out() -> None:
    picture = a_picture(BLUE, BLUE, BLUE, BLUE, BLUE, BLUE, ORANGE, ORANGE, ORANGE, (60, 145, 60))
    assert dominant_colours(picture) == ("blue", "orange")


def test_shades_of_one_family_are_one_colour() -> None:
    assert dominant_colours(a_picture((60, 145, 60), (25, 70, 35), (115, 115, 45))) == ("green",)


def test_a_picture_in_greys_is_black_and_white() -> None:
    picture = Image.linear_gradient("L").convert("RGB")
    assert described(picture).title == "Black and white"


def test_transparent_pixels_have_no_colour() -> None:
    picture = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    picture.paste((*BLUE, 255), (0, 0, 100, 30))
    assert dominant_colours(picture) == ("blue",)


def test_a_picture_without_an_opaque_pixel_has_no_colours() -> None:
    assert describe(a_file(Image.new("RGBA", (100, 100), (255, 0, 0, 0)), "PNG"), "x").title == ""


@pytest.mark.parametrize(
    ("colour", "keyword"), [((20, 12, 10), "dark"), ((250, 240, 230), "bright"), ((140, 120, 90), None)]
)
def test_brightness_is_told_when_it_is_plain(colour: tuple[int, int, int], keyword: str | None) -> None:
    told = {"dark", "bright"} & set(described(a_picture(colour)).keywords)
    assert told == ({keyword} if keyword else set())


def a_chessboard() -> Image.Image:
    picture = Image.new("RGB", (600, 600), (230, 215, 190))
    draw = ImageDraw.Draw(picture)
    for x in range(0, 600, 100):
        for y in range(x % 200, 600, 200):
            draw.rectangle((x, y, x + 99, y + 99), (30, 70, 50))
    return picture


def test_a_picture_out_of_focus_is_called_blurred() -> None:
    assert "blurred" in described(a_chessboard().filter(ImageFilter.GaussianBlur(10))).keywords


@pytest.mark.parametrize(
    "picture",
    [
        a_chessboard(),
        a_chessboard().filter(ImageFilter.GaussianBlur(1)),
        a_picture(BLUE),
        Image.linear_gradient("L").resize((600, 600)).convert("RGB"),
    ],
    ids=["sharp", "nearly sharp", "plain", "gradient"],
)
def test_nothing_is_called_blurred_that_may_be_sharp(picture: Image.Image) -> None:
    assert "blurred" not in described(picture).keywords


def test_keywords_are_few_lower_case_and_without_doubles() -> None:
    name = "Blue-Sea-and-Blue-Sky-with-Ship-Gull-Beach-Sand-Child-Ball-Hat-Umbrella-Towel-Book.jpg"
    keywords = described(a_picture(BLUE), name, make="Canon", model="EOS R5").keywords
    assert len(keywords) == len(set(keywords)) == 12
    assert all(keyword == keyword.lower() for keyword in keywords)


# Decoding.


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(mode: str) -> None:
    assert describe(a_file(Image.new(mode, (700, 400)), "PNG"), "beach.png").title == "Beach"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
def test_every_kind_of_jpeg_is_read(mode: str) -> None:
    assert describe(a_file(Image.new(mode, (700, 400))), "beach.jpg").title == "Beach"


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    picture = Image.new("I;16", (100, 100), 20 * 256)
    assert "dark" in describe(a_file(picture, "PNG"), "x").keywords


def a_png_that_claims(width: int, height: int, data: bytes = zlib.compress(b"")) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def a_gif() -> bytes:
    file = io.BytesIO()
    Image.new("P", (8, 8)).save(file, "GIF")
    return file.getvalue()


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"no image",
        a_gif(),
        a_file(a_chessboard())[:3000],
        a_file(a_chessboard(), "PNG")[:600],
        a_png_that_claims(10, 10),
        a_png_that_claims(10, 10, b"garbage"),
        a_png_that_claims(0, 10),
    ],
    ids=["empty", "text", "gif", "cut jpeg", "cut png", "no data", "garbage", "no width"],
)
def test_what_cannot_be_decoded_fails_with_a_clean_text(image: bytes) -> None:
    with pytest.raises(AnalysisFailed) as caught:
        describe(image, "beach.jpg")
    assert isinstance(caught.value, ContentError)
    assert caught.value.code == "analysis_failed"
    assert "0x" not in caught.value.text
    assert "BytesIO" not in caught.value.text


@pytest.mark.parametrize("size", [(10_001, 10_000), (50_000, 50_000)])
def test_a_picture_of_too_many_pixels_is_not_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(AnalysisFailed, match="too many pixels"):
        describe(a_png_that_claims(*size), "beach.png")


def test_the_bound_of_pixels_is_the_one_that_is_given() -> None:
    picture = a_file(Image.new("L", (20, 10)), "PNG")
    assert describe(picture, "beach.png", max_pixels=200).title == "Beach"
    with pytest.raises(AnalysisFailed, match="more than 199"):
        describe(picture, "beach.png", max_pixels=199)


def test_the_date_that_stands_behind_the_picture_of_a_png_is_read() -> None:
    picture = a_file(a_picture(BLUE), "PNG", exif=an_exif(taken="2024:05:04 21:12:00"))
    at = picture.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(picture[at : at + 4])
    moved = picture[:at] + picture[end:-12] + picture[at:end] + picture[-12:]
    assert "2024" in describe(moved, "beach.png").keywords


def test_the_analyzer_needs_no_network_and_no_loop() -> None:
    code = "import sys, gateway.analyzer.local.describe; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"aiohttp", "asyncio", "numpy", "structlog"} & set(modules)
