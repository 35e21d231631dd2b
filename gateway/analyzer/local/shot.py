"""When, where and with what a photo was taken, as its EXIF says. What is damaged or senseless says nothing."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from attrs import frozen
from PIL import ExifTags, Image

MAX_CAMERA_CHARACTERS = 40
CLOCK_NEVER_SET = frozenset({date(1970, 1, 1), date(1980, 1, 1), date(2000, 1, 1)})
EARLIEST_YEAR, LATEST_YEAR = 1900, 2099


@frozen
class Position:
    """Degrees: north and east are positive."""

    latitude: float
    longitude: float


@frozen
class Shot:
    """What the camera wrote down."""

    taken_on: date | None = None
    position: Position | None = None
    camera: str = ""
    orientation: int = 1
    """1 to 8: how the picture is to be turned or mirrored to be upright; 1: not at all (EXIF 2.32, 4.6.4)."""

    @property
    def is_turned(self) -> bool:
        """Whether the upright picture's width is what is stored as height."""
        return self.orientation >= 5


def shot_of(image: Image.Image) -> Shot:
    """What the EXIF of an opened image says."""
    try:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - Pillow reads damaged EXIF until something breaks, and that may be anything
        return Shot()
    return Shot(
        taken_on=_date(details.get(ExifTags.Base.DateTimeOriginal)),
        position=_position(gps),
        camera=_camera(exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model)),
        orientation=_orientation(exif.get(ExifTags.Base.Orientation)),
    )


def _orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _date(value: object) -> date | None:
    """EXIF writes "2024:05:04 12:00:00", blanks when it isn't known, and nonsense when the clock was never set."""
    found = re.match(r"(\d{4})[:-](\d{2})[:-](\d{2})\b", value) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, day = (int(number) for number in found.groups())
    try:
        taken_on = date(year, month, day)
    except ValueError:
        return None
    return taken_on if EARLIEST_YEAR <= year <= LATEST_YEAR and taken_on not in CLOCK_NEVER_SET else None


def _position(gps: Mapping[int, Any]) -> Position | None:
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "EW", 180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None  # 0, 0 is what receivers write that don't know
    return Position(latitude, longitude)


def _degrees(value: object, reference: object, letters: str, limit: int) -> float | None:
    letter = reference.strip("\0 ").upper() if isinstance(reference, str) else ""
    if not isinstance(value, tuple) or len(value) != 3 or letter not in set(letters):
        return None
    try:
        degrees, minutes, seconds = (float(part) for part in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    total = degrees + minutes / 60 + seconds / 3600
    if not 0 <= total <= limit:  # NaN, which 0/0 becomes, is in no range
        return None
    return -total if letter == letters[1] else total


def _camera(make: object, model: object) -> str:
    """ "Nikon D80" of "NIKON CORPORATION" and "NIKON D80"; empty when either is missing or unreadable."""
    maker, name = _printable(make).partition(" ")[0].rstrip(",."), _printable(model)
    if not maker or not any(character.isalpha() for character in name):
        return ""
    name = re.sub(rf"^{re.escape(maker)}\b[\s-]*", "", name, flags=re.IGNORECASE)
    name = re.sub(r"^(Z ?\d+)_([23])$", lambda found: found[1] + "I" * int(found[2]), name)  # Nikon's Z 6II
    maker = maker.capitalize() if maker.isupper() and len(maker) > 3 else maker
    camera = f"{maker} {name}".strip()
    return camera if len(camera) <= MAX_CAMERA_CHARACTERS else ""


def _printable(value: object) -> str:
    text = value.strip("\0 ") if isinstance(value, str) else ""
    return " ".join(text.split()) if text.isascii() and text.isprintable() else ""
