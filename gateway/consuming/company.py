"""Who works beside whom in one process, and how a worker comes to be alone.

What ends a process ends the work on all that is in its hand, and the broker calls each of them redelivered. So a
message that may be the one that kills is worked on alone: nothing else is in hand then, and nothing innocent is
counted with it, time after time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from attrs import define, field

from gateway.ports.broker import Subscription


@define(eq=False)
class Company:
    """The workers of a process that have a subscription now."""

    _members: int = field(init=False, default=0)
    _subscriptions: set[Subscription] = field(init=False, factory=set)
    _may_join: asyncio.Event = field(init=False)
    _somebody_left: asyncio.Event = field(init=False, factory=asyncio.Event)

    @_may_join.default
    def _everybody_may(self) -> asyncio.Event:
        event = asyncio.Event()
        event.set()
        return event

    def is_parting(self) -> bool:
        """Whether somebody is alone, or wants to be: whoever else there is finishes what it is at, and leaves."""
        return not self._may_join.is_set()

    @asynccontextmanager
    async def joined(
        self, subscribing: AbstractAsyncContextManager[Subscription]
    ) -> AsyncIterator[Subscription]:
        """One more member, with a subscription, once nobody wants to be alone."""
        while self.is_parting():
            await self._may_join.wait()
        self._members += 1
        try:
            async with subscribing as subscription:
                self._subscriptions.add(subscription)
                try:
                    if self.is_parting():  # since it began to subscribe
                        await subscription.stop_taking()
                    yield subscription
                finally:
                    self._subscriptions.discard(subscription)
        finally:
            self._members -= 1
            self._somebody_left.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """For one member at a time: the queue brings nothing more to anybody, and all others have left."""
        self._may_join.clear()
        try:
            await asyncio.gather(*(subscription.stop_taking() for subscription in self._subscriptions))
            while self._members > 1:
                self._somebody_left.clear()
                await self._somebody_left.wait()
            yield
        finally:
            self._may_join.set()
