"""A client that keeps a whole system busy: it submits batches, follows each to its end, and knows what must come of
them.

    async with a_busy_system(tmp_path, place) as client:   # with batches in every stage
        await client.system.processor.kill()
        ...
        await client.sees_everything_end_well()
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, field

from tests.following import Frame, follow
from tests.pictures import china
from tests.servers.system import Make, Place, System, running_system
from tests.submitting import job_of, readiness, submit_files

BATCHES = 5
IMAGES = 7
QUICK: Mapping[str, str] = {"GATEWAY_LOCAL_SEE": "false"}
"""These tests are about messages under short deadlines: what is in the photos would take the machine's cores."""
FAST: dict[str, Any] = {"jobs_poll_s": 0.2, "jobs_watch_every_s": 0.2, "jobs_attempt_pause_s": 0.1}
"""Settings of a gateway that looks again soon."""
PATIENCE_S = 300
"""Of a test, on a machine that is busy with others."""


def deadline_beside(make: Make) -> Mapping[str, Any]:
    """Existing services may lose messages, and what is lost is missed at its deadline alone: so that comes soon.

    But not before a busy machine has done what fills the window: else all of that is sent again before its turn comes,
    and again.
    Ours lose none. Beside them the deadline is the default, which is far beyond a test's end on any machine.
    """
    if make == "ours":
        return {}
    return {"jobs_result_timeout_s": 15, "jobs_max_attempts": 50}


def is_slow(reason: str) -> bool:
    """A check that fails for that has had no answer in time."""
    return "no answer" in reason or "does not answer" in reason


@define(eq=False)
class Client:
    http: aiohttp.ClientSession
    system: System
    _following: dict[str, asyncio.Task[list[Frame]]] = field(factory=dict)

    async def submit(self) -> None:
        """One more batch, followed from now on."""
        photos = [(f"photo{number}.jpg", china()) for number in range(IMAGES)]
        job_id = await submit_files(self.http, self._base_url, photos)
        self._following[job_id] = asyncio.create_task(self._follow(job_id))

    async def jobs(self) -> Sequence[dict[str, Any]]:
        return [await job_of(self.http, self._base_url, job_id) for job_id in self._following]

    async def images(self) -> Sequence[dict[str, Any]]:
        return [image for job in await self.jobs() for image in job["images"]]

    async def some_are_in_every_stage(self) -> None:
        """Returns once images have ended, others are in the pipeline, and others wait for their place in it."""
        while True:
            states = [image["status"] for image in await self.images()]
            if all(states.count(state) >= 3 for state in ("completed", "processing", "pending")):
                return
            if states.count("pending") < 3:  # they were faster than this looks
                await self.submit()
            await asyncio.sleep(0.02)

    async def is_told(self, status: int, *, of: str) -> None:
        """Returns once readyz answers so; until then, too, no check fails but the one `of` what was killed.

        One that only has no answer in time is slow, as all may be on a busy machine.
        """
        while True:
            answered, body = await readiness(self.http, self._base_url)
            failing = {
                name: check["detail"]
                for name, check in body["checks"].items()
                if check["status"] == "failing"
            }
            assert {name for name, reason in failing.items() if not is_slow(reason)} <= {of}, body
            assert answered == (503 if failing else 200)
            if answered == status and (of in failing) == (status == 503):
                return
            await asyncio.sleep(0.05)

    async def sees_everything_end_well(self) -> None:
        """Each image completed and counted once, each subscriber told of each end once."""
        for frames in await asyncio.gather(*self._following.values()):
            assert frames[-1]["type"] == "job_complete"
            ends = [frame["image"]["index"] for frame in frames if frame["type"] == "image_complete"]
            assert sorted(ends) == list(range(IMAGES))
        for job in await self.jobs():
            assert [image["status"] for image in job["images"]] == ["completed"] * IMAGES, job
            assert (job["status"], job["completed"], job["failed"]) == ("completed", IMAGES, 0)

    async def stop_following(self) -> None:
        for following in self._following.values():
            following.cancel()
        await asyncio.gather(*self._following.values(), return_exceptions=True)

    @property
    def _base_url(self) -> str:
        return self.system.gateway.base_url

    async def _follow(self, job_id: str) -> list[Frame]:
        """To the last frame, going on from where it was cut as often as the connection breaks."""
        frames: list[Frame] = []
        while not frames or frames[-1]["type"] != "job_complete":
            try:
                after = frames[-1]["id"] if frames else ""
                frames += (await follow(self.http, self._base_url, job_id, after)).frames
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
        return frames


@asynccontextmanager
async def a_busy_system(
    folder: Path,
    place: Place,
    *,
    within_s: float = PATIENCE_S,
    worker_variables: Mapping[str, str] = {},
    **options: Any,
) -> AsyncIterator[Client]:
    """As `running_system`, with batches in every stage; all of it must be over in time."""
    async with (
        asyncio.timeout(within_s),
        running_system(
            folder,
            place,
            analyzer_variables={**QUICK, **worker_variables},
            processor_variables=worker_variables,
            **options,
        ) as system,
        aiohttp.ClientSession() as http,
    ):
        client = Client(http, system)
        try:
            for _ in range(BATCHES):
                await client.submit()
            await client.some_are_in_every_stage()
            yield client
        finally:
            await client.stop_following()
