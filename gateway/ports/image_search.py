"""Images over all kept jobs, found by their keywords and by where they stand."""

from typing import Protocol

from attrs import frozen

from gateway.domain.image_query import ImageQuery
from gateway.domain.job import Image


@frozen
class FoundImage:
    job_id: str
    image: Image


@frozen
class ImagePage:
    """Images of the newest job first, the last ones of a job before its first.

    `total` counts all that match; `next_cursor` is None on the last page.
    """

    images: tuple[FoundImage, ...]
    total: int
    next_cursor: str | None = None


class ImageSearch(Protocol):
    """What a commit changed is found, or no longer found, from that commit on."""

    async def find_images(self, query: ImageQuery, *, limit: int, cursor: str | None = None) -> ImagePage:
        """A page of the images that match. Raises BadCursor, Unavailable."""
