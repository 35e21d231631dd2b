"""From the commit of an event to its arrival at those who follow the job, on the system's one monotonic clock.

The reference commits the same to a job store of the same kind and awaits `send_str` for one subscriber after the
other. Subscribers read by themselves, in a process of their own, which shares the machine with the server.
"""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, field, frozen

from tests.benchmarks.delays import Delays
from tests.benchmarks.fan_out_servers import serve_gateway, serve_send_str
from tests.benchmarks.followed import Followed, followed
from tests.benchmarks.interleaved import interleaved
from tests.benchmarks.row import Goal, Row, at_most

ROUNDS: Final = 5
SEND_STR: Final = "the same commit, then send_str for one after the other"


@frozen
class Case:
    """So many follow so many jobs, which change so many times, at that pace."""

    name: str
    subscribers: int
    jobs: int
    changes: int
    every_s: float
    goal: Goal


ONE: Final = Case("commit to arrival, one subscriber", 1, 1, 25, 0.07, at_most(2))
CASES: Final = (
    Case("commit to arrival, 1,000 of one job", 1000, 1, 15, 0.1, at_most(1)),
    Case("commit to arrival, 5,000 of one job", 5000, 1, 8, 0.3, at_most(1)),
    Case("commit to arrival, 5 of each of 1,000 jobs", 5000, 1000, 1000, 0.004, at_most(2)),
)


async def run() -> list[Row]:
    """For one subscriber, and for many; of the many also the slowest hundredth."""
    with sides() as (ours, send_str):
        rows = await compared(ours, send_str, ONE, {50: ONE.goal})
        for case in CASES:
            rows += await compared(ours, send_str, case, {50: case.goal, 99: case.goal})
        return rows


@define(eq=False)
class Figures:
    """Of one side, a measurement after the other."""

    _side: Followed
    _case: Case
    _measured: list[Delays] = field(factory=list)

    def follow(self) -> None:
        """Of each job enough images for all turns, and one that stays open."""
        case = self._case
        images = case.changes // case.jobs * (ROUNDS + 1) + 1
        self._side.follow(case.subscribers, jobs=case.jobs, images=images)

    async def measure(self) -> float:
        self._measured.append(self._side.delays(self._case.changes, self._case.every_s))
        return self._measured[-1].p50_ms

    def median(self, percentile: int) -> float:
        """Of all measurements but the first, the warm-up."""
        return statistics.median(each.percentile_ms(percentile) for each in self._measured[1:])


@contextmanager
def sides() -> Iterator[tuple[Followed, Followed]]:
    with followed(serve_gateway, opening=1) as ours, followed(serve_send_str) as send_str:
        yield ours, send_str


async def compared(ours: Followed, reference: Followed, case: Case, goals: dict[int, Goal]) -> list[Row]:
    """A row for each percentile with a goal; all of the same turns."""
    own, other = Figures(ours, case), Figures(reference, case)
    for each in (own, other):
        each.follow()
    await interleaved(own.measure, other.measure, rounds=ROUNDS)
    return [
        Row(
            name=f"{case.name}, p{percentile}",
            value=own.median(percentile),
            unit="ms",
            reference=other.median(percentile),
            compared_with=SEND_STR,
            goal=goal,
        )
        for percentile, goal in goals.items()
    ]
