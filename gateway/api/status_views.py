"""Status answers, each written once for all who ask.

That of a job that has not changed is the same bytes again; of one that has, only the images that changed are written
anew.
"""

import hashlib
from collections import OrderedDict
from itertools import compress
from operator import is_not
from typing import Final

import orjson
from attrs import define, field

from gateway.api.views import image_fields, job_fields, to_json
from gateway.domain.events import StreamPosition, snapshot_event
from gateway.domain.image_query import ImageQuery
from gateway.domain.job import Image, Job
from gateway.events.stream import EventStream

STATUS_CACHE_BYTES: Final = 16 * 1024 * 1024


@define(eq=False)
class StatusView:
    """The status answer of one version of a job.

    `position` is that of its newest event, `etag` is quoted, `stored` counts the originals at hand.
    """

    job: Job
    position: str
    etag: str
    body: bytes
    images: list[orjson.Fragment]
    stored: int

    @property
    def held_bytes(self) -> int:
        """Roughly: the images are held twice, in the body and apart."""
        return 2 * len(self.body)

    def of_matching(self, query: ImageQuery) -> tuple[bytes, str]:
        """The answer with the images alone that match, and its ETag, which no other query's answer has."""
        images = [
            shown for shown, image in zip(self.images, self.job.images, strict=True) if query.matches(image)
        ]
        asked = hashlib.sha256(to_json({"keywords": sorted(query.keywords), "status": query.status}))
        body = to_json(job_fields(self.job, images, self.position))
        return body, f'{self.etag[:-1]}.{asked.hexdigest()[:16]}"'


@define(eq=False)
class StatusViews:
    """Status answers, those last asked for kept in at most `capacity_bytes`."""

    _stream: EventStream
    capacity_bytes: int = STATUS_CACHE_BYTES
    _kept: OrderedDict[str, StatusView] = field(factory=OrderedDict)
    _held_bytes: int = 0
    _epoch: str = ""

    def of(self, job: Job) -> StatusView:
        """The view of this very job."""
        kept = self._kept.get(job.job_id)
        if kept is not None and kept.job is job:
            self._kept.move_to_end(job.job_id)
            return kept
        view = self._changed(kept, job) if kept else self._new(job)
        self._keep(view)
        return view

    def forget(self, job_id: str) -> None:
        """The job was deleted."""
        dropped = self._kept.pop(job_id, None)
        if dropped is not None:
            self._held_bytes -= dropped.held_bytes

    def _new(self, job: Job) -> StatusView:
        images = [_fragment(image) for image in job.images]
        return self._view(job, images, sum(map(_is_stored, job.images)))

    def _changed(self, before: StatusView, job: Job) -> StatusView:
        """Images are values: what is the same object has the same JSON."""
        images, stored = before.images.copy(), before.stored
        differ = map(is_not, job.images, before.job.images)
        for index in compress(range(len(images)), differ):
            images[index] = _fragment(job.images[index])
            stored += _is_stored(job.images[index]) - _is_stored(before.job.images[index])
        return self._view(job, images, stored)

    def _view(self, job: Job, images: list[orjson.Fragment], stored: int) -> StatusView:
        position = self._position(job)
        # No event tells of a download's end, so the position alone does not name a version.
        etag = f'"{position}.{stored}"'
        return StatusView(job, position, etag, to_json(job_fields(job, images, position)), images, stored)

    def _position(self, job: Job) -> str:
        self._epoch = self._epoch or self._stream.position(snapshot_event(job)).epoch
        return str(StreamPosition(self._epoch, job.seq))

    def _keep(self, view: StatusView) -> None:
        replaced = self._kept.pop(view.job.job_id, None)
        self._held_bytes += view.held_bytes - (replaced.held_bytes if replaced else 0)
        self._kept[view.job.job_id] = view
        while self._held_bytes > self.capacity_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._held_bytes -= dropped.held_bytes


def _is_stored(image: Image) -> bool:
    return image.original is not None


def _fragment(image: Image) -> orjson.Fragment:
    return orjson.Fragment(to_json(image_fields(image)))
