"""A minute of small batches: 16 clients post one image of 50 KB each time, to a gateway in production form.

RabbitMQ, and S3 by rclone: the client of S3 is a part of the gateway's memory, and a folder would leave it out. Beside
them stands what takes every image from its queue, counts it, and answers that it could not be tagged: so results come
back as fast as images are published, and each job goes its whole way.

Jobs that were used last are kept in memory, in 24 MB of the job store (`recent.py`): that fills while jobs come, by
about 2 kB a job, until it is full. It is the bound of what the gateway may grow by while it works, and some for what
the memory's pieces leave between them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiormq
import orjson
from aiormq.abc import AbstractChannel, DeliveredMessage
from attrs import define, field

from gateway.adapters.job_store.recent import MAX_BYTES
from tests.benchmarks.bench_embedded import tree_pss_mb
from tests.benchmarks.bench_post import PATH, batch_of_one
from tests.benchmarks.on_disk import folder_on_disk
from tests.benchmarks.posting import Posted, post
from tests.benchmarks.row import Row, at_least, at_most
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.rabbitmq import running_rabbitmq
from tests.servers.s3 import running_rclone

CLIENTS = 16
WARM_UP_S, MEASURED_S = 15, 60
LOOK_EVERY_S = 1.0
PREFETCH = 1000
WINDOW = 2 * PREFETCH
PATIENCE_S = 60
FOR_PIECES_MB = 8
MOST_GROWTH_MB = MAX_BYTES / 1024**2 + FOR_PIECES_MB
PERSISTENT = 2


async def run() -> list[Row]:
    with folder_on_disk() as folder:
        return await minute(folder)


async def minute(folder: Path) -> list[Row]:
    with running_rclone(folder / "s3") as store:
        async with running_rabbitmq(folder / "rabbitmq") as node:
            environment = {
                "RABBITMQ_URL": node.url,
                "MINIO_ENDPOINT": store.endpoint,
                "MINIO_ACCESS_KEY": store.access_key,
                "MINIO_SECRET_KEY": store.secret_key,
            }
            async with (
                running_gateway(folder / "data", environment=environment, jobs_window=WINDOW) as gateway,
                taking_all(node.url) as taker,
            ):
                return await rows(gateway, taker)


async def rows(gateway: Gateway, taker: "Taker") -> list[Row]:
    warm_up = await post_for(gateway, WARM_UP_S)
    await taker.has_taken(warm_up.accepted)
    look = Look(gateway.process.pid)
    watching = asyncio.create_task(look.keep_looking())
    try:
        posted = await post_for(gateway, MEASURED_S)
        await taker.has_taken(warm_up.accepted + posted.accepted)
    finally:
        watching.cancel()
    growth = max(look.seen_mb) - look.seen_mb[0]
    return [
        Row(
            name="a minute: images published",
            value=float(len(taker.taken) - warm_up.accepted),
            unit="images",
            reference=float(posted.accepted),
            compared_with=f"images accepted, {posted.accepted / posted.seconds:.0f} a second",
            goal=at_least(1.0),
        ),
        Row(name="a minute: memory growth", value=growth, unit="MB of PSS", goal=at_most(MOST_GROWTH_MB)),
        Row(
            name="a minute: memory growth, for each of its jobs",
            value=1024 * growth / posted.accepted,
            unit="kB of PSS",
            goal=at_most(4.0),
        ),
    ]


async def post_for(gateway: Gateway, seconds: float) -> Posted:
    posted = await post(gateway.port, PATH, batch_of_one(), clients=CLIENTS, seconds=seconds)
    if not posted.only_accepted:
        raise RuntimeError(f"not all were accepted: {posted.statuses}")
    return posted


@define
class Look:
    """At the memory of a process."""

    _pid: int
    seen_mb: list[float] = field(factory=list)

    async def keep_looking(self) -> None:
        while True:
            self.seen_mb.append(tree_pss_mb(self._pid))
            await asyncio.sleep(LOOK_EVERY_S)


@define(eq=False)
class Taker:
    """Takes every image from its queue, and answers for the services."""

    _channel: AbstractChannel
    taken: set[str] = field(factory=set)

    async def take(self, message: DeliveredMessage) -> None:
        upload = orjson.loads(message.body)
        self.taken.add(upload["trace_id"])
        result = {**upload, "status": "failed", "error": "nobody looked at it"}
        properties = aiormq.spec.Basic.Properties(delivery_mode=PERSISTENT, content_type="application/json")
        await self._channel.basic_publish(
            orjson.dumps(result), routing_key="image_processed", properties=properties
        )
        await self._channel.basic_ack(message.delivery_tag or 0, wait=False)

    async def has_taken(self, images: int) -> None:
        """Returns once it has, and then a while, in which one too many would come."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.taken) < images:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)


@asynccontextmanager
async def taking_all(url: str) -> AsyncIterator[Taker]:
    connection = await aiormq.connect(url)
    try:
        channel = await connection.channel()
        await channel.basic_qos(prefetch_count=PREFETCH)
        taker = Taker(channel)
        await channel.basic_consume("image_upload", taker.take)
        yield taker
    finally:
        await connection.close()
