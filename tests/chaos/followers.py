"""WebSocket subscribers, one a job, that lose their connection again and again, and reconnect with their last id."""

import asyncio
import random
from collections.abc import Callable, Sequence

import aiohttp
from attrs import define, field

from tests.following import Frame
from tests.servers.gateway import Gateway

CUT_AFTER = 0.1
"""The share of frames after which a subscriber breaks its connection off by itself."""
PAUSE_S = 0.05


@define(eq=False)
class Followers:
    """What each has heard, by job_id."""

    http: aiohttp.ClientSession
    gateway: Gateway
    dice: random.Random
    on_end: Callable[[], None] = lambda: None
    """Told of each image's end."""
    frames: dict[str, list[Frame]] = field(factory=dict)
    unknown: set[str] = field(factory=set)
    """Jobs of which the gateway said that there are none."""
    _following: list[asyncio.Task[None]] = field(factory=list)

    def follow(self, job_id: str) -> None:
        """From its first event on, to its end."""
        self.frames[job_id] = []
        following = self._follow(job_id, random.Random(self.dice.getrandbits(64)))
        self._following.append(asyncio.create_task(following, name=f"follower of {job_id}"))

    async def until_done(self, patience_s: float) -> None:
        """Or until nobody has heard anything for so long: then what is missing is missing. Raises what went wrong in
        any of them.
        """
        waiting = set(self._following)
        while waiting:
            heard = self._frames_heard()
            _, waiting = await asyncio.wait(waiting, timeout=patience_s)
            if self._frames_heard() == heard:
                break
        await self.stop()

    def _frames_heard(self) -> int:
        return sum(map(len, self.frames.values()))

    async def stop(self) -> None:
        for each in self._following:
            each.cancel()
        ends = await asyncio.gather(*self._following, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _follow(self, job_id: str, dice: random.Random) -> None:
        heard = self.frames[job_id]
        while not _is_over(heard) and job_id not in self.unknown:
            try:
                await self._listen(job_id, heard, dice)
            except aiohttp.WSServerHandshakeError as error:
                if error.status == 404:
                    self.unknown.add(job_id)
            except aiohttp.ClientConnectionError:
                pass  # it comes back
            await asyncio.sleep(PAUSE_S)

    async def _listen(self, job_id: str, heard: list[Frame], dice: random.Random) -> None:
        """Until the connection ends, from whichever side."""
        after = heard[-1]["id"] if heard else "0"
        url = self.gateway.url(f"/api/v1/batch/{job_id}/ws")
        async with self.http.ws_connect(url, params={"after": after}) as socket:
            async for message in socket:
                heard.append(message.json())
                if heard[-1]["type"] == "image_complete":
                    self.on_end()
                if dice.random() < CUT_AFTER:
                    return


def _is_over(frames: Sequence[Frame]) -> bool:
    return bool(frames) and frames[-1]["type"] == "job_complete"
