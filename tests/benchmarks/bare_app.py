"""What a start is compared with: a bare aiohttp application that imports the libraries of the gateway.

    python -m tests.benchmarks.bare_app PORT

Served as the gateway is: on uvloop, with one route, that answers as `/readyz` does.
"""

import asyncio
import logging
import sqlite3
import sys

import attrs
import cattrs
import click
import multipart
import orjson
import PIL.Image
import prometheus_client
import pybase64
import structlog
import uvloop
from aiohttp import web

LIBRARIES = (
    attrs, cattrs, click, logging, multipart, orjson, PIL.Image, prometheus_client, pybase64, sqlite3, structlog,
)  # fmt: skip


async def ready(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})


async def serve(port: int) -> None:
    application = web.Application()
    application.add_routes([web.get("/readyz", ready)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
