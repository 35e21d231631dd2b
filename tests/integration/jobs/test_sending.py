"""What is committed before a message is sent, and what after it: a broker that forgets must not know first."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, evolve, field

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.broker.settings import BrokerSettings
from gateway.domain.events import Change
from gateway.domain.job import Job, Stage, Status
from gateway.domain.schedule import Waiting
from gateway.domain.transitions import cancel
from gateway.errors import Unavailable
from gateway.jobs.sending.dispatcher import Dispatcher
from gateway.jobs.sending.order import CommitFirst
from gateway.jobs.sending.uploads import Uploads
from gateway.messages import ImageUpload, decode
from gateway.ports.broker import Queue
from gateway.ports.job_store import JobStore
from tests.integration.jobs.brokers import RememberingBroker
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.stores import Watched, down
from tests.integration.jobs.test_submit import sent
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg

FEW = BrokerSettings(max_messages_per_queue=2, publish_timeout_s=0.05)


@define(eq=False)
class Witness(InProcessBroker):
    """Looks, before it takes a message, at what its image waits for."""

    jobs: JobStore | None = None
    seen: list[Stage] = field(factory=list)

    async def publish(self, queue: Queue, body: bytes, headers=None) -> None:
        message = decode(ImageUpload, body)
        assert self.jobs is not None
        image = (await self.jobs.get(message.group_id)).image_of(message.trace_id)
        assert image is not None
        self.seen.append(image.stage)
        await super().publish(queue, body, headers)


@define(eq=False)
class RememberingWitness(Witness, RememberingBroker):
    pass


@pytest.mark.parametrize(("kind", "stage"), [(Witness, Stage.RESULT), (RememberingWitness, Stage.PUBLISH)])
async def test_a_try_is_committed_before_it_is_made_where_the_broker_forgets_and_else_after_it(
    parts: Parts, kind: type[Witness], stage: Stage
):
    witness = kind(jobs=parts.jobs)
    parts.broker = witness
    job = await parts.submitted(sent(a_jpeg()))
    await parts.dispatcher.run_once()
    assert witness.seen == [stage]
    assert await stages(parts, job) == [Stage.RESULT]


async def test_a_publish_that_failed_is_taken_back_and_made_again_as_the_same_attempt(parts: Parts):
    parts.broker = InProcessBroker(FEW)
    job = await parts.submitted(*(sent(a_jpeg()) for _ in range(3)))
    with pytest.raises(Unavailable):
        await parts.dispatcher.run_once()
    assert Counter(await stages(parts, job)) == {Stage.RESULT: 2, Stage.PUBLISH: 1}
    await empty(parts)
    await parts.dispatcher.run_once()
    assert await stages(parts, job) == [Stage.RESULT] * 3
    images = (await parts.jobs.get(job.job_id)).images
    assert [(image.attempt, image.interruptions) for image in images] == [(1, 0)] * 3
    parts.broker.close()


async def test_what_was_taken_back_is_not_found_interrupted_at_the_next_start(tmp_path: Path):
    async with parts_in(tmp_path) as parts:
        parts.broker = InProcessBroker(FEW)
        job = await parts.submitted(*(sent(a_jpeg()) for _ in range(3)))
        with pytest.raises(Unavailable):
            await parts.dispatcher.run_once()
        parts.broker.close()
    async with parts_in(tmp_path) as parts:
        await parts.dispatcher.run_once()
        images = (await parts.jobs.get(job.job_id)).images
        assert sorted(image.interruptions for image in images) == [0, 1, 1]


async def test_a_job_that_can_not_be_committed_is_not_sent_and_holds_up_no_other(parts: Parts):
    first, second = [await parts.submitted(sent(a_jpeg()), sent(a_jpeg())) for _ in range(2)]
    store = Moody(parts.jobs, lambda job_id: job_id == first.job_id)
    dispatcher = on(store, parts)
    with pytest.raises(Unavailable):
        await dispatcher.run_once()
    assert set(await groups(parts)) == {second.job_id}
    store.is_down_for = lambda job_id: False
    await dispatcher.run_once()
    assert Counter(await groups(parts)) == {first.job_id: 2, second.job_id: 2}


async def test_a_store_that_goes_down_with_the_broker_is_waited_for_until_the_publish_is_taken_back(
    parts: Parts,
):
    parts.broker = InProcessBroker(FEW)
    job = await parts.submitted(*(sent(a_jpeg()) for _ in range(3)))
    store = Moody(parts.jobs, lambda _: store.changes > 1)
    sending = asyncio.create_task(on(store, parts).run_once())
    async with asyncio.timeout(PATIENCE_S):
        await store.was_down.wait()
    store.is_down_for = lambda _: False
    with pytest.raises(Unavailable, match="full"):
        await sending
    assert Counter(await stages(parts, job)) == {Stage.RESULT: 2, Stage.PUBLISH: 1}
    parts.broker.close()


async def test_an_image_that_was_cancelled_since_it_was_planned_is_not_sent(parts: Parts):
    job = await parts.submitted(sent(a_jpeg()))
    store = Moody(parts.jobs, lambda _: False, meanwhile=lambda job: cancel(job, parts.clock.now()))
    await on(store, parts).run_once()
    assert await groups(parts) == []
    assert (await parts.jobs.get(job.job_id)).status is Status.CANCELLED


async def test_a_job_that_was_deleted_since_it_was_planned_is_no_trouble(parts: Parts):
    gone, kept = [await parts.submitted(sent(a_jpeg())) for _ in range(2)]
    await parts.jobs.delete(gone.job_id)
    uploads = Uploads(parts.broker, parts.clock, parts.metrics)
    plan = [Waiting(job.job_id, 0) for job in (gone, kept)]
    await CommitFirst(parts.ledger, uploads, parts.clock).send(plan)
    assert await groups(parts) == [kept.job_id]


@define(eq=False)
class Moody(Watched):
    """Down for changes of some jobs, or with another change just before."""

    is_down_for: Callable[[str], bool]
    meanwhile: Callable[[Job], Change | None] | None = None
    changes: int = 0
    was_down: asyncio.Event = field(factory=asyncio.Event)

    async def before(self, job_id: str) -> None:
        self.changes += 1
        if self.is_down_for(job_id):
            self.was_down.set()
            raise down()
        if self.meanwhile is not None:
            await self.jobs.update(job_id, self.meanwhile)


def on(store: Moody, parts: Parts) -> Dispatcher:
    ledger = evolve(parts.ledger, store=store)  # type: ignore[arg-type]  # the dispatcher updates alone
    return evolve(parts.dispatcher, ledger=ledger)


async def stages(parts: Parts, job: Job) -> list[Stage]:
    return [image.stage for image in (await parts.jobs.get(job.job_id)).images]


async def groups(parts: Parts) -> list[str]:
    """The job of each message that lies there."""
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=100) as sweep:
        return [decode(ImageUpload, delivery.body).group_id for delivery in sweep.deliveries]


async def empty(parts: Parts) -> None:
    async with parts.broker.sweep(Queue.IMAGE_UPLOAD, limit=100) as sweep:
        for delivery in sweep.deliveries:
            await sweep.ack(delivery)
