"""Pictures drawn for one test each, as the files that somebody would send, and what the local analyzer says of them."""

import io

from PIL import ExifTags, Image, ImageDraw

from gateway.analyzer.local.describe import describe
from gateway.metadata import Metadata

Rgb = tuple[int, int, int]

ORANGE, BLUE = (240, 140, 35), (40, 95, 200)
EIFFEL_TOWER: dict[int, object] = {1: "N", 2: (48.0, 51.0, 30.24), 3: "E", 4: (2.0, 17.0, 40.2)}


def a_picture(*colours: Rgb, size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Stripes of equal height, a colour each."""
    picture = Image.new("RGB", size)
    height = size[1] / len(colours)
    for number, colour in enumerate(colours):
        picture.paste(colour, (0, round(number * height), size[0], round((number + 1) * height)))
    return picture


def a_chessboard() -> Image.Image:
    picture = Image.new("RGB", (600, 600), (230, 215, 190))
    draw = ImageDraw.Draw(picture)
    for x in range(0, 600, 100):
        for y in range(x % 200, 600, 200):
            draw.rectangle((x, y, x + 99, y + 99), (30, 70, 50))
    return picture


def a_file(picture: Image.Image, kind: str = "JPEG", exif: Image.Exif | None = None) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, exif=exif or Image.Exif())
    return file.getvalue()


def an_exif(
    *,
    taken: str = "",
    make: str = "",
    model: str = "",
    gps: dict[int, object] | None = None,
    orientation: int = 1,
) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = make, model
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
    return exif


def described(picture: Image.Image, name: str = "image-0.jpg", **exif: object) -> Metadata:
    """By its facts alone, without what an extra brings."""
    return words_for(a_file(picture, exif=an_exif(**exif)), name)  # type: ignore[arg-type]


def words_for(image: bytes, name: str) -> Metadata:
    return describe(image, name).metadata
