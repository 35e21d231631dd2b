"""What clients and subscribers know, and what the world says when all is over: what the invariants are held against."""

import asyncio
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from tests.chaos.records import Accepted, Records, Sent
from tests.chaos.world import Job, World
from tests.following import Frame

QUIET_S = 40
"""Nothing changes for so long, which is well above any deadline: what is not right by then never will be."""
DOWNLOADS_AT_ONCE = 8

Place = tuple[str, int]
"""Of an image: its job and its index."""


@frozen
class Aftermath:
    records: Records
    frames: Mapping[str, Sequence[Frame]]
    """What each subscriber heard, by job_id."""
    jobs: Mapping[str, Job]
    """All that the gateway lists."""
    originals: Mapping[Place, bytes | None]
    processed: Mapping[Place, bytes | None]
    """Of the images of 201s, those that are completed; None for what could not be read."""
    objects: Mapping[str, set[str]]
    """By bucket."""
    counts: Mapping[str, int]
    """How many jobs of each status the lists say that there are."""
    complaints: Sequence[str] = ()
    """Errors and tracebacks in the logs of the gateway and of workers that are ours."""
    may_fail_with: Collection[str] = ()
    """Codes with which a good image may end, where the fault is one that no gateway can mend."""
    results_were_lost: bool = False
    """Whether an attempt may have stored its object without telling: it goes with its job."""

    def each_accepted(self) -> Iterator[tuple[Accepted, Job]]:
        """Those whose jobs are there."""
        for accepted in self.records.accepted:
            if accepted.job_id in self.jobs:
                yield accepted, self.jobs[accepted.job_id]

    def each_image(self) -> Iterator[tuple[Place, Sent, Mapping[str, Any] | None]]:
        """Every image of every 201, and what its job says of it, if anything."""
        for accepted in self.records.accepted:
            told = {
                image["index"]: image for image in self.jobs.get(accepted.job_id, {"images": ()})["images"]
            }
            for index, sent in enumerate(accepted.images):
                yield (accepted.job_id, index), sent, told.get(index)

    def each_completed(self) -> Iterator[tuple[Place, Sent]]:
        for place, sent, image in self.each_image():
            if image is not None and image["status"] == "completed":
                yield place, sent


def keys_of(jobs: Mapping[str, Job]) -> dict[str, set[str]]:
    """What the status answers of these jobs say that there is, by bucket."""
    images = [image for job in jobs.values() for image in job["images"]]
    return {
        "original": {
            f"{image['trace_id']}/original.{image['original_filename'].rpartition('.')[2]}"
            for image in images
            if "sha256" in image
        },
        "processed": {image["processed_path"] for image in images if "processed_path" in image},
    }


def attempt_of(key: str) -> str:
    """The trace_id of the image whose attempt stored that processed object."""
    attempt = key.removeprefix("processed/").partition("/")[0]
    return re.sub(r"-a\d+$", "", attempt)


async def surveyed(
    world: World,
    records: Records,
    frames: Mapping[str, Sequence[Frame]],
    *,
    may_fail_with: Collection[str] = (),
) -> Aftermath:
    """Once nothing happens any more."""
    await until_nothing_happens(world)
    jobs = await world.jobs()
    bare = Aftermath(
        records=records,
        frames=frames,
        jobs=jobs,
        originals={},
        processed={},
        objects=await world.objects(),
        counts=await world.counts(),
        complaints=world.complaints(),
        may_fail_with=may_fail_with,
        results_were_lost=world.loses_results,
    )
    places = [place for place, _ in bare.each_completed()]
    return evolve(
        bare,
        originals=await _contents(world, places, "original"),
        processed=await _contents(world, places, "processed"),
    )


async def until_nothing_happens(world: World) -> None:
    """All jobs end, those too that nobody was told of, requests that were broken off are undone, and attempts that came
    second are over; or no more changes.
    """
    clock = asyncio.get_running_loop()
    changed_at, before = clock.time(), None
    while clock.time() < changed_at + QUIET_S:
        open_jobs, on_their_way = await world.open_jobs(), await world.on_their_way()
        objects = await world.objects()  # last: what puts them is over by then, or seen to be on its way
        if (open_jobs, on_their_way, objects) != before:
            changed_at, before = clock.time(), (open_jobs, on_their_way, objects)
        is_over = not open_jobs and not on_their_way
        if is_over and _without_empty(objects) == _without_empty(keys_of(await world.jobs())):
            return
        await asyncio.sleep(0.1)


def _without_empty(keys: Mapping[str, set[str]]) -> dict[str, set[str]]:
    return {bucket: names for bucket, names in keys.items() if names}


async def _contents(world: World, places: Sequence[Place], which: str) -> dict[Place, bytes | None]:
    slots = asyncio.Semaphore(DOWNLOADS_AT_ONCE)

    async def content(place: Place) -> bytes | None:
        async with slots:
            return await world.content(*place, which)

    return dict(zip(places, await asyncio.gather(*map(content, places)), strict=True))
