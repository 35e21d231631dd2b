"""A small upright copy of a picture, to measure and to look at, and what is known of the large one."""

from attrs import frozen
from PIL import Image

from gateway.analyzer.decoding import decoded, fitting, of_8_bits, upright
from gateway.analyzer.local.shot import Shot, shot_of

VIEW_PIXELS = 500
"""The longer side of the copy: of a photo of 12 megapixels an eighth, in which a JPEG is decoded quickest."""


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
    with decoded(image, max_pixels=max_pixels, longest_side=VIEW_PIXELS) as large:
        shot = shot_of(large.picture)
        small = upright(_small(large.picture), shot.orientation)
        size = (large.width, large.height)
        width, height = reversed(size) if shot.is_turned else size
        return View(small, width, height, shot)


def _small(opened: Image.Image) -> Image.Image:
    """At most VIEW_PIXELS wide and high, in RGB or RGBA.

    Picks pixels before it averages: to convert or average all of a PNG would take several times its memory.
    """
    picked = of_8_bits(opened.resize(fitting(opened.size, 4 * VIEW_PIXELS), Image.Resampling.NEAREST))
    coloured = picked.convert("RGBA" if opened.has_transparency_data else "RGB")
    return coloured.resize(fitting(opened.size, VIEW_PIXELS), Image.Resampling.BOX)
