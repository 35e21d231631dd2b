"""Requests that wait for what becomes of a job: long polls, and batches whose client waits for their end."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import cast

from aiohttp import web
from attrs import define, field

from gateway.api.connections.protocol import Protocol
from gateway.api.live.audience import Audience
from gateway.api.live.close_codes import CloseCode
from gateway.context import AppContext
from gateway.domain.job import Job
from gateway.events.topic import Bell


@define(eq=False)
class _Waiter:
    """A request that is not answered yet. It is given no signs of life, for it waits no longer than it said."""

    _bell: Bell
    is_over: bool = field(init=False, default=False)
    has_left: bool = field(init=False, default=False)

    def beat(self, now: float) -> None:
        pass

    def leave(self, close: CloseCode) -> None:
        self.is_over = True
        self._bell.ring()

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def connection_lost(self) -> None:
        self.is_over = self.has_left = True
        self._bell.ring()


@define(eq=False)
class Waiting:
    """Holds requests back, each for a place in the audience."""

    _context: AppContext
    _audience: Audience

    async def for_news(self, request: web.Request, job: Job, after: str | None, wait_s: float) -> Job:
        """The job as soon as there is anything after that position, and at once where nothing can be after it.

        Raises TooManySubscribers, Unavailable, and as `until`.
        """
        if not job.counts.open or self._context.stream.seq_of(job, after) != job.seq:
            return job
        with self._audience.place(request, "poll", job.job_id):
            return await self.until(request, job.job_id, lambda now: now.seq != job.seq, wait_s)

    async def until(
        self, request: web.Request, job_id: str, is_enough: Callable[[Job], bool], wait_s: float
    ) -> Job:
        """The job once it is enough, after that time, or when the gateway stops; for one who has a place.

        Raises JobNotFound when it is deleted, ConnectionResetError when the client leaves.
        """
        with self._listening(request, job_id) as (waiter, bell):
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._heard(job_id, waiter, bell, is_enough)
            if waiter.has_left:
                raise ConnectionResetError("the client has left")
        return await self._context.latest.get(job_id)

    async def _heard(
        self, job_id: str, waiter: _Waiter, bell: Bell, is_enough: Callable[[Job], bool]
    ) -> None:
        while not waiter.is_over:
            bell.reset()
            if is_enough(await self._context.latest.get(job_id)):
                return
            await bell.wait()

    @contextmanager
    def _listening(self, request: web.Request, job_id: str) -> Iterator[tuple[_Waiter, Bell]]:
        """Also to the client's leaving, and to a stop."""
        protocol = cast(Protocol, request.protocol)
        if protocol.transport is None:
            raise ConnectionResetError("the client has left")
        with self._context.hub.listen(job_id) as bell:
            waiter = _Waiter(bell)
            protocol.written_by(waiter)
            try:
                with self._audience.with_member(waiter):
                    yield waiter, bell
            finally:
                protocol.let_go()
