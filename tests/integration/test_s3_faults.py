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
from gateway.errors import NoRoom, Unavailable
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound
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
        assert time.monotonic() - begun < 4
        server.handler = there
        await put(store)
        assert await get(store) == b"here"


async def test_a_body_that_nobody_takes_holds_no_socket_for_long() -> None:
    async with odd_s3(silent) as server, opened(server, attempts=1, part_bytes=20 * MB) as store:
        for _ in range(4):
            with pytest.raises(Unavailable):
                await put(store, 16 * MB)
        async with asyncio.timeout(10):
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


@pytest.mark.parametrize(
    ("status", "code", "tries"),
    [
        (500, "InternalError", 3),
        (503, "SlowDown", 3),
        (503, "ServiceUnavailable", 3),
        (400, "RequestTimeout", 3),
        (429, "TooMany", 1),
    ],
)
@pytest.mark.parametrize("operation", [put, get])
async def test_an_s3_that_is_overloaded_is_asked_again_and_then_unavailable(
    operation: Operation, status: int, code: str, tries: int
) -> None:
    async with odd_s3(answered(status, code)) as server, opened(server, timeout_s=20.0) as store:
        with pytest.raises(Unavailable, match=code) as down:
            await operation(store)
        assert "does not answer" in down.value.text
        assert len(server.requests) == tries


async def test_a_short_overload_goes_unnoticed() -> None:
    async def busy_once(request: web.Request) -> web.StreamResponse:
        server.handler = there
        return await answered(503, "SlowDown")(request)

    async with odd_s3(busy_once) as server, opened(server, timeout_s=20.0) as store:
        await put(store, 1000)
        assert [request.content_length for request in server.requests] == [1000, 1000]


@pytest.mark.parametrize(
    ("status", "code"),
    [(507, "XMinioStorageFull"), (400, "XMinioAdminBucketQuotaExceeded"), (507, "Whatever"), (403, "QuotaExceeded")],
)  # fmt: skip
async def test_a_full_s3_has_no_room(status: int, code: str) -> None:
    async with odd_s3(answered(status, code)) as server, opened(server) as store:
        with pytest.raises(NoRoom):
            await put(store)


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (403, "SignatureDoesNotMatch", "secret_key"),
        (403, "InvalidAccessKeyId", "access_key"),
        (403, "AccessDenied", "rights"),
        (403, "RequestTimeTooSkewed", "clock"),
        (404, "NoSuchBucket", "NoSuchBucket"),
        (400, "AuthorizationHeaderMalformed", "AuthorizationHeaderMalformed"),
        (501, "NotImplemented", "NotImplemented"),
    ],
)
@pytest.mark.parametrize("operation", [put, put_in_parts, get])
async def test_a_wrong_configuration_is_unavailable_at_once_and_says_what_to_look_at(
    operation: Operation, status: int, code: str, hint: str
) -> None:
    async with odd_s3(answered(status, code)) as server, opened(server) as store:
        with pytest.raises(Unavailable) as refused:
            await operation(store)
        assert code in refused.value.detail
        assert hint in refused.value.detail
        assert "original" in refused.value.detail
        assert len(server.requests) == 1
        assert code not in refused.value.text


async def test_another_range_than_was_asked_for_is_no_answer() -> None:
    async with odd_s3(there) as server, opened(server) as store:
        with pytest.raises(Unavailable):
            async with store.open(PHOTO, start=2):
                pass
        with pytest.raises(Unavailable):
            async with store.open(PHOTO, start=0, end=2):
                pass


@pytest.mark.parametrize("content_range", ["bytes */4", "bytes 1-3/*", "bytes 0-3/4", "what"])
async def test_a_range_that_cannot_be_read_is_no_answer_and_holds_no_connection(content_range: str) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=206, headers={"Content-Range": content_range, "ETag": '"odd"'}, body=b"ere"
        )

    async with odd_s3(handler) as server, opened(server) as store:
        for _ in range(4):
            with pytest.raises(Unavailable):
                async with store.open(PHOTO, start=1):
                    pass


@pytest.mark.parametrize("page", ["<html>Please log in.</html>", "<!doctype html><p>Please log in.", ""])
@pytest.mark.parametrize("operation", [put, put_in_parts, get, head])
async def test_what_answers_without_the_words_of_s3_has_stored_nothing(
    operation: Operation, page: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(text=page, content_type="text/html")

    async with odd_s3(handler) as server, opened(server) as store:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await operation(store)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", [put, put_in_parts, get, head, delete])
async def test_who_is_redirected_to_has_stored_nothing(operation: Operation, status: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        location = f"http://127.0.0.1:{other.port}/elsewhere"
        return web.Response(status=status, headers={"Location": location})

    async with odd_s3(there) as other, odd_s3(handler) as server, opened(server, timeout_s=5.0) as store:
        for _ in range(3):
            with pytest.raises(Unavailable, match=f"redirected to http://127.0.0.1:{other.port}"):
                await operation(store)


async def test_an_s3_that_lists_no_uploads_can_still_delete() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await (answered(501, "NotImplemented") if request.method == "GET" else there)(request)

    async with odd_s3(handler) as server, opened(server) as store:
        await store.delete(PHOTO)
        assert [request.method for request in server.requests] == ["GET", "DELETE"]


async def test_no_answer_is_awaited_before_a_body_is_sent() -> None:
    async with odd_s3(there) as server, opened(server) as store:
        await put(store)
        assert "Expect" not in server.requests[0].headers
        assert server.requests[0].headers["Content-Type"] == "image/jpeg"


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
            async with asyncio.timeout(5):
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
                async with asyncio.timeout(5):
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
