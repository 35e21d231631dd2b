"""What a camera writes into each photo is nobody's description; what a person could have written is."""

import pytest

from gateway.processor.words.camera_texts import is_camera_text


@pytest.mark.parametrize(
    "text",
    [
        "OLYMPUS DIGITAL CAMERA",
        "OLYMPUS DIGITAL CAMERA         ",
        "SONY DSC",
        "SAMSUNG",
        "KODAK Digital Still Camera",
        "MINOLTA DIGITAL CAMERA",
        "Exif_JPEG_PICTURE",
        "default",
        r"DCIM\100MEDIA\DJI_0001.JPG",
        "DCIM/101GOPRO/GOPR0042.JPG",
        "<Digimax i5, Samsung #1>",
        "sdr_HDRB",
        "",
        "   \0\0",
    ],
)
def test_it_is_a_cameras(text: str) -> None:
    assert is_camera_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "My OLYMPUS DIGITAL CAMERA",
        "Olympus digital camera, on the kitchen table",
        "samsung",
        "Samsung",
        "Default",
        "burst",
        "dav",
        "Sony DSC-F717, my first one",
        r"DCIM\100MEDIA\DJI_0001.JPG is my best one",
        r"Compare DCIM\100MEDIA\DJI_0001.JPG",
        ".",
        "猫",
    ],
)
def test_it_is_a_persons(text: str) -> None:
    assert not is_camera_text(text)
