"""Nobody judges while something may still change."""

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import define, field

from tests.chaos.aftermath import until_nothing_happens


@define(eq=False)
class StandIn:
    """A world without jobs, in which so many messages are on their way at each look, then none."""

    messages: Iterable[int]
    left: Iterator[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.left = iter(self.messages)

    async def open_jobs(self) -> dict[str, Any]:
        return {}

    async def jobs(self) -> dict[str, Any]:
        return {}

    async def on_their_way(self) -> int:
        return next(self.left, 0)

    async def objects(self) -> dict[str, set[str]]:
        return {"original": set(), "processed": set()}


async def test_what_is_judged_waits_for_attempts_of_images_that_have_ended() -> None:
    world = StandIn([2, 1, 1])
    await until_nothing_happens(world)  # type: ignore[arg-type]  # it asks these alone
    assert next(world.left, None) is None
