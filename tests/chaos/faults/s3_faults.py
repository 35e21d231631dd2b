"""An S3 that fails for a while: it refuses, stalls, answers 500, 503 and SlowDown, and breaks off in mid-body, of PUTs
and GETs; now for all requests, now for some of them. Gateway, analyzer and processor all reach it so.

What a fault answers need not be what was done: the server may have stored what it seems to have refused, and may
store what was given up long after that. Meanwhile readers get whole images, or an error; never others, or less.
"""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, evolve

from tests.chaos.aftermath import keys_of
from tests.chaos.battle import Battle
from tests.chaos.fault import Fault, thrown_from
from tests.chaos.load import NO_ROOM
from tests.chaos.report import Measured
from tests.chaos.reservations import with_reservations
from tests.chaos.world import ProductionWorld, production_world
from tests.servers.faulty_s3 import Fault as Failing
from tests.servers.faulty_s3 import (
    FaultyS3,
    arriving_late,
    cut_in_the_body,
    done_but_cut,
    done_but_refused,
    faulty_s3,
    refused,
    stalled,
    stalled_in_the_body,
)
from tests.servers.system import Place

SHARES = (1.0, 0.5, 0.1)
SHORTEST_S, LONGEST_S = 0.2, 4.0
LATEST_S = 3.0
"""After the fault, what was given up meanwhile arrives at last."""
CLEAN_WITHIN_S = 40
"""The gateway looks again for what may arrive late, so that what is left over is gone only then."""
STORE_SETTINGS: Mapping[str, Any] = {
    "object_store_timeout_s": "2",
    "object_store_connect_timeout_s": "1",
    "object_store_read_timeout_s": "1",
    "object_store_check_timeout_s": "1",
}
"""So that a stall that this harness has time for is one to the parts as well."""
READERS = 2
READ_S = 10

FAULTS: Mapping[str, Failing | None] = {
    "refusing": None,
    "stalled": stalled,
    "answering 500": refused(500, "InternalError"),
    "answering 503": refused(503, "ServiceUnavailable"),
    "answering SlowDown": refused(503, "SlowDown"),
    "done, answering 500": done_but_refused(500, "InternalError"),
    "done, no answer": done_but_cut,
    "done late": arriving_late,
    "cut in the body": cut_in_the_body,
    "stalled in the body": stalled_in_the_body,
}


def kinds(dice: random.Random) -> Iterator[str]:
    """Each as often as any other."""
    names = list(FAULTS)
    while True:
        dice.shuffle(names)
        yield from names


@define(eq=False)
class Storm:
    """What comes over the store."""

    store: FaultyS3
    dice: random.Random

    async def strike(self, kind: str) -> None:
        self.store.share = self.dice.choice(SHARES)
        failing = FAULTS[kind]
        if failing is None:
            await self.store.close_door()
        self.store.fault = failing
        await asyncio.sleep(self.dice.uniform(SHORTEST_S, LONGEST_S))
        self.store.fault = None
        await self.store.open_door()

    async def the_rest(self) -> None:
        """What was given up meanwhile arrives now."""
        if self.store.late:
            await asyncio.sleep(self.dice.uniform(0, LATEST_S))
            await self.store.let_late_ones_arrive()


# --- readers


@define(eq=False)
class Reader:
    """Gets originals of images of 201s, over and over."""

    battle: Battle
    world: ProductionWorld
    dice: random.Random
    whole: int = 0

    async def run(self) -> None:
        while True:
            accepted = self.battle.records.accepted
            if accepted:
                await self._read(self.dice.choice(accepted[-50:]).job_id)
            await asyncio.sleep(0.05)

    async def _read(self, job_id: str) -> None:
        """An answer that ends before its length is an error to every client."""
        images = next(each.images for each in self.battle.records.accepted if each.job_id == job_id)
        index = self.dice.randrange(len(images))
        url = self.world.gateway.url(f"/api/v1/batch/{job_id}/images/{index}/original")
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(READ_S), self.world.http.get(url) as answer:
                content = await answer.read()
                if answer.status == 200:
                    self.whole += 1
                    if content != images[index].content:
                        self.battle.records.wrong.append(f"{url} gave {len(content)} other bytes")
                elif answer.status not in (404, 409, 503):
                    self.battle.records.wrong.append(f"{url} was answered {answer.status}")


@asynccontextmanager
async def readers(battle: Battle, world: ProductionWorld, dice: random.Random) -> AsyncIterator[None]:
    all_of_them = [Reader(battle, world, thrown_from(dice)) for _ in range(READERS)]
    tasks = [asyncio.create_task(reader.run()) for reader in all_of_them]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    print(f"read whole: {sum(reader.whole for reader in all_of_them)}", file=sys.stderr, flush=True)


# ---


async def until_clean(world: ProductionWorld) -> None:
    """Or until it takes too long: then what is left over is left over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLEAN_WITHIN_S):
            while await world.open_jobs() or await world.objects() != keys_of(await world.jobs()):
                await asyncio.sleep(0.5)


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    stores: list[FaultyS3] = []

    @asynccontextmanager
    async def behind_faults(place: Place) -> AsyncIterator[Place]:
        async with faulty_s3(place.store) as store:
            stores.append(store)
            yield Place(place.broker_url, evolve(place.store, port=store.port), place.names)

    variables = {f"GATEWAY_{name.upper()}": text for name, text in STORE_SETTINGS.items()}
    async with production_world(
        folder,
        before_gateway=behind_faults,
        before_workers=behind_faults,
        analyzer_variables=variables,
        processor_variables=variables,
        **STORE_SETTINGS,
    ) as world:
        battle = Battle(world, dice)
        storms = [Storm(store, thrown_from(dice)) for store in stores]
        async with readers(battle, world, thrown_from(dice)), battle.load(turned_away_by=NO_ROOM):
            for strike, kind in zip(range(times), kinds(thrown_from(dice)), strict=False):
                await battle.stages_are_full(f"{strike} {kind}")
                with battle.broken():
                    await asyncio.gather(*(storm.strike(kind) for storm in storms))
                    await world.is_ready()
                await asyncio.gather(*(storm.the_rest() for storm in storms))
        for store in stores:
            print(f"requests struck: {dict(store.struck)}", file=sys.stderr, flush=True)
        await until_clean(world)
        return await with_reservations(world, await battle.measured(times))


FAULT = Fault("s3_faults", full=50, in_ci=6, run=run)
