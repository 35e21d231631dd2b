"""One gateway sweeps the dead letters at a time, and says when ours may lie where no sweep comes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from attrs import define, evolve, field

from gateway.errors import Unavailable
from gateway.jobs.dead_letters.sweeper import LEASE, LEASE_S, SWEEP_LIMIT
from gateway.ports.broker import Broker, Delivery, Queue, QueueDepth, Sweep
from tests.integration.jobs.parts import Parts
from tests.integration.jobs.test_collector import a_published_job
from tests.integration.jobs.test_dead_letters import DownAfter, publish_letter
from tests.integration.jobs.test_kept_dead_letters import kept, lying


async def some_letters(parts: Parts, number: int) -> None:
    """Of ours, of a job each."""
    for _ in range(number):
        await publish_letter(parts, await a_published_job(parts))


async def publish_others(parts: Parts, number: int) -> None:
    for _ in range(number):
        await parts.broker.publish(Queue.DEAD_LETTER, b"theirs")


async def acquire(parts: Parts, holder: str) -> bool:
    now = parts.clock.now()
    return await parts.jobs.acquire_lease(
        LEASE, holder=holder, now=now, until=now + timedelta(seconds=LEASE_S)
    )


class TestLease:
    async def test_while_another_gateway_sweeps_nothing_is_looked_at(self, parts: Parts):
        await some_letters(parts, 1)
        await acquire(parts, "another")
        await parts.dead_letters.run_once()
        assert await kept(parts) == []
        await parts.jobs.release_lease(LEASE, holder="another")
        await parts.dead_letters.run_once()
        assert len(await kept(parts)) == 1

    async def test_what_another_gateway_holds_while_it_sweeps_is_not_taken_for_gone(self, parts: Parts):
        await publish_others(parts, 2)
        await parts.dead_letters.run_once()
        await acquire(parts, "another")
        async with parts.broker.sweep(Queue.DEAD_LETTER, limit=2):
            await parts.dead_letters.run_once()
        assert parts.measured("foreign_dead_letters") == 2

    async def test_a_gateway_that_died_in_its_sweep_keeps_nobody_waiting_longer_than_its_lease(
        self, parts: Parts
    ):
        await some_letters(parts, 1)
        await acquire(parts, "dead")
        parts.clock.turn(LEASE_S)
        await parts.dead_letters.run_once()
        assert len(await kept(parts)) == 1

    async def test_it_is_released_after_a_sweep(self, parts: Parts):
        await some_letters(parts, 1)
        await parts.dead_letters.run_once()
        assert await acquire(parts, "another")

    async def test_it_is_released_after_a_sweep_that_failed(self, parts: Parts):
        await some_letters(parts, 1)
        ledger = evolve(parts.ledger, store=DownAfter(parts.jobs, changes_left=0))  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            await evolve(parts.dead_letters, ledger=ledger).run_once()
        assert await acquire(parts, "another")

    async def test_it_is_extended_while_a_sweep_goes_on(self, parts: Parts):
        await some_letters(parts, 4)
        got: list[bool] = []

        async def another_asks() -> None:
            got.append(await acquire(parts, "another"))

        slow = SlowSweeps(parts.broker, lambda: parts.clock.turn(LEASE_S * 0.6), another_asks)
        await evolve(parts.dead_letters, broker=slow).run_once()  # type: ignore[arg-type]
        assert got == [False] * 4
        assert len(await kept(parts)) == 4

    async def test_a_sweep_that_slept_until_another_had_it_goes_no_further(self, parts: Parts):
        await some_letters(parts, 3)

        async def another_has_it() -> None:
            await acquire(parts, "another")

        slow = SlowSweeps(parts.broker, lambda: parts.clock.turn(LEASE_S), another_has_it)
        await evolve(parts.dead_letters, broker=slow).run_once()  # type: ignore[arg-type]
        assert (len(await kept(parts)), await lying(parts)) == (1, 2)


@define(eq=False)
class SlowSweeps:
    """The real broker; at each ack time passes, and then something happens."""

    broker: Broker
    pass_time: Callable[[], None]
    then: Callable[[], Awaitable[None]]

    async def depth(self, queue: Queue) -> QueueDepth:
        return await self.broker.depth(queue)

    @asynccontextmanager
    async def sweep(self, queue: Queue, *, limit: int) -> AsyncIterator[Sweep]:
        async with self.broker.sweep(queue, limit=limit) as sweep:
            yield SlowSweep(sweep, self.pass_time, self.then)


@define(eq=False)
class EmptiedBefore:
    """The real broker; between the question how many there are and the sweep somebody takes all."""

    broker: Broker

    async def depth(self, queue: Queue) -> QueueDepth:
        return await self.broker.depth(queue)

    @asynccontextmanager
    async def sweep(self, queue: Queue, *, limit: int) -> AsyncIterator[Sweep]:
        async with self.broker.sweep(queue, limit=limit) as theirs:
            async with self.broker.sweep(queue, limit=limit) as sweep:
                yield sweep
            for delivery in theirs.deliveries:
                await theirs.ack(delivery)


@define(eq=False)
class SlowSweep:
    sweep: Sweep
    pass_time: Callable[[], None]
    then: Callable[[], Awaitable[None]]
    deliveries: Sequence[Delivery] = field(init=False)

    @deliveries.default
    def _its_own(self) -> Sequence[Delivery]:
        return self.sweep.deliveries

    async def ack(self, delivery: Delivery) -> None:
        await self.sweep.ack(delivery)
        self.pass_time()
        await self.then()


class TestWarnings:
    async def test_what_lies_behind_all_that_is_looked_at_is_warned_of_when_none_of_that_was_ours(
        self, parts: Parts
    ):
        await publish_others(parts, SWEEP_LIMIT)
        await parts.dead_letters.run_once()
        assert list(parts.dead_letters.warnings()) == []
        await publish_others(parts, 2)
        await parts.dead_letters.run_once()
        (line,) = parts.dead_letters.warnings()
        assert line == (
            "dead_letter_queue holds 1002 messages, and only the first 1000 are looked at, none of which is ours: "
            "those of ours among the 2 behind them are missed at their deadline alone. Empty the queue."
        )

    async def test_the_queue_is_called_as_the_operator_calls_it(self, parts: Parts):
        dead_letters = evolve(parts.dead_letters, queue_name=lambda queue: f"ours.{queue}")
        await publish_others(parts, SWEEP_LIMIT + 1)
        await dead_letters.run_once()
        (line,) = dead_letters.warnings()
        assert line.startswith("ours.dead_letter_queue holds 1001 messages")

    async def test_while_the_queue_is_as_it_was_the_warning_stays(self, parts: Parts):
        await publish_others(parts, SWEEP_LIMIT + 1)
        for _ in range(2):
            await parts.dead_letters.run_once()
        assert len(parts.dead_letters.warnings()) == 1

    @pytest.mark.parametrize("left", [0, 1])
    async def test_once_the_queue_was_emptied_nothing_is_warned_of(self, parts: Parts, left: int):
        await publish_others(parts, SWEEP_LIMIT + 1)
        await parts.dead_letters.run_once()
        async with parts.broker.sweep(Queue.DEAD_LETTER, limit=SWEEP_LIMIT + 1 - left) as sweep:
            for delivery in sweep.deliveries:
                await sweep.ack(delivery)
        await parts.dead_letters.run_once()
        assert list(parts.dead_letters.warnings()) == []

    async def test_of_what_somebody_took_before_it_was_looked_at_nothing_is_warned_of(self, parts: Parts):
        dead_letters = evolve(parts.dead_letters, broker=EmptiedBefore(parts.broker))  # type: ignore[arg-type]
        await publish_others(parts, 2)
        await dead_letters.run_once()
        assert list(dead_letters.warnings()) == []

    async def test_behind_some_of_ours_the_next_sweep_comes_further(self, parts: Parts):
        await some_letters(parts, 1)
        await publish_others(parts, SWEEP_LIMIT)
        await parts.dead_letters.run_once()
        assert list(parts.dead_letters.warnings()) == []
