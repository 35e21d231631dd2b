"""The verdict is one on what really lies there: who tampers with a world's files is found out."""

import asyncio
import random
from pathlib import Path

from tests.chaos.battle import Battle
from tests.chaos.load import GOOD_WAYS
from tests.chaos.world import EmbeddedWorld, embedded_world
from tests.files_below import files_below

ENOUGH = 5


async def some_load(battle: Battle) -> None:
    async with battle.load(clients=2, ways=GOOD_WAYS), asyncio.timeout(60):
        while len(battle.records.accepted) < ENOUGH:
            await asyncio.sleep(0.02)


def files_of(world: EmbeddedWorld, bucket: str) -> list[Path]:
    return files_below(world.gateway.data_dir / "objects" / bucket)


async def test_nothing_is_lost_where_nothing_breaks(tmp_path: Path) -> None:
    async with embedded_world(tmp_path) as world:
        battle = Battle(world, random.Random(1))
        await some_load(battle)
        measured = await battle.measured(0)
    assert measured.violations == ()
    assert measured.accepted == sum(len(each.images) for each in battle.records.accepted)


async def test_objects_that_vanish_are_lost_and_strange_ones_left_over(tmp_path: Path) -> None:
    async with embedded_world(tmp_path) as world:
        battle = Battle(world, random.Random(1))
        await some_load(battle)
        await battle.followers.until_done(60)
        files_of(world, "original")[0].unlink()
        files_of(world, "processed")[-1].unlink()
        (world.gateway.data_dir / "objects" / "original" / "b-nobody.jpg").write_bytes(b"whose is this?")
        measured = await battle.measured(0)
    assert measured.left_over == 1
    assert {violation.partition(":")[0] for violation in measured.violations} == {"lost", "left over"}
