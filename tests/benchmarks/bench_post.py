"""What a durable POST costs: one image of 50 KB, stored and committed before the 201, from many clients at once."""

import base64
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import orjson

from tests.benchmarks.beside_nobody import gateway_beside_nobody
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.on_disk import folder_on_disk
from tests.benchmarks.posting import post
from tests.benchmarks.row import Row, at_least
from tests.benchmarks.serving import serving
from tests.photos import a_jpeg, padded
from tests.servers.rabbitmq import running_rabbitmq

CLIENTS = 64
REQUESTS = 10 * CLIENTS
IMAGE_BYTES = 50_000
PATH = "/api/v1/batch"


async def run() -> list[Row]:
    with folder_on_disk() as folder:
        return [await durable_posts(folder)]


async def durable_posts(folder: Path) -> Row:
    async with (
        running_rabbitmq(folder / "rabbitmq") as node,
        gateway_beside_nobody(folder, node) as gateway,
        discarding() as other,
    ):
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


def discarding() -> AbstractAsyncContextManager[int]:
    """The port of an application that forgets what it gets."""
    return serving("tests.benchmarks.discarding_app")
