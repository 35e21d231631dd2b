"""Workers whose connection is lost over a message, on a real RabbitMQ: they live, so that costs the message no try."""

from collections.abc import AsyncIterator

import pytest
from attrs import define, field
from yarl import URL

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.background import Background
from gateway.consuming import Workers, tries_of
from gateway.errors import Unavailable
from gateway.ports.broker import Broker, Delivery, Queue
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import WorkerMetrics
from tests.deliveries import eventually, settings_for, works
from tests.patience import PATIENCE_S
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy

QUEUE = Queue.METADATA_GENERATED
MOST = 2
LOSSES = 4


@pytest.fixture
async def proxy(rabbitmq: RabbitMQ) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(rabbitmq.port) as proxy:
        yield proxy


@pytest.fixture
async def broker(rabbitmq_url: str, proxy: TcpProxy) -> AsyncIterator[Broker]:
    url = str(URL(rabbitmq_url).with_port(proxy.port))
    async with open_rabbitmq(settings_for(url), name="workers") as broker:
        yield broker


@define(eq=False)
class Work:
    """The connection is lost while it is at it, so many times."""

    broker: Broker
    proxy: TcpProxy
    meets_trouble: bool
    """Each time; it may also come to its end, and find out when it acks."""
    begun: list[int] = field(factory=list)
    """Which try it was, each time."""
    ended: int = 0
    given_up: int = 0

    async def __call__(self, delivery: Delivery) -> None:
        self.begun.append(tries_of(delivery))
        if len(self.begun) <= LOSSES:
            await self._lose_connection()
            if self.meets_trouble:
                raise Unavailable("The broker is away.")
        self.ended += 1

    async def give_up(self, _: Delivery) -> None:
        self.given_up += 1

    async def _lose_connection(self) -> None:
        await self.proxy.refuse()
        await eventually(self._is_lost, within_s=PATIENCE_S)
        await self.proxy.listen()

    async def _is_lost(self) -> bool:
        return not await works(self.broker)

    async def has_ended(self, times: int) -> bool:
        return self.ended + self.given_up >= times


async def worked_on_over_losses(broker: Broker, work: Work, *, ends: int) -> None:
    """One message; nothing of it is left."""
    await broker.publish(QUEUE, b"a")
    workers = Workers(
        "a-worker", broker, QUEUE, work, WorkerMetrics(Instruments()), 1, max_tries=MOST, give_up=work.give_up
    )
    async with Background().running(workers):
        await eventually(lambda: work.has_ended(ends), within_s=PATIENCE_S)
        await workers.finish(within_s=PATIENCE_S)
    assert (await broker.depth(QUEUE)).messages == 0


async def test_what_comes_again_to_who_had_it_is_no_further_try(broker: Broker, proxy: TcpProxy) -> None:
    work = Work(broker, proxy, meets_trouble=False)
    await worked_on_over_losses(broker, work, ends=LOSSES + 1)
    assert (work.begun, work.given_up) == ([1] * (LOSSES + 1), 0)


async def test_what_comes_again_is_not_put_back_as_well(broker: Broker, proxy: TcpProxy) -> None:
    """Else each loss would make two messages of one."""
    work = Work(broker, proxy, meets_trouble=True)
    await worked_on_over_losses(broker, work, ends=1)
    assert (work.begun, work.ended, work.given_up) == ([1] * (LOSSES + 1), 1, 0)
