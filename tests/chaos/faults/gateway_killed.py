"""SIGKILL of the gateway, embedded and in production, at random instants, and again while it starts.

It is killed at work when every stage holds images, and often once or twice more before it is ready: within the first
50 ms of the process, and of its listening. Those hit what the one before left. Half of the time it hangs before it is
killed at work, so that results have piled up, and dies within the first 50 ms in which it takes them.
"""

import asyncio
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tests.chaos.battle import Battle
from tests.chaos.fault import Fault, shared_out, thrown_from
from tests.chaos.report import Measured
from tests.chaos.reservations import with_reservations
from tests.chaos.world import embedded_world, production_world
from tests.servers.gateway import START_S, Gateway
from tests.servers.rabbitmq import listens

MOST_OF_ONE_WORLD = 50
LONGEST_LIFE_S = 1.0
"""Beyond the time until every stage holds images."""
EARLY_S = 0.05
HANG_S = 0.5
CALM_S = 2
"""After the last one: what is refused then, no start cleans up."""

Early = Literal["of the process", "of its listening"]


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    """Half of them each."""
    measured = Measured()
    for number, share in enumerate(shared_out(times, among=2, at_most=MOST_OF_ONE_WORLD)):
        start = (embedded_world, production_world)[number % 2]
        async with start(folder / f"world-{number}") as world:
            battle = Battle(world, thrown_from(dice))
            await _struck(battle, share, thrown_from(dice))
            seen = await battle.measured(share)
            measured += await with_reservations(world, seen, late_s=world.late_s)
    return measured


async def _struck(battle: Battle, times: int, dice: random.Random) -> None:
    gateway, strikes = battle.world.gateway, iter(range(times))
    async with battle.load():
        for strike in strikes:
            await asyncio.sleep(dice.uniform(0, LONGEST_LIFE_S))
            held = await battle.stages_are_full(strike)
            assert gateway.process.returncode is None, "the gateway has ended by itself"
            with battle.broken():
                if dice.random() < 0.5:
                    await _hangs(gateway, dice)
                await gateway.kill()
                for early, again in zip(_early_strikes(dice), strikes, strict=False):
                    after_s = await _killed_early(gateway, early, dice)
                    battle.note(f"{again}, {after_s * 1000:.0f} ms {early}", held)
                await gateway.start()
        await asyncio.sleep(CALM_S)
    assert battle.records.accepted, "nothing was accepted"
    assert battle.records.refused, "nothing was refused or broken off"


async def _hangs(gateway: Gateway, dice: random.Random) -> None:
    """And goes on for a moment."""
    gateway.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(HANG_S)
    gateway.process.send_signal(signal.SIGCONT)
    await asyncio.sleep(dice.uniform(0, EARLY_S))


def _early_strikes(dice: random.Random) -> Sequence[Early]:
    kinds: tuple[Early, Early] = ("of the process", "of its listening")
    return dice.choices(kinds, k=dice.choice((0, 0, 1, 2)))


async def _killed_early(gateway: Gateway, early: Early, dice: random.Random) -> float:
    """How many seconds it had."""
    after_s = dice.uniform(0, EARLY_S)
    await gateway.launch()
    if early == "of its listening":
        async with asyncio.timeout(START_S):
            while not listens(gateway.port):
                await asyncio.sleep(0.001)
    await asyncio.sleep(after_s)
    await gateway.kill()
    return after_s


FAULT = Fault("gateway_killed", full=200, in_ci=30, run=run)
