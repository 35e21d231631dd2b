"""The picture that leaves the machine: small, upright, and nothing but pixels.

Runs in a helper process: it decodes what somebody sent. EXIF, XMP, comments and profiles stay behind, and with them
names, places and serial numbers; where a photo was taken is handed on apart, if it was asked for.
"""

import io

import pybase64
from attrs import frozen
from PIL import Image, ImageCms

from gateway.analyzer.decoding import decoded, fitting, of_8_bits, upright
from gateway.analyzer.local.shot import Position, shot_of

QUALITY = 85
SPARE = 2
"""A picture is first brought near to its size, by the quick way, then to it by the good one."""
REDUCIBLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
"""Modes that Pillow can average; of the others it picks pixels."""


@frozen
class Picture:
    """A JPEG as a data URL, and where it was taken, if that was asked for and is known."""

    data_url: str
    position: Position | None = None


def prepared(image: bytes, longest_side: int, max_pixels: int, with_position: bool) -> Picture:
    """`image` as a JPEG of at most `longest_side` pixels a side. Raises AnalysisFailed."""
    with decoded(image, max_pixels=max_pixels, longest_side=SPARE * longest_side) as large:
        shot = shot_of(large.picture)
        small = upright(_small(large.picture, longest_side), shot.orientation)
        coloured = _in_srgb(_on_white(small), large.picture.info.get("icc_profile"))
        coloured.info.clear()  # Pillow would write a comment and XMP that it finds here
        return Picture(_data_url(coloured), shot.position if with_position else None)


def _small(picture: Image.Image, longest_side: int) -> Image.Image:
    near = _near(picture, SPARE * longest_side)
    return near.resize(fitting(picture.size, longest_side), Image.Resampling.LANCZOS)


def _near(picture: Image.Image, longest_side: int) -> Image.Image:
    """Not much larger than that, in a mode that can be averaged; never all of it converted, for its memory's sake."""
    if picture.mode in REDUCIBLE and "transparency" not in picture.info:
        return picture.reduce(max(1, max(picture.size) // longest_side))
    picked = of_8_bits(picture.resize(fitting(picture.size, longest_side), Image.Resampling.NEAREST))
    return picked.convert("RGBA" if picture.has_transparency_data else "RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture
    coloured = picture.convert("RGBA")
    page = Image.new("RGBA", coloured.size, "white")
    return Image.alpha_composite(page, coloured).convert("RGB")


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """By its colour profile, where that is sound and fits; without one its colours are sRGB already."""
    if not profile:
        return picture.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):
        converted = None
    return converted or picture.convert("RGB")


def _data_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + pybase64.b64encode_as_string(file.getvalue())
