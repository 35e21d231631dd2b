"""What a POST is compared with: a bare aiohttp application that reads each body, forgets it and answers 201.

    python -m tests.benchmarks.discarding_app PORT

Served as the gateway is: on uvloop.
"""

import asyncio
import sys

import uvloop
from aiohttp import web


async def discard(request: web.Request) -> web.Response:
    async for _ in request.content.iter_any():
        pass
    return web.json_response({"status": "pending"}, status=201)


async def ready(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})


async def serve(port: int) -> None:
    application = web.Application()
    application.add_routes([web.post("/api/v1/batch", discard), web.get("/readyz", ready)])
    runner = web.AppRunner(application, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
