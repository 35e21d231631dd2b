"""What a body is read into: the images of a batch, one after the other, each with its bytes as a stream."""

from collections.abc import AsyncIterator

from attrs import frozen


@frozen(eq=False)
class IncomingImage:
    """One image as the client sent it: `url`, or `body`, which must be read or left before the next one comes.

    `body` raises ContentError where the bytes can't be had (broken base64), and what the request's own stream
    raises (TooSlow, ConnectionResetError).
    """

    name: str | None = None
    url: str | None = None
    body: AsyncIterator[bytes] | None = None


IncomingImages = AsyncIterator[IncomingImage]
