"""P2: what a gateway grows by while a hundred images of ten megabytes come in one request, or in four requests at once.

With the folder and with S3 (rclone): what the adapter holds of each image until a part of it is sent is a bound that
is stated, `intake.images_at_once` x `object_store.part_bytes` for each request, and comes on top. The images go to a
broker where nobody takes them, so that nothing but their intake is measured.

Beside four requests into the folder somebody asks how a job stands, a hundred times a second: the answers wait for
whatever holds the loop. They are compared with answers beside a server that reads the same bodies and forgets them.
Beside S3 they would say more of rclone, which shares the processors.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from attrs import frozen

from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.intake.settings import IntakeSettings
from tests.benchmarks.asking import asking
from tests.benchmarks.bench_post import PATH, batch_of_one, discarding
from tests.benchmarks.beside_nobody import gateway_beside_nobody
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.large_bodies import LargeBody
from tests.benchmarks.memory import Peak
from tests.benchmarks.on_disk import folder_on_disk
from tests.benchmarks.posting import Posted
from tests.benchmarks.row import Row, at_most
from tests.benchmarks.streaming import stream
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.rabbitmq import RabbitMQ, running_rabbitmq
from tests.servers.s3 import running_rclone

MB = 1024**2
BODY = LargeBody("json", 100)
SETTLING = LargeBody("json", 10)
AT_ONCE = 4
DISCARDED_S = 8.0
"""Some hundreds of questions are asked meanwhile."""
MOST_MB = 16
MOST_DELAY = 4


@frozen
class Place:
    """A gateway whose images lie in `bucket`; its store holds `held_mb` for each request at most."""

    name: str
    gateway: Gateway
    bucket: Path
    held_mb: float

    async def stream(self, body: LargeBody, requests: int) -> Posted:
        """That many of it at once; no image stays behind."""
        try:
            return await stream(self.gateway.port, PATH, body, connections=requests)
        finally:
            for folder in self.bucket.iterdir():
                shutil.rmtree(folder)


async def run() -> list[Row]:
    with folder_on_disk() as folder:
        async with running_rabbitmq(folder / "rabbitmq") as node:
            async with folder_place(folder, node) as place, discarding() as discarder:
                rows = [*await growth_rows(place), await status_row(place, discarder)]
            async with s3_place(folder, node) as place:
                return [*rows, *await growth_rows(place)]


async def growth_rows(place: Place) -> list[Row]:
    await place.stream(SETTLING, 1)
    return [
        await growth_row(place, 1, f"1.4 GB of JSON into the {place.name}: memory growth"),
        await growth_row(
            place, AT_ONCE, f"{AT_ONCE} x 1.4 GB of JSON into the {place.name} at once: memory growth"
        ),
    ]


async def growth_row(place: Place, requests: int, name: str) -> Row:
    peak = Peak.since_now(place.gateway.process.pid)
    await place.stream(BODY, requests)
    bound = MOST_MB + requests * place.held_mb
    return Row(name=name, value=peak.growth_mb, unit="MB of RSS", goal=at_most(bound))


async def status_row(place: Place, discarder: int) -> Row:
    path = f"{PATH}/{await job_to_ask_for(place)}"

    async def beside_gateway() -> float:
        async with asking(place.gateway.port, path) as answers:
            await place.stream(BODY, AT_ONCE)
        return 1000 * answers.p99_s

    async def beside_discarder() -> float:
        async with asking(discarder, path) as answers:
            await stream(discarder, PATH, BODY, connections=AT_ONCE, seconds=DISCARDED_S)
        return 1000 * answers.p99_s

    ours, reference = await interleaved(beside_gateway, beside_discarder)
    return Row(
        name=f"status beside {AT_ONCE} x 1.4 GB of JSON, p99",
        value=ours,
        unit="ms",
        reference=reference,
        compared_with="one beside a bare aiohttp app that reads the same bodies and forgets them",
        goal=at_most(MOST_DELAY),
    )


async def job_to_ask_for(place: Place) -> str:
    async with aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/json"}
        async with http.post(place.gateway.url(PATH), data=batch_of_one(), headers=headers) as answer:
            job_id: str = (await answer.json())["job_id"]
    return job_id


@asynccontextmanager
async def folder_place(folder: Path, node: RabbitMQ) -> AsyncIterator[Place]:
    async with gateway_beside_nobody(folder, node) as gateway:
        yield Place("folder", gateway, folder / "objects" / ObjectStoreSettings().original_bucket, held_mb=0)


@asynccontextmanager
async def s3_place(folder: Path, node: RabbitMQ) -> AsyncIterator[Place]:
    with running_rclone(folder / "rclone") as store:
        environment = {
            "RABBITMQ_URL": node.url,
            "MINIO_ENDPOINT": store.endpoint,
            "MINIO_ACCESS_KEY": store.access_key,
            "MINIO_SECRET_KEY": store.secret_key,
        }
        async with running_gateway(folder / "data-beside-s3", environment=environment) as gateway:
            settings = ObjectStoreSettings()
            held_mb = IntakeSettings().images_at_once * settings.part_bytes / MB
            yield Place("S3 store", gateway, store.folder / "data" / settings.original_bucket, held_mb)
