"""A turn at what only one may do at a time over all gateways, under a lease: who dies keeps nobody waiting for long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

from attrs import define, field

from gateway.errors import GatewayError
from gateway.ports.clock import Clock
from gateway.ports.leases import Leases


@define(eq=False)
class Lease:
    """The lease of that name, for this one holder; it lasts `lasts_s` and is extended while its work goes on."""

    _leases: Leases
    _clock: Clock
    _name: str
    _lasts_s: float
    _holder: str = field(init=False, factory=lambda: uuid4().hex)
    _extend_at: datetime | None = field(init=False, default=None)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Whether we have it while the context lasts; then it is released. Raises Unavailable."""
        if not await self._acquire():
            yield False
            return
        try:
            yield True
        finally:
            with suppress(GatewayError):  # then it ends by itself
                await self._leases.release_lease(self._name, holder=self._holder)

    async def is_still_ours(self) -> bool:
        """Asked now and then within a turn: once half of the time is over it is extended. Raises Unavailable.

        False when it took longer than that, and another has it.
        """
        if self._extend_at is not None and self._clock.now() < self._extend_at:
            return True
        return await self._acquire()

    async def _acquire(self) -> bool:
        now, lasts = self._clock.now(), timedelta(seconds=self._lasts_s)
        is_ours = await self._leases.acquire_lease(
            self._name, holder=self._holder, now=now, until=now + lasts
        )
        self._extend_at = now + lasts / 2 if is_ours else None
        return is_ours
