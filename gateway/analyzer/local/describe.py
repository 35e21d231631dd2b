"""The local analyzer: what can be said of an image without a network and without guessing.

EXIF, size, colours and the file name are facts; what is seen in the picture is not among them. Runs in a
helper process: it decodes, reduced, what somebody sent. Needs Pillow alone.
"""

import io
import warnings

from attrs import frozen
from PIL import Image

from gateway.analyzer.local.colours import dominant_colours
from gateway.analyzer.local.facts import Facts, metadata_of
from gateway.analyzer.local.file_names import title_of
from gateway.analyzer.local.looks import brightness_of, shape_of, sharpness_of
from gateway.analyzer.local.shot import Shot, shot_of
from gateway.analyzer.provider import AnalysisFailed
from gateway.images.inspect import MAX_PIXELS
from gateway.metadata import Metadata

ANALYZER = "local/1"
"""Name and version: whoever reads its text can tell who wrote it."""

FORMATS = ("JPEG", "PNG")
VIEW_PIXELS = 512
"""What looks and colours are measured on: the longer side."""


@frozen
class _View:
    """A small upright copy of the picture, RGB or RGBA, and what is known of the large one."""

    picture: Image.Image
    width: int
    height: int
    shot: Shot


def describe(image: bytes, filename: str, max_pixels: int = MAX_PIXELS) -> Metadata:
    """What can be said of `image`, called `filename` by who sent it. Raises AnalysisFailed."""
    view = _view(image, max_pixels)
    luminance = (
        view.picture.convert("L") if view.picture.mode == "RGB" else None
    )  # what shines through isn't known
    return metadata_of(
        Facts(
            words=title_of(filename),
            colours=dominant_colours(view.picture),
            shape=shape_of(view.width, view.height),
            brightness=brightness_of(luminance) if luminance else "",
            sharpness=sharpness_of(luminance) if luminance else "",
            shot=view.shot,
        )
    )


def _view(image: bytes, max_pixels: int) -> _View:
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


def _opened(image: bytes, max_pixels: int) -> _View:
    Image.MAX_IMAGE_PIXELS = None  # Pillow's own bound would hold for our small copies as well
    with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
        size = opened.size
        if size[0] * size[1] > max_pixels:
            raise AnalysisFailed(f"The image has too many pixels to be analysed (more than {max_pixels}).")
        opened.draft("RGB", (VIEW_PIXELS, VIEW_PIXELS))
        opened.load()  # before its EXIF, which may stand behind the picture and would be sought by decoding it
        shot = shot_of(opened)
        width, height = reversed(size) if shot.is_turned else size
        return _View(_small(opened), width, height, shot)


def _small(opened: Image.Image) -> Image.Image:
    """At most VIEW_PIXELS wide and high, in RGB or RGBA; not turned, for looks are the same from all sides.

    Picks pixels before it averages: to convert or average all of a PNG would take several times its memory.
    """
    picked = opened.resize(_fitting(opened.size, 4 * VIEW_PIXELS), Image.Resampling.NEAREST)
    if picked.mode.startswith("I"):
        picked = _of_8_bits(picked)
    coloured = picked.convert("RGBA" if opened.has_transparency_data else "RGB")
    return coloured.resize(_fitting(opened.size, VIEW_PIXELS), Image.Resampling.BOX)


def _fitting(size: tuple[int, int], longer_side: int) -> tuple[int, int]:
    scale = min(longer_side / max(size), 1)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _of_8_bits(picture: Image.Image) -> Image.Image:
    """Pillow clips 16 bits at 255 instead of scaling them."""
    return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
