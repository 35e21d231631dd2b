"""Batches for the use case behind POST, as a body is read into them, each told by its members."""

from collections.abc import AsyncIterator

from attrs import frozen

from gateway.domain.options import BatchOptions
from gateway.intake.batch import BatchOutline, ImageOutline, IncomingBatch, SentImage


@frozen
class Linked:
    """An image by its URL."""

    url: str
    name: str | None = None


@frozen(eq=False)
class Sent:
    """An image that is sent along."""

    body: AsyncIterator[bytes]
    name: str | None = None


Member = Linked | Sent | BatchOptions


async def batch_of(*members: Member) -> IncomingBatch:
    images = [member for member in members if not isinstance(member, BatchOptions)]
    options = [member for member in members if isinstance(member, BatchOptions)]
    for index, image in enumerate(images):
        if isinstance(image, Sent):
            yield SentImage(index, image.body)
    outlines = (
        ImageOutline(image.name, image.url if isinstance(image, Linked) else None) for image in images
    )
    yield BatchOutline(tuple(outlines), *options)
