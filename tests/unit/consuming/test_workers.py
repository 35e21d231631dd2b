"""Workers stop without dropping what they have in hand, and in time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from attrs import define, field

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.background import Background
from gateway.consuming import Hopeless, Workers
from gateway.errors import Unavailable
from gateway.messages import FAILURE_CODE, REJECT_REASON
from gateway.ports.broker import Delivery, Queue, Unroutable
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import WorkerMetrics
from tests.deliveries import eventually, lying_in
from tests.patience import PATIENCE_S

QUEUE = Queue.IMAGE_UPLOAD
LONG_S = 2.0 * PATIENCE_S


@define(eq=False)
class Handler:
    """Holds what it is given until it may go on."""

    in_hand: list[bytes] = field(factory=list)
    done: list[bytes] = field(factory=list)
    may_go_on: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, delivery: Delivery) -> None:
        self.in_hand.append(delivery.body)
        await self.may_go_on.wait()
        self.done.append(delivery.body)

    async def has(self, messages: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.in_hand) < messages:
                await asyncio.sleep(0)


@define(eq=False)
class Stage:
    broker: InProcessBroker
    handler: Handler
    workers: Workers
    background: Background

    async def left(self) -> list[bytes]:
        """What lies in the queue once the workers are gone."""
        async with self.broker.sweep(QUEUE, limit=100) as sweep:
            return [delivery.body for delivery in sweep.deliveries]


def unread_metrics() -> WorkerMetrics:
    return WorkerMetrics(Instruments())


@asynccontextmanager
async def a_stage(messages: int, *, workers: int = 1, prefetch: int = 1) -> AsyncIterator[Stage]:
    broker, handler, background = InProcessBroker(), Handler(), Background()
    for number in range(messages):
        await broker.publish(QUEUE, str(number).encode())
    service = Workers("a-worker", broker, QUEUE, handler, unread_metrics(), workers, prefetch)
    async with background.running(service):
        yield Stage(broker, handler, service, background)


async def test_what_is_in_hand_is_finished_and_nothing_more_is_taken():
    async with a_stage(3, workers=2) as stage:
        await stage.handler.has(2)
        stage.background.ask_to_stop()
        finishing = asyncio.create_task(stage.workers.finish(LONG_S))
        await asyncio.sleep(0)
        assert not finishing.done()
        stage.handler.may_go_on.set()
        await asyncio.wait_for(finishing, PATIENCE_S)
        assert sorted(stage.handler.done) == [b"0", b"1"]
    assert await stage.left() == [b"2"]
    assert stage.background.crashed is None


async def test_what_is_not_finished_in_time_is_delivered_again():
    async with a_stage(1) as stage:
        await stage.handler.has(1)
        stage.background.ask_to_stop()
        await asyncio.wait_for(stage.workers.finish(0.01), PATIENCE_S)
    assert await stage.left() == [b"0"]


async def test_what_is_prefetched_and_not_begun_is_delivered_again():
    async with a_stage(3, prefetch=3) as stage:
        await stage.handler.has(1)
        stage.background.ask_to_stop()
        finishing = asyncio.create_task(stage.workers.finish(LONG_S))
        stage.handler.may_go_on.set()
        await asyncio.wait_for(finishing, PATIENCE_S)
    assert (stage.handler.done, await stage.left()) == ([b"0"], [b"1", b"2"])


async def test_workers_without_work_are_finished_at_once():
    async with a_stage(0, workers=3) as stage:
        await asyncio.sleep(0)
        stage.background.ask_to_stop()
        await asyncio.wait_for(stage.workers.finish(LONG_S), PATIENCE_S)
    assert stage.background.crashed is None


async def test_workers_that_pause_after_trouble_are_finished_at_once_and_give_their_message_back():
    broker, tried = InProcessBroker(), asyncio.Event()

    async def in_trouble(delivery: Delivery) -> None:
        tried.set()
        raise Unavailable("The store is down.")

    await broker.publish(QUEUE, b"0")
    background = Background()
    workers = Workers("a-worker", broker, QUEUE, in_trouble, unread_metrics(), 1)
    async with background.running(workers):
        await asyncio.wait_for(tried.wait(), PATIENCE_S)
        background.ask_to_stop()
        await asyncio.wait_for(workers.finish(LONG_S), PATIENCE_S)
    async with broker.sweep(QUEUE, limit=10) as sweep:
        assert [delivery.body for delivery in sweep.deliveries] == [b"0"]


async def test_a_worker_that_a_foreign_cancellation_ends_is_missed():
    """A task group takes a bare CancelledError, as client libraries raise it, for a quiet end."""
    broker, background = InProcessBroker(), Background()

    async def handle(delivery: Delivery) -> None:
        if not delivery.redelivered:
            raise asyncio.CancelledError

    await broker.publish(QUEUE, b"0")
    async with background.running(Workers("a-worker", broker, QUEUE, handle, unread_metrics(), 2)):
        await asyncio.wait_for(background.stopping.wait(), PATIENCE_S)
    assert background.crashed == "a-worker"


async def test_each_worker_takes_as_many_messages_in_hand_as_it_may():
    async with a_stage(5, prefetch=3) as stage:
        await stage.handler.has(1)
        async with stage.broker.subscribe(QUEUE, prefetch=10) as other:
            assert [delivery.body for delivery in await other.next_batch(10)] == [b"3", b"4"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "done"), (Hopeless("It is no image."), "rejected"), (Unavailable("Down."), "given_back")],
    ids=["done", "rejected", "given back"],
)
async def test_what_becomes_of_a_message_is_counted_and_timed(error: Exception | None, outcome: str):
    broker, instruments = InProcessBroker(), Instruments()
    value = instruments.registry.get_sample_value

    async def handle(delivery: Delivery) -> None:
        if error is not None:
            raise error

    async def is_counted() -> bool:
        await asyncio.sleep(0)
        return value("gateway_worker_messages_total", {"worker": "analyzer", "outcome": outcome}) == 1

    await broker.publish(QUEUE, b"0")
    workers = Workers("analyzer", broker, QUEUE, handle, WorkerMetrics(instruments), 1)
    async with Background().running(workers):
        await eventually(is_counted)
    assert value("gateway_worker_image_seconds_count", {"worker": "analyzer"}) == 1


@define(eq=False)
class ABroker(InProcessBroker):
    """The real one, but for its dead letters."""

    trouble: Exception | None = None

    async def publish(self, queue: Queue, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        if queue is Queue.DEAD_LETTER and self.trouble is not None:
            raise self.trouble
        await super().publish(queue, body, headers)


async def refuse(_: Delivery) -> None:
    raise Hopeless("It is no image.", code="analysis_failed")


async def test_a_rejected_message_lies_in_the_dead_letters_as_it_was_with_the_reason_as_headers():
    broker = InProcessBroker()
    await broker.publish(QUEUE, b"0", {"traceparent": "00-1"})
    async with Background().running(Workers("a-worker", broker, QUEUE, refuse, unread_metrics(), 1)):
        await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
    async with broker.sweep(Queue.DEAD_LETTER, limit=10) as sweep:
        (letter,) = sweep.deliveries
    assert letter.body == b"0"
    assert letter.headers == {
        "traceparent": "00-1",
        REJECT_REASON: "It is no image.",
        FAILURE_CODE: "analysis_failed",
    }
    assert await lying_in(broker, QUEUE) == []


async def test_without_a_queue_for_dead_letters_a_message_is_left_to_the_brokers_own_reject():
    broker = ABroker(trouble=Unroutable("There is no such queue."))
    await broker.publish(QUEUE, b"0")
    async with Background().running(Workers("a-worker", broker, QUEUE, refuse, unread_metrics(), 1)):
        await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
    async with broker.sweep(Queue.DEAD_LETTER, limit=10) as sweep:
        (letter,) = sweep.deliveries
    assert "x-death" in letter.headers
    assert await lying_in(broker, QUEUE) == []


async def test_a_message_whose_copy_could_not_be_published_before_either_is_left_to_the_brokers_own_reject():
    broker = ABroker(trouble=Unavailable("The queue is full and refuses."))
    await broker.publish(QUEUE, b"0")
    async with broker.subscribe(QUEUE, prefetch=1) as earlier:
        (delivery,) = await earlier.next_batch(1)
        await earlier.requeue(delivery)
    async with Background().running(Workers("a-worker", broker, QUEUE, refuse, unread_metrics(), 1)):
        await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
    assert await lying_in(broker, QUEUE) == []


async def test_a_message_whose_copy_can_not_be_published_now_is_given_back():
    broker, tried = ABroker(trouble=Unavailable("The broker is down.")), asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        tried.set()
        await refuse(delivery)

    await broker.publish(QUEUE, b"0")
    async with Background().running(Workers("a-worker", broker, QUEUE, handle, unread_metrics(), 1)):
        await asyncio.wait_for(tried.wait(), PATIENCE_S)
    assert await lying_in(broker, QUEUE) == ["0"]
    assert await lying_in(broker, Queue.DEAD_LETTER) == []
