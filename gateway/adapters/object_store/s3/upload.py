"""A body put whole or not at all: at once while it is small, else in parts.

How long a body is, its end alone tells. So up to a part is held: if the body ends there, it is put by one request.
What a put holds in memory is one part and the caller's chunk.

A multipart upload that comes to no end is aborted, also when the put is cancelled; one of a process that was killed
is left incomplete, invisible to readers, until the object of that key is deleted.
"""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Final

import structlog
from attrs import define, field, frozen

from gateway.adapters.object_store.s3.client import Facts, Part, Place, S3Client
from gateway.adapters.object_store.s3.faults import NotThere
from gateway.errors import GatewayError, TooLarge

log = structlog.get_logger(__name__)

ABORT_S: Final = 2.0
"""How long a failed put, and the closing of the store, waits for aborts: well below what a service has to stop."""


@define(eq=False)
class Uploads:
    """Puts, and the aborts of those that failed, which outlive their puts."""

    _client: S3Client
    _part_bytes: int
    _aborts: set[asyncio.Task[None]] = field(init=False, factory=set)

    async def put(self, place: Place, body: AsyncIterable[bytes], media_type: str, max_bytes: int) -> Facts:
        """Raises TooLarge, Unavailable, NoRoom, NotThere when it was aborted meanwhile, and what `body` raises."""
        upload: _Upload | None = None
        size = 0
        try:
            async with aclosing(_cut(body, self._part_bytes, max_bytes)) as pieces:
                async for piece in pieces:
                    size += piece.size
                    if upload is None and piece.is_last:
                        return Facts(size, await self._client.put(place, piece.content, media_type))
                    upload = upload or _Upload.begin(self._client, place, media_type)
                    await upload.send(piece.content)
                    del piece  # or it would be held while the next one is gathered
            assert upload is not None  # noqa: S101 - there is always a last piece
            return Facts(size, await upload.complete())
        except BaseException:
            if upload is not None:
                await self._abort(upload)
            raise

    async def close(self) -> None:
        """Wait for the aborts that are under way, but not for long."""
        if self._aborts:
            _, late = await asyncio.wait(self._aborts, timeout=ABORT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _abort(self, upload: "_Upload") -> None:
        """Goes on by itself when whoever waits here is cancelled."""
        task = asyncio.create_task(upload.abort(), name="abort of an upload")
        self._aborts.add(task)
        task.add_done_callback(self._aborts.discard)
        await asyncio.wait({task}, timeout=ABORT_S)


@define(eq=False)
class _Upload:
    """One multipart upload. It begins in a task, so that a put cancelled meanwhile can still learn its id."""

    _client: S3Client
    _place: Place
    _id: asyncio.Task[str]
    _parts: list[Part] = field(init=False, factory=list)

    @classmethod
    def begin(cls, client: S3Client, place: Place, media_type: str) -> "_Upload":
        return cls(client, place, asyncio.create_task(client.begin_upload(place, media_type)))

    async def send(self, content: io.BytesIO) -> None:
        upload_id = await asyncio.shield(self._id)
        part = await self._client.put_part(self._place, upload_id, len(self._parts) + 1, content)
        self._parts.append(part)

    async def complete(self) -> str:
        return await self._client.complete_upload(self._place, await self._id, self._parts)

    async def abort(self) -> None:
        try:
            upload_id = await self._id
        except (GatewayError, NotThere):
            return  # it never began
        try:
            await self._client.abort_upload(self._place, upload_id)
        except GatewayError as error:
            log.warning("an upload was not aborted", object=str(self._place), reason=str(error))


@frozen
class _Piece:
    """What one request takes of a body: a file in memory, for bytes would be handed to the loop in one go."""

    content: io.BytesIO
    size: int
    is_last: bool


async def _cut(body: AsyncIterable[bytes], part_bytes: int, max_bytes: int) -> AsyncGenerator[_Piece, None]:
    """Pieces of just `part_bytes`, but for the last, which is shorter, or empty if the body is. Raises TooLarge."""
    held, total = io.BytesIO(), 0
    async for chunk in body:
        total += len(chunk)
        if total > max_bytes:
            raise TooLarge(f"The object is larger than {max_bytes} bytes.")
        rest = memoryview(chunk)
        while held.tell() + len(rest) > part_bytes:
            room = part_bytes - held.tell()
            held.write(rest[:room])
            rest = rest[room:]
            yield _piece(held, is_last=False)
            held = io.BytesIO()
        held.write(rest)
    yield _piece(held, is_last=True)


def _piece(held: io.BytesIO, *, is_last: bool) -> _Piece:
    size = held.tell()
    held.seek(0)
    return _Piece(held, size, is_last)
