"""What a body is read into: the bytes of its images, one after the other, and at its end all else that it says."""

from collections.abc import AsyncGenerator, AsyncIterator

from attrs import frozen

from gateway.domain.options import BatchOptions


@frozen(eq=False)
class SentImage:
    """The bytes of the batch's image number `index`; `body` must be read or left before the next image comes.

    `body` raises ContentError where the bytes can't be had (broken base64), BadInput where the request turns out
    broken, and what the request's own stream raises (TooSlow, ConnectionResetError).
    """

    index: int
    body: AsyncIterator[bytes]


@frozen
class ImageOutline:
    """An image but for its bytes: what the client calls it, and the URL where they are, unless it sent them along."""

    name: str | None = None
    url: str | None = None


@frozen
class BatchOutline:
    """A batch but for the bytes of its images. `options` is None where nothing was said of any."""

    images: tuple[ImageOutline, ...]
    options: BatchOptions | None = None


IncomingBatch = AsyncGenerator[SentImage | BatchOutline, None]
"""The images that were sent along, as they come; last, once, the outline, which only the end of a body tells."""
