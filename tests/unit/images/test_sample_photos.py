"""The sample photos of examples/photos: fit for a demonstration, and what the script draws."""

import io
from pathlib import Path

import pyexiv2
import pytest
from PIL import Image, ImageCms

from gateway.images.embedded.metadata import read_metadata
from gateway.images.inspect import ImageType, Inspector
from gateway.images.names import safe_name
from tools import make_sample_photos

PHOTOS = sorted(make_sample_photos.FOLDER.iterdir())
each_photo = pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.name)


def exif(name: str) -> dict[str, str]:
    with pyexiv2.Image(str(make_sample_photos.FOLDER / name)) as image:
        tags: dict[str, str] = image.read_exif()
        return tags


def test_the_script_draws_the_photos_that_are_shipped(tmp_path: Path) -> None:
    make_sample_photos.main(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in PHOTOS]
    for path in PHOTOS:
        with Image.open(path) as shipped, Image.open(tmp_path / path.name) as drawn:
            assert shipped.size == drawn.size
            assert shipped.getexif() == drawn.getexif()


def test_the_script_draws_the_same_bytes_each_time(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        make_sample_photos.main(tmp_path / folder)

    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@each_photo
def test_a_photo_is_sound_and_small_and_its_name_tells_its_type(path: Path) -> None:
    inspector = Inspector()
    inspector.feed(path.read_bytes())

    assert inspector.finish().type is (ImageType.PNG if path.suffix == ".png" else ImageType.JPEG)
    assert safe_name(path.name, inspector.finish().type) == path.name
    assert path.stat().st_size <= 60_000


@each_photo
def test_a_photo_has_no_words_yet(path: Path) -> None:
    assert read_metadata(path.read_bytes()) is None


def test_between_them_they_have_camera_date_place_profile_thumbnail_and_rotation() -> None:
    sunset = exif("sunset-over-the-sea.jpg")

    assert sunset["Exif.Image.Model"] == "Canon EOS R6"
    assert sunset["Exif.Photo.DateTimeOriginal"] == "2024:05:04 20:41:17"
    assert sunset["Exif.GPSInfo.GPSLatitude"] == "38/1 46/1 51/1"
    assert exif("lighthouse-on-the-cliff.jpg")["Exif.Image.Orientation"] == "6"
    assert "Exif.Thumbnail.JPEGInterchangeFormat" in exif("garden-with-red-tulips.jpg")
    with Image.open(make_sample_photos.FOLDER / "mountain-lake-in-the-morning.jpg") as lake:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(lake.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileName(profile)
