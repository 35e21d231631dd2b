"""The words that a person put into a file name become a title; what a machine put there says nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analyzer.local.file_names import title_of


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
        ("traffic-signal.jpg", "Traffic signal"),
        ("line dance 2024.jpg", "Line dance 2024"),
        ("capture the flag.jpg", "Capture the flag"),
        ("Screenshot of the garden.png", "The garden"),
        ("lighthouse-bearbeitet.jpg", "Lighthouse"),
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
        "signal-2024-05-04-101213.jpeg",
        "signal-2024-05-04-10-12-13-123.jpg",
        "Screenshot 2026-11-28 at 17.30.00.png",
        "Screen Shot 2019-05-04 at 10.12.13.png",
        "Screenshot_20240504-101213.png",
        "Bildschirmfoto 2024-05-04 um 10.12.13.png",
        "Capture d’écran 2024-05-04 à 10.12.13.png",
        "Capture d'écran 2024-05-04.png",
        "Captura de pantalla 2024-05-04 101213.png",
        "Schermata 2024-05-04 alle 10.12.13.png",
        "Zrzut ekranu 2024-05-04.png",
        "Снимок экрана 2024-05-04.png",
        "スクリーンショット 2024-05-04 10.12.13.png",
        "_MG_1234-bearbeitet.jpg",
        "IMG_1234-edited.jpg",
        "IMG_1234-modifié.jpg",
        "_MG_1234-Modifier.jpg",
        "viber_image_2024-05-04_10-12-13-123.jpg",
        "mmexport1620123456789.jpg",
        "WeChat Image_20240504101213.jpg",
        "LINE_ALBUM_2024_240504_1.jpg",
        "Pasted image 20240504101213.png",
        "Capture.PNG",
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
