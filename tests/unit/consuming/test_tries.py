"""A message whose worker died over it is counted before anybody works on it again, is then worked on alone, and at last
given up. What was put back in good order is not counted.
"""

import asyncio
from collections.abc import Mapping

import pytest
from attrs import define, field

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.background import Background
from gateway.consuming import Handler, Hopeless, Workers, tries_of
from gateway.errors import Unavailable
from gateway.messages import FAILURE_CODE, REJECT_REASON, TRIES
from gateway.ports.broker import Delivery, Queue
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import WorkerMetrics
from tests.deliveries import eventually, lying_in
from tests.patience import PATIENCE_S

QUEUE = Queue.METADATA_GENERATED
MOST = 5


@define(eq=False)
class Work:
    """What was begun, in turn; an image in `slow` is held until it may go on."""

    slow: set[bytes] = field(factory=set)
    begun: list[tuple[bytes, int]] = field(factory=list)
    in_hand: set[bytes] = field(factory=set)
    beside: dict[bytes, set[bytes]] = field(factory=dict)
    """Of each image, what was in work when it was begun."""
    may_go_on: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, delivery: Delivery) -> None:
        assert not delivery.redelivered
        self.begun.append((delivery.body, tries_of(delivery)))
        self.beside[delivery.body] = set(self.in_hand)
        self.in_hand.add(delivery.body)
        try:
            if delivery.body in self.slow:
                await self.may_go_on.wait()
        finally:
            self.in_hand.discard(delivery.body)

    async def has_begun(self, *bodies: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not set(bodies) <= {body for body, _ in self.begun}:
                await asyncio.sleep(0)


def workers(
    broker: InProcessBroker,
    handler: Handler,
    count: int = 1,
    prefetch: int = 1,
    give_up: Handler | None = None,
) -> Workers:
    metrics = WorkerMetrics(Instruments())
    more = () if give_up is None else (give_up,)
    return Workers("a-worker", broker, QUEUE, handler, metrics, count, prefetch, MOST, *more)


async def publish_to_one_who_dies(broker: InProcessBroker, body: bytes, tries: int = 1) -> None:
    """So that it is redelivered."""
    await broker.publish(QUEUE, body, {TRIES: tries} if tries > 1 else {})
    async with broker.subscribe(QUEUE, prefetch=1) as subscription:
        await subscription.next_batch(1)


async def lies_in(broker: InProcessBroker, queue: Queue) -> list[tuple[bytes, Mapping[str, object]]]:
    async with broker.sweep(queue, limit=100) as sweep:
        return [(delivery.body, delivery.headers) for delivery in sweep.deliveries]


@pytest.mark.parametrize("told", [None, 0, -3, True, "2", 2.0, 10**9, b"\x02"])
def test_a_header_that_is_no_count_is_the_first_try(told: object) -> None:
    assert tries_of(Delivery(QUEUE, b"", 1, {} if told is None else {TRIES: told})) == 1


async def test_a_message_that_comes_again_is_counted_before_work_on_it_begins() -> None:
    broker, work = InProcessBroker(), Work()
    await publish_to_one_who_dies(broker, b"a")
    async with Background().running(workers(broker, work)):
        await work.has_begun(b"a")
    assert work.begun == [(b"a", 2)]


async def test_the_copy_that_counts_has_the_other_headers_of_the_message() -> None:
    broker, seen = InProcessBroker(), asyncio.get_running_loop().create_future()

    async def see(delivery: Delivery) -> None:
        seen.set_result(delivery.headers)

    await broker.publish(QUEUE, b"a", {"metadata-writer": "local/1"})
    async with broker.subscribe(QUEUE, prefetch=1) as subscription:
        await subscription.next_batch(1)
    async with Background().running(workers(broker, see)):
        assert await asyncio.wait_for(seen, PATIENCE_S) == {TRIES: 2, "metadata-writer": "local/1"}


async def test_while_the_count_can_not_be_committed_no_work_begins() -> None:
    broker, work = ABroker(), Work()
    await publish_to_one_who_dies(broker, b"a")
    broker.trouble = Unavailable("The broker is blocked.")
    async with Background().running(workers(broker, work)):
        await asyncio.wait_for(broker.was_asked.wait(), PATIENCE_S)
    assert await lies_in(broker, QUEUE) == [(b"a", {})]
    assert work.begun == []


@define(eq=False)
class ABroker(InProcessBroker):
    """The real one; with trouble it takes nothing."""

    trouble: Exception | None = None
    was_asked: asyncio.Event = field(factory=asyncio.Event)

    async def publish(self, queue: Queue, body: bytes, headers: Mapping[str, object] | None = None) -> None:
        if self.trouble is not None:
            self.was_asked.set()
            raise self.trouble
        await super().publish(queue, body, headers)


async def test_what_is_put_back_because_a_part_is_down_is_not_counted() -> None:
    broker, tries = InProcessBroker(), list[int]()

    async def down_at_first(delivery: Delivery) -> None:
        tries.append(tries_of(delivery))
        assert not delivery.redelivered
        if len(tries) < 3:
            raise Unavailable("The object store is down.")

    await broker.publish(QUEUE, b"a", {TRIES: 2})
    async with Background().running(workers(broker, down_at_first)):
        await eventually(lambda: is_so(len(tries) == 3))
    assert tries == [2, 2, 2]


async def test_what_was_put_back_and_killed_the_next_worker_is_counted() -> None:
    """Though it was begun here before."""
    broker, may_go_on, begun = InProcessBroker(), asyncio.Event(), list[int]()

    async def down_at_first(delivery: Delivery) -> None:
        begun.append(tries_of(delivery))
        if len(begun) == 1:
            await may_go_on.wait()
            raise Unavailable("The object store is down.")

    await broker.publish(QUEUE, b"a")
    async with Background().running(workers(broker, down_at_first)):
        await eventually(lambda: is_so(bool(begun)))
        async with broker.subscribe(QUEUE, prefetch=1) as who_dies:
            may_go_on.set()
            (taken,) = await asyncio.wait_for(who_dies.next_batch(1), PATIENCE_S)
            assert not taken.redelivered
        await eventually(lambda: is_so(len(begun) == 2))
    assert begun == [1, 2]


async def is_so(fact: bool) -> bool:
    await asyncio.sleep(0)
    return fact


async def test_after_its_last_try_a_message_is_given_up_and_nobody_works_on_it() -> None:
    broker, work, given_up = InProcessBroker(), Work(), list[bytes]()

    async def give_up(delivery: Delivery) -> None:
        given_up.append(delivery.body)

    await publish_to_one_who_dies(broker, b"a", tries=MOST)
    async with Background().running(workers(broker, work, give_up=give_up)):
        await eventually(lambda: is_so(bool(given_up)))
    assert (given_up, work.begun, await lies_in(broker, QUEUE)) == ([b"a"], [], [])


async def test_a_dead_letter_of_one_that_is_given_up_begins_to_count_anew() -> None:
    broker = InProcessBroker()

    async def give_up(_: Delivery) -> None:
        raise Hopeless("Nobody comes to an end.", code="analysis_crashed")

    await publish_to_one_who_dies(broker, b"a", tries=MOST)
    async with Background().running(workers(broker, Work(), give_up=give_up)):
        await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
    assert await lies_in(broker, Queue.DEAD_LETTER) == [
        (b"a", {REJECT_REASON: "Nobody comes to an end.", FAILURE_CODE: "analysis_crashed"})
    ]


async def test_from_the_third_try_on_a_message_is_worked_on_alone() -> None:
    broker, work = InProcessBroker(), Work(slow={b"slow"})
    await broker.publish(QUEUE, b"slow")
    await broker.publish(QUEUE, b"suspect", {TRIES: 3})
    async with Background().running(workers(broker, work, count=3)):
        await work.has_begun(b"slow")
        await eventually(lambda: nobody_takes(broker))
        await broker.publish(QUEUE, b"later")
        assert (b"suspect", 3) not in work.begun
        work.may_go_on.set()
        await work.has_begun(b"suspect", b"later")
    assert (work.beside[b"suspect"], work.begun[-2:]) == (set(), [(b"suspect", 3), (b"later", 1)])


async def nobody_takes(broker: InProcessBroker) -> bool:
    await asyncio.sleep(0)
    return (await broker.depth(QUEUE)).consumers == 0


@pytest.mark.parametrize("tries", [1, 2])
async def test_before_that_messages_are_worked_on_side_by_side(tries: int) -> None:
    broker, work = InProcessBroker(), Work(slow={b"a", b"b"})
    await broker.publish(QUEUE, b"a", {TRIES: tries})
    await broker.publish(QUEUE, b"b", {TRIES: tries})
    async with Background().running(workers(broker, work, count=2)):
        await work.has_begun(b"a", b"b")
        assert work.in_hand == {b"a", b"b"}


async def test_when_one_is_worked_on_alone_nothing_else_is_in_the_hand_of_its_process() -> None:
    """Else what kills it would have those others counted, too."""
    broker, work = InProcessBroker(), Work(slow={b"suspect"})
    await broker.publish(QUEUE, b"suspect", {TRIES: 3})
    for number in range(3):
        await broker.publish(QUEUE, str(number).encode())
    await broker.publish(QUEUE, b"other suspect", {TRIES: 4})
    async with Background().running(workers(broker, work, count=2, prefetch=3)):
        await work.has_begun(b"suspect")
        others_done = len(work.begun) - 1
        assert (await broker.depth(QUEUE)).messages == 4 - others_done
        work.may_go_on.set()
        await work.has_begun(b"0", b"1", b"2", b"other suspect")
    assert dict(work.begun) == {b"suspect": 3, b"0": 1, b"1": 1, b"2": 1, b"other suspect": 4}
