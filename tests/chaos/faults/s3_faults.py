"""An S3 that fails for a while: it refuses, stalls, answers 500, 503 and SlowDown, and breaks off in mid-body, of PUTs
and GETs; now for all requests, now for some of them, or of those that write, or read. Gateway, analyzer and processor
all reach it so.

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

from attrs import define, evolve
from botocore.exceptions import ClientError

from tests.chaos.aftermath import keys_of
from tests.chaos.battle import Battle
from tests.chaos.bodies import a_jpeg_named, enlarged
from tests.chaos.fault import Fault, thrown_from
from tests.chaos.load import NO_ROOM, WAYS, Client
from tests.chaos.odd_messages import first_attempt
from tests.chaos.readers import readers
from tests.chaos.records import Sent
from tests.chaos.report import Measured
from tests.chaos.reservations import with_reservations
from tests.chaos.world import ProductionWorld, production_world
from tests.servers.faulty_s3 import (
    ALL,
    READING,
    WRITING,
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
from tests.servers.faulty_s3 import Fault as Failing
from tests.servers.system import Place

SHARES = (1.0, 0.5, 0.1)
SHORTEST_S, LONGEST_S = 0.2, 3.0
LATEST_S = 2.0
"""After the fault, what was given up meanwhile arrives at last."""
CLEAN_WITHIN_S = 120
"""The gateway looks again for what may arrive late, so that what is left over is gone only then."""
STORE_SETTINGS: Mapping[str, Any] = {
    "object_store_timeout_s": "2",
    "object_store_connect_timeout_s": "1",
    "object_store_read_timeout_s": "1",
    "object_store_check_timeout_s": "1",
}
"""So that a stall that this harness has time for is one to the parts as well."""
GIVEN_UP_S = 8
"""So long after its request the gateway looks again for what may arrive late: four times its timeout."""
LARGE_BYTES = 6 * 1024**2

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
        self.store.methods = self.dice.choice((ALL, WRITING, READING))
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


# --- images that come in parts


async def in_parts(client: Client, images: list[Sent]) -> None:
    """One of them is so large that S3 gets it, and what becomes of it, in parts."""
    large = enlarged(a_jpeg_named(f"{images[0].name}-large"), LARGE_BYTES)
    await client.good_multipart([*images, large])


async def incomplete_uploads(world: ProductionWorld) -> Measured:
    """What was begun in parts, and is neither completed nor aborted. Those of a job's images go with it."""
    names, jobs = world.place.names, await world.jobs()
    kept = {image["trace_id"] for job in jobs.values() for image in job["images"]}
    left: list[str] = []
    for bucket in (names.original, names.processed):
        with suppress(ClientError):  # so the server says that there are none
            listed = await world.storage.list_multipart_uploads(Bucket=bucket)
            keys = [each["Key"] for each in listed.get("Uploads", ())]
            left += [f"{bucket}/{key}" for key in keys if first_attempt(key.partition("/")[0]) not in kept]
    return Measured(left_over=len(left), violations=tuple(f"left over: an upload of {key}" for key in left))


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
        async with (
            readers(battle, thrown_from(dice)),
            battle.load(ways=(*WAYS, in_parts), turned_away_by=NO_ROOM),
        ):
            for strike, kind in zip(range(times), kinds(thrown_from(dice)), strict=False):
                await battle.stages_are_full(f"{strike} {kind}")
                with battle.broken():
                    await asyncio.gather(*(storm.strike(kind) for storm in storms))
                    await world.is_ready()
                await asyncio.gather(*(storm.the_rest() for storm in storms))
        for store in stores:
            print(f"requests struck: {dict(store.struck)}", file=sys.stderr, flush=True)
        await until_clean(world)
        measured = await battle.measured(times) + await incomplete_uploads(world)
        return await with_reservations(world, measured, late_s=GIVEN_UP_S)


FAULT = Fault("s3_faults", full=50, in_ci=6, run=run)
