"""Odd messages among the results, on a real RabbitMQ: some results come twice, in another order or late; some attempts
were rejected as well, so that those of older attempts come; and between them lies what is malformed, of others, of
unknown jobs and attempts, or contradicts what was said before.

What the processor says goes to a queue of its own. A meddler takes it from there and lets all of it arrive, in its way.
Each image ends once, with its first completed result; what is of others lies unchanged in their queue, what is
malformed in that of the dead letters, and nothing else does.
"""

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import aiormq
from aiormq import spec

from tests.chaos.battle import Battle
from tests.chaos.fault import Fault, thrown_from
from tests.chaos.meddler import BEFORE, Meddler, a_meddler
from tests.chaos.odd_messages import Message
from tests.chaos.report import Measured
from tests.chaos.reservations import with_reservations
from tests.chaos.world import ProductionWorld, production_world

PATIENCE_S = 120


async def lying_in(world: ProductionWorld, queue: str) -> Counter[tuple[bytes, str]]:
    """All of its messages, which are gone from there."""
    lying: Counter[tuple[bytes, str]] = Counter()
    connection = await aiormq.connect(world.node.url)
    try:
        channel = await connection.channel()
        await channel.queue_declare(queue, durable=True)
        while not isinstance(
            (got := await channel.basic_get(queue, no_ack=True)).delivery, spec.Basic.GetEmpty
        ):
            lying[Message(got.body, got.header.properties.headers or {}).identity] += 1
    finally:
        await connection.close()
    return lying


def compared(queue: str, expected: Counter[Any], lying: Counter[Any]) -> Measured:
    """What is wrong with a queue's messages."""
    missing, added = expected - lying, lying - expected
    texts = [f"lost: not in {queue}: {identity!r:.300}" for identity in missing]
    texts += [f"left over: in {queue}: {identity!r:.300}" for identity in added]
    return Measured(lost=missing.total(), left_over=added.total(), violations=tuple(texts[:20]))


async def until_all_is_told(world: ProductionWorld, meddler: Meddler) -> None:
    """Every job has ended, and every message was taken."""
    async with asyncio.timeout(PATIENCE_S):
        while await world.open_jobs():
            await asyncio.sleep(0.2)
        await meddler.finish()
        names = world.place.names
        while await _messages(world, names.image_processed):
            await asyncio.sleep(0.2)


async def _messages(world: ProductionWorld, queue: str) -> int:
    depth = (await world.depths())[queue]
    return depth.ready + depth.unacked


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    """As many odd messages, or a few more."""
    async with production_world(folder, processor_variables={"RABBITMQ_PUBLISHER_QUEUE": BEFORE}) as world:
        battle = Battle(world, dice)
        async with a_meddler(world, thrown_from(dice)) as meddler:
            async with battle.load():
                while meddler.odd.total() < times:
                    await asyncio.sleep(0.1)
                meddler.is_enough = True
            await until_all_is_told(world, meddler)
        print(dict(meddler.odd), file=sys.stderr, flush=True)
        measured = await battle.measured(meddler.odd.total())
        measured = await with_reservations(world, measured, late_s=world.late_s)
        for queue, expected in meddler.parked.items():
            measured += compared(queue, expected, await lying_in(world, queue))
        return measured


FAULT = Fault("odd_results", full=10_000, in_ci=1_000, run=run)
