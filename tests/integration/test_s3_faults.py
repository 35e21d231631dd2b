"""An S3 that is silent, breaks off or refuses: every wait ends, and nothing of it stays behind in the pool."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.adapters.object_store.s3 import S3ObjectStore, open_s3_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.errors import Unavailable
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound
from tests.patience import PATIENCE_S
from tests.servers.odd_s3 import OddS3, answered, cut, end, half_an_object, odd_s3, silent, stall
from tests.servers.s3 import S3Server, running_rclone
from tests.servers.tcp_proxy import tcp_proxy

MB = 1024 * 1024
PHOTO = ObjectKey(Bucket.ORIGINAL, "b-1/original.jpg")


@asynccontextmanager
async def opened(server: OddS3 | S3Server, **changes: Any) -> AsyncIterator[S3ObjectStore]:
    options = {**server.options(), "timeout_s": 0.5, "check_timeout_s": 2.0, "connections": 2, **changes}
    async with open_s3_store(ObjectStoreSettings(kind="s3", **options)) as store:
        yield store


async def put(store: S3ObjectStore, size: int = 1000, key: ObjectKey = PHOTO) -> None:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, size, 64 * 1024):
            yield b"x" * min(64 * 1024, size - start)

    await store.put(key, body(), media_type="image/jpeg", max_bytes=100 * MB)


async def put_large(store: S3ObjectStore) -> None:
    await put(store, 4 * MB)


async def put_in_parts(store: S3ObjectStore) -> None:
    await put(store, 6 * MB)


async def get(store: S3ObjectStore) -> bytes:
    async with store.open(PHOTO) as reader:
        return b"".join([chunk async for chunk in reader.chunks])


async def head(store: S3ObjectStore) -> None:
    await store.head(PHOTO)


async def delete(store: S3ObjectStore) -> None:
    await store.delete(PHOTO)


Operation = Callable[[S3ObjectStore], Awaitable[Any]]
ALL: list[Operation] = [put, put_large, put_in_parts, get, head, delete]


async def there(request: web.Request) -> web.StreamResponse:
    await request.read()
    return web.Response(headers={"ETag": '"odd"'}, body=b"" if request.method != "GET" else b"here")


@pytest.mark.parametrize("operation", ALL)
async def test_a_silent_s3_costs_no_more_than_the_deadline_and_no_connections(operation: Operation) -> None:
    async with odd_s3(silent) as server, opened(server) as store:
        begun = time.monotonic()
        results = await asyncio.gather(*(operation(store) for _ in range(7)), return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable] * 7
        assert time.monotonic() - begun < 10
        server.handler = there
        await put(store)
        assert await get(store) == b"here"


async def test_a_body_that_nobody_takes_holds_no_socket_for_long() -> None:
    async with odd_s3(silent) as server, opened(server, attempts=1, part_bytes=20 * MB) as store:
        for _ in range(4):
            with pytest.raises(Unavailable):
                await put(store, 16 * MB)
        async with asyncio.timeout(PATIENCE_S):
            while connections_to(server.port):
                await asyncio.sleep(0.02)


def connections_to(port: int) -> int:
    """As the kernel counts those that are established, or have more to send."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for fields in lines if fields[2].endswith(f":{port:04X}") and fields[3] in ("01", "04"))


@pytest.mark.parametrize("then", [stall, cut, end])
async def test_a_body_that_stops_halfway_is_never_taken_for_its_end(
    then: Callable[[web.Request], Awaitable[None]],
) -> None:
    async with odd_s3(half_an_object(400_000, then=then)) as server, opened(server) as store:
        for _ in range(5):
            with pytest.raises(Unavailable):
                await get(store)
        server.handler = there
        assert await get(store) == b"here"


async def test_a_reader_not_read_to_its_end_gives_its_connection_back() -> None:
    async with odd_s3(half_an_object(400_000, then=stall)) as server, opened(server) as store:
        for _ in range(6):
            async with store.open(PHOTO) as reader:
                assert reader.stored.size == 400_000


async def test_readers_that_are_slow_keep_nobody_from_putting_and_asking() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await (half_an_object(400_000, then=stall) if request.method == "GET" else there)(request)

    async with odd_s3(handler) as server, opened(server, connections=4) as store, AsyncExitStack() as readers:
        for _ in range(3):
            await readers.enter_async_context(store.open(PHOTO))
        with pytest.raises(Unavailable, match="Too many"):
            await readers.enter_async_context(store.open(PHOTO))
        await put(store)
        await store.check()
        await readers.aclose()
        async with store.open(PHOTO) as reader:
            assert reader.stored.size == 400_000


async def test_a_bare_cancellation_of_the_client_library_is_an_error_of_s3() -> None:
    """aiohttp cancels whoever waits for a connection that it closes; a task that nobody cancelled goes on."""

    async def cancelled_by_nobody() -> None:
        raise asyncio.CancelledError

    from gateway.adapters.object_store.s3.faults import asked

    with pytest.raises(Unavailable):
        await asked(cancelled_by_nobody(), "GET", 5)


async def test_who_cancels_a_put_gets_a_cancellation() -> None:
    async with odd_s3(silent) as server, opened(server, timeout_s=2.0) as store:
        for operation in ALL:
            task = asyncio.ensure_future(operation(store))
            before = len(server.requests)
            async with asyncio.timeout(PATIENCE_S):
                while len(server.requests) == before:
                    await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_a_server_killed_in_mid_put_leaves_no_torn_object(tmp_path: Path) -> None:
    with running_rclone(tmp_path) as server:
        async with opened(server, timeout_s=5.0) as store:
            await put(store, 100)
            for size in (3 * MB, 12 * MB):
                await kill_in_mid_put(server, store, size)
                assert await get(store) == b"x" * 100
            await put(store, 7 * MB)
            assert len(await get(store)) == 7 * MB


async def kill_in_mid_put(server: S3Server, store: S3ObjectStore, size: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(size // MB - 1):
            yield b"y" * MB
        server.kill()
        yield b"y" * MB

    with pytest.raises(Unavailable):
        await store.put(PHOTO, body(), media_type="image/jpeg", max_bytes=size)
    server.start()


async def test_a_server_killed_while_bytes_are_on_their_way_is_unavailable(tmp_path: Path) -> None:
    with running_rclone(tmp_path) as server:
        async with tcp_proxy(server.port) as proxy:
            there = server.options() | {"endpoint": f"127.0.0.1:{proxy.port}"}
            async with open_s3_store(ObjectStoreSettings(kind="s3", timeout_s=5.0, **there)) as store:
                proxy.stall()
                putting = asyncio.create_task(put(store, 4 * MB))
                async with asyncio.timeout(PATIENCE_S):
                    while proxy.accepted < 2:
                        await asyncio.sleep(0.005)
                server.kill()
                proxy.cut()
                await proxy.refuse()
                with pytest.raises(Unavailable):
                    await putting
                server.start()
                await proxy.listen()
                proxy.flow()
                with pytest.raises(ObjectNotFound):
                    await store.head(PHOTO)
                await put(store, 4 * MB)


async def test_a_half_open_connection_ends_with_the_deadline(rclone: S3Server) -> None:
    async with tcp_proxy(rclone.port) as proxy:
        there = rclone.options() | {"endpoint": f"127.0.0.1:{proxy.port}"}
        async with open_s3_store(ObjectStoreSettings(kind="s3", timeout_s=1.0, **there)) as store:
            await put(store)
            proxy.freeze()
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                await get(store)
            assert time.monotonic() - begun < 5
            proxy.cut()
            proxy.flow()
            assert await get(store) == b"x" * 1000


async def test_an_upload_that_never_began_is_an_error_of_its_put_alone() -> None:
    """And no exception of a task that nobody asks for it."""
    async with odd_s3(answered(404, "NoSuchKey")) as server, opened(server) as store:
        with pytest.raises(Unavailable):
            await put_in_parts(store)
