"""An event loop whose time stands still until a test turns it, and which runs only when it is told to.

    with hand_loop() as loop:
        loop.call(follower.start)
        loop.turn(0.05)

What happens is the same each time, and a minute takes no time. It has no threads and no sockets to wait for.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_ROUNDS: Final = 30
"""Of the loop, in which all comes to rest that waits for nothing but itself."""
_STEP_S: Final = 0.05


class HandLoop(asyncio.SelectorEventLoop):
    """Its clock begins at 1000 seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0
        self.crashes: list[dict[str, Any]] = []
        """What callbacks and tasks raised that nobody asked for."""
        self.set_exception_handler(lambda _, context: self.crashes.append(context))

    def time(self) -> float:
        return self._now

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """From within the loop, and all that comes of it."""
        self.call_soon(function, *arguments)
        self.settle()

    def settle(self, rounds: int = _ROUNDS) -> None:
        """Let it come to rest; no time goes by."""
        for _ in range(rounds):
            self.call_soon(self.stop)  # what is ready now runs first, and the loop never waits
            self.run_forever()

    def turn(self, seconds: float, *, step_s: float = _STEP_S) -> None:
        """Let time go by, in steps, with rest after each."""
        end = self._now + seconds
        while self._now < end:
            self._now = min(self._now + step_s, end)
            self.settle()


@contextmanager
def hand_loop() -> Iterator[HandLoop]:
    """At its end no task may be left that nobody has ended."""
    loop = HandLoop()
    try:
        yield loop
        loop.settle()
        left = asyncio.all_tasks(loop)
        assert not left, left
        assert not loop.crashes, loop.crashes
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.settle()
        loop.close()
