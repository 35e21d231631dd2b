"""Draws the sample photos of examples/photos: six small scenes with the metadata that cameras leave.

    .venv/bin/python tools/make_sample_photos.py [FOLDER]

Between them they have what a tagger must keep and what an analyzer can read: camera, date, place, a rotated
picture, a colour profile, a thumbnail. Drawn and so free of anybody's rights; the same versions of Pillow and
pyexiv2 (of the extra `processor`) draw the same bytes.
"""

import io
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pyexiv2
from attrs import frozen
from PIL import Image, ImageCms, ImageDraw

Colour = tuple[int, int, int]
Draw = ImageDraw.ImageDraw

WIDTH, HEIGHT = 480, 320
OVERSAMPLING = 2
"""Scenes are drawn larger and scaled down: Pillow draws without smoothing."""

FOLDER = Path(__file__).parent.parent / "examples" / "photos"


@frozen
class Photo:
    """One sample: its file name, how its scene is drawn, and what its camera wrote."""

    name: str
    scene: Callable[[], Image.Image]
    exif: Mapping[str, str] = {}
    is_stored_rotated: bool = False
    has_profile: bool = False
    has_thumbnail: bool = False


def camera(make: str, model: str, taken: str) -> dict[str, str]:
    return {
        "Exif.Image.Make": make,
        "Exif.Image.Model": model,
        "Exif.Image.DateTime": taken,
        "Exif.Photo.DateTimeOriginal": taken,
        "Exif.Photo.DateTimeDigitized": taken,
    }


def place(latitude: str, north_or_south: str, longitude: str, east_or_west: str) -> dict[str, str]:
    """Degrees, minutes and seconds as EXIF writes them: `38/1 46/1 51/1`."""
    return {
        "Exif.GPSInfo.GPSVersionID": "2 3 0 0",
        "Exif.GPSInfo.GPSLatitude": latitude,
        "Exif.GPSInfo.GPSLatitudeRef": north_or_south,
        "Exif.GPSInfo.GPSLongitude": longitude,
        "Exif.GPSInfo.GPSLongitudeRef": east_or_west,
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for photo in PHOTOS:
        path = folder / photo.name
        write(photo, path)
        print(f"{path}  {path.stat().st_size} bytes")


def write(photo: Photo, path: Path) -> None:
    scene = photo.scene()
    picture = scene.resize(
        (scene.width // OVERSAMPLING, scene.height // OVERSAMPLING), Image.Resampling.LANCZOS
    )
    stored = picture.transpose(Image.Transpose.ROTATE_90) if photo.is_stored_rotated else picture
    profile = colour_profile() if photo.has_profile else None
    stored.save(path, quality=88, optimize=True, icc_profile=profile)
    with pyexiv2.Image(str(path)) as image:
        if photo.exif:
            image.modify_exif({**photo.exif, **structure(photo, stored)})
        if photo.has_thumbnail:
            image.modify_thumbnail(thumbnail(picture))
            image.modify_exif(resolution("Thumbnail"))


def structure(photo: Photo, stored: Image.Image) -> dict[str, str]:
    """The tags that the EXIF standard asks for in every photo."""
    return {
        **resolution("Image"),
        "Exif.Image.Orientation": "6" if photo.is_stored_rotated else "1",
        "Exif.Image.YCbCrPositioning": "1",
        "Exif.Photo.ExifVersion": "48 50 51 50",
        "Exif.Photo.ComponentsConfiguration": "1 2 3 0",
        "Exif.Photo.FlashpixVersion": "48 49 48 48",
        "Exif.Photo.ColorSpace": "1",
        "Exif.Photo.PixelXDimension": str(stored.width),
        "Exif.Photo.PixelYDimension": str(stored.height),
    }


def resolution(directory: str) -> dict[str, str]:
    return {
        f"Exif.{directory}.XResolution": "72/1",
        f"Exif.{directory}.YResolution": "72/1",
        f"Exif.{directory}.ResolutionUnit": "2",
    }


def colour_profile() -> bytes:
    """sRGB, with the time of its making (bytes 24 to 35 of the header) set to a fixed one."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = b"".join(part.to_bytes(2) for part in (2025, 1, 1, 0, 0, 0))
    return bytes(profile)


def thumbnail(picture: Image.Image) -> bytes:
    small = picture.resize((120, 80), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=75)
    return out.getvalue()


def canvas(top: Colour, bottom: Colour, width: int = WIDTH, height: int = HEIGHT) -> tuple[Image.Image, Draw]:
    """A picture whose colour runs from `top` to `bottom`."""
    size = (width * OVERSAMPLING, height * OVERSAMPLING)
    fading = Image.linear_gradient("L").resize(size, Image.Resampling.BICUBIC)
    image = Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), fading)
    return image, ImageDraw.Draw(image)


def scattered(count: int) -> list[tuple[float, float]]:
    """Points in the unit square that look thrown at random and are the same each time (an R2 sequence)."""
    return [((0.5 + n * 0.7548776662) % 1, (0.5 + n * 0.5698402910) % 1) for n in range(count)]


def disc(draw: Draw, x: float, y: float, radius: float, colour: Colour) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def ridge(draw: Draw, image: Image.Image, base: float, rise: float, seed: float, colour: Colour) -> None:
    """A chain of hills whose line is a sum of sines."""

    def line(x: int) -> float:
        u = x / image.width * 2 * math.pi
        wave = (
            math.sin(u * 1.3 + seed)
            + 0.5 * math.sin(u * 2.9 + 2 * seed)
            + 0.25 * math.sin(u * 7.1 + 3 * seed)
        )
        return (base - rise * wave / 1.75) * image.height

    outline = [(float(x), line(x)) for x in range(0, image.width + 4, 4)]
    draw.polygon([*outline, (image.width, image.height), (0, image.height)], fill=colour)


def sunset() -> Image.Image:
    image, draw = canvas((72, 45, 105), (255, 160, 70))
    width, height = image.size
    horizon = int(height * 0.62)
    disc(draw, width * 0.6, horizon - 40, 74, (255, 214, 110))
    sea, _ = canvas((205, 105, 75), (38, 32, 72))
    image.paste(sea.crop((0, 0, width, height - horizon)), (0, horizon))
    for x, y in scattered(90):
        half = 10 + 50 * y
        centre, level = (
            width * (0.6 + (x - 0.5) * (0.08 + 0.35 * y)),
            horizon + 4 + (height - horizon - 8) * y,
        )
        draw.line((centre - half, level, centre + half, level), fill=(255, 190, 105), width=3)
    return image


def mountain_lake() -> Image.Image:
    image, draw = canvas((120, 170, 220), (235, 225, 215))
    ridge(draw, image, 0.42, 0.16, 0.4, (150, 165, 190))
    ridge(draw, image, 0.52, 0.13, 2.1, (95, 120, 145))
    ridge(draw, image, 0.62, 0.07, 4.0, (45, 80, 70))
    shore = int(image.height * 0.68)
    above = image.crop((0, 2 * shore - image.height, image.width, shore))
    mirrored = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    image.paste(Image.blend(mirrored, Image.new("RGB", mirrored.size, (60, 105, 140)), 0.35), (0, shore))
    draw.line((0, shore, image.width, shore), fill=(40, 65, 60), width=4)
    return image


def sailing_boat() -> Image.Image:
    image, draw = canvas((95, 175, 240), (200, 230, 250))
    width, height = image.size
    horizon = int(height * 0.55)
    draw.rectangle((0, horizon, width, height), fill=(25, 105, 165))
    for x, y in scattered(60):
        left, level = x * width, horizon + 12 + y * (height - horizon - 20)
        draw.line((left, level, left + 20 + 60 * y, level), fill=(70, 150, 205), width=4)
    mast, deck = width * 0.45, height * 0.72
    draw.polygon(
        [(mast - 8, height * 0.2), (mast - 8, deck - 16), (mast - 150, deck - 16)], fill=(250, 250, 245)
    )
    draw.polygon(
        [(mast + 8, height * 0.26), (mast + 8, deck - 16), (mast + 110, deck - 16)], fill=(225, 60, 50)
    )
    draw.line((mast, height * 0.17, mast, deck), fill=(90, 60, 40), width=8)
    hull = [(mast - 160, deck), (mast + 150, deck), (mast + 100, deck + 56), (mast - 120, deck + 56)]
    draw.polygon(hull, fill=(245, 245, 250))
    return image


def tulip_garden() -> Image.Image:
    image, draw = canvas((165, 210, 240), (235, 245, 235))
    width, height = image.size
    ridge(draw, image, 0.4, 0.04, 1.0, (80, 140, 80))
    draw.rectangle((0, height * 0.5, width, height), fill=(60, 130, 55))
    for x, depth in sorted(scattered(130), key=lambda point: point[1]):
        size, root = 8 + 22 * depth, height * (0.5 + 0.48 * depth)
        centre, top = x * width, root - 3.2 * size
        draw.line((centre, root, centre, top), fill=(35, 95, 35), width=max(3, int(size / 4)))
        red = (200 + int(50 * x), 30 + int(60 * depth), 50)
        draw.ellipse((centre - size * 0.6, top - size, centre + size * 0.6, top + size * 0.6), fill=red)
        draw.polygon(
            [(centre - size * 0.6, top - size * 0.3), (centre - size * 0.5, top - size * 1.3), (centre, top)],
            fill=red,
        )
        draw.polygon(
            [(centre + size * 0.6, top - size * 0.3), (centre + size * 0.5, top - size * 1.3), (centre, top)],
            fill=red,
        )
    return image


def night_city() -> Image.Image:
    image, draw = canvas((10, 12, 35), (55, 40, 85))
    width, height = image.size
    disc(draw, width * 0.82, height * 0.18, 44, (240, 235, 205))
    for number, (x, rise) in enumerate(scattered(14)):
        left, top = number * width / 14, height * (0.75 - 0.5 * rise)
        draw.rectangle((left, top, left + width / 14 - 6, height), fill=(18 + int(12 * x), 20, 38))
        lit = scattered(40)[number:]
        for column in range(3):
            for row in range(int((height - top) / 34)):
                if lit[(column + 3 * row) % len(lit)][0] > 0.45:
                    corner = (left + 10 + column * 18, top + 14 + row * 34)
                    draw.rectangle((*corner, corner[0] + 9, corner[1] + 14), fill=(255, 205, 110))
    return image


def lighthouse() -> Image.Image:
    """Upright, as one holds a camera for a tower."""
    image, draw = canvas((70, 120, 190), (245, 215, 190), HEIGHT, WIDTH)
    width, height = image.size
    draw.rectangle((0, height * 0.78, width, height), fill=(35, 90, 125))
    cliff = [
        (0, height * 0.66),
        (width * 0.55, height * 0.7),
        (width * 0.8, height * 0.8),
        (width * 0.7, height),
        (0, height),
    ]
    draw.polygon(cliff, fill=(85, 75, 65))
    draw.polygon([(0, height * 0.66), (width * 0.55, height * 0.7), (0, height * 0.72)], fill=(70, 120, 60))
    middle, top, bottom = width * 0.34, height * 0.24, height * 0.69
    for band in range(5):
        upper, lower = (top + (bottom - top) * step / 5 for step in (band, band + 1))
        slim, wide = 46 + 6 * band, 46 + 6 * (band + 1)
        outline = [
            (middle - slim, upper),
            (middle + slim, upper),
            (middle + wide, lower),
            (middle - wide, lower),
        ]
        draw.polygon(outline, fill=(200, 40, 40) if band % 2 == 0 else (245, 245, 240))
    draw.rectangle((middle - 34, top - 64, middle + 34, top), fill=(255, 235, 150))
    draw.polygon([(middle - 46, top - 64), (middle + 46, top - 64), (middle, top - 120)], fill=(150, 30, 30))
    return image


PHOTOS = (
    Photo(
        "sunset-over-the-sea.jpg",
        sunset,
        exif={
            **camera("Canon", "Canon EOS R6", "2024:05:04 20:41:17"),
            **place("38/1 46/1 51/1", "N", "9/1 30/1 2/1", "W"),
        },
    ),
    Photo(
        "mountain-lake-in-the-morning.jpg",
        mountain_lake,
        exif=camera("NIKON CORPORATION", "NIKON Z 6_2", "2023:09:16 07:12:40"),
        has_profile=True,
    ),
    Photo(
        "garden-with-red-tulips.jpg",
        tulip_garden,
        exif=camera("FUJIFILM", "X-T5", "2025:04:21 11:05:03"),
        has_thumbnail=True,
    ),
    Photo(
        "lighthouse-on-the-cliff.jpg",
        lighthouse,
        exif=camera("Apple", "iPhone 15", "2024:08:11 18:30:55"),
        is_stored_rotated=True,
    ),
    Photo("sailing-boat-on-blue-water.png", sailing_boat),
    Photo("city-at-night.png", night_city, exif=camera("SONY", "ILCE-7M4", "2024:12:06 22:58:31")),
)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
