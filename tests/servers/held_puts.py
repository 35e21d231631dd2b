"""A store that is slow: puts, or deletes, arrive whole at a faulty S3, and wait at its door.

held = hold_puts(store, after=2)    # the first two pass
await held.until(4)
held.let_go()
"""

import asyncio

from aiohttp import web
from attrs import define, field

from tests.patience import PATIENCE_S
from tests.servers.faulty_s3 import Fault, FaultyS3, passed_on


@define(eq=False)
class Held:
    """A fault."""

    _passing: int
    waiting: list[str] = field(factory=list)
    """Their paths, in the order in which they came."""
    most: int = 0
    """So many waited at once."""
    _may_go: asyncio.Event = field(factory=asyncio.Event)
    _then: Fault = passed_on

    async def __call__(self, store: FaultyS3, request: web.Request) -> web.StreamResponse:
        await request.read()
        if self._passing > 0:
            self._passing -= 1
            return await passed_on(store, request)
        self.waiting.append(request.path)
        self.most = max(self.most, len(self.waiting))
        try:
            await self._may_go.wait()
        finally:
            self.waiting.remove(request.path)
        return await self._then(store, request)

    async def until(self, count: int) -> None:
        """So many wait."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.waiting) < count:
                await asyncio.sleep(0.005)

    def let_go(self, then: Fault = passed_on) -> None:
        """All of them, and all that come."""
        self._then = then
        self._may_go.set()


def hold_puts(store: FaultyS3, *, after: int = 0) -> Held:
    """From now on, but for so many that come first."""
    return _hold(store, "PUT", after)


def hold_deletes(store: FaultyS3) -> Held:
    """From now on."""
    return _hold(store, "DELETE", 0)


def _hold(store: FaultyS3, method: str, after: int) -> Held:
    held = Held(after)
    store.fault, store.methods = held, (method,)
    return held
