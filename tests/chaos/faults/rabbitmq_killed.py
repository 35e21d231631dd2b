"""SIGKILL and restart of RabbitMQ, beside our own workers and beside stand-ins for the existing services."""

import random
from pathlib import Path

from tests.chaos.battle import Battle
from tests.chaos.fault import Fault
from tests.chaos.report import Measured
from tests.chaos.world import production_world


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    async with production_world(folder) as world:
        battle = Battle(world, dice)
        async with battle.load():
            for strike in range(times):
                await battle.stages_are_full(strike)
                with battle.broken():
                    await world.node.restart()
                    await world.is_ready()
        return await battle.measured(times)


FAULT = Fault("rabbitmq_killed", full=50, in_ci=3, run=run)
