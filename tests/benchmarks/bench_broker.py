"""RabbitMQ: the dispatcher's publishes and the collector's results against the client library used bare.

Both sides use the same node, the same bodies and queues of the same kind. Ours keeps the job store beside it: an image
counts as published, and a result as taken, when that is committed.
"""

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from attrs import define, field, frozen

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.adapters.broker.settings import BrokerSettings
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.object_store.folder import open_folder_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.domain.events import Change
from gateway.domain.job import Job
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.jobs.ledger import Ledger
from gateway.jobs.pipeline import Pipeline
from gateway.jobs.processed import ProcessedImages
from gateway.jobs.results.collector import Collector
from gateway.jobs.sending.dispatcher import Dispatcher
from gateway.jobs.settings import JobsSettings
from gateway.messages import ImageProcessed, ImageUpload, encode
from gateway.ports.broker import Broker, Queue
from gateway.ports.clock import SystemClock
from gateway.telemetry.logs import LogSettings, set_up_logs
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.on_disk import folder_on_disk
from tests.benchmarks.row import Row, at_least
from tests.builders import NOW, a_job, an_accepted_job
from tests.servers.rabbitmq import RabbitMQ, running_rabbitmq

JOBS, IMAGES = 20, 100
MESSAGES = JOBS * IMAGES
IN_FLIGHT = 100
PREFETCH = 1000
LONGEST_S = 60
PERSISTENT = 2


async def run() -> list[Row]:
    set_up_logs(LogSettings())  # as the gateway does: a line that nobody wants costs little
    gc.freeze()  # likewise, for both sides
    with folder_on_disk() as folder:
        async with running_rabbitmq(folder / "rabbitmq") as node:
            sides = Sides(node, folder)
            return [await publishes(sides), await results(sides)]


async def publishes(sides: "Sides") -> Row:
    ours, bare = await interleaved(sides.dispatched, sides.published_bare)
    return Row(
        name="publishes of the dispatcher",
        value=ours,
        unit="messages a second",
        reference=bare,
        compared_with=f"bare aiormq: persistent, mandatory, confirmed, {IN_FLIGHT} in flight; no job store",
        goal=at_least(0.8),
    )


async def results(sides: "Sides") -> Row:
    ours, bare = await interleaved(sides.collected, sides.consumed_bare)
    return Row(
        name="results of the collector",
        value=ours,
        unit="messages a second",
        reference=bare,
        compared_with=f"bare aiormq: prefetch {PREFETCH}, each acked by itself; no job store",
        goal=at_least(1.0),
    )


@frozen
class Parts:
    """What a dispatcher and a collector need, on a virtual host and a job store of their own."""

    jobs: SqliteJobStore
    ledger: Ledger
    latest: LatestJobs
    broker: Broker
    stack: AsyncExitStack
    all_ended: asyncio.Event


@define
class Sides:
    """The two sides of both comparisons."""

    node: RabbitMQ
    folder: Path
    _numbers: "itertools.count[int]" = field(factory=itertools.count)

    async def dispatched(self) -> float:
        async with self._parts() as parts:
            for _ in range(JOBS):
                await parts.ledger.add(an_accepted_job(IMAGES), reserved=[])
            dispatcher = a_dispatcher(parts)
            started = time.perf_counter()
            await dispatcher.run_once()
            speed = MESSAGES / (time.perf_counter() - started)
            assert await parts.jobs.in_flight() == MESSAGES
            return speed

    async def published_bare(self) -> float:
        bodies = iter([encode(an_upload(job, index)) for job in some_jobs() for index in range(IMAGES)])
        async with bare_channel(self._url(), publisher_confirms=True) as channel:
            await channel.queue_declare("image_upload", durable=True)

            async def publish() -> None:
                for body in bodies:
                    properties = aiormq.spec.Basic.Properties(
                        delivery_mode=PERSISTENT, content_type="application/json"
                    )
                    await channel.basic_publish(
                        body, routing_key="image_upload", mandatory=True, properties=properties
                    )

            started = time.perf_counter()
            await asyncio.gather(*(publish() for _ in range(IN_FLIGHT)))
            return MESSAGES / (time.perf_counter() - started)

    async def collected(self) -> float:
        async with self._parts() as parts:
            jobs = some_jobs()
            for job in jobs:
                await parts.ledger.add(Change(job), reserved=[])
            await fill(parts.broker, jobs)
            collector = await a_collector(parts, self.folder)
            started = time.perf_counter()
            collecting = asyncio.create_task(collector.run())
            async with limit():
                await parts.all_ended.wait()  # the last group's ack follows in the same turn of the loop
            speed = MESSAGES / (time.perf_counter() - started)
            collecting.cancel()
            await asyncio.wait([collecting])
            return speed

    async def consumed_bare(self) -> float:
        url = self._url()
        async with open_rabbitmq(BrokerSettings(kind="rabbitmq", url=url), name="fill") as broker:
            await fill(broker, some_jobs())
        taken = 0
        all_taken = asyncio.Event()

        async def take(message: DeliveredMessage) -> None:
            nonlocal taken
            await channel.basic_ack(message.delivery_tag or 0)
            taken += 1
            if taken == MESSAGES:
                all_taken.set()

        async with bare_channel(url) as channel, limit():
            await channel.basic_qos(prefetch_count=PREFETCH)
            started = time.perf_counter()
            await channel.basic_consume("image_processed", take)
            await all_taken.wait()
            return MESSAGES / (time.perf_counter() - started)

    @asynccontextmanager
    async def _parts(self) -> AsyncIterator[Parts]:
        async with AsyncExitStack() as stack:
            path = self.folder / f"{next(self._numbers)}.sqlite"
            jobs = await stack.enter_async_context(SqliteJobStore.open(path))
            settings = BrokerSettings(kind="rabbitmq", url=self._url())
            broker = await stack.enter_async_context(open_rabbitmq(settings, name="bench"))
            latest = LatestJobs(jobs)
            hub = Hub()
            hub.observe(latest.observe)
            ends = itertools.count(1)
            all_ended = asyncio.Event()

            def notice(change: Change) -> None:
                if change.job.completed_at is not None and next(ends) == JOBS:
                    all_ended.set()

            hub.observe(notice)
            yield Parts(jobs, Ledger(jobs, hub, latest), latest, broker, stack, all_ended)

    def _url(self) -> str:
        return self.node.url_for(self.node.add_vhost())


def a_dispatcher(parts: Parts) -> Dispatcher:
    clock, settings, metrics = SystemClock(), JobsSettings(window=MESSAGES), Metrics(MetricsSettings())
    return Dispatcher(
        ledger=parts.ledger,
        jobs=parts.jobs,
        backlog=parts.jobs,
        broker=parts.broker,
        pipeline=Pipeline(parts.broker, parts.jobs, clock, settings, parts.ledger.work, metrics),
        metrics=metrics,
        clock=clock,
        settings=settings,
    )


async def a_collector(parts: Parts, folder: Path) -> Collector:
    objects = await parts.stack.enter_async_context(
        open_folder_store(ObjectStoreSettings(), folder / "objects")
    )
    return Collector(
        ledger=parts.ledger,
        latest=parts.latest,
        broker=parts.broker,
        analysed=parts.jobs,
        processed=ProcessedImages(objects),
        clock=SystemClock(),
        prefix="b",
        prefetch=PREFETCH,
        metrics=Metrics(MetricsSettings()),
    )


def some_jobs() -> Sequence[Job]:
    return [a_job(IMAGES, published=IMAGES) for _ in range(JOBS)]


async def fill(broker: Broker, jobs: Sequence[Job]) -> None:
    """Results of all images, jobs mixed: failed ones, so that no object store is measured."""
    bodies = [encode(a_result(job, index)) for index in range(IMAGES) for job in jobs]
    await asyncio.gather(*(broker.publish(Queue.IMAGE_PROCESSED, body) for body in bodies))


def a_result(job: Job, index: int) -> ImageProcessed:
    image = job.images[index]
    return ImageProcessed(
        timestamp=NOW,
        trace_id=image.trace_id,
        group_id=job.job_id,
        original_filename=image.original_filename,
        status="failed",
        error="exit status 1: Error: Not a valid JPG",
    )


def an_upload(job: Job, index: int) -> ImageUpload:
    image = job.images[index]
    return ImageUpload(
        timestamp=NOW,
        trace_id=image.trace_id,
        group_id=job.job_id,
        telegram_username=f"batch_{job.job_id}",
        original_filename=image.original_filename,
        original_path=f"{image.trace_id}/original.jpg",
    )


@asynccontextmanager
async def bare_channel(url: str, *, publisher_confirms: bool = False) -> AsyncIterator[AbstractChannel]:
    connection = await aiormq.connect(url)
    try:
        yield await connection.channel(publisher_confirms=publisher_confirms)
    finally:
        await connection.close()


def limit() -> asyncio.Timeout:
    return asyncio.timeout(LONGEST_S)
