"""Whether a stream of bytes is a whole JPEG or PNG and nothing else, and how large its picture is.

Reads the structure alone, as the bytes pass by: no picture is decoded, and some kilobytes are held. Image data of a
JPEG is crossed in bulk, that of a PNG unpacked piece by piece, counted and forgotten. The verdict does not depend on
where the chunks are cut. What it lets pass is well-formed, not necessarily decodable.
"""

from copy import copy
from typing import Final, cast

from attrs import frozen

from gateway.errors import ContentError
from gateway.images.byte_reader import START_BYTES, ByteReader, Steps
from gateway.images.foreign import disguised_format
from gateway.images.jpeg.walk import jpeg_extent
from gateway.images.limits import MAX_PIXELS, STRUCTURE_ALONE, ImageLimits
from gateway.images.png.walk import png_extent
from gateway.images.refusals import disguised
from gateway.images.signatures import (
    HEAD_BYTES,
    MORE_HEAD_BYTES,
    ImageType,
    image_type,
    is_told_by,
    refusal,
)
from gateway.images.trailing import pass_over_trailing_data

__all__ = ["MAX_PIXELS", "STRUCTURE_ALONE", "ImageFacts", "ImageLimits", "ImageType", "Inspector"]

_DEFAULTS = ImageLimits()

_DISGUISES = {ImageType.JPEG: (0, 1, 3, 17), ImageType.PNG: (0, 25)}
"""Where a file begins that was given the signature of an image: at once, or behind a marker, the head of a segment, a
JFIF segment; or behind IHDR."""

_QUICK_BYTES: Final = 128 * 1024
"""So much behind an image's end is searched in 0.6 ms, 2 ms if it is made to be slow."""


@frozen
class ImageFacts:
    """What an image is: its type by content, its size in pixels as stored (before any EXIF rotation), its frames."""

    type: ImageType
    width: int
    height: int
    frames: int = 1


class Inspector:
    """Takes the bytes of one image as they come; `finish()` says what it is.

    Both `feed` and `finish` raise ContentError as soon as it is clear that the image is refused, and again at each
    later call: codes `not_an_image`, `unsupported_type`, `damaged`, `decompression_bomb`, `too_many_pixels`,
    `too_many_frames`, `too_much_metadata`, `trailing_data`, `polyglot`.
    """

    def __init__(self, limits: ImageLimits = _DEFAULTS) -> None:
        self.type: ImageType | None = None
        self._limits = limits
        self._data = ByteReader()
        self._steps = self._inspect()
        self._facts: ImageFacts | None = None
        self._error: ContentError | None = None

    def is_costly(self, chunk: bytes) -> bool:
        """Whether to feed `chunk` may take a CPU more than about 2 ms: then feed it in a thread.

        So does a PNG's image data, and much behind an image's end; a JPEG's scans are crossed quickly, and its
        segments are few.
        """
        if self._error is not None:
            return False
        if self._facts is not None:
            return len(chunk) > _QUICK_BYTES
        return (self.type or image_type(self._data.peek(HEAD_BYTES) + chunk[:HEAD_BYTES])) is ImageType.PNG

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; once the first 16 of an image came, at the latest, `type` is known."""
        if self._error is None:
            self._data.add(chunk)
            self._step()
        if self._error is not None:
            raise copy(self._error)

    def finish(self) -> ImageFacts:
        """What the image is, now that all its bytes were fed."""
        if self._error is None and not self._data.has_ended:
            self._data.end()
            self._step()
        if self._error is not None:
            raise copy(self._error)
        return cast(ImageFacts, self._facts)  # there is a verdict once the bytes have ended

    def _step(self) -> None:
        """Go on until the bytes are used up or the verdict stands."""
        try:
            next(self._steps, None)
        except ContentError as error:
            # A copy knows no traceback: it would hold us, and whoever feeds us with the image.
            self._error = copy(error)
        finally:
            self._data.drop_read()

    def _inspect(self) -> Steps[None]:
        self.type = yield from _recognised(self._data)
        walk = jpeg_extent if self.type is ImageType.JPEG else png_extent
        try:
            extent = yield from walk(self._data, self._limits)
        except ContentError as error:
            yield from _explain(error, self.type, self._data)
            raise
        self._facts = ImageFacts(self.type, extent.width, extent.height, extent.frames)
        yield from pass_over_trailing_data(self._data, self._limits)


def _recognised(data: ByteReader) -> Steps[ImageType]:
    while not (found := image_type(head := data.peek(HEAD_BYTES))):
        if len(head) == HEAD_BYTES:
            raise refusal(head if is_told_by(head) else (yield from data.peek_ahead(MORE_HEAD_BYTES)))
        if data.has_ended:
            raise refusal(head)
        yield
    return found


def _explain(error: ContentError, kind: ImageType, data: ByteReader) -> Steps[None]:
    """Raise what says more if the damaged image is another file behind an image's first bytes."""
    if error.code != "damaged":
        return
    while len(data.start) < START_BYTES and not data.has_ended:
        yield
    if looks_like := disguised_format(data.start.removeprefix(kind.signature), _DISGUISES[kind]):
        raise disguised(kind.name, looks_like)
