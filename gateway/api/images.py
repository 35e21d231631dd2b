"""Images of a batch by HTTP: how one stands, and its bytes before and after.

Bytes are streamed from the object store with ETag, Range and file name; a client that reads slowly holds one piece
of them, and one of the places for downloads, so that slow ones never keep the gateway itself from its object store. An
original never changes, and a processed image appears when its image has ended.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import web
from attrs import define, field, frozen

from gateway.api.answers import not_modified, versioned_answer
from gateway.api.conditions import ByteRange, asked_range, is_known
from gateway.api.parameters import index_of, job_id_of
from gateway.api.paths import BATCH
from gateway.api.status_views import StatusViews
from gateway.api.views import image_fields, to_json
from gateway.context import AppContext
from gateway.domain.job import Image, Job, Status
from gateway.errors import Conflict, GatewayError, NotFound, Unavailable
from gateway.images.names import safe_name
from gateway.images.signatures import ImageType
from gateway.ports.object_store import Bucket, ObjectKey, StoredObject

log = structlog.get_logger(__name__)

_PATH: Final = f"{BATCH}/images/{{index}}"
PLACE_S: Final = 2.0
"""How long a download waits for its place."""
WRITE_S: Final = 60.0
"""How long a client may leave one piece unread."""
_RETRY_S: Final = 1
_UNSAFE_IN_QUOTES: Final = frozenset('"\\%')


@frozen
class _Download:
    """Where an image's bytes lie and how they are called."""

    key: ObjectKey
    media_type: str
    file_name: str


@define(eq=False)
class Images:
    """The routes about single images."""

    _context: AppContext
    _views: StatusViews
    _places: asyncio.Semaphore = field(init=False)

    @_places.default
    def _all_places(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self._context.settings.http.max_downloads)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(_PATH, self.state),
            web.get(f"{_PATH}/original", self.original),
            web.get(f"{_PATH}/processed", self.processed),
        ]

    async def state(self, request: web.Request) -> web.Response:
        job, image = await self._find(request)
        return versioned_answer(request, to_json(image_fields(image)), self._views.of(job).etag)

    async def original(self, request: web.Request) -> web.StreamResponse:
        _, image = await self._find(request)
        return await self._send(request, original_of(image))

    async def processed(self, request: web.Request) -> web.StreamResponse:
        _, image = await self._find(request)
        return await self._send(request, processed_of(image))

    async def _find(self, request: web.Request) -> tuple[Job, Image]:
        job = await self._context.latest.get(job_id_of(request))
        index = index_of(request)
        if index >= len(job.images):
            text = f"There is no image {index}: the batch has {len(job.images)}, counted from 0."
            raise NotFound(text, code="image_not_found")
        return job, job.images[index]

    async def _send(self, request: web.Request, download: _Download) -> web.StreamResponse:
        stored = await self._context.object_store.head(download.key)
        etag = f'"{stored.etag}"'
        if is_known(etag, request.headers.get("If-None-Match")):
            return not_modified(etag)
        headers = _headers(download, etag)
        if request.method == "HEAD":
            return await _headers_alone(request, headers, stored)
        part = asked_range(
            stored.size, etag, range_=request.headers.get("Range"), if_range=request.headers.get("If-Range")
        )
        async with self._a_place():
            return await self._stream(request, headers, stored, part)

    @asynccontextmanager
    async def _a_place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PLACE_S):
                await self._places.acquire()
        except TimeoutError:
            text = "Too many images are being downloaded."
            raise Unavailable(text, code="busy", retry_after_s=_RETRY_S) from None
        try:
            yield
        finally:
            self._places.release()

    async def _stream(
        self, request: web.Request, headers: Mapping[str, str], stored: StoredObject, part: ByteRange | None
    ) -> web.StreamResponse:
        answer = web.StreamResponse(status=206 if part else 200, headers=headers)
        start, end = (part.start, part.end) if part else (0, stored.size)
        answer.content_length = end - start
        if part:
            answer.headers["Content-Range"] = part.content_range
        async with self._context.object_store.open(stored.key, start=start, end=end) as reader:
            await answer.prepare(request)
            try:
                async for chunk in reader.chunks:
                    await _write(answer, chunk)
                await answer.write_eof()
            except ConnectionError:
                log.debug("client left a download", key=str(stored.key))
            except Exception as error:
                # The answer has begun: cut short is the only way to say that it is not whole.
                unforeseen = not isinstance(error, GatewayError | TimeoutError)
                log.warning("download cut short", key=str(stored.key), reason=str(error), exc_info=unforeseen)
                _cut(request)
        return answer


def original_of(image: Image) -> _Download:
    """The image as it was sent. Raises Conflict while it is still to be fetched, NotFound if it was not kept."""
    if image.original is None:
        raise _absent(image, "original")
    media_type = image.original.media_type
    return _Download(
        ObjectKey(Bucket.ORIGINAL, image.original.key), media_type, _file_name(image, media_type)
    )


def processed_of(image: Image) -> _Download:
    """The tagged image. Raises Conflict while it is still to come, NotFound if it never will."""
    if image.status is not Status.COMPLETED or not image.processed_path or image.original is None:
        raise _absent(image, "processed")
    # Tags are all that a processor changes: the type stays that of the original, by its content.
    media_type = image.original.media_type
    return _Download(
        ObjectKey(Bucket.PROCESSED, image.processed_path), media_type, _file_name(image, media_type)
    )


def _absent(image: Image, which: str) -> GatewayError:
    if not image.status.is_final:
        return Conflict(
            f"Image {image.index} is still {image.status}: it has no {which} image yet.", code="not_ready"
        )
    why = f": {image.failure.error.rstrip('.')}" if image.failure else ""
    text = f"Image {image.index} is {image.status} and has no {which} image{why}."
    return NotFound(text, code="image_not_kept")


def _file_name(image: Image, media_type: str) -> str:
    kind = next(kind for kind in ImageType if kind.media_type == media_type)
    return safe_name(image.original_filename, kind)


def _headers(download: _Download, etag: str) -> dict[str, str]:
    return {
        "Content-Type": download.media_type,
        "Content-Disposition": content_disposition(download.file_name),
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }


def content_disposition(file_name: str) -> str:
    """To be shown, and saved under that name (RFC 6266, with RFC 8187 for what is not ASCII)."""
    plain = "".join(c if " " <= c <= "~" and c not in _UNSAFE_IN_QUOTES else "_" for c in file_name)
    if plain == file_name:
        return f'inline; filename="{plain}"'
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


async def _headers_alone(
    request: web.Request, headers: Mapping[str, str], stored: StoredObject
) -> web.StreamResponse:
    answer = web.StreamResponse(headers=headers)
    answer.content_length = stored.size
    await answer.prepare(request)
    await answer.write_eof()
    return answer


async def _write(answer: web.StreamResponse, chunk: bytes) -> None:
    async with asyncio.timeout(WRITE_S):
        await answer.write(chunk)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
