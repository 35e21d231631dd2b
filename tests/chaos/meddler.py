"""Stands between the processor and the gateway, and lets results arrive in its own way, with odd messages round them.

async with a_meddler(world, dice) as meddler:   # the processor publishes to BEFORE
    ...
meddler.odd                                     # what it did, how often
meddler.parked                                  # what must lie in which queue
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiormq
from aiormq import spec
from aiormq.abc import AbstractChannel, DeliveredMessage
from attrs import define, field

from tests.chaos import odd_messages
from tests.chaos.odd_messages import Message
from tests.chaos.world import ProductionWorld

BEFORE = "image_processed.before"
"""Where the processor puts its results."""
FOREIGN = "image_processed.foreign"
DEAD_LETTERS = "dead_letter_queue"
TAKEN_AT_ONCE = 50
POOL = 8
"""So many results change their order among each other."""
LONGEST_DELAY_S = 2.0
LATEST_S = 5.0
"""After it, a result is told once more."""
MOST_MALFORMED = 900
"""Behind a thousand others' the gateway looks at no dead letter of its own, and warns of it."""
ODD_FOR_A_RESULT = 12
"""Fewer than so many that are none lie before a result."""

Result = tuple[Message, dict[str, Any]]
"""As it came, and its fields."""


@define(eq=False)
class Meddler:
    """Between the processor and the gateway."""

    world: ProductionWorld
    channel: AbstractChannel
    dice: random.Random
    _group: asyncio.TaskGroup
    odd: Counter[str] = field(factory=Counter)
    """What it did, how often."""
    parked: dict[str, Counter[tuple[bytes, str]]] = field(factory=dict)
    """What must lie in which queue at the end."""
    is_enough: bool = False
    """From now on results arrive as they came."""
    _pool: list[Result] = field(factory=list)
    _rejected: dict[str, list[Result]] = field(factory=dict)
    """Results of attempts that were rejected as well, by their image; they wait for its next attempt."""
    _tasks: set[asyncio.Task[None]] = field(factory=set)

    async def receive(self, delivered: DeliveredMessage) -> None:
        """Let it arrive now or later, and odd ones round it."""
        headers = delivered.header.properties.headers or {}
        result = (Message(delivered.body, headers), json.loads(delivered.body))
        assert delivered.delivery_tag is not None
        await delivered.channel.basic_ack(delivered.delivery_tag)
        self._begin(self._meddle(result))

    async def finish(self) -> None:
        """Returns once all that it held back has arrived."""
        await self._empty_pool()
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _meddle(self, result: Result) -> None:
        if not self.is_enough:
            await self._interject(result)
        trace_id = odd_messages.first_attempt(result[1]["trace_id"])
        if trace_id not in self._rejected:
            await (Meddler.as_it_came if self.is_enough else self.dice.choice(WAYS))(self, result)
        elif trace_id == result[1]["trace_id"]:
            self._rejected[trace_id].append(result)
        else:
            await self._of_older_attempts(self._rejected.pop(trace_id), result)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- ways of a result

    async def as_it_came(self, result: Result) -> None:
        await self._tell(result[0])

    async def many_times(self, result: Result) -> None:
        times = self.dice.randint(2, 4)
        self.odd["told again at once"] += times - 1
        for _ in range(times):
            await self._tell(result[0])

    async def late(self, result: Result) -> None:
        self.odd["late"] += 1
        await asyncio.sleep(self.dice.uniform(0, LONGEST_DELAY_S))
        await self._tell(result[0])

    async def again_later(self, result: Result) -> None:
        self.odd["told again later"] += 1
        await self._tell(result[0])
        await asyncio.sleep(self.dice.uniform(0, LATEST_S))
        await self._tell(result[0])

    async def in_another_order(self, result: Result) -> None:
        """It waits for others, but not for long."""
        self._pool.append(result)
        if len(self._pool) < POOL:
            await asyncio.sleep(LONGEST_DELAY_S)
        await self._empty_pool()

    async def contradicted(self, result: Result) -> None:
        """Behind a completed one comes a failure of the same attempt, which names its object."""
        await self._tell(result[0])
        if result[1]["status"] == "completed":
            self.odd["contradicting"] += 1
            await self._tell(odd_messages.message(odd_messages.contradicting(result[1], self.odd.total())))

    async def rejected_as_well(self, result: Result) -> None:
        """The attempt ends by a dead letter, and this result waits until there is one of the next attempt."""
        trace_id = odd_messages.first_attempt(result[1]["trace_id"])
        if trace_id != result[1]["trace_id"]:  # enough of this image
            await self._tell(result[0])
            return
        self._rejected[trace_id] = [result]
        letter = odd_messages.a_rejected_upload(result[1])
        for _ in range(self.dice.randint(1, 2)):
            await self._tell(letter, DEAD_LETTERS)

    async def _of_older_attempts(self, older: Sequence[Result], newest: Result) -> None:
        """All of the image's attempts at once, in any order, and failures of the older ones among them."""
        failed = odd_messages.a_result(older[0][1]["trace_id"], older[0][1]["group_id"])
        messages = [*(result[0] for result in older), newest[0], odd_messages.message(failed)]
        self.odd["of older attempts"] += len(messages) - 1
        self.dice.shuffle(messages)
        for message in messages:
            await self._tell(message)

    async def _empty_pool(self) -> None:
        results, self._pool = self._pool, []
        if len(results) > 1:
            self.odd["in another order"] += len(results)
        self.dice.shuffle(results)
        for result in results:
            await self._tell(result[0])

    # --- what is no result

    async def _interject(self, result: Result) -> None:
        """Before it arrives: its image is open."""
        for _ in range(self.dice.randrange(ODD_FOR_A_RESULT)):
            await self.dice.choice(ODDITIES)(self, result[1])

    async def malformed(self, real: dict[str, Any]) -> None:
        if self.odd["malformed"] == MOST_MALFORMED:
            return
        self.odd["malformed"] += 1
        message = odd_messages.malformed(self.dice, real, self.odd.total())
        await self._tell_and_expect(message, DEAD_LETTERS)

    async def foreign(self, real: dict[str, Any]) -> None:
        self.odd["of others"] += 1
        await self._tell_and_expect(odd_messages.foreign(self.dice, real, self.odd.total()), FOREIGN)

    async def of_an_unknown_job(self, _: dict[str, Any]) -> None:
        """Of a completed one the object lies there, and must be gone at the end."""
        self.odd["of unknown jobs"] += 1
        fields = odd_messages.of_an_unknown_job(self.dice, self.odd.total())
        if fields["processed_path"]:
            bucket = self.world.place.names.processed
            await self.world.storage.put_object(Bucket=bucket, Key=fields["processed_path"], Body=b"odd")
        await self._tell(odd_messages.message(fields))

    async def of_an_unknown_attempt(self, real: dict[str, Any]) -> None:
        self.odd["of unknown attempts"] += 1
        await self._tell(odd_messages.message(odd_messages.of_an_unknown_attempt(real, self.odd.total())))

    async def _tell_and_expect(self, message: Message, queue: str) -> None:
        self.parked.setdefault(queue, Counter())[message.identity] += 1
        await self._tell(message)

    async def _tell(self, message: Message, queue: str = "image_processed") -> None:
        """Returns when the broker has it."""
        await self.channel.basic_publish(
            message.body,
            routing_key=queue,
            mandatory=True,
            properties=spec.Basic.Properties(
                content_type="application/json", headers=dict(message.headers), delivery_mode=2
            ),
        )


WAYS: Sequence[Callable[[Meddler, Result], Awaitable[None]]] = (
    Meddler.as_it_came,
    Meddler.many_times,
    Meddler.late,
    Meddler.again_later,
    Meddler.in_another_order,
    Meddler.contradicted,
    Meddler.rejected_as_well,
)
ODDITIES: Sequence[Callable[[Meddler, dict[str, Any]], Awaitable[None]]] = (
    Meddler.malformed,
    Meddler.foreign,
    Meddler.of_an_unknown_job,
    Meddler.of_an_unknown_attempt,
)


@asynccontextmanager
async def a_meddler(world: ProductionWorld, dice: random.Random) -> AsyncIterator[Meddler]:
    connection = await aiormq.connect(world.node.url)
    try:
        async with asyncio.TaskGroup() as group:
            meddler = Meddler(world, await connection.channel(), dice, group)
            taking = await connection.channel()
            await taking.basic_qos(prefetch_count=TAKEN_AT_ONCE)
            await taking.basic_consume(BEFORE, meddler.receive)
            yield meddler
            await meddler.finish()
    finally:
        await connection.close()
