"""The frames of an animated PNG: counted, within the canvas, each with as much image data as it says.

A decoder that knows no animation shows the first picture; so do ours. W3C PNG (third edition), sections 4.9 and 11.3.6.
"""

from struct import unpack
from typing import Final, Self

from attrs import define

from gateway.images.limits import ImageLimits
from gateway.images.png.data import ImageData, image_data
from gateway.images.png.header import PngHeader
from gateway.images.refusals import damaged, too_many_frames, too_many_pixels_together

CONTROL_BYTES: Final = {b"acTL": 8, b"fcTL": 26}
"""How large the chunks are that say how many frames there are, and what the next one is."""
SEQUENCE_BYTES: Final = 4
"""A number stands before the image data in fdAT, which else is as in IDAT."""


@define
class Animation:
    """The frames that an acTL announced. All that takes something raises ContentError if it is wrong or too much."""

    frames: int
    """As many as are announced."""
    _header: PngHeader
    _limits: ImageLimits
    _begun: int = 0
    _pixels: int = 0
    _data: ImageData | None = None

    @classmethod
    def announced(cls, control: bytes, header: PngHeader, limits: ImageLimits) -> Self:
        """By the content of acTL, which stands before the first picture."""
        frames, _plays = unpack(">II", control)
        if not frames:
            raise damaged("it is an animation without frames")
        if frames > limits.max_frames:
            raise too_many_frames(frames, limits)
        return cls(frames, header, limits, pixels=header.width * header.height)

    def begin_with_picture(self, control: bytes) -> None:
        """By an fcTL before the picture, which then is the first frame."""
        self._count()
        if unpack(">4x4I6x", control) != (self._header.width, self._header.height, 0, 0) or self._begun > 1:
            raise damaged("the first frame of its animation is not its picture")

    def begin_frame(self, control: bytes) -> None:
        """By an fcTL behind the picture: the frame's own data follow."""
        self._end_frame()
        self._count()
        width, height, left, top = unpack(">4x4I6x", control)
        if not (0 < width <= self._header.width - left and 0 < height <= self._header.height - top):
            raise damaged("a frame of its animation is not within the picture")
        self._pixels += width * height
        if self._pixels > self._limits.max_pixels:
            raise too_many_pixels_together(self._limits)
        self._data = image_data(self._header.unpacked_bytes(width, height), self._limits)

    def data(self) -> ImageData:
        """Of the frame that was begun last."""
        if self._data is None:
            raise damaged("its animation has image data without a frame")
        return self._data

    def end(self) -> None:
        """The file ends."""
        self._end_frame()
        if self._begun != self.frames:
            raise damaged("its animation has fewer frames than it says")

    def _count(self) -> None:
        self._begun += 1
        if self._begun > self.frames:
            raise damaged("its animation has more frames than it says")

    def _end_frame(self) -> None:
        if self._data is not None:
            self._data.end()
            self._data = None
