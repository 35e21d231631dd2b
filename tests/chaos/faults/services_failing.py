"""Analyzer or processor killed, refusing every image, and slower than the deadline: in turn our own workers and
stand-ins for the existing services.

Slower: it hangs, with its consumers in place, until images are sent again; then it goes on, and its late results meet
those of the later attempts. Refusing: it is started so that it can do no image, until some were refused. What an
analyzer rejects is sent again; what a processor calls failed has failed, and that code alone is allowed.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

from attrs import define, frozen

from tests.chaos.battle import Battle
from tests.chaos.fault import Fault, shared_out, thrown_from
from tests.chaos.report import Measured
from tests.chaos.world import DEADLINE_BESIDE_EXISTING_S, ProductionWorld, production_world
from tests.servers.system import Make, Part, Program

MOST_OF_ONE_WORLD = 5
LONGEST_ABSENCE_S = 1.0
REFUSALS = 3
"""So many images are refused before the service is whole again."""
PATIENCE_S = 40

TAGGING_FAILED = "tagging_failed"
REFUSED = {
    ("ours", "analyzer"): "image rejected",
    ("ours", "processor"): "image failed",
    ("existing", "analyzer"): "rejected: ",
    ("existing", "processor"): "failed: ",
}
"""What its log says of each image that it refuses."""


@frozen
class Beside:
    """A world of one kind of services."""

    make: Make
    most_open_images: int
    options: Mapping[str, Any]


BESIDE_OURS = Beside("ours", 60, {"jobs_result_timeout_s": DEADLINE_BESIDE_EXISTING_S})
BESIDE_EXISTING = Beside(
    "existing",
    most_open_images=8,  # exiftool takes a third of a second for each
    options={
        "analyzer": "existing",
        "processor": "existing",
        # Slower than the processor, so that images lie before and in both.
        "analyzer_variables": {"ANALYSIS_S": "0.4", "WORKER_CONCURRENCY": "1"},
    },
)


@define(eq=False)
class Strikes:
    """On one world; each returns when the service is whole again."""

    world: ProductionWorld
    make: Make
    folder: Path
    dice: random.Random

    async def killed(self, part: Part) -> None:
        program = self._program(part)
        await program.kill()
        await asyncio.sleep(self.dice.uniform(0, LONGEST_ABSENCE_S))
        await self._is_back(program)

    async def refuses_every_image(self, part: Part) -> None:
        program = self._program(part)
        usual = program.environment
        said = program.output().count(REFUSED[self.make, part])
        program.environment = {**usual, **self._unable(part)}
        try:
            await program.kill()
            await self._is_back(program)
            await self._until(lambda: program.output().count(REFUSED[self.make, part]) >= said + REFUSALS)
        finally:
            program.environment = usual
        await program.kill()
        await self._is_back(program)

    async def is_slower_than_the_deadline(self, part: Part) -> None:
        """Signalled once more at the end: what hangs can't be stopped in good order."""
        said = self._sent_again()
        pid = self._program(part).process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await self._until(lambda: self._sent_again() > said)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _program(self, part: Part) -> Program:
        return self.world.analyzer if part == "analyzer" else self.world.processor

    def _unable(self, part: Part) -> Mapping[str, str]:
        """An environment in which it can do nothing."""
        if self.make == "ours":
            return {f"GATEWAY_{part.upper()}_TIMEOUT_S": "1ms"}
        if part == "analyzer":
            return {"FAIL_NAMES": "*"}
        tools = self.folder / "tools that fail"
        tools.mkdir(exist_ok=True)
        (tools / "exiftool").write_text("#!/bin/sh\nexit 1\n")
        (tools / "exiftool").chmod(0o755)
        return {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}

    def _sent_again(self) -> int:
        return self.world.gateway.output().count("image is sent again: no result came")

    async def _is_back(self, program: Program) -> None:
        """The existing ones are started again by whoever keeps them alive."""
        if self.make == "ours":
            await program.start()
        else:
            await self._until(lambda: program.process.returncode is None)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0.05)


Strike = Callable[[Strikes, Part], Awaitable[None]]
KINDS: tuple[Strike, ...] = (
    Strikes.is_slower_than_the_deadline,
    Strikes.refuses_every_image,
    Strikes.killed,
)
PARTS: tuple[Part, ...] = ("analyzer", "processor")


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    """Half of them each; of each half each kind as often as any other."""
    measured = Measured()
    for number, share in enumerate(shared_out(times, among=2, at_most=MOST_OF_ONE_WORLD)):
        beside = (BESIDE_OURS, BESIDE_EXISTING)[number % 2]
        place = folder / f"world-{number}"
        async with production_world(place, **beside.options) as world:
            battle = Battle(world, thrown_from(dice), beside.most_open_images)
            await _struck(battle, Strikes(world, beside.make, place, thrown_from(dice)), share)
            measured += await battle.measured(share, may_fail_with={TAGGING_FAILED})
    return measured


async def _struck(battle: Battle, strikes: Strikes, times: int) -> None:
    kinds = list(product(KINDS, PARTS))
    strikes.dice.shuffle(kinds)
    async with battle.load():
        for number, (kind, part) in enumerate(islice(cycle(kinds), times)):
            await battle.stages_are_full(f"{number}, {strikes.make} {part} {kind.__name__}")
            with battle.broken():
                await kind(strikes, part)
                await battle.world.is_ready()


FAULT = Fault("services_failing", full=20, in_ci=3, run=run)
