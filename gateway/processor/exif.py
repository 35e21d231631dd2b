"""Title and description in EXIF: XPTitle, which is Windows' own, and ImageDescription. It has no more of the words."""

from typing import TYPE_CHECKING, Final

from gateway.images.characters import decoded
from gateway.images.exif import read_exif
from gateway.images.signatures import ImageType
from gateway.metadata import Metadata
from gateway.processor.parts import EXIF, parts
from gateway.processor.policy import Changes
from gateway.processor.segments import jfif_density

if TYPE_CHECKING:
    from pyexiv2 import ImageData

_TITLE: Final = "Exif.Image.XPTitle"
_DESCRIPTION: Final = "Exif.Image.ImageDescription"
_EXIF: Final = (EXIF, b"eXIf")
"""As a JPEG and as a PNG have it."""


def read(opened: "ImageData") -> Metadata:
    try:
        fields = opened.read_exif("latin-1")  # which gives each byte as it stands
    except ValueError:  # one of Windows' fields is not in UTF-16: the binding then gives none
        return _read_without_exiv2(opened.get_bytes())
    return Metadata(
        title=fields.get(_TITLE, "").split("\0")[0].strip(),
        description=decoded(fields.get(_DESCRIPTION, "").encode("latin-1")).split("\0")[0].strip(),
    )


def _read_without_exiv2(image: bytes) -> Metadata:
    blocks = (image[part.content : part.end] for part in parts(image) if part.metadata in _EXIF)
    return read_exif(next(blocks, b"").removeprefix(b"Exif\0\0"))


def write(opened: "ImageData", changes: Changes) -> None:
    """EXIF that gets nothing new is not touched."""
    changes = Changes(changes.title, changes.description)
    there = read(opened)
    if changes.applied_to(there) == there:
        return
    tags: dict[str, str] = {}
    if changes.title is not None:
        tags[_TITLE] = changes.title + "\0"
    if changes.description is not None:
        tags[_DESCRIPTION] = changes.description
    opened.modify_exif(tags if _has_exif(opened) else _required_of_a_new_exif(opened) | tags)


def _has_exif(opened: "ImageData") -> bool:
    try:
        return bool(opened.read_exif("latin-1"))
    except ValueError:
        return True


def _required_of_a_new_exif(opened: "ImageData") -> dict[str, str]:
    """What EXIF 2.32, 4.6.8 demands of a JPEG's first directory: the resolution is the one that it has."""
    if opened.get_mime_type() != ImageType.JPEG.media_type:
        return {}
    x_density, y_density, unit = jfif_density(opened.get_bytes()) or (72, 72, 1)
    return {
        "Exif.Image.XResolution": f"{x_density}/1",
        "Exif.Image.YResolution": f"{y_density}/1",
        "Exif.Image.ResolutionUnit": str(unit + 1),
        "Exif.Image.YCbCrPositioning": "1",
    }
