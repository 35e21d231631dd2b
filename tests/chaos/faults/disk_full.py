"""A disk that is full, for an embedded gateway: at each kind of write in turn, with room for a part of it or for none.

Objects and jobs lie on two small file systems of their own, so that a strike hits the writes that it means. It lasts
until the gateway itself has met it, in an answer or in its log, and ends with room.
"""

import asyncio
import random
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, cycle, islice
from pathlib import Path

from attrs import define, evolve, field, frozen

from tests.chaos.battle import Battle
from tests.chaos.bodies import undecodable
from tests.chaos.fault import Fault, thrown_from
from tests.chaos.load import NO_ROOM, WAYS, Client, under_load
from tests.chaos.records import Sent
from tests.chaos.report import Measured
from tests.chaos.reservations import reservations_in, with_reservations
from tests.chaos.world import EmbeddedWorld, embedded_world
from tests.servers.rabbitmq import listens

PAGE_BYTES = 4096
PATIENCE_S = 120
ROUND_S = 4
"""What is under way is done by then, or meets the full disk."""
MOST_ROUNDS = 20
MOST_PAGES_LEFT = 6
"""Room for the beginning of a write."""
PAGES_TO_BEGIN = 9
"""What SQLite takes before the first commit: the index of a WAL, and its head."""
ANALYSIS_FAILED = "analysis_failed"


@frozen
class Disk:
    """A file system in memory, of so many bytes and files."""

    place: Path
    size_bytes: int
    files: int

    @contextmanager
    def mounted(self) -> Iterator["Disk"]:
        """Needs root, as CI has it."""
        self.place.mkdir(parents=True, exist_ok=True)
        options = f"size={self.size_bytes},nr_inodes={self.files},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(self.place)], check=True)
        try:
            yield self
        finally:
            subprocess.run(["umount", "--lazy", str(self.place)], check=True)

    @contextmanager
    def without_room(self, pages_left: int) -> Iterator[None]:
        """But for so many pages, until somebody else takes them."""
        filler = self.place / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                _write_all_that_fits(file.write)
                file.truncate(max(0, filler.stat().st_size - pages_left * PAGE_BYTES))
                yield
        finally:
            filler.unlink()

    @contextmanager
    def without_files(self, files_left: int) -> Iterator[None]:
        """There is room for bytes, and for so many more files and folders."""
        fillers = self.place / "fillers"
        fillers.mkdir()
        made: list[Path] = []
        try:
            try:
                for number in range(self.files):
                    made.append(fillers / str(number))
                    made[-1].touch()
            except OSError:
                made.pop()
            while made and files_left:
                made.pop().unlink()
                files_left -= 1
            yield
        finally:
            for each in made:
                each.unlink()
            fillers.rmdir()


def _write_all_that_fits(write: Callable[[bytes], int | None]) -> None:
    for size in (16 * PAGE_BYTES, PAGE_BYTES, 512):
        try:
            while write(bytes(size)):
                pass
        except OSError:
            continue


@define(eq=False)
class Strikes:
    """Each returns when the gateway has met it, and there is room again."""

    world: EmbeddedWorld
    battle: Battle
    objects: Disk
    jobs: Disk
    dice: random.Random
    _numbers: Iterator[int] = field(init=False, factory=count)

    async def at_an_original(self) -> None:
        with self.objects.without_room(self._some_pages()):
            await self._refuses("object storage")

    async def at_a_folder(self) -> None:
        """A file of an upload can still be made, and then no folder for it."""
        with self.objects.without_files(files_left=1):
            await self._refuses("object storage", at=" device: 'b-")

    async def at_a_processed_object(self) -> None:
        """Where what is in the pipeline is done in the room that was left, nothing more comes into it."""
        await self._meets(
            self.objects, "message given back", "object storage", MOST_PAGES_LEFT, service="processor"
        )

    async def at_a_download(self) -> None:
        with self.objects.without_room(self._some_pages()):
            await self._is_told("downloads rest", "object storage")

    async def at_a_job_commit(self) -> None:
        with self.jobs.without_room(self._some_pages()):
            await self._refuses("store the job")

    async def at_a_result(self) -> None:
        await self._meets(self.jobs, "result left for later", "store the job")

    async def at_a_publish(self) -> None:
        """The commit of its confirm."""
        await self._meets(self.jobs, "in trouble, will try again", "store the job", service="dispatcher")

    async def at_a_dead_letter(self) -> None:
        """Its copy, or the lease under which it is taken."""
        await self._meets(self.jobs, "in trouble, will try again", "store the job", service="dead-letters")

    async def at_a_reservation(self) -> None:
        """A gateway that has just started has none: the first image that is sent along needs one."""
        await self.world.gateway.kill()
        with self.jobs.without_room(pages_left=0):
            await self._launched()
            await self._refuses("store the job")

    async def at_a_log_that_grows(self) -> None:
        """SQLite's WAL: a stop in good order has removed it, and there is just room to begin it anew."""
        await self.world.gateway.stop()
        with self.jobs.without_room(PAGES_TO_BEGIN + self._some_pages()):
            await self._launched()
            await self._refuses("store the job")

    async def at_a_start(self) -> None:
        """After a stop in good order, without room for SQLite's index of the WAL: it is waited for."""
        await self.world.gateway.stop()
        with self.jobs.without_room(self._some_pages()):
            await self.world.gateway.launch()
            await self._is_told("no room to start", "for the job store")
        await self._listens()

    async def _meets(
        self, disk: Disk, event: str, no_room: str, most_pages_left: int = 0, **more: str
    ) -> None:
        """A full disk, at a write of its own accord. Again, if none was due just then: there is ever more time before,
        for who met a full disk meanwhile, and brings on the work of which that write comes, pauses ever longer.
        """
        for number in range(MOST_ROUNDS):
            pages_left = self.dice.randint(0, most_pages_left)
            with disk.without_room(pages_left), suppress(TimeoutError):
                await self._is_told(event, no_room, within_s=ROUND_S, **more)
                return
            await asyncio.sleep(self.dice.uniform(0, ROUND_S / 4 * (number + 1)))
        raise AssertionError(f"it never met a full disk: {event}, {more}")

    def _some_pages(self) -> int:
        return self.dice.randint(0, MOST_PAGES_LEFT)

    async def _launched(self) -> None:
        await self.world.gateway.launch()
        await self._listens()

    async def _listens(self) -> None:
        gateway = self.world.gateway
        async with asyncio.timeout(PATIENCE_S):
            while not listens(gateway.port):
                assert gateway.process.returncode is None, gateway.output()[-2000:]
                await asyncio.sleep(0.02)

    async def _refuses(self, no_room: str, *, at: str = "") -> None:
        """A request, for want of room; one client asks on, however much is open."""
        async with under_load(
            self.world.gateway.port,
            self.world.site,
            self.battle.records,
            self.dice,
            clients=1,
            ways=(Client.good_multipart,),
            turned_away_by=NO_ROOM,
            prefix=f"s{next(self._numbers)}-",
        ):
            await self._is_told("request refused", no_room, at=at)

    async def _is_told(
        self, event: str, no_room: str, *, at: str = "", within_s: float = PATIENCE_S, **more: str
    ) -> None:
        """Once more than before, in the gateway's log, with its words for what there is no room for, and where."""

        def told() -> int:
            return sum(
                line["event"] == event
                and all(word in line["reason"] for word in ("No room is left", no_room, at))
                and more.items() <= line.items()
                for line in self.world.gateway.log()
            )

        before = told()
        async with asyncio.timeout(within_s):
            while told() == before:
                await asyncio.sleep(0.05)


Strike = Callable[[Strikes], Awaitable[None]]
KINDS: tuple[Strike, ...] = (
    Strikes.at_an_original,
    Strikes.at_a_job_commit,
    Strikes.at_a_processed_object,
    Strikes.at_a_dead_letter,
    Strikes.at_a_folder,
    Strikes.at_a_reservation,
    Strikes.at_a_log_that_grows,
    Strikes.at_a_start,
    Strikes.at_a_result,
    Strikes.at_a_publish,
    Strikes.at_a_download,
)


async def with_an_undecodable_image(client: Client, images: list[Sent]) -> None:
    """Its analyzer rejects it, so that there are dead letters."""
    await client.good_multipart([*images, undecodable(f"{images[0].name}-undecodable")])


async def run(times: int, folder: Path, dice: random.Random) -> Measured:
    with ExitStack() as stack:
        jobs = stack.enter_context(Disk(folder / "data", 24 * 1024**2, files=100).mounted())
        objects = stack.enter_context(Disk(folder / "data" / "objects", 48 * 1024**2, files=30_000).mounted())
        async with embedded_world(folder, jobs_max_attempts=2) as world:
            battle = Battle(world, thrown_from(dice))
            await _struck(battle, Strikes(world, battle, objects, jobs, thrown_from(dice)), times)
            measured = await battle.measured(times, may_fail_with={ANALYSIS_FAILED})
            measured = await _with_needless_failures(world, measured)
            await _cleaned_by_a_start(world)
            return await with_reservations(world, measured)


async def _struck(battle: Battle, strikes: Strikes, times: int) -> None:
    """Of any eleven strikes each is of another kind; with fewer, those that are the first among them come always."""
    async with battle.load(ways=(*WAYS, *[with_an_undecodable_image] * 3), turned_away_by=NO_ROOM):
        for number, kind in enumerate(islice(cycle(KINDS), times)):
            await battle.stages_are_full(f"{number}, {kind.__name__}")
            with battle.broken():
                await kind(strikes)
                await battle.world.is_ready()
    assert battle.records.accepted, "nothing was accepted"
    assert battle.records.refused, "nothing was refused"


async def _cleaned_by_a_start(world: EmbeddedWorld) -> None:
    """What refused requests had reserved is due minutes later, for want of room to release it. No request outlives
    a start, so that takes it at once.
    """
    await world.gateway.restart()
    with suppress(TimeoutError):  # whoever counts them sees it
        async with asyncio.timeout(PATIENCE_S):
            while reservations_in(world.gateway.data_dir / "jobs.sqlite"):
                await asyncio.sleep(0.1)


async def _with_needless_failures(world: EmbeddedWorld, measured: Measured) -> Measured:
    """A full disk fails no image: an analyzer rejects what can't be decoded, and nothing else."""
    failed = [
        f"lost: {image['original_filename']} ended as {ANALYSIS_FAILED}: {image['error']}"
        for job in (await world.jobs()).values()
        for image in job["images"]
        if image.get("code") == ANALYSIS_FAILED and "undecodable" not in image["original_filename"]
    ]
    return evolve(measured, lost=measured.lost + len(failed), violations=(*measured.violations, *failed))


FAULT = Fault("disk_full", full=20, in_ci=4, run=run)
