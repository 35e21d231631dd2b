"""Feels how late the event loop is, all the time, and reminds the Datadog agent of the gauges."""

import asyncio
from itertools import count
from time import perf_counter
from typing import Final

from attrs import define

from gateway.telemetry.metrics import Metrics

BEAT_S: Final = 0.5
BEATS_PER_REMINDER: Final = 20


@define(eq=False)
class Pulse:
    """A Service."""

    _metrics: Metrics
    _beat_s: float = BEAT_S
    name: str = "pulse"

    async def run(self) -> None:
        """Work until cancelled."""
        for beat in count(1):
            await self.run_once()
            if beat % BEATS_PER_REMINDER == 0:
                self._metrics.instruments.repeat_gauges()

    async def run_once(self) -> None:
        """One beat."""
        due = perf_counter() + self._beat_s
        await asyncio.sleep(self._beat_s)
        self._metrics.process.loop_lag.observe(max(0.0, perf_counter() - due))
