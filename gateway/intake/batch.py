"""What a body is read into: the images of a batch, one after the other, each with its bytes as a stream, and among
them, where a client gives any, the options of all."""

from collections.abc import AsyncGenerator, AsyncIterator

from attrs import frozen

from gateway.domain.options import BatchOptions


@frozen(eq=False)
class LinkedImage:
    """An image that the client names by its URL."""

    url: str
    name: str | None = None


@frozen(eq=False)
class SentImage:
    """An image that was sent along; `body` must be read or left before the next image comes.

    `body` raises ContentError where the bytes can't be had (broken base64), and what the request's own stream
    raises (TooSlow, ConnectionResetError).
    """

    body: AsyncIterator[bytes]
    name: str | None = None


IncomingImage = LinkedImage | SentImage
IncomingBatch = AsyncGenerator[IncomingImage | BatchOptions, None]
