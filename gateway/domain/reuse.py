"""What an analysed image lends to others of the same bytes, for which the same was asked: they are not analysed again.

Only an image that was really analysed lends, and none that was itself reused, so words are not handed on for good.
"""

from datetime import datetime

from attrs import evolve, frozen

from gateway.domain.job import Image, ImageRef, Status
from gateway.metadata import Metadata


@frozen
class Analysed:
    """A completed image: which, where its tagged copy lies, and that one's words."""

    image: ImageRef
    processed_path: str
    metadata: Metadata | None = None


def reused(image: Image, analysed: Analysed, now: datetime) -> Image:
    """The open image, whose original is stored, as it ends without an analysis of its own."""
    return evolve(
        image,
        status=Status.COMPLETED,
        end_time=max(now, image.start_time or now),
        not_before=None,
        processed_path=analysed.processed_path,
        metadata=analysed.metadata,
        reused_from=analysed.image,
    )
