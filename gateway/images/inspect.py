"""Whether a stream of bytes is a whole JPEG or PNG, and how large its picture is.

Reads the structure alone, as the bytes pass by: nothing is decoded, a few bytes are held, and image data is
crossed in bulk. The verdict does not depend on where the chunks are cut. Bytes after the end are tolerated: some
cameras put more pictures there. What it lets pass is well-formed, not necessarily decodable.
"""

from copy import copy

from attrs import frozen

from gateway.errors import ContentError
from gateway.images.signatures import HEAD_BYTES, ImageType, image_type, refusal
from gateway.images.structure import ByteReader, Steps, damaged, jpeg_size, png_size

__all__ = ["MAX_PIXELS", "ImageFacts", "ImageType", "Inspector"]

MAX_PIXELS = 100_000_000


@frozen
class ImageFacts:
    """What an image is: its type by content, its size in pixels as stored (before any EXIF rotation)."""

    type: ImageType
    width: int
    height: int


class Inspector:
    """Takes the bytes of one image as they come; `finish()` says what it is.

    Both `feed` and `finish` raise ContentError as soon as it is clear that the image is refused (codes
    `not_an_image`, `unsupported_type`, `damaged`, `too_many_pixels`), and again at each later call.
    """

    def __init__(self, *, max_pixels: int = MAX_PIXELS) -> None:
        self.type: ImageType | None = None
        self._max_pixels = max_pixels
        self._data = ByteReader()
        self._steps = self._inspect()
        self._facts: ImageFacts | None = None
        self._error: ContentError | None = None

    def is_costly(self, chunk: bytes) -> bool:
        """Whether to feed `chunk` may keep a CPU busy, as a PNG's image data does: then feed it in a thread."""
        if self._facts is not None or self._error is not None:
            return False
        kind = self.type or image_type(self._data.peek() + chunk[:HEAD_BYTES])
        return kind is ImageType.PNG

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; once the first 16 came, at the latest, `type` is known."""
        if self._facts is None and self._error is None:
            self._data.add(chunk)
            self._step()
        if self._error is not None:
            raise copy(self._error)

    def finish(self) -> ImageFacts:
        """What the image is, now that all its bytes were fed."""
        if self._error is not None:
            raise copy(self._error)
        if self._facts is not None:
            return self._facts
        raise damaged("it ends too early, as if cut off") if self.type else refusal(self._data.peek())

    def _step(self) -> None:
        """Go on until the bytes are used up or the verdict stands."""
        try:
            next(self._steps)
        except StopIteration as stop:
            self._facts = stop.value
        except ContentError as error:
            # Neither kept with a traceback nor raised itself: it would hold us, and whoever feeds us with the image.
            self._error = error.with_traceback(None)
        finally:
            self._data.drop_read()

    def _inspect(self) -> Steps[ImageFacts]:
        self.type = yield from _recognised(self._data)
        walk = jpeg_size if self.type is ImageType.JPEG else png_size
        width, height = yield from walk(self._data, self._max_pixels)
        return ImageFacts(self.type, width, height)


def _recognised(data: ByteReader) -> Steps[ImageType]:
    while not (found := image_type(head := data.peek(HEAD_BYTES))):
        if len(head) == HEAD_BYTES:
            raise refusal(head)
        yield
    return found
