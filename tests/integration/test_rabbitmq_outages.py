"""RabbitMQ goes away, hangs, blocks and comes back: what is confirmed is kept, and all go on."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs
from yarl import URL

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.errors import Unavailable
from gateway.ports.broker import Broker, Queue, Subscription
from tests.deliveries import (
    QUIET_S,
    bodies,
    eventually,
    is_quiet,
    lying_in,
    publish,
    settings_for,
    take,
    works,
)
from tests.servers.rabbitmq import RabbitMQ, rabbitmq_node
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy

PATIENCE_S = 120
"""A node that was killed starts meanwhile."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A node that these tests may kill and block; each leaves it running."""
    with rabbitmq_node(tmp_path_factory.mktemp("rabbitmq")) as node:
        yield node


@pytest.fixture
async def proxy(rabbitmq: RabbitMQ) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(rabbitmq.port) as proxy:
        yield proxy


@pytest.fixture
def by_proxy(rabbitmq_url: str, proxy: TcpProxy) -> str:
    return str(URL(rabbitmq_url).with_port(proxy.port))


async def publish_on_and_on(broker: Broker, numbers: Iterator[int], confirmed: list[str]) -> None:
    for number in numbers:
        await broker.publish(Queue.IMAGE_PROCESSED, str(number).encode())
        confirmed.append(str(number))


async def consume_on_and_on(subscription: Subscription, received: set[str]) -> None:
    while True:
        deliveries = await subscription.next_batch(100)
        received.update(bodies(deliveries))
        await subscription.ack(deliveries)


@asynccontextmanager
async def under_load(url: str) -> AsyncIterator[tuple[Broker, list[str]]]:
    """A broker at which many publish and one consumes, and what was confirmed; all of that must be received."""
    confirmed: list[str] = []
    received: set[str] = set()
    numbers = itertools.count()
    async with (
        open_rabbitmq(settings_for(url, publish_timeout_s=PATIENCE_S), name="load") as broker,
        broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=50) as subscription,
        asyncio.TaskGroup() as group,
    ):
        consumer = group.create_task(consume_on_and_on(subscription, received))
        publishers = [group.create_task(publish_on_and_on(broker, numbers, confirmed)) for _ in range(20)]
        yield broker, confirmed
        for publisher in publishers:
            publisher.cancel()
        await eventually(lambda: has(received.issuperset(confirmed)), within_s=PATIENCE_S)
        consumer.cancel()


async def test_nothing_confirmed_is_lost_when_the_broker_is_killed_and_all_go_on(node: RabbitMQ) -> None:
    async with under_load(node.url_for(node.add_vhost())) as (broker, confirmed):
        await publish(broker, Queue.IMAGE_UPLOAD, "a", "b", "c")
        await eventually(lambda: has(len(confirmed) > 200))
        node.pause()  # so that confirms are open when it dies
        await eventually(lambda: stands_still(confirmed))
        await node.kill()
        before = len(confirmed)
        await node.start()
        await eventually(lambda: has(len(confirmed) > before + 200), within_s=PATIENCE_S)
        await eventually(lambda: works(broker), within_s=PATIENCE_S)
        assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["a", "b", "c"]


async def test_nothing_confirmed_is_lost_when_connections_are_cut_again_and_again(
    by_proxy: str, proxy: TcpProxy
) -> None:
    async with under_load(by_proxy) as (_, confirmed):
        for _ in range(5):
            await grows(confirmed)
            proxy.cut()
        await grows(confirmed)


async def grows(confirmed: list[str]) -> None:
    before = len(confirmed)
    await eventually(lambda: has(len(confirmed) > before + 50), within_s=PATIENCE_S)


async def has(fact: bool) -> bool:
    return fact


async def stands_still(growing: list[str]) -> bool:
    length = len(growing)
    await asyncio.sleep(0.2)
    return len(growing) == length


async def test_the_broker_may_come_later_than_the_gateway(by_proxy: str, proxy: TcpProxy) -> None:
    await proxy.refuse()
    reconnects: list[None] = []
    settings = settings_for(by_proxy, publish_timeout_s=2)
    began = time.monotonic()
    async with open_rabbitmq(settings, name="early", on_reconnect=lambda: reconnects.append(None)) as broker:
        assert time.monotonic() - began < 8
        with pytest.raises(Unavailable, match="refused"):
            await broker.check()
        with pytest.raises(Unavailable, match="can't be reached"):
            await publish(broker, Queue.IMAGE_PROCESSED, "too early")
        for question in (broker.depth(Queue.IMAGE_PROCESSED), lying_in(broker, Queue.IMAGE_PROCESSED)):
            with pytest.raises(Unavailable, match="can't be reached"):
                await question
        async with broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=1) as subscription:
            await proxy.listen()
            await eventually(lambda: works(broker), within_s=PATIENCE_S)
            await publish(broker, Queue.IMAGE_PROCESSED, "late")
            assert bodies(await take(subscription, 1)) == ["late"]
    assert not reconnects


async def test_a_broker_that_stays_away_is_one_line_for_each_connection(
    by_proxy: str, proxy: TcpProxy
) -> None:
    await proxy.refuse()
    with capture_logs() as lines:
        # The opening waits for two seconds, in which each connection is tried four times or more.
        async with open_rabbitmq(settings_for(by_proxy), name="early"):
            pass
    assert sorted(line["connection"] for line in lines) == ["early-consume", "early-publish"]
    assert all("refused" in line["reason"] for line in lines)


async def test_connections_that_the_broker_closes_are_made_again_with_one_line_each(
    rabbitmq: RabbitMQ, rabbitmq_url: str, rabbitmq_vhost: str
) -> None:
    reconnects: list[None] = []
    with capture_logs() as lines:
        async with (
            open_rabbitmq(
                settings_for(rabbitmq_url), name="closed", on_reconnect=lambda: reconnects.append(None)
            ) as broker,
            broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as subscription,
        ):
            await publish(broker, Queue.IMAGE_UPLOAD, "a", "b")
            await take(subscription, 2)
            await rabbitmq.ctl("close_all_connections", "--vhost", rabbitmq_vhost, "for maintenance")
            again = await take(subscription, 2)
            assert bodies(again) == ["a", "b"]
            assert all(delivery.redelivered for delivery in again)
            await publish(broker, Queue.IMAGE_UPLOAD, "c")
            assert bodies(await take(subscription, 1)) == ["c"]
    assert len(reconnects) == 2
    losses = [line for line in lines if line["event"] == "no connection to the broker"]
    assert sorted(line["connection"] for line in losses) == ["closed-consume", "closed-publish"]
    assert all("for maintenance" in line["reason"] for line in losses)
    assert [line["event"] for line in lines].count("connected to the broker") == 4


async def test_an_ack_of_a_delivery_of_an_earlier_connection_harms_nobody(
    by_proxy: str, proxy: TcpProxy
) -> None:
    async with open_rabbitmq(settings_for(by_proxy), name="stale") as broker:
        await publish(broker, Queue.IMAGE_UPLOAD, "a", "b", "c")
        async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=3) as subscription:
            stale = await take(subscription, 3)
            proxy.cut()
            again = await take(subscription, 3)
            assert [delivery.tag for delivery in again] == [delivery.tag for delivery in stale]
            await subscription.ack(stale[:1])
            await subscription.reject(stale[1])
            await subscription.requeue(stale[2])
            assert await is_quiet(subscription)
            await subscription.ack(again[:1])
        assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["b", "c"]
        assert await lying_in(broker, Queue.DEAD_LETTER) == []


async def test_a_publisher_leaves_a_silent_connection_for_a_new_one_within_its_deadline(
    by_proxy: str, proxy: TcpProxy
) -> None:
    async with open_rabbitmq(settings_for(by_proxy, publish_timeout_s=6), name="silent") as broker:
        await publish(broker, Queue.IMAGE_UPLOAD, "before")
        proxy.freeze()
        await publish(broker, Queue.IMAGE_UPLOAD, "after")
        assert proxy.accepted == 3


async def test_a_question_that_was_given_up_costs_no_connection_that_answers(rabbitmq_url: str) -> None:
    settings = settings_for(rabbitmq_url, publish_timeout_s=2)
    reconnects: list[None] = []
    async with open_rabbitmq(settings, name="idle", on_reconnect=lambda: reconnects.append(None)) as broker:
        publishing = asyncio.create_task(publish(broker, Queue.IMAGE_UPLOAD, *map(str, range(1000))))
        await eventually(lambda: lying_in(broker, Queue.IMAGE_UPLOAD))
        publishing.cancel()
        await asyncio.wait({publishing})
        await asyncio.sleep(3.5)  # more than twice the silence that ends a connection
        await publish(broker, Queue.IMAGE_UPLOAD, "after")
    assert not reconnects


async def test_heartbeats_end_silent_connections_and_all_go_on(by_proxy: str, proxy: TcpProxy) -> None:
    """aiormq tells it by a bare CancelledError to all that wait."""
    settings = settings_for(by_proxy, heartbeat_s=1, publish_timeout_s=PATIENCE_S)
    async with (
        open_rabbitmq(settings, name="heartbeats") as broker,
        broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=10) as subscription,
    ):
        await publish(broker, Queue.IMAGE_PROCESSED, "before")
        assert bodies(await take(subscription, 1)) == ["before"]
        proxy.freeze()
        await publish(broker, Queue.IMAGE_PROCESSED, "after")
        await eventually(lambda: works(broker), within_s=PATIENCE_S)
        received: set[str] = set()
        while received != {"before", "after"}:
            async with asyncio.timeout(PATIENCE_S):
                received.update(bodies(await subscription.next_batch(10)))


async def test_a_stop_does_not_wait_for_a_silent_broker(by_proxy: str, proxy: TcpProxy) -> None:
    others = asyncio.all_tasks()
    async with (
        open_rabbitmq(settings_for(by_proxy), name="stopped") as broker,
        broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=10) as subscription,
    ):
        await publish(broker, Queue.IMAGE_UPLOAD, "a")
        await take(subscription, 1)
        proxy.stall()
        publishing = asyncio.create_task(publish(broker, Queue.IMAGE_UPLOAD, "b"))
        await eventually(lambda: has(proxy.holds_back))
        began = time.monotonic()
    assert time.monotonic() - began < 5
    with pytest.raises(Unavailable):
        await publishing
    assert not {task for task in asyncio.all_tasks() - others if "TcpProxy" not in repr(task)}


async def test_a_stop_does_not_wait_for_a_connection_in_the_making(by_proxy: str, proxy: TcpProxy) -> None:
    proxy.stall()
    async with open_rabbitmq(settings_for(by_proxy), name="stopped"):
        began = time.monotonic()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("limit", "alarming", "usual"),
    [("set_vm_memory_high_watermark", "0.0000001", "0.6"), ("set_disk_free_limit", "9000GB", "50MB")],
    ids=["memory", "disk"],
)
async def test_an_alarm_blocks_publishers_alone_and_multiplies_nothing(
    node: RabbitMQ, limit: str, alarming: str, usual: str
) -> None:
    """What is for the pipeline waits beyond its deadline, sent or not; what is put aside does not."""
    settings = settings_for(node.url_for(node.add_vhost()), publish_timeout_s=1)
    async with open_rabbitmq(settings, name="alarm") as broker:
        await publish(broker, Queue.IMAGE_UPLOAD, "before")
        await node.ctl(limit, alarming)
        try:
            sent = [asyncio.create_task(publish(broker, Queue.IMAGE_UPLOAD, "sent")) for _ in range(2)]
            await eventually(lambda: is_blocked(broker))
            waiting = asyncio.create_task(publish(broker, Queue.IMAGE_UPLOAD, "waiting"))
            for queue in (Queue.DEAD_LETTER, Queue.FOREIGN):
                with pytest.raises(Unavailable, match="blocked by its memory or disk alarm"):
                    await publish(broker, queue, "blocked")
            assert not any(each.done() for each in (*sent, waiting))
            with pytest.raises(Unavailable, match="takes no messages: its memory or disk alarm is on"):
                await broker.check()
            async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as subscription:
                await subscription.ack(await take(subscription, 1))
            assert (await broker.depth(Queue.IMAGE_UPLOAD)).messages == 0
        finally:
            await node.ctl(limit, usual)
        await asyncio.gather(*sent, waiting)
        await eventually(lambda: works(broker))
        await publish(broker, Queue.IMAGE_UPLOAD, "after")
        assert await lying_in(broker, Queue.IMAGE_UPLOAD) == ["sent", "sent", "waiting", "after"]


async def is_blocked(broker: Broker) -> bool:
    try:
        await broker.check()
    except Unavailable as error:
        return "alarm is on" in error.text
    return False


async def test_who_stops_taking_before_the_broker_has_made_it_a_consumer_takes_nothing(
    rabbitmq_url: str, by_proxy: str, proxy: TcpProxy
) -> None:
    """A broker that is slow at a start, or after a connection was lost."""
    async with (
        open_rabbitmq(settings_for(rabbitmq_url), name="direct") as direct,
        open_rabbitmq(settings_for(by_proxy), name="slow") as broker,
        broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=1) as other,
    ):
        proxy.freeze()
        async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as stopped:
            await stopped.stop_taking()
            await publish(direct, Queue.IMAGE_UPLOAD, "a")
            await publish(direct, Queue.IMAGE_PROCESSED, "b")
            proxy.flow()
            assert bodies(await take(other, 1)) == ["b"]
            assert await stopped.next_batch(1) == []
            await asyncio.sleep(QUIET_S)
            assert await lying_in(direct, Queue.IMAGE_UPLOAD) == ["a"]
