"""What an image is called: names that are safe for keys and messages, names from URLs."""

import sys
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.images.names import default_name, name_from_url, safe_name
from gateway.images.signatures import ImageType

JPEG, PNG = ImageType.JPEG, ImageType.PNG

hostile_text = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("./\\ \0\n\u0301é\u202e漢\ud800")
)
names = st.builds(
    lambda stem, repeats, ending: stem * repeats + ending,
    hostile_text,
    st.integers(1, 80),
    st.sampled_from(["", ".", ".jpg", ".JPEG", ".png", ".png ", ".heic", ".jpg.", "/", "\\..", ".\0jpg"]),
)
image_types = st.sampled_from(ImageType)


@given(names, image_types)
@example("../../up.jpg", JPEG)
@example("..", PNG)
@example("a\0\u0301", JPEG)
def test_any_name_becomes_safe(name: str, image_type: ImageType) -> None:
    safe = safe_name(name, image_type)

    assert 0 < len(safe.encode()) <= 255
    assert not set(safe) & set("/\\")
    assert safe not in (".", "..")
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in safe)
    assert unicodedata.is_normalized("NFC", safe)
    assert safe.endswith((".jpg", ".jpeg") if image_type is JPEG else ".png")


@given(names, image_types)
@example(". . a. .jpg", JPEG)
def test_a_safe_name_stays_as_it_is(name: str, image_type: ImageType) -> None:
    safe = safe_name(name, image_type)

    assert safe_name(safe, image_type) == safe


@pytest.mark.parametrize(
    "name",
    [
        "photo1.jpg",
        "a b.jpeg",
        "Größe 100%.jpg",
        'it\'s "me".jpg',
        "a+b#c?.jpg",
        "北京.jpg",
        "a..b.jpg",
        "x.png.jpg",
    ],
)
def test_a_name_that_is_safe_already_is_kept(name: str) -> None:
    assert safe_name(name, JPEG) == name


@pytest.mark.parametrize(
    ("name", "image_type", "safe"),
    [
        ("a.jpg", PNG, "a.png"),
        ("a.png", JPEG, "a.jpg"),
        ("IMG_0001.JPG", JPEG, "IMG_0001.jpg"),
        ("a.heic", JPEG, "a.jpg"),
        ("scan.v2", PNG, "scan.v2.png"),
        ("notes.txt", JPEG, "notes.txt.jpg"),
        ("photo", JPEG, "photo.jpg"),
    ],
)
def test_the_ending_follows_the_content(name: str, image_type: ImageType, safe: str) -> None:
    assert safe_name(name, image_type) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("dir/sub/photo.jpg", "photo.jpg"),
        ("../../up.jpg", "up.jpg"),
        ("C:\\fakepath\\photo.jpg", "photo.jpg"),
        ("..\\..\\up.jpg", "up.jpg"),
        ("..", "image.jpg"),
        ("", "image.jpg"),
        ("dir/", "image.jpg"),
        (" . ", "image.jpg"),
        (".hidden.jpg", "hidden.jpg"),
        ("a\r\nb\0.jpg", "ab.jpg"),
        ("a\ud800b.jpg", "ab.jpg"),
        ("\u202egpj.exe", "gpj.exe.jpg"),
        ("e\u0301.jpg", "\xe9.jpg"),
    ],
)
def test_tricks_in_a_name_are_taken_out(name: str, safe: str) -> None:
    assert safe_name(name, JPEG) == safe


def test_a_long_name_is_cut_between_characters_and_keeps_its_ending() -> None:
    assert safe_name("é" * 200 + ".jpeg", JPEG) == "é" * 125 + ".jpeg"
    assert safe_name("a" + "é" * 200 + ".jpeg", JPEG) == "a" + "é" * 124 + ".jpeg"


@pytest.mark.parametrize(
    "name",
    [
        "." * 500_000 + "x",
        " ." * 250_000 + "x",
        "\0" * 500_000,
        "é/" * 250_000,
        "a" + "\u0301\u0327" * 250_000,
    ],
    ids=["dots", "blanks", "control characters", "folders", "combining marks"],
)
def test_a_hostile_name_is_made_safe_soon(name: str) -> None:
    began = time.process_time()
    safe_name(name, JPEG)

    assert time.process_time() - began < 0.5


def test_a_url_whose_last_part_is_very_long_gives_its_ends() -> None:
    assert name_from_url(f"http://a/b{'é' * 5000}c.jpg", 0) == f"b{'é' * 511}{'é' * 507}c.jpg"


def test_all_blanks_are_taken_from_the_ends() -> None:
    blanks = "".join(chr(code) for code in range(sys.maxunicode) if chr(code).isspace())

    assert safe_name(f"{blanks}a b{blanks}.jpg{blanks}", JPEG) == "a b.jpg"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/photo1.jpg", "photo1.jpg"),
        ("https://example.com/a/b/photo%201.jpg?size=large#top", "photo 1.jpg"),
        ("https://example.com/Gr%C3%B6%C3%9Fe.png", "Größe.png"),
        ("https://example.com/o/photos%2Fme.jpg", "me.jpg"),
        ("https://example.com/picture", "picture"),
        ("https://example.com/photos/", "image-3"),
        ("https://example.com", "image-3"),
        ("https://example.com/a/%2E%2E", "image-3"),
        ("https://[broken/photo.jpg", "image-3"),
    ],
)
def test_an_image_without_a_name_is_called_by_the_last_part_of_its_urls_path(url: str, name: str) -> None:
    assert name_from_url(url, 3) == name


@given(hostile_text)
def test_any_url_gives_a_name_that_can_be_shown(path: str) -> None:
    name = name_from_url(f"https://example.com/{path}", 0)

    assert name.strip()
    assert "/" not in name
    assert name.encode()


def test_an_image_that_nothing_names_is_called_by_its_index() -> None:
    assert default_name(0) == "image-0"
