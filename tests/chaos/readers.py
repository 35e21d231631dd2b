"""Clients that get images while things break: they may be told that there is an error, never get other bytes, or fewer.

async with readers(battle, dice): ...
"""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from attrs import define

from tests.chaos.battle import Battle
from tests.chaos.fault import thrown_from
from tests.chaos.records import Accepted, Sent

READERS = 2
READ_S = 10
"""The longest that one answer may take."""
RECENT = 50
PAUSE_S = 0.05
NOT_NOW = (409, 503)
"""It is not there yet; the store is away."""
NOT_KEPT = (404,)
"""It was not worth it."""


@define(eq=False)
class Reader:
    """Gets originals of images of 201s, over and over."""

    battle: Battle
    dice: random.Random
    whole: int = 0

    async def run(self) -> None:
        while True:
            accepted = self.battle.records.accepted[-RECENT:]
            if accepted:
                batch = self.dice.choice(accepted)
                await self._read(batch, self.dice.randrange(len(batch.images)))
            await asyncio.sleep(PAUSE_S)

    async def _read(self, batch: Accepted, index: int) -> None:
        """An answer that ends before its length is an error to every client."""
        url = self.battle.world.gateway.url(f"/api/v1/batch/{batch.job_id}/images/{index}/original")
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(READ_S), self.battle.world.http.get(url) as answer:
                self.judge(url, batch.images[index], answer.status, await answer.read())

    def judge(self, url: str, sent: Sent, status: int, content: bytes) -> None:
        if status == 200:
            self.whole += 1
        if status == 200 and content != sent.content:
            self.battle.records.wrong.append(f"{url} gave {len(content)} other bytes")
        elif status not in ((200, *NOT_NOW) if sent.is_good else NOT_KEPT):
            self.battle.records.wrong.append(f"{url} was answered {status}")


@asynccontextmanager
async def readers(battle: Battle, dice: random.Random) -> AsyncIterator[None]:
    all_of_them = [Reader(battle, thrown_from(dice)) for _ in range(READERS)]
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
