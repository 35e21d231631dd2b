"""A job's state over HTTP alone, by questions that the gateway answers when there is news (long poll)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from attrs import define

from gateway.client.answers import Job, read_job
from gateway.client.coming_back import ComingBack
from gateway.client.http import Http

WAIT_S: Final = 20
"""Shorter than what proxies bear of silence."""
PAUSE_S: Final = 0.5
"""Between answers: one has the news of half a second, and a gateway that does not wait is not asked without end."""


@define(eq=False)
class Polling:
    """Asks for jobs."""

    _http: Http

    async def status(self, job_id: str, wait_s: float = 0, after: str | None = None) -> Job:
        """The time that the gateway waits is no silence."""
        asked: dict[str, Any] = {"after": after} if after else {}
        if wait_s:
            asked["wait"] = f"{wait_s:g}"
        silence_s = self._http.silence_s + wait_s if wait_s else None
        answer = await self._http.json("GET", f"batch/{job_id}", params=asked, silence_s=silence_s)
        return self._http.read(read_job, answer)

    async def ended(self, job_id: str, coming_back: ComingBack) -> Job:
        """The job once it has ended."""
        waiting = _Waiting(self, job_id)
        async with aclosing(coming_back.over(waiting.connect)) as jobs:
            return [job async for job in jobs][-1]


@define(eq=False)
class _Waiting:
    """One job, asked for until it has ended."""

    _polling: Polling
    _job_id: str
    _position: str | None = None

    async def connect(self, coming_back: ComingBack) -> AsyncGenerator[Job, None]:
        """It, once it has ended."""
        while True:
            job = await self._polling.status(self._job_id, WAIT_S if self._position else 0, self._position)
            coming_back.went_on()
            if job.is_final:
                yield job
                return
            self._position = job.id or None
            await asyncio.sleep(PAUSE_S)
