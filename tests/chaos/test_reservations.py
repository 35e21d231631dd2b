"""That reservations that nobody gave back are found, and what a start does not remove."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from gateway.adapters.job_store.sqlite import SqliteJobStore
from tests.chaos.report import Measured
from tests.chaos.reservations import Reservation, reservations_in, with_reservations
from tests.servers.gateway import Ended

LATE_S = 8
ORDERLY = Ended(0, 0.1)


@define(eq=False)
class StandIn:
    """A world whose gateway leaves what stands in its file, and removes at a start what it is told to."""

    data_dir: Path
    removed_by_a_start: set[str] = field(factory=set)
    originals: set[str] = field(factory=set)
    starts: int = 0
    endings: list[Ended] = field(factory=list)

    @property
    def gateway(self) -> "StandIn":
        return self

    async def stop(self) -> Ended:
        return self.endings.pop(0) if self.endings else ORDERLY

    async def start(self) -> None:
        self.starts += 1
        async with self.jobs() as jobs:
            await jobs.release(list(self.removed_by_a_start))
        self.originals -= {f"{name}/original.jpg" for name in self.removed_by_a_start}

    async def objects(self) -> dict[str, set[str]]:
        return {"original": self.originals, "processed": set()}

    async def reserve(self, trace_id: str, *, due_s: float) -> None:
        async with self.jobs() as jobs:
            await jobs.reserve([trace_id], deadline=datetime.now(UTC) + timedelta(seconds=due_s))

    async def claim(self, trace_id: str) -> None:
        """As a cleaner does that is about to remove what lies there."""
        await self.reserve(trace_id, due_s=-1)
        async with self.jobs() as jobs:
            await jobs.claim([trace_id])

    def standing(self) -> list[Reservation]:
        return reservations_in(self.data_dir / "jobs.sqlite")

    def jobs(self) -> Any:
        """Its job store, made when it is not there."""
        return SqliteJobStore.open(self.data_dir / "jobs.sqlite")


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    world = StandIn(tmp_path)
    async with world.jobs():
        pass
    return world


async def test_reservations_that_stand_are_read(world: StandIn) -> None:
    await world.reserve("b-one", due_s=60)
    await world.claim("b-two")
    assert [(each.trace_id, each.is_claimed) for each in world.standing()] == [
        ("b-two", True),
        ("b-one", False),
    ]


async def test_where_none_is_left_no_start_is_needed(world: Any) -> None:
    assert await with_reservations(world, Measured(), late_s=LATE_S) == Measured()
    assert world.starts == 0


@pytest.mark.parametrize("due_s", [-60, 60], ids=["forgotten", "for long"])
async def test_one_that_no_stop_may_leave_is_left_over(world: Any, due_s: float) -> None:
    await world.reserve("b-x", due_s=due_s)
    world.removed_by_a_start = {"b-x"}
    measured = await with_reservations(world, Measured(left_over=1), late_s=LATE_S)
    assert measured.left_over == 2
    assert [text.partition(",")[0] for text in measured.violations] == ["left over: 1 reservations"]


async def test_one_whose_put_may_arrive_and_one_that_was_being_removed_are_none(world: Any) -> None:
    await world.reserve("b-late", due_s=LATE_S - 1)
    await world.claim("b-claimed")
    world.removed_by_a_start = {"b-late", "b-claimed"}
    assert await with_reservations(world, Measured(), late_s=LATE_S) == Measured()
    assert world.starts == 1


async def test_where_nothing_arrives_late_none_is_due_later(world: Any) -> None:
    await world.reserve("b-late", due_s=LATE_S - 1)
    world.removed_by_a_start = {"b-late"}
    assert (await with_reservations(world, Measured())).left_over == 1


async def test_one_that_a_start_does_not_end_is_left_over(world: Any) -> None:
    await world.claim("b-x")
    measured = await with_reservations(world, Measured(), patience_s=0)
    assert measured.violations == ("left over: the reservation b-x after the start that follows",)


async def test_one_whose_put_may_arrive_outlives_the_start(world: Any) -> None:
    await world.reserve("b-late", due_s=LATE_S - 1)
    assert await with_reservations(world, Measured(), late_s=LATE_S, patience_s=0) == Measured()


async def test_an_object_that_a_start_does_not_remove_is_left_over(world: Any) -> None:
    await world.claim("b-x")
    world.originals = {"b-x/original.png", "b-of-a-job/original.jpg"}
    world.removed_by_a_start = {"b-x"}
    measured = await with_reservations(world, Measured(), patience_s=0)
    assert measured.violations == ("left over: b-x/original.png after the start that follows",)
    assert measured.left_over == 1


async def test_a_gateway_that_does_not_end_well_is_told(world: Any) -> None:
    world.endings = [Ended(1, 0.1)]
    assert (await with_reservations(world, Measured())).violations == ("wrong: the gateway ended with 1",)


async def test_so_is_one_that_does_not_after_the_start_that_follows(world: Any) -> None:
    await world.claim("b-x")
    world.removed_by_a_start, world.endings = {"b-x"}, [ORDERLY, Ended(-6, 0.1)]
    assert (await with_reservations(world, Measured())).violations == ("wrong: the gateway ended with -6",)
