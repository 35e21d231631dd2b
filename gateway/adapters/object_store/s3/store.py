"""Objects in two buckets of an S3: `<bucket>/<key>`, with their media type.

Opening waits for S3 a few seconds at most and never fails because it is down: what needs it is Unavailable until it
is there. A put that was cancelled or met its deadline may have stored its object all the same; a reader sees whole
objects alone. Keys are those of the folder store, so that both can hold the same objects.

How full the disk behind an S3 is, nobody can ask it: NoRoom comes of a put, never of a check.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
from attrs import define

from gateway.adapters.object_store.keys import BadKey, parts_of
from gateway.adapters.object_store.s3.buckets import Buckets
from gateway.adapters.object_store.s3.client import Facts, OpenBody, Place, S3Client
from gateway.adapters.object_store.s3.config import connected
from gateway.adapters.object_store.s3.faults import BucketMissing, NotThere, Refused, down
from gateway.adapters.object_store.s3.puts import Puts
from gateway.adapters.object_store.s3.upload import Uploads
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.errors import GatewayError, RangeRefused, Unavailable
from gateway.ports.object_store import ObjectKey, ObjectNotFound, ObjectReader, StoredObject

log = structlog.get_logger(__name__)

PIECE_BYTES: Final = 256 * 1024
"""Read at once, at most."""

_PAST_THE_END: Final = ("InvalidRange", "416")
_LISTS_NO_UPLOADS: Final = ("NotImplemented", "MethodNotAllowed", "501", "405")


@asynccontextmanager
async def open_s3_store(settings: ObjectStoreSettings) -> AsyncIterator["S3ObjectStore"]:
    """The store at the settings' endpoint. Raises Unavailable if its `ca_file` can't be read."""
    if settings.tls and settings.ca_file:
        await asyncio.to_thread(_try_out, settings.ca_file)
    async with connected(settings) as s3:
        puts = Puts(settings, s3.config, s3.connections)
        client = S3Client(s3.client, puts, settings.timeout_s)
        store = S3ObjectStore(
            settings,
            client,
            Buckets(client, settings),
            Uploads(client, settings.part_bytes),
            asyncio.Semaphore(_most_readers(settings)),
        )
        await store.prepare()
        try:
            yield store
        finally:
            await store.close()


@define(eq=False)
class S3ObjectStore:
    """An `ObjectStore`."""

    settings: ObjectStoreSettings
    _client: S3Client
    _buckets: Buckets
    _uploads: Uploads
    _readers: asyncio.Semaphore
    """Each holds a connection for as long as whoever reads takes; the rest of the pool is for all other work."""

    @property
    def warnings(self) -> Sequence[str]:
        """None: what an S3 lies on, nobody can ask it."""
        return ()

    @property
    def put_bytes(self) -> int:
        """A part."""
        return self.settings.part_bytes

    async def put(
        self, key: ObjectKey, body: AsyncIterable[bytes], *, media_type: str, max_bytes: int
    ) -> StoredObject:
        """Holds one part in memory, and a chunk of `body`."""
        parts_of(key.key)
        place = self._buckets.place_of(key)
        with self._in_our_words(key):
            await self._buckets.ensure()
            try:
                return _stored(key, await self._uploads.put(place, body, media_type, max_bytes))
            except NotThere as error:
                raise down(f"upload of {place}", f"it was aborted meanwhile ({error})") from error

    @asynccontextmanager
    async def open(
        self, key: ObjectKey, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[ObjectReader]:
        if end is not None and end <= start:
            yield ObjectReader(await self.head(key), _nothing())
            return
        async with self._among_readers():
            body = await self._get(key, start, end)
            try:
                yield ObjectReader(_stored(key, body.object_facts), self._chunks(key, body))
            finally:
                body.stream.close()

    async def head(self, key: ObjectKey) -> StoredObject:
        place = self._existing(key)
        with self._in_our_words(key):
            await self._buckets.ensure()
            return _stored(key, await self._client.head(place))

    async def delete(self, key: ObjectKey) -> None:
        """Incomplete uploads first: one that is completed in between is deleted with the object."""
        try:
            place = self._existing(key)
        except ObjectNotFound:
            return
        with self._in_our_words(key):
            await self._buckets.ensure()
            await self._abort_uploads(place)
            try:
                await self._client.delete(place)
            except NotThere:
                return

    async def check(self) -> str:
        try:
            async with asyncio.timeout(self.settings.check_timeout_s):
                await self._buckets.look()
        except TimeoutError as error:
            raise down("check", f"no answer in {self.settings.check_timeout_s:g} s") from error
        names = f"{self.settings.original_bucket} and {self.settings.processed_bucket}"
        return f"S3 at {self.settings.endpoint}, buckets {names}"

    async def prepare(self) -> None:
        """Make the buckets if S3 answers; else that is left to the first operation or check."""
        try:
            await self.check()
        except GatewayError as error:
            log.warning("object storage is not ready yet", reason=str(error))

    async def close(self) -> None:
        """Wait for what cleans up."""
        await self._uploads.close()

    @asynccontextmanager
    async def _among_readers(self) -> AsyncIterator[None]:
        """Raises Unavailable when none of them leaves in time."""
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                await self._readers.acquire()
        except TimeoutError as error:
            raise Unavailable("Too many objects are being read.", code="busy") from error
        try:
            yield
        finally:
            self._readers.release()

    async def _get(self, key: ObjectKey, start: int, end: int | None) -> OpenBody:
        """Raises ObjectNotFound, RangeRefused, Unavailable."""
        place = self._existing(key)
        with self._in_our_words(key):
            await self._buckets.ensure()
            try:
                body = await self._client.get(place, start, end)
            except Refused as error:
                if error.s3_code not in _PAST_THE_END:
                    raise
                body = await self._get_past_the_end(place, start)
        return _expected(body, place, start, end)

    async def _get_past_the_end(self, place: Place, start: int) -> OpenBody:
        """Every byte of an empty object lies past its end, and yet it may be read from 0."""
        if start == 0:
            return await self._client.get(place, 0, None)
        size = (await self._client.head(place)).size
        raise RangeRefused("The range begins past the end of the object.", size=size)

    async def _chunks(self, key: ObjectKey, body: OpenBody) -> AsyncIterator[bytes]:
        place, left = self._buckets.place_of(key), body.length
        while left:
            chunk = await self._client.read(body, min(PIECE_BYTES, left), place)
            if not chunk:
                raise down(f"GET {place}", f"the answer ended {left} bytes early")
            left -= len(chunk)
            yield chunk

    async def _abort_uploads(self, place: Place) -> None:
        try:
            upload_ids = await self._client.uploads(place)
        except Refused as error:
            if error.s3_code not in _LISTS_NO_UPLOADS:
                raise
            return
        for upload_id in upload_ids:
            await self._client.abort_upload(place, upload_id)

    def _existing(self, key: ObjectKey) -> Place:
        """Raises ObjectNotFound: nothing lies under what is no key."""
        try:
            parts_of(key.key)
        except BadKey:
            raise ObjectNotFound("There is no such object.", detail=str(key)) from None
        return self._buckets.place_of(key)

    @contextmanager
    def _in_our_words(self, key: ObjectKey) -> Iterator[None]:
        try:
            yield
        except NotThere:
            raise ObjectNotFound("There is no such object.", detail=str(key)) from None
        except BucketMissing:
            self._buckets.forget()
            raise


def _most_readers(settings: ObjectStoreSettings) -> int:
    return max(1, settings.connections * 3 // 4)


def _stored(key: ObjectKey, facts: Facts) -> StoredObject:
    return StoredObject(key=key, size=facts.size, etag=facts.etag)


def _expected(body: OpenBody, place: Place, start: int, end: int | None) -> OpenBody:
    """That body, if it is what was asked for. Raises Unavailable, and closes it, if not."""
    size = body.object_facts.size
    stop = size if end is None else min(end, size)
    if not body.object_facts.etag:
        body.stream.close()
        raise down(f"GET {place}", "the answer tells no ETag")
    if (body.first, body.length) != (start, stop - start):
        body.stream.close()
        raise down(
            f"GET {place}", f"{body.length} bytes from {body.first} came, not those from {start} to {stop}"
        )
    return body


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in list[bytes]():
        yield chunk


def _try_out(ca_file: str) -> None:
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Unavailable(
            "The object storage can't be reached.", detail=f"ca_file {ca_file} can't be read: {error}"
        ) from error
