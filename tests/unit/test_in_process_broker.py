"""What the in-process broker promises beyond its port: its bounds, its end, and no message lost by any order."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.ports.broker import Delivery, Queue, Subscription
from tests.patience import PATIENCE_S


def a_broker(messages: int = 10_000, parked: int = 10_000, timeout_s: float = 5.0) -> InProcessBroker:
    return InProcessBroker(
        BrokerSettings(
            max_messages_per_queue=messages, max_parked_messages=parked, publish_timeout_s=timeout_s
        )
    )


async def publish(broker: InProcessBroker, queue: Queue, numbers: range) -> None:
    for number in numbers:
        await broker.publish(queue, str(number).encode())


async def lying_in(broker: InProcessBroker, queue: Queue) -> list[int]:
    async with broker.sweep(queue, limit=10_000) as sweep:
        return [int(delivery.body) for delivery in sweep.deliveries]


async def until_waiting(task: asyncio.Task[object]) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()


async def test_a_full_queue_is_unavailable_after_the_timeout() -> None:
    broker = a_broker(messages=2, timeout_s=0.02)
    await publish(broker, Queue.IMAGE_UPLOAD, range(2))
    with pytest.raises(Unavailable):
        await broker.publish(Queue.IMAGE_UPLOAD, b"2")
    assert await lying_in(broker, Queue.IMAGE_UPLOAD) == [0, 1]


async def test_a_publisher_waits_for_room_and_an_ack_makes_it() -> None:
    broker = a_broker(messages=1)
    await publish(broker, Queue.IMAGE_UPLOAD, range(1))
    waiting = asyncio.create_task(publish(broker, Queue.IMAGE_UPLOAD, range(1, 2)))
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=2) as subscription:
        batch = await subscription.next_batch(2)
        await until_waiting(waiting)
        await subscription.ack(batch)
        await waiting
        assert [delivery.body for delivery in await subscription.next_batch(2)] == [b"1"]


async def test_a_reject_a_destroyed_result_and_an_acked_sweep_make_room_too() -> None:
    broker = a_broker(messages=1, timeout_s=0.02)
    await publish(broker, Queue.IMAGE_UPLOAD, range(1))
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
        await subscription.reject((await subscription.next_batch(1))[0])
    await publish(broker, Queue.IMAGE_UPLOAD, range(1, 2))
    async with broker.sweep(Queue.IMAGE_UPLOAD, limit=1) as sweep:
        await sweep.ack(sweep.deliveries[0])
        await publish(broker, Queue.IMAGE_UPLOAD, range(2, 3))
    assert await lying_in(broker, Queue.IMAGE_UPLOAD) == [2]


async def test_what_is_given_back_makes_no_room() -> None:
    broker = a_broker(messages=1, timeout_s=0.02)
    await publish(broker, Queue.IMAGE_UPLOAD, range(1))
    assert await lying_in(broker, Queue.IMAGE_UPLOAD) == [0]
    with pytest.raises(Unavailable):
        await broker.publish(Queue.IMAGE_UPLOAD, b"1")


async def test_a_publisher_that_gives_up_takes_no_room_with_it() -> None:
    broker = a_broker(messages=1)
    await publish(broker, Queue.IMAGE_UPLOAD, range(1))
    waiting = asyncio.create_task(publish(broker, Queue.IMAGE_UPLOAD, range(1, 2)))
    await until_waiting(waiting)
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
        batch = await subscription.next_batch(1)
        waiting.cancel()
        await subscription.ack(batch)
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(broker.publish(Queue.IMAGE_UPLOAD, b"2"), PATIENCE_S)


@pytest.mark.parametrize("queue", [Queue.DEAD_LETTER, Queue.FOREIGN])
async def test_of_parked_messages_the_oldest_make_room(queue: Queue) -> None:
    broker = a_broker(parked=3)
    await publish(broker, queue, range(5))
    assert await lying_in(broker, queue) == [2, 3, 4]


async def test_parked_messages_stay_bounded_when_a_sweep_gives_back() -> None:
    broker = a_broker(parked=2)
    await publish(broker, Queue.DEAD_LETTER, range(2))
    async with broker.sweep(Queue.DEAD_LETTER, limit=2):
        await publish(broker, Queue.DEAD_LETTER, range(2, 4))
    assert await lying_in(broker, Queue.DEAD_LETTER) == [2, 3]


async def test_rejects_never_wait_for_room_among_the_dead_letters() -> None:
    broker = a_broker(parked=1)
    await publish(broker, Queue.IMAGE_UPLOAD, range(3))
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=3) as subscription:
        for delivery in await subscription.next_batch(3):
            await subscription.reject(delivery)
    assert await lying_in(broker, Queue.DEAD_LETTER) == [2]


async def test_consumers_take_turns() -> None:
    broker = a_broker()
    async with (
        broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as one,
        broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as other,
    ):
        await publish(broker, Queue.IMAGE_UPLOAD, range(6))
        mine = [int(delivery.body) for delivery in await one.next_batch(10)]
        theirs = [int(delivery.body) for delivery in await other.next_batch(10)]
    assert (mine, theirs) == ([0, 2, 4], [1, 3, 5])


async def test_it_remembers_nothing() -> None:
    assert a_broker().remembers is False


async def test_after_its_end_all_is_unavailable() -> None:
    broker = a_broker()
    broker.close()

    async def enter(context: AbstractAsyncContextManager[object]) -> None:
        async with context:
            pass

    for call in (
        broker.publish(Queue.IMAGE_UPLOAD, b""),
        broker.depth(Queue.IMAGE_UPLOAD),
        broker.check(),
        enter(broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1)),
        enter(broker.sweep(Queue.IMAGE_UPLOAD, limit=1)),
    ):
        with pytest.raises(Unavailable):
            await call


async def test_its_end_wakes_all_who_wait() -> None:
    broker = a_broker(messages=1)
    await publish(broker, Queue.IMAGE_UPLOAD, range(1))
    publishers = [asyncio.create_task(broker.publish(Queue.IMAGE_UPLOAD, b"")) for _ in range(3)]
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=1) as subscription:
        consumer = asyncio.create_task(subscription.next_batch(1))
        for task in (*publishers, consumer):
            await until_waiting(task)
        broker.close()
        ends = await asyncio.wait_for(
            asyncio.gather(*publishers, consumer, return_exceptions=True), PATIENCE_S
        )
    assert [type(end) for end in ends] == [Unavailable] * 4


class Play:
    """Some consumers of one queue, doing whatever hypothesis says, and a record of what they did."""

    def __init__(self) -> None:
        self.broker = a_broker()
        self.published = 0
        self.settled: list[int] = []
        self.dead: list[int] = []

    async def act(self, steps: list[tuple[str, int]]) -> None:
        for step, number in steps:
            await getattr(self, step)(number)

    async def publish(self, number: int) -> None:
        await publish(self.broker, Queue.IMAGE_UPLOAD, range(self.published, self.published + number))
        self.published += number

    async def consume(self, number: int) -> None:
        """Take some, settle each in another way, or in none, and leave."""
        if (await self.broker.depth(Queue.IMAGE_UPLOAD)).messages == 0:
            return
        async with self.broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=number + 1) as subscription:
            for turn, delivery in enumerate(await subscription.next_batch(number)):
                await self._settle(subscription, delivery, (turn + number) % 4)

    async def sweep(self, number: int) -> None:
        async with self.broker.sweep(Queue.IMAGE_UPLOAD, limit=number) as sweep:
            for delivery in sweep.deliveries[::2]:
                await sweep.ack(delivery)
                self.settled.append(int(delivery.body))

    async def _settle(self, subscription: Subscription, delivery: Delivery, way: int) -> None:
        number = int(delivery.body)
        if way == 0:
            await subscription.ack([delivery])
            self.settled.append(number)
        elif way == 1:
            await subscription.reject(delivery)
            self.dead.append(number)
        elif way == 2:
            await subscription.requeue(delivery)


STEPS = st.lists(st.tuples(st.sampled_from(["publish", "consume", "sweep"]), st.integers(1, 6)), max_size=20)


@given(STEPS)
def test_whatever_consumers_do_each_message_is_settled_dead_or_still_there_in_order(
    steps: list[tuple[str, int]],
) -> None:
    async def run() -> None:
        play = Play()
        await play.act(steps)
        left = await lying_in(play.broker, Queue.IMAGE_UPLOAD)
        assert left == sorted(left)
        assert sorted(left + play.settled + play.dead) == list(range(play.published))
        assert await lying_in(play.broker, Queue.DEAD_LETTER) == play.dead

    asyncio.run(run())
