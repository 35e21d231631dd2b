"""An S3 of two buckets whose answers a test writes itself, so that it can be silent, stop halfway, or refuse.

    async with odd_s3(answered(503, "SlowDown")) as server:
        settings = ObjectStoreSettings(kind="s3", **server.options())
        ...
        assert [request.method for request in server.requests] == ["PUT", "PUT", "PUT"]

What is asked of objects goes to the test's own handler; buckets are there, as long as it wants no other thing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from attrs import define, field

from tests.free_ports import free_port

HOST = "127.0.0.1"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@define(eq=False)
class OddS3:
    """`handler` may be replaced at any time."""

    handler: Handler
    port: int = field(factory=free_port)
    has_buckets: bool = True
    """Off: the handler is asked about them as well."""
    requests: list[web.Request] = field(factory=list)
    """Of objects."""

    def options(self) -> dict[str, Any]:
        return {"endpoint": f"{HOST}:{self.port}", "access_key": "key", "secret_key": "secret"}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        is_bucket = request.path.count("/") == 1
        if is_bucket and self.has_buckets and request.method == "HEAD":
            return web.Response()
        self.requests.append(request)
        return await self.handler(request)


@asynccontextmanager
async def odd_s3(handler: Handler) -> AsyncIterator[OddS3]:
    server = OddS3(handler)
    application = web.Application(client_max_size=100 * 1024**2)
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, HOST, server.port).start()
    try:
        yield server
    finally:
        await runner.cleanup()


async def silent(_request: web.Request) -> web.StreamResponse:
    """Takes what comes first, and never answers."""
    await asyncio.Event().wait()
    raise AssertionError


def answered(status: int, code: str, message: str = "because") -> Handler:
    """S3's way to say no."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return web.Response(status=status, body=text.encode(), content_type="application/xml")

    return handler


def half_an_object(size: int, *, then: Callable[[web.Request], Awaitable[None]]) -> Handler:
    """Announces `size` bytes and sends half of them."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(size), "ETag": '"odd"'})
        await response.prepare(request)
        await response.write(b"x" * (size // 2))
        await then(request)
        return response

    return handler


async def stall(_request: web.Request) -> None:
    await asyncio.Event().wait()


async def cut(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


async def end(request: web.Request) -> None:
    """Closes the connection as if all had been sent."""
    assert request.transport is not None
    request.transport.close()
