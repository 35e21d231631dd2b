"""Goes on over as many connections as it takes: what one of them ended without an end, the next one goes on with."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from attrs import define, field

from gateway.client.close_codes import ComeBack, come_back_after
from gateway.client.errors import ClientError, Closed, Refused, Unreachable
from gateway.client.pauses import Pauses
from gateway.client.tries import TRY_AGAIN

T = TypeVar("T")

Connect = Callable[["ComingBack"], AsyncGenerator[T, None]]
"""What comes over one connection. It ends when all has come, raises when the connection ends before, and tells when the
gateway answers and when it goes on."""


@define(eq=False)
class ComingBack:
    """One call's way through connections that are lost.

    `patience_s` is how long it goes on trying while no gateway answers; one that answers is come back to for ever,
    unless it says no for good. `on_wait` is told each time why another try has to wait.
    """

    patience_s: float
    on_wait: Callable[[ClientError], None]
    pauses: Pauses = field(factory=Pauses)
    _silent_since: float | None = field(init=False, default=None)

    async def over(self, connect: Connect[T]) -> AsyncGenerator[T, None]:
        """What comes, over all connections. Raises the error that is final, or the last one."""
        while True:
            try:
                async with aclosing(connect(self)) as coming:
                    async for each in coming:
                        yield each
                return
            except (Closed, Refused, Unreachable) as error:
                await self._wait_after(error)

    async def until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        """What it returns; it may be made over and over. Raises as `over` does."""
        while True:
            try:
                return await call()
            except (Closed, Refused, Unreachable) as error:
                await self._wait_after(error)

    def another(self) -> "ComingBack":
        """Of the same kind, for something that loses its connections by itself."""
        return ComingBack(self.patience_s, self.on_wait, self.pauses.another())

    def answered(self) -> None:
        """The gateway is there."""
        self._silent_since = None

    def went_on(self) -> None:
        """It is there, and something new has come: the next failure is the first one."""
        self.answered()
        self.pauses.begin_anew()

    async def _wait_after(self, error: Closed | Refused | Unreachable) -> None:
        pause_s = self._pause_s_after(error)
        if pause_s is None or self._is_given_up(error):
            raise error
        self.on_wait(error)
        await asyncio.sleep(pause_s)

    def _pause_s_after(self, error: Closed | Refused | Unreachable) -> float | None:
        """None: nothing will change."""
        if isinstance(error, Closed):
            come_back = come_back_after(error.code)
            return None if come_back is ComeBack.NEVER else self.pauses.after_close(come_back)
        if isinstance(error, Refused) and error.status not in TRY_AGAIN:
            return None
        if isinstance(error, Refused) and error.retry_after_s is not None:
            return self.pauses.after_request(error.retry_after_s)
        return self.pauses.after_failure()

    def _is_given_up(self, error: Closed | Refused | Unreachable) -> bool:
        """A proxy that gives up on the gateway answers in its own name alone."""
        if isinstance(error, Closed) or (isinstance(error, Refused) and not error.by_proxy):
            self.answered()
            return False
        now = asyncio.get_running_loop().time()
        if self._silent_since is None:
            self._silent_since = now
        return now - self._silent_since >= self.patience_s
