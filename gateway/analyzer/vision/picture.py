"""The picture that leaves the machine: small, upright, and nothing but pixels.

Runs in a helper process: it decodes what somebody sent. EXIF, XMP, comments and profiles stay behind, and with them
names, places and serial numbers; where a photo was taken is handed on apart, if it was asked for.
"""

import io
import warnings

import pybase64
from attrs import frozen
from PIL import ExifTags, Image, ImageCms

from gateway.analyzer.local.shot import Position, shot_of
from gateway.analyzer.provider import AnalysisFailed

FORMATS = ("JPEG", "PNG")
QUALITY = 85
SPARE = 2
"""A picture is first brought near to its size, by the quick way, then to it by the good one."""
REDUCIBLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
"""Modes that Pillow can average; of the others it picks pixels."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes an EXIF orientation (EXIF 2.32, 4.6.4)."""


@frozen
class Picture:
    """A JPEG as a data URL, and where it was taken, if that was asked for and is known."""

    data_url: str
    position: Position | None = None


def prepared(image: bytes, longest_side: int, max_pixels: int, with_position: bool) -> Picture:
    """`image` as a JPEG of at most `longest_side` pixels a side. Raises AnalysisFailed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _prepared(image, longest_side, max_pixels, with_position)
    except (AnalysisFailed, MemoryError):
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error ...
        raise AnalysisFailed("The image could not be decoded.", detail=str(error)) from error


def _prepared(image: bytes, longest_side: int, max_pixels: int, with_position: bool) -> Picture:
    Image.MAX_IMAGE_PIXELS = None  # the bound is ours
    with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
        if opened.width * opened.height > max_pixels:
            raise AnalysisFailed(f"The image has too many pixels to be analysed (more than {max_pixels}).")
        opened.draft("RGB", (SPARE * longest_side, SPARE * longest_side))
        opened.load()  # before its EXIF, which may stand behind the picture
        position = shot_of(opened).position if with_position else None
        return Picture(_data_url(_shown(opened, longest_side)), position)


def _shown(opened: Image.Image, longest_side: int) -> Image.Image:
    """Small, upright, in sRGB, without anything beside its pixels."""
    orientation = _orientation(opened)
    size = _fitting(opened.size, longest_side)
    small = _near(opened, SPARE * longest_side).resize(size, Image.Resampling.LANCZOS)
    upright = small.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else small
    coloured = _in_srgb(_on_white(upright), opened.info.get("icc_profile"))
    coloured.info.clear()  # Pillow would write a comment and XMP that it finds here
    return coloured


def _near(opened: Image.Image, longest_side: int) -> Image.Image:
    """Not much larger than that, in a mode that can be averaged."""
    is_reducible = opened.mode in REDUCIBLE and "transparency" not in opened.info
    if is_reducible:
        return opened.reduce(max(1, max(opened.size) // longest_side))
    picked = opened.resize(_fitting(opened.size, longest_side), Image.Resampling.NEAREST)
    if picked.mode.startswith("I"):  # 16 bits, which Pillow would clip
        picked = picked.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return picked.convert("RGBA" if opened.has_transparency_data else "RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture
    coloured = picture.convert("RGBA")
    white = Image.new("RGBA", coloured.size, "white")
    return Image.alpha_composite(white, coloured).convert("RGB")


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """By its colour profile, where that is sound and fits; without one its colours are sRGB already."""
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):
            return picture.convert("RGB")
        return converted or picture.convert("RGB")
    return picture.convert("RGB")


def _orientation(opened: Image.Image) -> int | None:
    try:
        return opened.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - Pillow reads damaged EXIF until something breaks, and that may be anything
        return None


def _fitting(size: tuple[int, int], longest_side: int) -> tuple[int, int]:
    scale = min(longest_side / max(size), 1)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _data_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + pybase64.b64encode_as_string(file.getvalue())
