"""Feels how late the event loop is, all the time, reads gauges, and reminds the Datadog agent of them."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from time import perf_counter
from typing import Final

from attrs import define, field

from gateway.telemetry.instruments import Gauge
from gateway.telemetry.metrics import Metrics

BEAT_S: Final = 0.5
BEATS_PER_REMINDER: Final = 20


@define(eq=False)
class Pulse:
    """A Service. `readings` are values that change too often to be told at each change."""

    _metrics: Metrics
    _readings: Mapping[Gauge, Callable[[], float]] = field(factory=dict)
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
        for gauge, read in self._readings.items():
            gauge.set(read())
