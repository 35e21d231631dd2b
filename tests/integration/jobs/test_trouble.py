"""What is in hand while a store or a helper is in trouble: nothing of it is lost, nothing is settled too early."""

import asyncio

from gateway.consuming import Workers
from gateway.domain.job import Status
from gateway.errors import Unavailable
from gateway.messages import encode
from gateway.ports.broker import Delivery, Queue
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import WorkerMetrics
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.test_collector import a_published_job, put_tagged, result
from tests.patience import PATIENCE_S


async def eventually_empty(parts: Parts, queue: Queue) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await parts.broker.depth(queue)).messages:
            await asyncio.sleep(0.01)


async def test_a_worker_in_foreseen_trouble_gets_its_message_again(parts: Parts):
    seen: list[bytes] = []
    done = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.body)
        if len(seen) < 3:
            raise Unavailable("The store is down.")
        done.set()

    await parts.broker.publish(Queue.IMAGE_UPLOAD, b"one")
    metrics = WorkerMetrics(Instruments())
    workers = Workers("analyzer", parts.broker, Queue.IMAGE_UPLOAD, handle, metrics, 1)
    task = asyncio.create_task(workers.run())
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    await eventually_empty(parts, Queue.IMAGE_UPLOAD)
    task.cancel()
    await asyncio.wait([task])
    assert seen == [b"one"] * 3
    assert (await parts.broker.depth(Queue.DEAD_LETTER)).messages == 0


async def test_a_result_that_can_not_be_recorded_is_not_acked(parts: Parts):
    job = await a_published_job(parts)
    message = result(job)
    await put_tagged(parts, message)
    await parts.broker.publish(Queue.IMAGE_PROCESSED, encode(message))
    processed = parts.folder / "objects" / "processed"
    processed.rename(parts.folder / "away")
    async with parts.broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as results:
        await parts.collector.run_once(results)
    assert (await parts.broker.depth(Queue.IMAGE_PROCESSED)).messages == 1
    assert (await parts.jobs.get(job.job_id)).images[0].status is Status.PROCESSING

    (parts.folder / "away").rename(processed)
    async with parts.broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as results:
        await parts.collector.run_once(results)
    assert (await parts.broker.depth(Queue.IMAGE_PROCESSED)).messages == 0
    assert (await parts.jobs.get(job.job_id)).images[0].status is Status.COMPLETED
