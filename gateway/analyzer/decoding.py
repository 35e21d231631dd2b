"""What somebody sent, decoded as a picture, within bounds and with one error for all that can go wrong.

For helper processes: decoders are the part that hostile files aim at.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen
from PIL import Image

from gateway.analyzer.provider import AnalysisFailed

FORMATS = ("JPEG", "PNG")

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the orientation that EXIF tells; 1 is upright. Pillow's angles go counter-clockwise."""


@frozen
class Decoded:
    """`picture` may be smaller than what was sent, whose size is `width` by `height`."""

    picture: Image.Image
    width: int
    height: int


@contextmanager
def decoded(image: bytes, *, max_pixels: int, longest_side: int) -> Iterator[Decoded]:
    """`image`, open as long as the context lasts; a JPEG as small as is quick to get, but with that longest side.

    Raises AnalysisFailed for what can't be decoded or has more than `max_pixels`, and so for whatever the picture's
    use inside raises, for decoders raise anything.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.MAX_IMAGE_PIXELS = None  # Pillow's own bound would hold for our small copies as well
            with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
                width, height = opened.size
                if width * height > max_pixels:
                    raise AnalysisFailed(
                        f"The image has too many pixels to be analysed (more than {max_pixels})."
                    )
                opened.draft("RGB", fitting(opened.size, longest_side))
                # Before its EXIF, which may stand behind the picture and would be sought by decoding it.
                opened.load()
                yield Decoded(opened, width, height)
    except (AnalysisFailed, MemoryError):
        raise
    except Exception as error:  # OSError, SyntaxError, ValueError, struct.error, zlib.error ...
        raise AnalysisFailed("The image could not be decoded.", detail=str(error)) from error


def fitting(size: tuple[int, int], longest_side: int) -> tuple[int, int]:
    """The size of a copy of at most `longest_side`; no side is less than a pixel, and none grows."""
    scale = min(longest_side / max(size), 1)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turned as EXIF's `orientation` asks for; what that does not know stays as it is."""
    return picture.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture


def of_8_bits(picture: Image.Image) -> Image.Image:
    """Pillow clips 16 bits at 255 instead of scaling them; other pictures stay as they are."""
    if not picture.mode.startswith("I"):
        return picture
    return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
