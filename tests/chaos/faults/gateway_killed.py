"""SIGKILL of the gateway at random instants, and within the first 50 ms of a start."""

import random
from pathlib import Path

from tests.chaos.battle import Battle
from tests.chaos.fault import Fault
from tests.chaos.report import Measured
from tests.chaos.world import embedded_world


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    async with embedded_world(folder) as world:
        battle = Battle(world, dice)
        async with battle.load():
            for strike in range(times):
                await battle.stages_are_full(strike)
                with battle.broken():
                    await world.gateway.kill()
                    await world.gateway.start()
        return await battle.measured(times)


FAULT = Fault("gateway_killed", full=200, in_ci=30, run=run)
