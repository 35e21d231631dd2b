"""What the network is shown of a picture: two views, as it was trained to see them."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from gateway.analyzer.local.sight.network import SIZE, Floats

CENTRE: Final = SIZE / (SIZE + 32)
"""The side of the square in the middle, as a share of the picture's shorter side."""
GREY: Final = 127.0
CONTRAST: Final = 128.0
"""A channel's value less GREY, by CONTRAST, is what the network takes; it must be these two, not those of others."""


def views_of(picture: Image.Image) -> Iterator[Floats]:
    """The square in the middle, and the whole squeezed into a square: one at the edge is in the second.

    `picture` is upright and RGB; it need not be larger than about 500 pixels.
    """
    width, height = picture.size
    yield _view(picture, _centre(width, height))
    yield _view(picture, (0, 0, width, height))


def _centre(width: int, height: int) -> tuple[int, int, int, int]:
    side = max(int(min(width, height) * CENTRE), 1)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _view(picture: Image.Image, box: tuple[int, int, int, int]) -> Floats:
    seen = picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box)
    values = np.array(seen, np.float32)
    values -= GREY
    values /= CONTRAST
    return values
