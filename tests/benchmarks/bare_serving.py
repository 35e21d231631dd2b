"""A bare aiohttp application, served as the gateway is: on uvloop, with the allocator told the same, and a `/readyz`
that answers as its does."""

import asyncio
from collections.abc import Sequence

import uvloop
from aiohttp import web

from gateway.allocator import keep_freed_memory


def serve_bare(port: int, routes: Sequence[web.RouteDef] = ()) -> None:
    """Until the process is ended."""
    keep_freed_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(port, routes))


async def _serve(port: int, routes: Sequence[web.RouteDef]) -> None:
    application = web.Application()
    application.add_routes([web.get("/readyz", _ready), *routes])
    runner = web.AppRunner(application, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def _ready(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})
