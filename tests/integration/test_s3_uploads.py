"""Bodies put in parts: whole or not at all, with nothing incomplete left behind, in bounded memory."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.adapters.object_store.s3 import S3ObjectStore, open_s3_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.domain.transitions import cancel
from gateway.errors import TooLarge, Unavailable
from gateway.jobs.cleaner import Cleaner
from gateway.jobs.processed import known_paths
from gateway.ports.object_store import Bucket, ObjectKey, StoredObject
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.test_submit import sent
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg
from tests.servers.odd_s3 import odd_s3
from tests.servers.s3 import S3Server, plain_client
from tests.servers.tcp_proxy import tcp_proxy
from tests.traced_memory import traced_memory

ROOT = Path(__file__).parents[2]
MB = 1024 * 1024
PART = 5 * MB
PHOTO = ObjectKey(Bucket.ORIGINAL, "b-1/original.jpg")


@pytest.fixture(params=["rclone", "moto"])
def server(request: pytest.FixtureRequest) -> S3Server:
    running: S3Server = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def options(server: S3Server) -> dict[str, Any]:
    return server.options()


@pytest.fixture
async def store(options: Mapping[str, Any]) -> AsyncIterator[S3ObjectStore]:
    before = open_descriptors()
    async with open_s3_store(ObjectStoreSettings(kind="s3", **options)) as store:
        yield store
    await eventually(lambda: open_descriptors() <= before)  # also those of puts that were cancelled halfway


async def chunks(size: int, chunk_bytes: int = MB) -> AsyncIterator[bytes]:
    for start in range(0, size, chunk_bytes):
        yield bytes([start // chunk_bytes % 256]) * min(chunk_bytes, size - start)


async def put(store: S3ObjectStore, size: int, chunk_bytes: int = MB, key: ObjectKey = PHOTO) -> None:
    await store.put(key, chunks(size, chunk_bytes), media_type="image/jpeg", max_bytes=size)


async def get(store: S3ObjectStore) -> bytes:
    async with store.open(PHOTO) as reader:
        return b"".join([chunk async for chunk in reader.chunks])


async def incomplete_uploads(
    server: S3Server, options: Mapping[str, Any], bucket: Bucket = Bucket.ORIGINAL
) -> list[str]:
    """By a client of its own."""
    async with plain_client(server) as client:
        try:
            answer = await client.list_multipart_uploads(Bucket=options[f"{bucket}_bucket"])
        except client.exceptions.NoSuchUpload:  # rclone's word for none
            return []
        return [found["Key"] for found in answer.get("Uploads", [])]


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def an_upload_of_somebody_else(
    server: S3Server, options: Mapping[str, Any], key: str
) -> AsyncIterator[None]:
    async with plain_client(server) as client:
        await client.create_multipart_upload(Bucket=options["original_bucket"], Key=key)
        yield


@pytest.mark.parametrize("chunk_bytes", [100_003, MB, 11 * MB])
@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 7])
async def test_bodies_about_as_long_as_parts_are_read_back(
    store: S3ObjectStore, size: int, chunk_bytes: int
) -> None:
    await put(store, size, chunk_bytes)
    assert await get(store) == b"".join([chunk async for chunk in chunks(size, chunk_bytes)])


async def test_head_and_open_agree_on_what_was_put_in_parts(store: S3ObjectStore) -> None:
    stored = await store.put(PHOTO, chunks(PART + 1), media_type="image/jpeg", max_bytes=PART + 1)
    async with store.open(PHOTO) as reader:
        assert reader.stored == await store.head(PHOTO)
        assert reader.stored.size == stored.size == PART + 1


async def test_a_body_of_one_part_is_put_at_once_and_a_longer_one_in_parts() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked.append(
            f"{request.method} {sorted(request.query)} {len(body) if request.method == 'PUT' else ''}"
        )
        text = "<R><UploadId>1</UploadId><ETag>e</ETag></R>" if request.method == "POST" else ""
        return web.Response(headers={"ETag": '"e"'}, text=text)

    async with odd_s3(handler) as server:
        settings = ObjectStoreSettings(kind="s3", **server.options())
        async with open_s3_store(settings) as store:
            await put(store, PART)
            await put(store, PART + 1)
    parts = [f"PUT ['partNumber', 'uploadId'] {size}" for size in (PART, 1)]
    assert asked == [f"PUT [] {PART}", "POST ['uploads'] ", *parts, "POST ['uploadId'] "]


async def test_an_end_of_an_upload_that_fails_after_its_200_has_begun_is_no_success() -> None:
    """So S3 answers when it has kept the client waiting with blanks."""
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        asked.append(request.method)
        if request.method != "POST":
            return web.Response(headers={"ETag": '"e"'})
        if "uploads" in request.query:
            return web.Response(text="<R><UploadId>1</UploadId></R>")
        return web.Response(text="\n <Error><Code>InternalError</Code><Message>because</Message></Error>")

    async with odd_s3(handler) as server:
        settings = ObjectStoreSettings(kind="s3", attempts=1, **server.options())
        async with open_s3_store(settings) as store:
            with pytest.raises(Unavailable, match="InternalError"):
                await put(store, PART + 1)
    assert asked == ["POST", "PUT", "PUT", "POST", "DELETE"]


class BodyError(ConnectionResetError):
    """Of the sender's side."""


async def broken_body(size: int) -> AsyncIterator[bytes]:
    async for chunk in chunks(size):
        yield chunk
    raise BodyError


@pytest.mark.parametrize("size", [PART + MB, 2 * PART, 2 * PART + MB])
async def test_a_body_that_breaks_aborts_its_upload(
    store: S3ObjectStore, server: S3Server, options: Mapping[str, Any], size: int
) -> None:
    with pytest.raises(BodyError):
        await store.put(PHOTO, broken_body(size), media_type="image/jpeg", max_bytes=100 * MB)
    assert await incomplete_uploads(server, options) == []


async def test_a_body_over_its_bound_aborts_its_upload(
    store: S3ObjectStore, server: S3Server, options: Mapping[str, Any]
) -> None:
    with pytest.raises(TooLarge):
        await store.put(PHOTO, chunks(12 * MB), media_type="image/jpeg", max_bytes=12 * MB - 1)
    assert await incomplete_uploads(server, options) == []


async def a_put_that_stalls(store: S3ObjectStore) -> "asyncio.Task[StoredObject]":
    """Its first part is sent, and no more of its body comes."""
    stalled = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        async for chunk in chunks(6 * MB):
            yield chunk
        stalled.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(store.put(PHOTO, body(), media_type="image/jpeg", max_bytes=100 * MB))
    await asyncio.wait_for(stalled.wait(), PATIENCE_S)
    return task


async def test_a_cancelled_put_aborts_its_upload(
    store: S3ObjectStore, server: S3Server, options: Mapping[str, Any]
) -> None:
    task = await a_put_that_stalls(store)
    assert await incomplete_uploads(server, options) == [PHOTO.key]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await incomplete_uploads(server, options) == []


async def test_a_put_cancelled_at_any_moment_leaves_nothing_incomplete(
    store: S3ObjectStore, server: S3Server, options: Mapping[str, Any]
) -> None:
    for turn in range(16):
        task = asyncio.create_task(put(store, PART + 1000, key=ObjectKey(Bucket.ORIGINAL, f"a/{turn}")))
        await asyncio.sleep(turn * 0.002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await incomplete_uploads(server, options) == []


async def test_a_put_cancelled_twice_still_aborts_its_upload_before_the_store_closes(
    server: S3Server, options: Mapping[str, Any]
) -> None:
    async with tcp_proxy(server.port) as proxy:
        there = {**options, "endpoint": f"127.0.0.1:{proxy.port}"}
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_s3_store(ObjectStoreSettings(kind="s3", **there)))
            task = await a_put_that_stalls(store)
            proxy.stall()
            task.cancel()
            await asyncio.wait({task}, timeout=0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            closing = asyncio.create_task(stack.aclose())
            await asyncio.wait({closing}, timeout=0.2)
            assert not closing.done()
            proxy.flow()
            await closing
        assert await incomplete_uploads(server, options) == []


async def test_a_put_whose_upload_was_aborted_by_another_is_unavailable(
    store: S3ObjectStore, server: S3Server
) -> None:
    async def body() -> AsyncIterator[bytes]:
        async for chunk in chunks(6 * MB):
            yield chunk
        await store.delete(PHOTO)
        yield b"more"

    with pytest.raises(Unavailable):
        await store.put(PHOTO, body(), media_type="image/jpeg", max_bytes=100 * MB)


async def test_a_delete_removes_what_a_killed_put_of_just_that_key_has_left(
    store: S3ObjectStore, server: S3Server, options: Mapping[str, Any]
) -> None:
    async with (
        an_upload_of_somebody_else(server, options, PHOTO.key),
        an_upload_of_somebody_else(server, options, PHOTO.key),
        an_upload_of_somebody_else(server, options, PHOTO.key + "-of-another"),
        an_upload_of_somebody_else(server, options, "b-2/original.jpg"),
    ):
        await store.delete(PHOTO)
    assert await incomplete_uploads(server, options) == ["b-1/original.jpg-of-another", "b-2/original.jpg"]


async def test_a_process_killed_in_mid_upload_leaves_nothing_once_its_key_is_deleted(
    store: S3ObjectStore, server: S3Server, options: Mapping[str, Any]
) -> None:
    await kill_in_mid_upload(options, PHOTO)
    assert await incomplete_uploads(server, options) == [PHOTO.key]
    await store.delete(PHOTO)
    assert await incomplete_uploads(server, options) == []


async def kill_in_mid_upload(options: Mapping[str, Any], key: ObjectKey) -> None:
    program = [
        sys.executable,
        "-m",
        "tests.integration.s3_store_child",
        json.dumps(options),
        key.bucket,
        key.key,
    ]
    child = await asyncio.create_subprocess_exec(*program, stdout=PIPE, cwd=ROOT)
    try:
        assert child.stdout is not None
        assert await asyncio.wait_for(child.stdout.readline(), PATIENCE_S) == b"stalled\n"
    finally:
        child.kill()
        await child.wait()


def cleaner_of(parts: Parts, objects: S3ObjectStore) -> Cleaner:
    return Cleaner(
        ledger=parts.ledger,
        jobs=parts.jobs,
        backlog=parts.jobs,
        reservations=parts.jobs,
        letters=parts.jobs,
        answers=parts.jobs,
        analysed=parts.jobs,
        objects=objects,
        clock=parts.clock,
        settings=parts.settings,
        late_s=0,
    )


async def test_the_cleaner_removes_the_upload_of_a_gateway_that_was_killed(
    store: S3ObjectStore, server: S3Server, options: Mapping[str, Any], tmp_path: Path
) -> None:
    async with parts_in(tmp_path) as parts:
        await parts.jobs.reserve(["b-1"], deadline=parts.clock.now() + timedelta(seconds=10))
        await kill_in_mid_upload(options, ObjectKey(Bucket.ORIGINAL, "b-1/original.png"))
        parts.clock.turn(11)
        await cleaner_of(parts, store).run_once()
    assert await incomplete_uploads(server, options) == []


async def test_the_upload_of_a_processor_that_was_killed_goes_with_its_job(
    store: S3ObjectStore, server: S3Server, options: Mapping[str, Any], tmp_path: Path
) -> None:
    async with parts_in(tmp_path) as parts:
        job = await parts.submitted(sent(a_jpeg()))
        _, path = next(known_paths(job.images[0]))
        await kill_in_mid_upload(options, ObjectKey(Bucket.PROCESSED, path))
        await parts.ledger.change(job.job_id, lambda job: cancel(job, parts.clock.now()))
        parts.clock.turn(parts.settings.keep_s + 1)
        assert await incomplete_uploads(server, options, Bucket.PROCESSED) == [path]
        await cleaner_of(parts, store).run_once()
    assert await incomplete_uploads(server, options, Bucket.PROCESSED) == []


async def test_a_put_holds_little_more_than_a_part(rclone: S3Server) -> None:
    async with open_s3_store(ObjectStoreSettings(kind="s3", **rclone.options())) as store:
        await put(store, 6 * MB)
        with traced_memory() as traced:
            await put(store, 60 * MB, 256 * 1024)
        assert traced.peak_bytes < PART + 4 * MB
