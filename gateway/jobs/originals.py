"""An image's bytes on their way into the bucket of originals: counted, inspected and hashed as they pass.

Shared by what is sent along (submit) and what is downloaded (fetcher). Nothing is stored unless all of it is good.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from attrs import define, field

from gateway.domain.job import Original
from gateway.errors import ContentError
from gateway.images.inspect import ImageLimits, Inspector
from gateway.images.signatures import ImageType
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore


def original_key(trace_id: str, kind: ImageType) -> str:
    return f"{trace_id}/original.{kind.extension}"


def type_of(original: Original) -> ImageType:
    return ImageType(original.media_type.removeprefix("image/"))


def possible_keys(trace_id: str) -> tuple[str, ...]:
    """All keys that an original of that trace_id may have; its type is known only from its bytes."""
    return tuple(original_key(trace_id, kind) for kind in ImageType)


@define(eq=False)
class Content:
    """An image's bytes, counted and hashed as they pass; once."""

    _body: AsyncIterator[bytes]
    size: int = 0
    _digest: "hashlib._Hash" = field(factory=hashlib.sha256)
    _broken_by: str = ""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._body)
        except ContentError as error:
            self._broken_by = error.code
            raise
        self.size += len(chunk)
        self._digest.update(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        """Of what has passed so far."""
        return self._digest.hexdigest()

    async def identity(self) -> str:
        """What tells it from other content, whatever was said of it and however it was cut: the SHA-256 of it all.

        What has not passed yet does so. Content that breaks off (broken base64) is known by what came before, and why.
        """
        with suppress(ContentError):
            async for _ in self:
                # What lies in memory (JSON) waits for nothing, and would keep everybody else waiting.
                await asyncio.sleep(0)
        return f"{self.sha256} {self._broken_by}".rstrip()


def _inspection_threads() -> ThreadPoolExecutor:
    """Our own, and one less than there are CPUs: bombs take neither the threads nor the CPU that all else needs.

    They end when nothing refers to them any more. A chunk of each image waits for them at most.
    """
    return ThreadPoolExecutor(max((os.cpu_count() or 1) - 1, 1), thread_name_prefix="inspection")


@define(eq=False)
class Originals:
    """Checked puts into the bucket of originals."""

    _objects: ObjectStore
    _max_bytes: int
    _limits: ImageLimits
    _threads: ThreadPoolExecutor = field(init=False, factory=_inspection_threads)

    @property
    def put_bytes(self) -> int:
        """What `store` holds in memory, at most, but for a chunk of the content."""
        return self._objects.put_bytes

    async def store(self, trace_id: str, content: Content) -> Original:
        """Store the image under its key, or nothing.

        Raises ContentError for bytes that are no good image; what the store and the content's body raise.
        """
        passage = _Passage(content, Inspector(self._limits), self._threads, self._max_bytes)
        kind = await passage.recognise()
        key = original_key(trace_id, kind)
        stored = await self._objects.put(
            ObjectKey(Bucket.ORIGINAL, key),
            passage.chunks(),
            media_type=kind.media_type,
            max_bytes=self._max_bytes,
        )
        return Original(key, kind.media_type, stored.size, content.sha256)


@define(eq=False)
class _Passage:
    """The bytes of one image, looked at as they pass."""

    _content: Content
    _inspector: Inspector
    _threads: ThreadPoolExecutor
    _max_bytes: int
    _head: list[bytes] = field(factory=list)

    async def recognise(self) -> ImageType:
        """Read as far as the type needs. Raises ContentError."""
        while self._inspector.type is None:
            chunk = await anext(self._content, None)
            if chunk is None:
                self._inspector.finish()
                raise ContentError("not an image", code="not_an_image")
            self._head.append(await self._look_at(chunk))
        return self._inspector.type

    async def chunks(self) -> AsyncIterator[bytes]:
        """All bytes, those read already included. Raises ContentError once they turn out bad."""
        while self._head:
            yield self._head.pop(0)
        async for chunk in self._content:
            yield await self._look_at(chunk)
        self._inspector.finish()

    async def _look_at(self, chunk: bytes) -> bytes:
        if self._content.size > self._max_bytes:
            raise ContentError(f"The image is larger than {self._max_bytes} bytes.", code="too_large")
        if self._inspector.is_costly(chunk):
            # Cancelled, the thread ends with this chunk: nobody asks the inspector again.
            await asyncio.get_running_loop().run_in_executor(self._threads, self._inspector.feed, chunk)
        else:
            self._inspector.feed(chunk)
        return chunk
