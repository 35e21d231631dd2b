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
