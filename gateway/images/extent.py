"""How much there is to see in an image: its size in pixels, and its frames."""

from attrs import frozen

from gateway.images.limits import ImageLimits
from gateway.images.refusals import damaged, too_many_pixels


@frozen
class Extent:
    """Width and height as stored; `frames` are those of an animation, or the pictures that a camera put in one file."""

    width: int
    height: int
    frames: int = 1


def check_pixels(width: int, height: int, limits: ImageLimits) -> None:
    """Raises ContentError (`damaged`, `too_many_pixels`)."""
    if not width or not height:
        raise damaged("its width or height is 0")
    if width * height > limits.max_pixels:
        raise too_many_pixels(width, height, limits)
