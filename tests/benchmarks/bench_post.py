"""What a durable POST costs: one image of 50 KB, stored and committed before the 201, from many clients at once."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import orjson

from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.posting import HOST, post
from tests.benchmarks.row import Row, at_least
from tests.free_ports import free_port
from tests.photos import a_jpeg, padded
from tests.servers.gateway import running_gateway
from tests.servers.rabbitmq import running_rabbitmq

CLIENTS = 64
REQUESTS = 10 * CLIENTS
IMAGE_BYTES = 50_000
PATH = "/api/v1/batch"
PATIENCE_S = 30


async def run() -> list[Row]:
    # Beside the sources and not in the system's temporary folder, which may be memory, where a sync costs nothing.
    build = Path(__file__).parents[2] / "build"
    build.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=build) as folder:
        return [await durable_posts(Path(folder))]


async def durable_posts(folder: Path) -> Row:
    """The images go to a broker where nobody takes them, so that nothing but the POST is measured."""
    async with running_rabbitmq(folder / "rabbitmq") as node:
        gateway_beside_nobody = running_gateway(
            folder / "data",
            broker_kind="rabbitmq",
            broker_url=node.url,
            object_store_path=folder / "objects",
            analyzer_kind="external",
            processor_kind="external",
        )
        async with gateway_beside_nobody as gateway, discarding() as other:
            ours, discarded = await interleaved(
                lambda: requests_a_second(gateway.port), lambda: requests_a_second(other)
            )
    return Row(
        name=f"durable POSTs, {CLIENTS} clients",
        value=ours,
        unit="requests a second",
        reference=discarded,
        compared_with="a bare aiohttp app on uvloop that reads the same POST and forgets it",
        goal=at_least(0.25),
    )


async def requests_a_second(port: int) -> float:
    posted = await post(port, PATH, batch_of_one(), clients=CLIENTS, requests=REQUESTS)
    if not posted.only_accepted:
        raise RuntimeError(f"not all were accepted: {posted.statuses}")
    return posted.accepted / posted.seconds


def batch_of_one() -> bytes:
    """A JSON body with one image."""
    image = base64.b64encode(padded(a_jpeg(), IMAGE_BYTES)).decode()
    return orjson.dumps({"images": [{"name": "photo.jpg", "base64": image}]})


@asynccontextmanager
async def discarding() -> AsyncIterator[int]:
    """The port of an application that forgets what it gets."""
    port = free_port()
    application = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.discarding_app", str(port), cwd=Path(__file__).parents[2]
    )
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
            while not await is_ready(http, port):
                await asyncio.sleep(0.02)
        yield port
    finally:
        application.kill()
        await application.wait()


async def is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://{HOST}:{port}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False
