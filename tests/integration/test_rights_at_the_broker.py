"""The rights that docs/SECURITY.md gives at RabbitMQ are enough for the gateway and for its workers, and no more."""

import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from gateway.ports.broker import Broker, Queue
from gateway.settings import Role
from gateway.worker import QUEUES_OF
from tests.deliveries import eventually, works
from tests.documents import ROOT, fences
from tests.servers.rabbitmq import RabbitMQ

SECURITY = ROOT / "docs" / "SECURITY.md"
VHOST = "batch"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(rabbitmq: RabbitMQ) -> AsyncIterator[RabbitMQ]:
    """One on which the commands of the document were given."""
    await rabbitmq.ctl("add_vhost", VHOST)
    for program, *command in _commands():
        assert program == "rabbitmqctl"
        await rabbitmq.ctl(*command)
    yield rabbitmq
    rabbitmq.remove_vhost(VHOST)


async def test_the_gateway_may_do_its_work(node: RabbitMQ) -> None:
    async with _broker(node, "gateway") as broker:
        assert broker.warnings == []
        for queue in (Queue.IMAGE_UPLOAD, Queue.FOREIGN, Queue.DEAD_LETTER, Queue.IMAGE_PROCESSED):
            await broker.publish(queue, b"{}")
        await _take_one(broker, Queue.IMAGE_PROCESSED)
        async with broker.sweep(Queue.DEAD_LETTER, limit=10) as sweep:
            await sweep.ack(sweep.deliveries[0])
        assert [(await broker.depth(queue)).consumers for queue in Queue] == [0] * len(Queue)


@pytest.mark.parametrize("role", Role)
async def test_a_worker_may_do_its_work(role: Role, node: RabbitMQ) -> None:
    taken, sent, dead = QUEUES_OF[role]
    async with _broker(node, role, QUEUES_OF[role]) as broker:
        assert broker.warnings == []
        for queue in (taken, sent, dead):
            await broker.publish(queue, b"{}")
        await _take_one(broker, taken)


@pytest.mark.parametrize("role", Role)
async def test_a_worker_may_read_no_dead_letters(role: Role, node: RabbitMQ) -> None:
    async with _broker(node, role, QUEUES_OF[role]) as broker:
        await broker.publish(Queue.DEAD_LETTER, b"{}")
        with pytest.raises(Unavailable) as refusal:
            async with broker.sweep(Queue.DEAD_LETTER, limit=10):
                pass
    assert "ACCESS_REFUSED" in str(refusal.value)


@pytest.mark.parametrize("user", ["gateway", *Role])
async def test_who_may_not_publish_is_not_ready_and_says_why(user: str, node: RabbitMQ) -> None:
    queues = QUEUES_OF[Role(user)] if user in set(Role) else tuple(Queue)
    await node.ctl("add_user", f"mute-{user}", "PASSWORD")
    await node.ctl("set_permissions", "-p", VHOST, f"mute-{user}", ".*", "^$", ".*")
    async with _broker(node, f"mute-{user}", queues) as broker:
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"lets us publish nothing .*ACCESS_REFUSED.*amq\.default"):
                await broker.check()
        await node.ctl("set_permissions", "-p", VHOST, f"mute-{user}", ".*", "^amq\\.default$", ".*")
        await eventually(lambda: works(broker))


def _commands() -> list[list[str]]:
    (block,) = (fence.text for fence in fences(SECURITY) if "set_permissions" in fence.text)
    return [shlex.split(line) for line in block.splitlines()]


@asynccontextmanager
async def _broker(node: RabbitMQ, user: str, queues: Sequence[Queue] = tuple(Queue)) -> AsyncIterator[Broker]:
    url = f"amqp://{user}:PASSWORD@127.0.0.1:{node.port}/{VHOST}"
    settings = BrokerSettings(kind="rabbitmq", url=url)
    async with open_rabbitmq(settings, name="test", queues=queues) as broker:
        yield broker


async def _take_one(broker: Broker, queue: Queue) -> None:
    async with broker.subscribe(queue, prefetch=1) as subscription:
        await subscription.ack(await subscription.next_batch(1))
