"""Whole objects by key, in two buckets.

Shaped for S3 (single and multipart put, ranged get) and for a folder alike.
"""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from gateway.errors import NotFound, TooLarge


class Bucket(StrEnum):
    """What a bucket is for; the adapter knows its name."""

    ORIGINAL = "original"
    PROCESSED = "processed"


@frozen
class ObjectKey:
    bucket: Bucket
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"


@frozen
class StoredObject:
    """An object without its bytes: `size` in bytes, `etag` opaque and changing with the content, unquoted."""

    key: ObjectKey
    size: int
    etag: str


@frozen
class ObjectReader:
    """An open object: `chunks` yields the bytes asked for, once."""

    stored: StoredObject
    chunks: AsyncIterator[bytes]


class ObjectNotFound(NotFound):
    """No object has that key."""

    default_code = "object_not_found"


class ObjectStore(Protocol):
    """Whole objects by key. What `put` returned for survives a crash of the process and of the machine."""

    @property
    def warnings(self) -> Sequence[str]:
        """What makes that less true where the objects lie: a line each, for readyz; no question."""

    @property
    def put_bytes(self) -> int:
        """What one put holds in memory, at most, but for the chunk of its body that it is just given."""

    async def put(
        self, key: ObjectKey, body: AsyncIterable[bytes], *, media_type: str, max_bytes: int
    ) -> StoredObject:
        """Store all of `body` or nothing, in place of what had that key; readers see the old or the new whole.

        An error that `body` raises is passed on, and nothing is stored. Raises TooLarge past `max_bytes`,
        NoRoom when the disk is full, Unavailable when a retry may help, BadInput for a key that is no key.
        """

    def open(
        self, key: ObjectKey, *, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[ObjectReader]:
        """The bytes from `start` up to `end` (exclusive; None: the end), as a stream.

        `end` past the object's size means its end; `end` at or before `start` means nothing. Raises
        ObjectNotFound, also for a key that is no key; RangeRefused when a non-empty range starts at or past the
        object's end (0 is always fine); Unavailable, also from `chunks`, which never end early in silence.
        """

    async def head(self, key: ObjectKey) -> StoredObject:
        """The object without its bytes. Raises ObjectNotFound, Unavailable."""

    async def delete(self, key: ObjectKey) -> None:
        """Remove it, and what a put that was killed has left of it; one that is not there is fine.

        Raises Unavailable.
        """

    async def check(self) -> str:
        """Ask the store whether it works: a line for readyz. Raises Unavailable, NoRoom."""


async def read_whole(store: ObjectStore, key: ObjectKey, *, max_bytes: int) -> bytes:
    """All of an object, held in memory. Raises TooLarge past `max_bytes`, and what `open` raises."""
    async with store.open(key) as reader:
        if reader.stored.size > max_bytes:
            raise TooLarge("The image is too large to be worked on.", detail=f"{reader.stored.size} bytes")
        return b"".join([chunk async for chunk in reader.chunks])
