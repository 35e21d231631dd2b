"""SIGKILL and restart of RabbitMQ under load: beside our own workers and, in turn, beside stand-ins for the existing
services, which lose what they had in hand and end with it.

Half of the time it hangs before it dies, so that it takes messages with it whose confirms are awaited.
"""

import asyncio
import random
from pathlib import Path

from tests.chaos.battle import Battle
from tests.chaos.beside import BESIDE_EXISTING, BESIDE_OURS
from tests.chaos.fault import Fault, shared_out, thrown_from
from tests.chaos.report import Measured
from tests.chaos.reservations import with_reservations
from tests.chaos.world import ProductionWorld, production_world
from tests.servers.system import Make

MOST_OF_ONE_WORLD = 10
LONGEST_HANG_S = 0.5
LONGEST_OUTAGE_S = 1.0
"""Beyond the time that it takes to start."""
STARTS = 3


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    """Half of them each."""
    measured = Measured()
    for number, share in enumerate(shared_out(times, among=2, at_most=MOST_OF_ONE_WORLD)):
        beside = (BESIDE_OURS, BESIDE_EXISTING)[number % 2]
        async with production_world(folder / f"world-{number}", **beside.options) as world:
            battle = Battle(world, thrown_from(dice), beside.most_open_images)
            await _struck(battle, world, share, beside.make, thrown_from(dice))
            seen = await battle.measured(share)
            measured += await with_reservations(world, seen, late_s=world.late_s)
    return measured


async def _struck(
    battle: Battle, world: ProductionWorld, times: int, make: Make, dice: random.Random
) -> None:
    async with battle.load():
        for strike in range(times):
            await battle.stages_are_full(f"{strike}, beside {make} ones")
            with battle.broken():
                await _killed(world, dice)
                await _started(world)


async def _killed(world: ProductionWorld, dice: random.Random) -> None:
    hang_s, outage_s = dice.uniform(0, LONGEST_HANG_S), dice.uniform(0, LONGEST_OUTAGE_S)
    if dice.random() < 0.5:
        world.node.pause()
        await asyncio.sleep(hang_s)
    await world.node.kill()
    await asyncio.sleep(outage_s)


async def _started(world: ProductionWorld) -> None:
    """As a supervisor does it: a node that ends while it starts is started again."""
    for _ in range(STARTS):
        try:
            await world.node.start()
        except RuntimeError as error:
            print(error)
            await world.node.kill()
        else:
            break
    await world.is_ready()


FAULT = Fault("rabbitmq_killed", full=50, in_ci=3, run=run)
