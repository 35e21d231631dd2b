"""Time, as a dependency."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present in UTC, for records."""

    def monotonic(self) -> float:
        """Seconds that never go back, for waits."""

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""


class SystemClock:
    """The real one."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
