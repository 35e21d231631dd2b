"""How much of everything one image may have."""

import sys
from typing import Final

from attrs import frozen

MIB: Final = 1024 * 1024

MAX_PIXELS: Final = 100_000_000
MAX_FRAMES: Final = 500
"""Animations on the web have some dozens, recordings of a screen some hundreds."""
MAX_TRAILING_BYTES: Final = 8 * MIB
"""Phones put the film of a motion photo behind the end (2 to 6 MB), stereo cameras the second picture (5 MB)."""
MAX_METADATA_BYTES: Final = 16 * MIB
"""Profiles may have 4 MB; phones keep a portrait without its blur, and the depths, in 10 MB of XMP."""


@frozen
class ImageLimits:
    """Bounds of one image. `max_pixels` holds for all frames of an animation together.

    `max_trailing_bytes` may stand behind the image's end, `max_metadata_bytes` are all its segments or chunks that are
    no image data. `is_thorough` says whether more than the structure is looked at: the image data of a PNG is unpacked,
    and what stands behind the end is searched for other files.
    """

    max_pixels: int = MAX_PIXELS
    max_frames: int = MAX_FRAMES
    max_trailing_bytes: int = MAX_TRAILING_BYTES
    max_metadata_bytes: int = MAX_METADATA_BYTES
    is_thorough: bool = True


STRUCTURE_ALONE: Final = ImageLimits(
    max_pixels=sys.maxsize,
    max_frames=sys.maxsize,
    max_trailing_bytes=sys.maxsize,
    max_metadata_bytes=sys.maxsize,
    is_thorough=False,
)
"""For an image that was taken before: whether it is whole, however large it is."""
