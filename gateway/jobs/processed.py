"""Tagged images in the bucket of processed ones: where they may lie, what they say, and their removal.

Our processor stores under `<attempt>/<safe name>`, the existing one under `processed/<attempt>/<safe name>`, so where
an attempt's object lies is known before its result, and without one.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from attrs import define, field, frozen

from gateway.domain.attempt import AttemptName
from gateway.domain.job import Image, Original
from gateway.errors import BadInput
from gateway.images.embedded.metadata import HEAD_BYTES, read_metadata
from gateway.images.names import safe_name
from gateway.jobs.originals import type_of
from gateway.metadata import Metadata
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectStore

READS_AT_ONCE: Final = 32
"""Each holds the head of an image: 16 MB together."""

_FOLDERS: Final = ("", "processed/")


def message_name(image: Image, original: Original) -> str:
    """What the image is called in messages, and so in the keys of its tagged objects."""
    return safe_name(image.original_filename, type_of(original))


def known_paths(image: Image) -> Iterator[tuple[AttemptName, str]]:
    """Where attempts of the image may have put their object, the newest attempt first."""
    if image.original is None:
        return
    filename = message_name(image, image.original)
    for number in range(image.attempt, 0, -1):
        name = AttemptName(image.trace_id, number)
        for path in paths_of(name, filename):
            yield name, path


def paths_of(name: AttemptName, filename: str) -> Iterator[str]:
    """Where that attempt may have put the object of an image that messages call so."""
    for folder in _FOLDERS:
        yield f"{folder}{name}/{filename}"


def leftover_paths(image: Image) -> Sequence[str]:
    """Of an image that has ended: where attempts of it may have left what it does not name.

    One that was not the newest may have died behind its put and failed then, when the image was still open, and so may
    one that an embedded gateway died with. Of an only attempt, begun once, the result tells all.
    """
    if image.attempt == 1 and not image.interruptions:
        return ()
    return [path for _, path in known_paths(image) if path != image.processed_path]


def is_of_attempt(path: str, name: AttemptName) -> bool:
    """Whether an object there can only be that attempt's."""
    folder, _, filename = path.rpartition("/")
    return bool(filename) and folder in [f"{above}{name}" for above in _FOLDERS]


@frozen
class Tagged:
    """A tagged image that was found: by which attempt, where, and its words."""

    name: AttemptName
    path: str
    words: Metadata | None


@define(eq=False)
class ProcessedImages:
    """Reads or removes at most READS_AT_ONCE of them at a time."""

    _objects: ObjectStore
    _turns: asyncio.Semaphore = field(init=False, factory=lambda: asyncio.Semaphore(READS_AT_ONCE))

    async def read_words(self, path: str) -> Metadata | None:
        """What the image there says about itself. Raises ObjectNotFound, BadInput, Unavailable."""
        key = ObjectKey(Bucket.PROCESSED, path)
        async with self._turns:
            async with self._objects.open(key, end=HEAD_BYTES) as reader:
                head = b"".join([chunk async for chunk in reader.chunks])
            # In a thread: a hostile head may keep the parsers busy.
            return await asyncio.to_thread(read_metadata, head)

    async def find(self, image: Image) -> Tagged | None:
        """The newest attempt's tagged image that lies in the store. Raises Unavailable."""
        for name, path in known_paths(image):
            try:
                return Tagged(name, path, await self.read_words(path))
            except (ObjectNotFound, BadInput):
                continue
        return None

    async def remove(self, paths: Iterable[str]) -> None:
        """Delete what lies there, if anything does. Raises Unavailable.

        Looked for first, for mostly nothing does, and to an S3 a delete is two questions and needs a right of its own.
        So of a put that was killed in the midst parts may stay, until the job goes.
        """
        for path in paths:
            key = ObjectKey(Bucket.PROCESSED, path)
            async with self._turns:
                with suppress(ObjectNotFound):
                    await self._objects.head(key)
                    await self._objects.delete(key)
