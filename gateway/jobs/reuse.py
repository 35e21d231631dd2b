"""The same bytes, with the same options, are not analysed again while an image that was is kept.

An image is found by the SHA-256 of its original, is completed at once, and has the words and the tagged copy of the one
that was analysed. Whether that one stays is decided where the job store commits: if its job is just being removed, the
store refuses (SourceGone), and who commits has the image analysed as any. Images that are on their way at the same
time, also within one batch, do not wait for one another.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import structlog
from attrs import define

from gateway.domain.job import Image, Original
from gateway.domain.options import BatchOptions
from gateway.domain.reuse import Analysed, reused
from gateway.errors import BadInput, GatewayError
from gateway.jobs.side_by_side import for_each
from gateway.ports.clock import Clock
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectStore
from gateway.ports.reuse import AnalysedImages

log = structlog.get_logger(__name__)

Known = Mapping[str, Analysed]
"""By the SHA-256 of its original, an image that may be reused."""

_LOOK_S: Final = 5.0
"""How long stores may take to tell what can be reused: an analysis is always possible instead."""
_HEADS_AT_ONCE: Final = 16


@define(eq=False)
class Reuse:
    """A use case, of accepting and of downloads. Not `is_on`: every image is analysed."""

    _analysed: AnalysedImages
    _objects: ObjectStore
    _clock: Clock
    _is_on: bool

    async def known(self, images: Iterable[Image], options: BatchOptions) -> Known:
        """What can be reused for those whose originals are stored. The commit may find it gone (SourceGone)."""
        return await self._find({image.original.sha256 for image in images if image.original}, options)

    async def of(self, original: Original, options: BatchOptions) -> Analysed | None:
        """The same for an original alone."""
        return (await self._find({original.sha256}, options)).get(original.sha256)

    def completed(self, images: Iterable[Image], known: Known) -> Sequence[Image]:
        """All of them, in order, those of known content completed."""
        now = self._clock.now()
        return [
            reused(image, known[image.original.sha256], now)
            if image.original and image.original.sha256 in known
            else image
            for image in images
        ]

    async def _find(self, sha256s: Collection[str], options: BatchOptions) -> Known:
        """What a store can't tell now is not reused."""
        if not self._is_on or not sha256s:
            return {}
        try:
            async with asyncio.timeout(_LOOK_S):
                found = await self._analysed.find_analysed(sha256s, options)
                return await self._those_there(found)
        except (GatewayError, TimeoutError) as error:
            log.warning("nothing is reused now", reason=str(error) or "the stores take too long")
            return {}

    async def _those_there(self, found: Known) -> Known:
        """Whose tagged copy lies in the object store: a crash of the cleaner, or somebody else, may have taken it."""
        there: dict[str, Analysed] = {}

        async def look_for(sha256: str) -> None:
            try:
                await self._objects.head(ObjectKey(Bucket.PROCESSED, found[sha256].processed_path))
                there[sha256] = found[sha256]
            except (ObjectNotFound, BadInput):
                log.info("tagged copy is gone", path=found[sha256].processed_path)

        await for_each(found, look_for, at_once=_HEADS_AT_ONCE)
        return there
