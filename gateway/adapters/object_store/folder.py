"""Objects as files of one folder: `<folder>/<bucket>/<key>`, to look at with any tool.

What `put` returned for lies synced on the disk. A file is written under `.tmp`, synced and moved to its place, so
that whoever reads sees an object whole or not at all; what a killed process leaves under `.tmp` goes at the next
start. Media types are not kept: what an image is, its content says. Unlike in S3, a key cannot be the folder of
another key.

An etag is inode, modification time and size: no content is read for it, and each put gives a new one. It does not
outlive a copy of the folder.
"""

import shutil
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import structlog
from attrs import define, field

from gateway.adapters.object_store.disk_threads import DiskThreads
from gateway.adapters.object_store.files import FileFacts, NewFile, NoSuchFile, StoredFile, remove_leftovers
from gateway.adapters.object_store.folders import remove_file, walk
from gateway.adapters.object_store.keys import BadKey, parts_of
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.errors import RangeRefused, TooLarge, Unavailable
from gateway.file_system import make_folder, weaknesses
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound, ObjectReader, StoredObject

log = structlog.get_logger(__name__)

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
"""Written and read by one hop to a thread; what a reader holds in memory."""

TEMPORARY = ".tmp"  # no bucket is called so


@asynccontextmanager
async def open_folder_store(
    settings: ObjectStoreSettings, folder: Path
) -> AsyncIterator["FolderObjectStore"]:
    """The store in that folder, which is made where missing and rid of left-overs. Raises Unavailable, NoRoom."""
    store = FolderObjectStore(settings, folder)
    try:
        await store.prepare()
        yield store
    finally:
        store.close()


@define(eq=False)
class FolderObjectStore:
    """An `ObjectStore`."""

    settings: ObjectStoreSettings
    folder: Path
    warnings: Sequence[str] = field(init=False, default=())
    """Found once, by `prepare`."""
    _threads: DiskThreads = field(init=False)
    _buckets: Mapping[Bucket, Path] = field(init=False)
    _temporary: Path = field(init=False)
    _run_id: str = field(init=False, factory=lambda: uuid4().hex)
    _numbers: Iterator[int] = field(init=False, factory=count)
    """With `_run_id` they name temporary files, so that no two processes on one folder choose the same."""

    @_threads.default
    def _new_threads(self) -> DiskThreads:
        return DiskThreads(self.settings.threads)

    @_buckets.default
    def _paths_of_buckets(self) -> Mapping[Bucket, Path]:
        settings = self.settings
        return {
            Bucket.ORIGINAL: self.folder / settings.original_bucket,
            Bucket.PROCESSED: self.folder / settings.processed_bucket,
        }

    @_temporary.default
    def _path_of_temporary(self) -> Path:
        return self.folder / TEMPORARY

    @property
    def put_bytes(self) -> int:
        """A piece, as the chunks that it came in and as the one that is written."""
        return 2 * PIECE_BYTES

    async def put(
        self, key: ObjectKey, body: AsyncIterable[bytes], *, media_type: str, max_bytes: int
    ) -> StoredObject:
        parts = parts_of(key.key)
        file = self._new_file()
        try:
            rest = await self._write_pieces(file, body, max_bytes)
            facts = await self._run(file.place, rest, self._path_of(key.bucket), parts)
        except BaseException:
            file.give_up()
            await self._threads.clean_up(file.discard, timeout_s=self.settings.timeout_s)
            raise
        return _stored(key, facts)

    @asynccontextmanager
    async def open(
        self, key: ObjectKey, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[ObjectReader]:
        file = self._stored_file(key)
        try:
            stored = await self._open(key, file)
            stop = _end_of_range(stored, start, end)
            yield ObjectReader(stored, self._chunks(file, start, stop))
        finally:
            await self._threads.clean_up(file.close, timeout_s=self.settings.timeout_s)

    async def head(self, key: ObjectKey) -> StoredObject:
        async with self.open(key) as reader:
            return reader.stored

    async def delete(self, key: ObjectKey) -> None:
        try:
            parts = parts_of(key.key)
        except BadKey:
            return
        await self._run(remove_file, self._path_of(key.bucket), parts)

    async def check(self) -> str:
        free_bytes = await self._threads.run(self._try_out, timeout_s=self.settings.check_timeout_s)
        return f"folder, {free_bytes // 1024**2} MB free"

    async def prepare(self) -> None:
        """Make the folders, see what they lie on, and remove what a killed process has left."""
        await self._run(self._make_folders)
        self.warnings = await self._run(
            weaknesses, self.folder, "the folder of objects", "object_store.path, data_dir"
        )
        for warning in self.warnings:
            log.warning("accepted work is less safe than promised", reason=warning)
        removed = await self._run(remove_leftovers, self._temporary)
        if removed:
            log.info("left-over temporary files removed", count=removed)

    def close(self) -> None:
        """From now on all is Unavailable."""
        self._threads.close()

    async def _write_pieces(self, file: NewFile, body: AsyncIterable[bytes], max_bytes: int) -> list[bytes]:
        """What is left of the body, less than a piece, once all before is written."""
        chunks: list[bytes] = []
        held = total = 0
        async for chunk in body:
            held, total = held + len(chunk), total + len(chunk)
            if total > max_bytes:
                raise TooLarge(f"The object is larger than {max_bytes} bytes.")
            chunks.append(chunk)
            if held >= PIECE_BYTES:
                await self._run(file.write, chunks)
                chunks, held = [], 0
        return chunks

    async def _open(self, key: ObjectKey, file: StoredFile) -> StoredObject:
        try:
            return _stored(key, await self._run(file.open))
        except NoSuchFile:
            raise ObjectNotFound("There is no such object.", detail=str(key)) from None

    async def _chunks(self, file: StoredFile, start: int, stop: int) -> AsyncIterator[bytes]:
        while start < stop:
            chunk = await self._run(file.read, start, min(PIECE_BYTES, stop - start))
            if not chunk:
                raise Unavailable("The object was cut short while it was read.")
            start += len(chunk)
            yield chunk

    def _make_folders(self) -> None:
        for path in (*self._buckets.values(), self._temporary):
            make_folder(path)

    def _try_out(self) -> int:
        for bucket in Bucket:
            with walk(self._path_of(bucket), ()):
                pass
        self._new_file().try_out()
        return shutil.disk_usage(self.folder).free

    def _new_file(self) -> NewFile:
        return NewFile(self._temporary / f"{self._run_id}-{next(self._numbers)}")

    def _stored_file(self, key: ObjectKey) -> StoredFile:
        try:
            return StoredFile(self._path_of(key.bucket), parts_of(key.key))
        except BadKey:
            raise ObjectNotFound("There is no such object.", detail=str(key)) from None

    def _path_of(self, bucket: Bucket) -> Path:
        return self._buckets[bucket]

    async def _run(self, function: Callable[..., T], *args: object) -> T:
        return await self._threads.run(function, *args, timeout_s=self.settings.timeout_s)


def _stored(key: ObjectKey, facts: FileFacts) -> StoredObject:
    return StoredObject(key=key, size=facts.size, etag=facts.etag)


def _end_of_range(stored: StoredObject, start: int, end: int | None) -> int:
    stop = stored.size if end is None else min(end, stored.size)
    is_empty = end is not None and end <= start
    if start > 0 and start >= stored.size and not is_empty:
        raise RangeRefused("The range begins past the end of the object.", size=stored.size)
    return stop
