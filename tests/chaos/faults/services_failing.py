"""Analyzer or processor killed, refusing every image, and slower than the deadline: in turn our own workers and
stand-ins for the existing services.

Slower: it hangs, with its consumers in place, until images are sent again; then it goes on, and its late results meet
those of the later attempts. Refusing: it is started so that it can do no image, until some were refused. What an
analyzer rejects is sent again because of that, not at its deadline; what a processor calls failed has failed, and no
other image may.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import cycle, islice, product
from pathlib import Path

from attrs import define, evolve

from tests.chaos.battle import Battle
from tests.chaos.beside import BESIDE_EXISTING, BESIDE_OURS
from tests.chaos.fault import Fault, shared_out, thrown_from
from tests.chaos.report import Measured
from tests.chaos.world import Job, ProductionWorld, production_world
from tests.servers.system import Make, Part, Program

MOST_OF_ONE_WORLD = 5
DEADLINE_BESIDE_OURS_S = 4
"""Soon, for a part hangs until it has passed."""
LONGEST_ABSENCE_S = 1.0
REFUSALS = 3
"""So many images are refused before the service is whole again."""
PATIENCE_S = 120

TAGGING_FAILED = "tagging_failed"
REFUSED = {
    ("ours", "analyzer"): "image rejected",
    ("ours", "processor"): "image failed",
    ("existing", "analyzer"): "rejected: ",
    ("existing", "processor"): "failed: ",
}
"""What its log says of each image that it refuses."""
REJECTED = "attempt rejected"
SENT_AGAIN = "image is sent again: no result came"
"""What the gateway's log says of each attempt that ends by a dead letter, and of each that it gives up waiting for."""

BESIDE = (
    evolve(BESIDE_OURS, options={"jobs_result_timeout_s": DEADLINE_BESIDE_OURS_S}),
    BESIDE_EXISTING,
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
        refused, rejected = self.refused_by(part), self._told(REJECTED)
        program.environment = {**usual, **self._unable(part)}
        try:
            await program.kill()
            await self._is_back(program)
            await self._until(lambda: self.refused_by(part) >= refused + REFUSALS, "images are refused")
            if part == "analyzer":
                await self._until(lambda: self._told(REJECTED) >= rejected + REFUSALS, REJECTED)
        finally:
            program.environment = usual
        await program.kill()
        await self._is_back(program)

    async def is_slower_than_the_deadline(self, part: Part) -> None:
        """Signalled once more at the end: what hangs can't be stopped in good order."""
        said = self._told(SENT_AGAIN)
        pid = self._program(part).process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await self._until(lambda: self._told(SENT_AGAIN) > said, SENT_AGAIN)
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

    def refused_by(self, part: Part) -> int:
        """How many images, in all its lives."""
        return self._program(part).output().count(REFUSED[self.make, part])

    def _told(self, event: str) -> int:
        return self.world.gateway.output().count(event)

    async def _is_back(self, program: Program) -> None:
        """The existing ones are started again by whoever keeps them alive."""
        if self.make == "ours":
            await program.start()
        else:
            await self._until(lambda: program.process.returncode is None, "it is started again")

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        """Raises AssertionError when that never happens."""
        clock = asyncio.get_running_loop()
        give_up_at = clock.time() + PATIENCE_S
        while not holds():
            assert clock.time() < give_up_at, f"never: {what}"
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
        beside = BESIDE[number % 2]
        place = folder / f"world-{number}"
        async with production_world(place, **beside.options) as world:
            battle = Battle(world, thrown_from(dice), beside.most_open_images)
            strikes = Strikes(world, beside.make, place, thrown_from(dice))
            await _struck(battle, strikes, share)
            measured += await battle.measured(share, may_fail_with={TAGGING_FAILED})
            measured += needless_failures((await world.jobs()).values(), world.processor.output())
    return measured


def needless_failures(jobs: Iterable[Job], told: str) -> Measured:
    """Images that failed for a reason that is none of those that the processor `told` of in its log.

    By the reason, not by how many there are: what is killed may have answered, and not yet have written its last lines.
    """
    texts = tuple(
        f"lost: image {image['index']} of {job['job_id']} is {TAGGING_FAILED}, and no processor told: {image['error']}"
        for job in jobs
        for image in job["images"]
        if image.get("code") == TAGGING_FAILED and image["error"] not in told
    )
    return Measured(lost=len(texts), violations=texts)


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
