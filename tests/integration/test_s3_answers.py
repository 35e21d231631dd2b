"""What an S3, or something in its place, may answer: each is told as what it is, and none is taken for another."""

import pytest
from aiohttp import web

from gateway.errors import NoRoom, Unavailable
from tests.integration.test_s3_faults import (
    PHOTO,
    Operation,
    delete,
    get,
    head,
    opened,
    put,
    put_in_parts,
    there,
)
from tests.servers.odd_s3 import answered, odd_s3


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
