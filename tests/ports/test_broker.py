"""What every broker promises, whichever it is: a new adapter adds its opener to `OPENERS`, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.ports.broker import Broker, Delivery, Queue
from tests.deliveries import QUIET_S, bodies, eventually, is_quiet, lying_in, publish, take
from tests.golden import golden
from tests.patience import PATIENCE_S

WITHOUT_DEAD_LETTERS = [queue for queue in Queue if queue is not Queue.IMAGE_UPLOAD]


@asynccontextmanager
async def in_process(_: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    broker = InProcessBroker()
    yield broker
    broker.close()


def rabbitmq(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Broker]:
    url = request.getfixturevalue("rabbitmq_url")
    return open_rabbitmq(BrokerSettings(kind="rabbitmq", url=url), name="port-tests")


Opener = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Broker]]
OPENERS: dict[str, Opener] = {"in_process": in_process, "rabbitmq": rabbitmq}


@pytest.fixture(params=OPENERS)
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    async with OPENERS[request.param](request) as broker:
        yield broker


@pytest.mark.parametrize("queue", Queue)
async def test_a_message_is_delivered_as_it_was_published(broker: Broker, queue: Queue) -> None:
    await broker.publish(queue, b"\x00any \xff bytes", {"traceparent": "00-1-2-01", "tries": 3})
    async with broker.subscribe(queue, prefetch=1) as subscription:
        [delivery] = await take(subscription, 1)
        assert (delivery.queue, delivery.body) == (queue, b"\x00any \xff bytes")
        assert {"traceparent": "00-1-2-01", "tries": 3}.items() <= delivery.headers.items()
        assert not delivery.redelivered
        await subscription.ack([delivery])


async def test_messages_come_in_the_order_of_their_publishing(broker: Broker) -> None:
    sent = [f"{number:03}" for number in range(100)]
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=100) as subscription:
        await publish(broker, Queue.IMAGE_PROCESSED, *sent)
        assert bodies(await take(subscription, 100)) == sent


async def test_a_batch_is_what_has_arrived_up_to_the_limit(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_PROCESSED, "a", "b", "c")
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as subscription:
        first = await subscription.next_batch(2)
        assert 1 <= len(first) <= 2
        assert bodies(first + await take(subscription, 3 - len(first))) == ["a", "b", "c"]


async def test_a_batch_waits_for_its_first_message(broker: Broker) -> None:
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as subscription:
        batch = asyncio.create_task(subscription.next_batch(5))
        done, _ = await asyncio.wait({batch}, timeout=QUIET_S)
        assert not done
        await publish(broker, Queue.IMAGE_PROCESSED, "late")
        assert bodies(await asyncio.wait_for(batch, PATIENCE_S)) == ["late"]


async def test_no_more_than_prefetch_is_unsettled_at_once(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "a", "b", "c")
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=2) as subscription:
        first, _ = await take(subscription, 2)
        assert await is_quiet(subscription)
        await subscription.ack([first])
        assert bodies(await take(subscription, 1)) == ["c"]


async def test_what_was_acked_never_comes_again(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_PROCESSED, "a", "b")
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as subscription:
        await subscription.ack(await take(subscription, 2))
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as subscription:
        assert await is_quiet(subscription)


async def test_an_ack_is_of_those_deliveries_alone(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_PROCESSED, "a", "b", "c")
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as subscription:
        _, second, _ = await take(subscription, 3)
        await subscription.ack([second])
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as subscription:
        assert bodies(await take(subscription, 2)) == ["a", "c"]


async def test_an_ack_twice_is_one_ack(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_PROCESSED, "a", "b")
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=1) as subscription:
        first = await take(subscription, 1)
        await subscription.ack(first)
        await subscription.ack(first)
        assert bodies(await take(subscription, 1)) == ["b"]


async def test_what_is_unsettled_at_the_end_comes_again_in_order_and_before_the_rest(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "a", "b", "c", "d")
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=3) as subscription:
        await take(subscription, 3)
    await publish(broker, Queue.IMAGE_UPLOAD, "e")
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as subscription:
        again = await take(subscription, 5)
        assert bodies(again) == ["a", "b", "c", "d", "e"]
        assert [delivery.redelivered for delivery in again][:3] == [True] * 3
        assert not again[-1].redelivered


async def test_what_arrived_but_was_never_taken_comes_again(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "a", "b", "c")
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as subscription:
        await take(subscription, 1)
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as subscription:
        assert bodies(await take(subscription, 3)) == ["a", "b", "c"]


async def test_a_subscription_that_ends_in_an_error_gives_back_what_it_had(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "a")

    async def crash() -> None:
        async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as subscription:
            await take(subscription, 1)
            raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        await crash()
    assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["a"]


async def test_an_ack_after_the_end_settles_nothing(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "a", "b")
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as ended:
        [first] = await take(ended, 1)
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as subscription:
        await ended.ack([first])
        await ended.reject(first)
        await ended.requeue(first)
        assert bodies(await take(subscription, 2)) == ["a", "b"]
        assert await is_quiet(subscription)


async def test_a_subscription_that_is_over_raises(broker: Broker) -> None:
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
        pass
    with pytest.raises(Unavailable):
        await subscription.next_batch(1)


async def test_who_stops_taking_gets_what_had_arrived_and_then_the_end(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "a", "b", "c")
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=2) as subscription:
        first = await take(subscription, 1)
        await subscription.stop_taking()
        await subscription.ack(first)
        second = await take(subscription, 1)
        await subscription.ack(second)
        assert bodies(first + second) == ["a", "b"]
        assert await asyncio.wait_for(subscription.next_batch(1), PATIENCE_S) == []
        assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["c"]


async def test_who_waits_for_a_message_hears_that_nothing_more_is_taken(broker: Broker) -> None:
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=2) as subscription:
        waiting = asyncio.create_task(subscription.next_batch(1))
        await asyncio.sleep(0)
        await subscription.stop_taking()
        assert await asyncio.wait_for(waiting, PATIENCE_S) == []
        await publish(broker, Queue.IMAGE_UPLOAD, "a")
        assert (await broker.depth(Queue.IMAGE_UPLOAD)).consumers == 0
        await subscription.stop_taking()
    assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["a"]


async def test_what_is_requeued_comes_again_and_says_so(broker: Broker) -> None:
    await publish(broker, Queue.METADATA_GENERATED, "a")
    async with broker.subscribe(Queue.METADATA_GENERATED, prefetch=1) as subscription:
        [first] = await take(subscription, 1)
        await subscription.requeue(first)
        [again] = await take(subscription, 1)
        assert (again.body, again.redelivered) == (b"a", True)


async def test_a_delivery_is_held_until_it_is_settled(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "acked", "requeued", "rejected")
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=3) as subscription:
        acked, requeued, rejected = held = await take(subscription, 3)
        assert [subscription.holds(delivery) for delivery in held] == [True] * 3
        await subscription.ack([acked])
        await subscription.requeue(requeued)
        await subscription.reject(rejected)
        assert [subscription.holds(delivery) for delivery in held] == [False] * 3


async def test_what_is_unsettled_at_the_end_is_held_no_longer(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "a")
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as ended:
        [delivery] = await take(ended, 1)
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
        [again] = await take(subscription, 1)
        assert not ended.holds(delivery)
        assert not subscription.holds(delivery)
        assert subscription.holds(again)


async def test_a_rejected_upload_goes_to_the_dead_letters_with_its_death(broker: Broker) -> None:
    golden_letter = golden("dead_letter.image_upload")[0]
    wanted = golden_letter["properties"]["headers"]
    await reject_once(broker, golden_letter["body"])

    await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
    async with broker.sweep(Queue.DEAD_LETTER, limit=1) as sweep:
        [letter] = sweep.deliveries
        assert letter.body.decode() == golden_letter["body"]
        [death] = headers_of(letter).pop("x-death")
        moment = death.pop("time")
        assert isinstance(moment, datetime)
        assert moment.tzinfo is not None
        assert death == {key: value for key, value in wanted["x-death"][0].items() if key != "time"}
        assert {key: letter.headers[key] for key in wanted if key != "x-death"} == {
            key: value for key, value in wanted.items() if key != "x-death"
        }


@pytest.mark.parametrize("kept", ["headers_kept", "headers_dropped"])
async def test_a_dead_letter_sent_again_counts_its_deaths_as_long_as_its_headers_are_kept(
    broker: Broker, kept: str
) -> None:
    await reject_once(broker, "poison")
    await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
    async with broker.sweep(Queue.DEAD_LETTER, limit=1) as sweep:
        [letter] = sweep.deliveries
        await sweep.ack(letter)
    await reject_once(broker, "poison", headers_of(letter) if kept == "headers_kept" else None)

    await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
    async with broker.sweep(Queue.DEAD_LETTER, limit=1) as sweep:
        [death] = headers_of(sweep.deliveries[0])["x-death"]
        del death["time"]
        assert [death] == golden("dead_letter.sent_again")[0][kept]["x-death"]


async def reject_once(broker: Broker, body: str, headers: dict[str, Any] | None = None) -> None:
    await broker.publish(Queue.IMAGE_UPLOAD, body.encode(), headers)
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
        [delivery] = await take(subscription, 1)
        await subscription.reject(delivery)
        assert await is_quiet(subscription)


def headers_of(letter: Delivery) -> dict[str, Any]:
    headers = dict(letter.headers)
    deaths = headers["x-death"]
    assert isinstance(deaths, list)
    return {**headers, "x-death": [dict(death) for death in deaths]}


@pytest.mark.parametrize("queue", WITHOUT_DEAD_LETTERS)
async def test_a_reject_elsewhere_destroys_the_message(broker: Broker, queue: Queue) -> None:
    await publish(broker, queue, "a")
    async with broker.subscribe(queue, prefetch=1) as subscription:
        [delivery] = await take(subscription, 1)
        await subscription.reject(delivery)
    assert await lying_in(broker, queue) == []
    assert await lying_in(broker, Queue.DEAD_LETTER) == []


async def test_a_cancelled_wait_loses_nothing(broker: Broker) -> None:
    async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as subscription:
        for number in range(20):
            waiting = asyncio.create_task(subscription.next_batch(1))
            await asyncio.sleep(0)
            await publish(broker, Queue.IMAGE_PROCESSED, str(number))
            waiting.cancel()
            [delivery] = (await asyncio.gather(waiting, return_exceptions=True))[0:1]
            taken = await take(subscription, 1) if isinstance(delivery, BaseException) else delivery
            assert bodies(taken) == [str(number)]
            await subscription.ack(taken)


async def test_each_message_goes_to_one_of_several_consumers_and_each_gets_some(broker: Broker) -> None:
    async with (
        broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as one,
        broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as other,
    ):
        await publish(broker, Queue.IMAGE_UPLOAD, "a", "b")
        assert sorted(bodies(await take(one, 1) + await take(other, 1))) == ["a", "b"]


async def test_a_consumer_that_ends_leaves_its_messages_to_the_others(broker: Broker) -> None:
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=2) as survivor:
        async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=2):
            await publish(broker, Queue.IMAGE_UPLOAD, "a", "b", "c", "d")
            mine = await take(survivor, 2)
            await survivor.ack(mine)
        assert sorted(bodies(mine + await take(survivor, 2))) == ["a", "b", "c", "d"]


async def test_a_sweep_sees_what_lies_there_up_to_its_limit_oldest_first(broker: Broker) -> None:
    await publish(broker, Queue.DEAD_LETTER, "a", "b", "c")
    async with broker.sweep(Queue.DEAD_LETTER, limit=2) as sweep:
        await publish(broker, Queue.DEAD_LETTER, "d")
        assert bodies(sweep.deliveries) == ["a", "b"]


async def test_a_sweep_of_an_empty_queue_sees_nothing(broker: Broker) -> None:
    assert await lying_in(broker, Queue.DEAD_LETTER) == []


async def test_a_sweep_gives_back_what_it_did_not_ack_in_order(broker: Broker) -> None:
    await publish(broker, Queue.DEAD_LETTER, "a", "b", "c", "d", "e")
    async with broker.sweep(Queue.DEAD_LETTER, limit=4) as sweep:
        await sweep.ack(sweep.deliveries[2])
        await sweep.ack(sweep.deliveries[0])
    assert await lying_in(broker, Queue.DEAD_LETTER) == ["b", "d", "e"]


async def test_a_sweep_that_ends_in_an_error_gives_back_too(broker: Broker) -> None:
    await publish(broker, Queue.DEAD_LETTER, "a", "b")

    async def crash() -> None:
        async with broker.sweep(Queue.DEAD_LETTER, limit=10) as sweep:
            await sweep.ack(sweep.deliveries[0])
            raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        await crash()
    assert await lying_in(broker, Queue.DEAD_LETTER) == ["b"]


async def test_a_sweep_leaves_alone_what_a_consumer_has_in_hand(broker: Broker) -> None:
    await publish(broker, Queue.FOREIGN, "a", "b")
    async with broker.subscribe(Queue.FOREIGN, prefetch=1) as subscription:
        await take(subscription, 1)
        assert await lying_in(broker, Queue.FOREIGN) == ["b"]


async def test_depth_counts_what_lies_ready_and_who_consumes(broker: Broker) -> None:
    await publish(broker, Queue.IMAGE_UPLOAD, "a", "b", "c")

    async def depth_is(messages: int, consumers: int) -> bool:
        depth = await broker.depth(Queue.IMAGE_UPLOAD)
        return (depth.messages, depth.consumers) == (messages, consumers)

    await eventually(lambda: depth_is(3, 0))
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
        await take(subscription, 1)
        await eventually(lambda: depth_is(2, 1))
    await eventually(lambda: depth_is(3, 0))


async def test_a_working_broker_says_so_in_one_line(broker: Broker) -> None:
    line = await broker.check()
    assert line
    assert "\n" not in line
