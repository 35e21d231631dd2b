"""When a request to an endpoint may begin.

Three bounds hold for all images of a process together: how many requests run at once, how many begin in any minute,
and the pause that the endpoint asked for. Who came first goes first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from attrs import define, field

from gateway.ports.clock import Clock

MINUTE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 3600.0
"""Then the endpoint is asked whether it still means it: a slip of its must not end all requests until a restart."""
_MORE_S: Final = 0.001
"""Slept longer than reckoned, so that no rounding wakes us too early again and again."""


class PauseTooLong(Exception):
    """The endpoint wants no request for `seconds`, which is longer than the image may wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a pause of {seconds:.0f} s")
        self.seconds = seconds


@define(eq=False)
class Turns:
    """`max_per_minute` of 0 is no bound."""

    _clock: Clock
    _max_in_flight: int
    _max_per_minute: int
    _in_flight: asyncio.Semaphore = field(init=False)
    _begun: deque[float] = field(init=False)
    """When the last ones began, as many as a minute may have."""
    _first_of_the_queue: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _paused_until: float = field(init=False, default=0.0)

    @_in_flight.default
    def _one_slot_each(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self._max_in_flight)

    @_begun.default
    def _none_yet(self) -> deque[float]:
        return deque(maxlen=self._max_per_minute)

    @asynccontextmanager
    async def turn(self, *, most_pause_s: float, within_s: float | None = None) -> AsyncIterator[None]:
        """A request may run inside; waits until it may begin, at most `within_s` if that is given.

        Raises PauseTooLong as soon as a pause is longer than `most_pause_s`; TimeoutError.
        """
        async with AsyncExitStack() as held:
            async with asyncio.timeout(within_s):
                self._pause_s(most_pause_s)
                await held.enter_async_context(self._in_flight)
                await self._begin(most_pause_s)
            yield

    def pause(self, seconds: float) -> None:
        """No request begins for so long, of no image; for LONGEST_PAUSE_S at most."""
        until = self._clock.monotonic() + min(seconds, LONGEST_PAUSE_S)
        self._paused_until = max(self._paused_until, until)

    async def _begin(self, most_pause_s: float) -> None:
        async with self._first_of_the_queue:
            while (wait_s := max(self._pause_s(most_pause_s), self._until_the_minute_has_room_s())) > 0:
                await self._clock.sleep(wait_s + _MORE_S)
            self._begun.append(self._clock.monotonic())

    def _pause_s(self, most_pause_s: float) -> float:
        left_s = self._paused_until - self._clock.monotonic()
        if left_s > most_pause_s:
            raise PauseTooLong(left_s)
        return left_s

    def _until_the_minute_has_room_s(self) -> float:
        if not self._max_per_minute or len(self._begun) < self._max_per_minute:
            return 0.0
        return self._begun[0] + MINUTE_S - self._clock.monotonic()
