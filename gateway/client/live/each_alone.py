"""Follows many jobs one by one, a few at a time, where no connection can carry all of them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final

from attrs import define, field

from gateway.client.answers import Event
from gateway.client.coming_back import ComingBack
from gateway.client.errors import Refused
from gateway.client.http import Http
from gateway.client.live.doors.way import Way
from gateway.client.live.jobs import Jobs
from gateway.client.live.one_job import OneJob, is_gone

AT_ONCE: Final = 8
"""Connections. The other jobs get their turn as these end."""
HELD_EVENTS: Final = 64
"""While the caller is at work with an earlier one."""


@define(eq=False)
class EachAlone:
    """Each job has its connections, and comes back over them by itself."""

    _http: Http
    _way: Way
    _jobs: Jobs
    _images: bool = field(kw_only=True)
    _come: "asyncio.Queue[Event | _Lost | Exception]" = field(init=False)

    @_come.default
    def _bounded(self) -> "asyncio.Queue[Event | _Lost | Exception]":
        return asyncio.Queue(HELD_EVENTS)

    async def events(self, coming_back: ComingBack) -> AsyncGenerator[Event, None]:
        """What is new, until the last job's last event. Raises what ends the events of any of them."""
        waiting = iter(tuple(self._jobs.open))
        tasks = [
            asyncio.create_task(self._follow(waiting, coming_back), name="follow") for _ in range(AT_ONCE)
        ]
        try:
            while self._jobs.open:
                come = await self._come.get()
                if isinstance(come, Exception):
                    raise come
                if isinstance(come, _Lost):
                    self._jobs.lost(come.job_id)
                    continue
                if come.is_last:
                    self._jobs.ended(come.job_id)
                yield come
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, waiting: Iterator[str], coming_back: ComingBack) -> None:
        """One job after another."""
        try:
            for job_id in waiting:
                await self._follow_one(job_id, coming_back.another())
        except Exception as error:  # noqa: BLE001 - raised where the events are read
            await self._come.put(error)

    async def _follow_one(self, job_id: str, coming_back: ComingBack) -> None:
        job = OneJob(self._http, self._way, job_id, self._jobs.open[job_id], images=self._images)
        try:
            async with aclosing(coming_back.over(job.connect)) as events:
                async for event in events:
                    await self._come.put(event)
        except Refused as error:
            if not is_gone(error):
                raise
            await self._come.put(_Lost(job_id))


@define
class _Lost:
    """That job is not there, or no longer."""

    job_id: str
