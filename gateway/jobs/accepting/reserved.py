"""Trace ids under which originals may be put, reserved ahead.

A reservation must be durable before the first byte is put, which costs a commit. Many are made in one, before the
last ones are gone, and requests take them from here: so a request waits for no commit but its job's own. What a crash
leaves of them is cleaned at the next start; a stop gives them back.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from attrs import define, field, frozen

from gateway.domain.attempt import new_trace_ids
from gateway.errors import GatewayError
from gateway.ports.clock import Clock
from gateway.ports.reservations import Reservations

AT_ONCE: Final = 64
FEW: Final = 32  # fewer are left: time for new ones


@frozen
class _Reserved:
    trace_id: str
    usable_until: datetime


@define(eq=False)
class ReservedTraceIds:
    """Each taken one is good for a request of at most `request_s` seconds."""

    _reservations: Reservations
    _clock: Clock
    _prefix: str
    _request_s: float
    _ready: deque[_Reserved] = field(factory=deque)
    _fresh: Sequence[str] = ()
    """Those of the refill under way: they may be durable before it knows."""
    _refilling: asyncio.Task[None] | None = None

    async def take(self) -> str:
        """A trace_id that is reserved durably. Raises Unavailable, NoRoom."""
        self._drop_stale()
        if len(self._ready) < FEW:
            self._begin_refill()
        while not self._ready:
            await asyncio.shield(self._begin_refill())
        return self._ready.popleft().trace_id

    async def give_back(self) -> None:
        """Release those that nobody took, for the gateway stops; if that fails, the next start does."""
        unused = [reserved.trace_id for reserved in self._ready]
        if self._refilling is not None and not self._refilling.done():
            self._refilling.cancel()
            await asyncio.wait((self._refilling,))
            unused += self._fresh
        self._ready.clear()
        with suppress(GatewayError):
            await self._reservations.release(unused)

    def _drop_stale(self) -> None:
        """Too old for a request that begins now; the cleaner releases them."""
        now = self._clock.now()
        while self._ready and self._ready[0].usable_until < now:
            self._ready.popleft()

    def _begin_refill(self) -> asyncio.Task[None]:
        """The one under way, or a new one. Who waits for it hears when it fails; the next taker tries again."""
        if self._refilling is None or self._refilling.done():
            self._fresh = new_trace_ids(self._prefix, AT_ONCE)
            self._refilling = asyncio.create_task(self._refill(self._fresh))
            self._refilling.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._refilling

    async def _refill(self, fresh: Sequence[str]) -> None:
        usable_until = self._clock.now() + timedelta(seconds=self._request_s)
        await self._reservations.reserve(fresh, deadline=usable_until + timedelta(seconds=self._request_s))
        self._ready.extend(_Reserved(trace_id, usable_until) for trace_id in fresh)
