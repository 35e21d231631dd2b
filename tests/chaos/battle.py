"""A fault's surroundings, from the first batch to the verdict.

battle = Battle(world, dice)
async with battle.load():
    for strike in range(times):
        await battle.stages_are_full(strike)
        with battle.broken():
            await world.gateway.kill()
            await world.gateway.start()
return await battle.measured(times)
"""

import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from attrs import define, field

from tests.chaos.aftermath import surveyed
from tests.chaos.fault import thrown_from
from tests.chaos.followers import Followers
from tests.chaos.invariants import counted, told, violations_of
from tests.chaos.load import under_load
from tests.chaos.records import Accepted, Records
from tests.chaos.report import Measured
from tests.chaos.stages import Holdings, every_stage_holds_images, shown
from tests.chaos.stalls import Stalls
from tests.chaos.world import World

PATIENCE_S = 120
"""After the load's end: for all that was accepted to end."""
MOST_OPEN_IMAGES = 60
"""Clients pause while so many are open, so that the end is never far."""
OPEN_IMAGES_OF_A_FLOOD = 3
"""So many times that while somebody waits for every stage to hold images."""
FEW_REQUESTS = 2
"""So many may be under way meanwhile, though more is open."""
OPEN_IMAGES_OF_THE_HIGHEST_FLOOD = 12
"""But not beyond so many times that: on a busy machine they would take longer than the whole test may."""


@define(eq=False)
class Battle:
    """Load on a world, its records, and its verdict."""

    world: World
    dice: random.Random
    most_open_images: int = MOST_OPEN_IMAGES
    records: Records = field(factory=Records)
    stalls: Stalls = field(factory=Stalls)
    stages_hit: Counter[str] = field(factory=Counter)
    """How often each stage held images when the fault struck."""
    followers: Followers = field(init=False)
    _is_flood: bool = False

    def __attrs_post_init__(self) -> None:
        self.followers = Followers(
            self.world.http, self.world.gateway, thrown_from(self.dice), on_end=self.stalls.ended
        )
        self.records.on_accepted = self._on_accepted

    @asynccontextmanager
    async def load(self, **options: Any) -> AsyncIterator[None]:
        """Clients at work, each job followed; `options` as those of `under_load`. At its end all have their answers,
        which is not yet the end of what they sent.
        """
        chosen: dict[str, Any] = {"may_send": self._may_send, "with_pngs": self.world.takes_pngs} | options
        dice = thrown_from(self.dice)
        try:
            async with under_load(self.world.gateway.port, self.world.site, self.records, dice, **chosen):
                yield
        except BaseException:
            await self.followers.stop()
            raise

    def broken(self) -> AbstractContextManager[None]:
        """While a part is down, or on its way up: nothing is a stall then."""
        return self.stalls.broken()

    async def stages_are_full(self, strike: int | str) -> Holdings:
        """Returns once every stage holds images, and says what lies where."""
        self._is_flood = True
        try:
            held = await every_stage_holds_images(self.world, self.records)
        finally:
            self._is_flood = False
        self.note(strike, held)
        return held

    def note(self, strike: int | str, held: Holdings) -> None:
        """Say what the fault hits."""
        self.stages_hit.update(stage for stage, count in held.items() if count)
        print(f"strike {strike} hits images: {shown(held)}", file=sys.stderr, flush=True)

    async def measured(self, times: int, *, may_fail_with: Collection[str] = ()) -> Measured:
        """The verdict, once all is over. With `may_fail_with` good images may end with these codes as well."""
        await self.followers.until_done(PATIENCE_S)
        longest_stall_s = round(self.stalls.up_to_now(), 2)
        aftermath = await surveyed(
            self.world, self.records, self.followers.frames, may_fail_with=may_fail_with
        )
        violations = violations_of(aftermath)
        if self.stages_hit:
            print(f"strikes that hit images there: {shown(self.stages_hit)}", file=sys.stderr, flush=True)
        return Measured(
            times=times,
            accepted=self.records.images_accepted,
            lost=counted(violations, "lost"),
            twice=counted(violations, "twice"),
            left_over=counted(violations, "left over"),
            longest_stall_s=longest_stall_s,
            violations=told(violations),
        )

    def _may_send(self) -> bool:
        if not self._is_flood:
            return self.stalls.open_images < self.most_open_images
        height = self.stalls.open_images / self.most_open_images
        # Where the rest is slow, it must not keep the first stages empty.
        may_rise = height < OPEN_IMAGES_OF_THE_HIGHEST_FLOOD and self.records.under_way < FEW_REQUESTS
        return height < OPEN_IMAGES_OF_A_FLOOD or may_rise

    def _on_accepted(self, accepted: Accepted) -> None:
        self.stalls.accepted(len(accepted.images))
        self.followers.follow(accepted.job_id)
