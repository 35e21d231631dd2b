"""What a photo's EXIF says of camera, day and place; what is damaged or senseless says nothing."""

import io
import struct

import pytest
from PIL import Image

from gateway.analyzer.local.shot import Position, shot_of
from tests.drawn import BLUE, EIFFEL_TOWER, ORANGE, a_file, a_picture, an_exif, described, words_for


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 80D", "a Canon EOS 80D"),
        ("NIKON CORPORATION", "NIKON D80", "a Nikon D80"),
        ("NIKON CORPORATION", "NIKON Z 6_2", "a Nikon Z 6II"),
        ("OLYMPUS IMAGING CORP.", "E-M10", "an Olympus E-M10"),
        ("Apple", "iPhone 13", "an Apple iPhone 13"),
        ("SONY", "ILCE-7M3", "a Sony ILCE-7M3"),
    ],
)
def test_a_camera_is_called_as_people_call_it(make: str, model: str, camera: str) -> None:
    assert (
        f"Orange tones, taken with {camera}."
        == described(a_picture(ORANGE), make=make, model=model).description
    )


@pytest.mark.parametrize(("make", "model"), [("", "X"), ("Canon", ""), ("Canon", "\x01"), ("Acme", "9" * 80)])
def test_a_camera_that_is_not_clear_is_not_mentioned(make: str, model: str) -> None:
    assert described(a_picture(ORANGE), make=make, model=model).description == "Orange tones."


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
def test_a_place_that_cannot_be_is_none(gps: dict[int, object]) -> None:
    assert position_in(gps) is None


@pytest.mark.parametrize(
    ("letters", "signs"),
    [(("N", "E"), (1, 1)), (("S", "E"), (-1, 1)), (("N", "W"), (1, -1)), (("s", "w"), (-1, -1))],
)
def test_south_and_west_are_negative(letters: tuple[str, str], signs: tuple[int, int]) -> None:
    found = position_in(EIFFEL_TOWER | {1: letters[0], 3: letters[1]})
    assert found is not None
    assert (found.latitude, found.longitude) == pytest.approx((signs[0] * 48.8584, signs[1] * 2.2945))


def position_in(gps: dict[int, object]) -> Position | None:
    with Image.open(io.BytesIO(a_file(a_picture(ORANGE), exif=an_exif(gps=gps)))) as opened:
        return shot_of(opened).position


def test_damaged_exif_says_nothing() -> None:
    broken = a_file(a_picture(ORANGE), exif=an_exif(taken="2024:05:04 00:00:00"))
    broken = broken.replace(struct.pack("<I", 0x8769)[:2], b"\xff\xff").replace(b"\x87\x69", b"\xff\xff")
    assert words_for(broken, "image-0").title == "Orange tones"


def test_the_date_that_stands_behind_the_picture_of_a_png_is_read() -> None:
    picture = a_file(a_picture(BLUE), "PNG", exif=an_exif(taken="2024:05:04 21:12:00"))
    at = picture.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(picture[at : at + 4])
    moved = picture[:at] + picture[end:-12] + picture[at:end] + picture[-12:]
    assert "2024" in words_for(moved, "beach.png").keywords
