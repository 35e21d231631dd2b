"""Photos and pictures that cameras, phones and programs wrote, as the packages that the tests need carry them.

Debian's package of goexif has 61 of more than twenty makers. Most of them are cut behind their metadata: a picture
that we drew then stands in place of theirs.
"""

import io
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from PIL import Image

from tests.photos import a_jpeg

ROOT: Final = Path(__file__).parent.parent
OF_CAMERAS: Final = Path("/usr/share/gocode/src/github.com/rwcarlsen/goexif/exif")
PACKAGE_FILES: Final = {
    "matplotlib": ["mpl-data/sample_data/*.jpg", "mpl-data/sample_data/*.png"],
    "sklearn": ["datasets/images/*.jpg"],
    "scipy": ["ndimage/tests/*.png"],
}
SOS, QUANTISATION_TABLE = b"\xff\xda", b"\xff\xdb"


@cache
def real_files() -> dict[str, Callable[[], bytes]]:
    """By a name that no other has; each is read when it is called."""
    of_cameras = {
        path.name: lambda path=path: completed(path.read_bytes()) for path in OF_CAMERAS.rglob("*.jpg")
    }
    if not of_cameras:
        raise FileNotFoundError(
            f"{OF_CAMERAS}: the package golang-github-rwcarlsen-goexif-dev is not installed"
        )
    paths = [*(ROOT / "examples/photos").iterdir(), *_of_packages()]
    of_programs = {path.name: path.read_bytes for path in paths}
    return of_cameras | of_programs | {"two pictures.mpo": two_pictures}


def completed(jpeg: bytes) -> bytes:
    """`jpeg` as it is if it has a picture, else its metadata with a picture that we drew."""
    position = 2
    while jpeg[position : position + 1] == b"\xff":
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4])
        if jpeg.startswith(SOS, position):
            return jpeg
        if end > len(jpeg) or jpeg.startswith(QUANTISATION_TABLE, position):
            break
        position = end
    drawn = a_jpeg()
    return jpeg[:position] + drawn[drawn.index(QUANTISATION_TABLE) :]


def two_pictures() -> bytes:
    """A multi-picture file of two, as Pillow writes it, with EXIF."""
    first, second = (Image.linear_gradient("L").resize(size) for size in ((64, 48), (32, 24)))
    exif = Image.Exif()
    exif[0x010F] = "Make"
    file = io.BytesIO()
    first.save(file, "MPO", save_all=True, append_images=[second], exif=exif)
    return file.getvalue()


def _of_packages() -> list[Path]:
    found = []
    for package, patterns in PACKAGE_FILES.items():
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        found += [path for pattern in patterns for path in Path(spec.origin).parent.glob(pattern)]
    return found
