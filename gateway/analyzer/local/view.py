"""A small upright copy of a picture, to measure and to look at, and what is known of the large one."""

import io
import warnings

from attrs import frozen
from PIL import Image

from gateway.analyzer.local.shot import Shot, shot_of
from gateway.analyzer.provider import AnalysisFailed

FORMATS = ("JPEG", "PNG")
VIEW_PIXELS = 512
"""The longer side of the copy."""

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
class View:
    """`picture` is RGB or, where something may shine through, RGBA; `width` and `height` are the large one's."""

    picture: Image.Image
    width: int
    height: int
    shot: Shot

    @property
    def is_see_through(self) -> bool:
        return self.picture.mode == "RGBA"

    @property
    def on_white(self) -> Image.Image:
        """The picture as a page shows it, RGB."""
        if not self.is_see_through:
            return self.picture
        page = Image.new("RGBA", self.picture.size, "white")
        return Image.alpha_composite(page, self.picture).convert("RGB")


def view_of(image: bytes, max_pixels: int) -> View:
    """Raises AnalysisFailed for what can't be decoded or has more than `max_pixels`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _opened(image, max_pixels)
    except (AnalysisFailed, MemoryError):
        raise
    except (
        Exception
    ) as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, zlib.error ...
        raise AnalysisFailed("The image could not be decoded.", detail=str(error)) from error


def _opened(image: bytes, max_pixels: int) -> View:
    Image.MAX_IMAGE_PIXELS = None  # Pillow's own bound would hold for our small copies as well
    with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
        size = opened.size
        if size[0] * size[1] > max_pixels:
            raise AnalysisFailed(f"The image has too many pixels to be analysed (more than {max_pixels}).")
        opened.draft("RGB", (VIEW_PIXELS, VIEW_PIXELS))
        opened.load()  # before its EXIF, which may stand behind the picture and would be sought by decoding it
        shot = shot_of(opened)
        width, height = reversed(size) if shot.is_turned else size
        return View(_upright(_small(opened), shot.orientation), width, height, shot)


def _small(opened: Image.Image) -> Image.Image:
    """At most VIEW_PIXELS wide and high, in RGB or RGBA.

    Picks pixels before it averages: to convert or average all of a PNG would take several times its memory.
    """
    picked = opened.resize(_fitting(opened.size, 4 * VIEW_PIXELS), Image.Resampling.NEAREST)
    if picked.mode.startswith("I"):
        picked = _of_8_bits(picked)
    coloured = picked.convert("RGBA" if opened.has_transparency_data else "RGB")
    return coloured.resize(_fitting(opened.size, VIEW_PIXELS), Image.Resampling.BOX)


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture


def _fitting(size: tuple[int, int], longer_side: int) -> tuple[int, int]:
    scale = min(longer_side / max(size), 1)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _of_8_bits(picture: Image.Image) -> Image.Image:
    """Pillow clips 16 bits at 255 instead of scaling them."""
    return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
