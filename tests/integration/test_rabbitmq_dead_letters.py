"""Dead letters on a real RabbitMQ: looked at by one gateway at a time, given back as they lay, and never lost."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import define, evolve
from yarl import URL

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.background import Background
from gateway.domain.attempt import AttemptName
from gateway.domain.job import Job
from gateway.errors import Unavailable
from gateway.jobs.dead_letters.sweeper import DeadLetters
from gateway.ports.broker import Broker, Queue, QueueDepth, Sweep
from tests.deliveries import eventually, lying_in, publish, settings_for, works
from tests.integration.jobs.parts import Parts, parts_in
from tests.integration.jobs.stores import Watched
from tests.integration.jobs.test_collector import a_published_job
from tests.integration.jobs.test_dead_letters import a_dead_upload
from tests.integration.jobs.test_kept_dead_letters import kept
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy

OTHERS = [f"theirs {number}" for number in range(5)]


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts_in(tmp_path) as parts:
        yield parts


@pytest.fixture
async def proxy(rabbitmq: RabbitMQ) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(rabbitmq.port) as proxy:
        yield proxy


@asynccontextmanager
async def broker_at(url: str) -> AsyncIterator[Broker]:
    async with open_rabbitmq(settings_for(url), name="dead-letters") as broker:
        yield broker


async def ours_between_others(parts: Parts, broker: Broker) -> Sequence[Job]:
    """A letter of ours behind each of the others; of a job each."""
    jobs = []
    for other in OTHERS:
        job = await a_published_job(parts)
        await publish(broker, Queue.DEAD_LETTER, other)
        await broker.publish(Queue.DEAD_LETTER, a_dead_upload(job, AttemptName(job.images[0].trace_id, 1)))
        jobs.append(job)
    return jobs


async def rejected_by_the_broker(parts: Parts, broker: Broker) -> Job:
    job = await a_published_job(parts)
    await broker.publish(Queue.IMAGE_UPLOAD, a_dead_upload(job, AttemptName(job.images[0].trace_id, 1)))
    async with broker.subscribe(Queue.IMAGE_UPLOAD, prefetch=1) as uploads:
        (delivery,) = await uploads.next_batch(1)
        await uploads.reject(delivery)
    await eventually(lambda: lying_in(broker, Queue.DEAD_LETTER))
    return job


async def each_ended_one_attempt(parts: Parts, jobs: Sequence[Job]) -> None:
    assert [letter.job_id for letter in await kept(parts)] == [job.job_id for job in reversed(jobs)]
    assert [(await parts.jobs.get(job.job_id)).images[0].attempt for job in jobs] == [2] * len(jobs)
    assert parts.measured("dead_letters_total") == len(jobs)


def at(broker: Broker, parts: Parts) -> DeadLetters:
    return evolve(parts.dead_letters, broker=broker)


async def test_what_the_broker_says_of_a_reject_is_kept(parts: Parts, rabbitmq_url: str) -> None:
    async with broker_at(rabbitmq_url) as broker:
        job = await rejected_by_the_broker(parts, broker)
        await at(broker, parts).run_once()
        (letter,) = await kept(parts)
        assert (letter.queue, letter.reason, letter.count) == ("image_upload", "rejected", 1)
        assert letter.body == a_dead_upload(job, AttemptName(job.images[0].trace_id, 1)).decode()


async def test_ours_are_taken_and_others_keep_their_order(parts: Parts, rabbitmq_url: str) -> None:
    async with broker_at(rabbitmq_url) as broker:
        jobs = await ours_between_others(parts, broker)
        await at(broker, parts).run_once()
        assert await lying_in(broker, Queue.DEAD_LETTER) == OTHERS
        await each_ended_one_attempt(parts, jobs)


async def test_two_gateways_never_sweep_at_once(parts: Parts, rabbitmq_url: str) -> None:
    watch = Watch()
    async with broker_at(rabbitmq_url) as one, broker_at(rabbitmq_url) as other:
        jobs = await ours_between_others(parts, one)
        sweepers = [at(WatchedSweeps(broker, watch), parts) for broker in (one, other)]  # type: ignore[arg-type]
        async with Background().running(*sweepers):
            await eventually(lambda: are_gone(parts, len(jobs)), within_s=60)
        assert watch.most == 1
        assert await lying_in(one, Queue.DEAD_LETTER) == OTHERS
    await each_ended_one_attempt(parts, jobs)


async def test_a_sweep_whose_connection_is_cut_loses_none_and_shows_none_twice(
    parts: Parts, rabbitmq_url: str, proxy: TcpProxy
) -> None:
    """In the middle: what was committed by then is not acked, and comes again."""
    async with broker_at(str(URL(rabbitmq_url).with_port(proxy.port))) as broker:
        jobs = await ours_between_others(parts, broker)
        store = CutsAfter(parts.jobs, changes=3, cut=proxy.cut)
        cut_off = evolve(at(broker, parts), ledger=evolve(parts.ledger, store=store))  # type: ignore[arg-type]
        await cut_off.run_once()
        await eventually(lambda: works(broker), within_s=60)
        assert len(await lying_in(broker, Queue.DEAD_LETTER)) > len(OTHERS)
        await at(broker, parts).run_once()
        assert await lying_in(broker, Queue.DEAD_LETTER) == OTHERS
    await each_ended_one_attempt(parts, jobs)


async def test_a_sweep_whose_connection_is_cut_while_it_takes_them_has_done_nothing(
    parts: Parts, rabbitmq_url: str, proxy: TcpProxy
) -> None:
    async with broker_at(str(URL(rabbitmq_url).with_port(proxy.port))) as broker:
        jobs = await ours_between_others(parts, broker)
        proxy.once_passed(b"theirs 3", proxy.cut)
        with pytest.raises(Unavailable):
            await at(broker, parts).run_once()
        assert await kept(parts) == []
        await eventually(lambda: works(broker), within_s=60)
        await at(broker, parts).run_once()
        assert await lying_in(broker, Queue.DEAD_LETTER) == OTHERS
    await each_ended_one_attempt(parts, jobs)


async def are_gone(parts: Parts, number: int) -> bool:
    return len(await kept(parts)) == number


@define
class Watch:
    """How many sweeps there are now, and how many there ever were at once."""

    now: int = 0
    most: int = 0


@define(eq=False)
class WatchedSweeps:
    """The real broker."""

    broker: Broker
    watch: Watch

    async def depth(self, queue: Queue) -> QueueDepth:
        return await self.broker.depth(queue)

    @asynccontextmanager
    async def sweep(self, queue: Queue, *, limit: int) -> AsyncIterator[Sweep]:
        self.watch.now += 1
        self.watch.most = max(self.watch.most, self.watch.now)
        try:
            async with self.broker.sweep(queue, limit=limit) as sweep:
                yield sweep
        finally:
            self.watch.now -= 1


@define(eq=False)
class CutsAfter(Watched):
    """After so many changes, something happens."""

    changes: int
    cut: Callable[[], None]

    def after(self) -> None:
        self.changes -= 1
        if self.changes == 0:
            self.cut()
