"""The gateway reads the words that exiftool wrote, as the existing processor does."""

import json
import shutil
import subprocess
from pathlib import Path

import matplotlib as mpl
import pytest
import sklearn

from gateway.images.embedded_metadata import read_metadata
from gateway.metadata import Metadata

PHOTO_JPEG = Path(sklearn.__file__).parent / "datasets/images/china.jpg"
PHOTO_PNG = Path(mpl.get_data_path()) / "sample_data/logo2.png"
PLAIN = json.loads((Path(__file__).parent.parent / "golden/processed_tags.json").read_text())["plain"]
WORDS = Metadata(
    PLAIN["metadata"]["title"], PLAIN["metadata"]["description"], tuple(PLAIN["metadata"]["keywords"])
)


def written_by_exiftool(folder: Path, photo: Path, groups: tuple[str, ...]) -> bytes:
    """A copy of `photo` with the golden tags of these groups."""
    copy = folder / photo.name
    shutil.copy(photo, copy)
    arguments = [
        f"-{tag}={value}"
        for tag, values in PLAIN["tags"].items()
        if tag.startswith(groups)
        for value in (values if isinstance(values, list) else [values])
    ]
    command = ["exiftool", "-q", "-charset", "utf8", "-overwrite_original", *arguments, str(copy)]
    subprocess.run(command, check=True, timeout=30)
    return copy.read_bytes()


@pytest.mark.parametrize("photo", [PHOTO_JPEG, PHOTO_PNG], ids=["jpeg", "png"])
def test_the_words_of_a_processed_image_are_those_that_were_given(photo: Path, tmp_path: Path) -> None:
    assert read_metadata(written_by_exiftool(tmp_path, photo, ("IFD0", "IPTC", "XMP"))) == WORDS


def test_its_iptc_alone_has_lost_what_is_not_latin_1(tmp_path: Path) -> None:
    head = written_by_exiftool(tmp_path, PHOTO_JPEG, ("IPTC",))

    assert read_metadata(head) == Metadata(
        WORDS.title, PLAIN["tags"]["IPTC:Caption-Abstract"], WORDS.keywords
    )


@pytest.mark.parametrize("photo", [PHOTO_JPEG, PHOTO_PNG], ids=["jpeg", "png"])
def test_its_exif_alone_has_title_and_description(photo: Path, tmp_path: Path) -> None:
    head = written_by_exiftool(tmp_path, photo, ("IFD0",))

    assert read_metadata(head) == Metadata(WORDS.title, WORDS.description)
