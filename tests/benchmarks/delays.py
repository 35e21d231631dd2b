"""How long committed events take to reach those who follow, from the times that servers and subscribers noted.

Both read the system's monotonic clock (CLOCK_MONOTONIC), which is one for all processes.
"""

import statistics
from collections.abc import Mapping, Sequence

from attrs import frozen


@frozen
class Delays:
    """Of one measurement, seconds each, shortest first."""

    seconds: Sequence[float]

    @classmethod
    def of(
        cls,
        committed: Mapping[tuple[int, int], float],
        arrived: tuple[Sequence[int], Sequence[int], Sequence[float]],
        jobs: int,
    ) -> "Delays":
        """`committed`: when, by the job's place and the event's number; `arrived`: whose, which, when.

        The subscriber with that number follows the job at that place, by turns.
        """
        found = [when - committed[whose % jobs, which] for whose, which, when in zip(*arrived, strict=True)]
        return cls(sorted(found))

    @property
    def p50_ms(self) -> float:
        return self.percentile_ms(50)

    def percentile_ms(self, percentile: int) -> float:
        """1 to 99."""
        return statistics.quantiles(self.seconds, n=100)[percentile - 1] * 1000
