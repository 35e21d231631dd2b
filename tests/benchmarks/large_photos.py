"""Photos of 12 megapixels as phones make them: JPEGs of some megabytes with EXIF, a position, a thumbnail and ICC.

Made once into build/, always the same: a few photos are scaled up, with the grain that makes a photo large. No two of
them are equal: the moment in their EXIF differs.
"""

import io
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tests.pictures import package_file

FOLDER = Path(__file__).parents[2] / "build" / "large-photos"
EXAMPLES = Path(__file__).parents[2] / "examples" / "photos"
WIDTH, HEIGHT = 4000, 3000
GRAIN = (8, 10, 12, 14)
"""Standard deviations of it, in levels of 256; from 2.5 to 6 MB come of them."""
QUALITY = 88
MOMENT = b"2024:05:04 12:00:00"


def large_photos(count: int) -> Iterator[bytes]:
    """So many, each another file."""
    kinds = [path.read_bytes() for path in _kinds()]
    for number in range(count):
        hours, rest = divmod(number, 3600)
        moment = b"2024:05:04 %02d:%02d:%02d" % (hours, *divmod(rest, 60))
        yield kinds[number % len(kinds)].replace(MOMENT, moment)


def _kinds() -> list[Path]:
    originals = _originals()
    paths = [FOLDER / f"{number:02}.jpg" for number in range(len(originals))]
    FOLDER.mkdir(parents=True, exist_ok=True)
    for number, (path, original) in enumerate(zip(paths, originals, strict=True)):
        if not path.exists():
            _make(path, original, number)
    return paths


def _originals() -> list[bytes]:
    examples = [path.read_bytes() for path in sorted(EXAMPLES.iterdir())]
    china, flower = (
        package_file("sklearn", "datasets", "images", f"{name}.jpg") for name in ("china", "flower")
    )
    return [
        *examples,
        china,
        flower,
        package_file("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg"),
    ]


def _make(path: Path, original: bytes, number: int) -> None:
    with Image.open(io.BytesIO(original)) as image:
        small = image.convert("RGB")
    large = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.int16)
    grain = np.random.default_rng(number).normal(0, GRAIN[number % len(GRAIN)], (HEIGHT, WIDTH, 1))
    picture = Image.fromarray(np.clip(large + grain.astype(np.int16), 0, 255).astype(np.uint8))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        thumbnail, part = Path(folder) / "thumbnail.jpg", Path(folder) / "photo.jpg"
        small.resize((160, 120)).save(thumbnail, "JPEG")
        picture.save(part, "JPEG", quality=QUALITY, icc_profile=profile)
        subprocess.run(["exiftool", "-q", *_exif(thumbnail), "-overwrite_original", part], check=True)
        part.rename(path)  # whole or not at all


def _exif(thumbnail: Path) -> list[str]:
    fields = {
        "Make": "Canon", "Model": "Canon EOS 80D", "ExposureTime": "1/250", "FNumber": "8", "ISO": "100",
        "FocalLength": "35", "DateTimeOriginal": MOMENT.decode(), "CreateDate": MOMENT.decode(),
        "GPSLatitude": "48.8584", "GPSLatitudeRef": "N", "GPSLongitude": "2.2945", "GPSLongitudeRef": "E",
    }  # fmt: skip
    return [*(f"-EXIF:{name}={text}" for name, text in fields.items()), f"-ThumbnailImage<={thumbnail}"]
