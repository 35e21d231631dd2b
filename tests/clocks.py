"""Clocks that tests turn by hand."""

import asyncio
from datetime import datetime, timedelta

from attrs import define

from tests.builders import NOW


@define(eq=False)
class HandClock:
    """Stands still until it is turned; waits take no time."""

    moment: datetime = NOW

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)
        await asyncio.sleep(0)
