"""What is announced while a subscriber reads the log reaches it, whichever comes first."""

import asyncio

from gateway.domain.events import Change, Event, EventType, StreamPosition
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from tests.builders import a_job, complete, publish


class HeldLog:
    """A job store and its log; a read of the log has seen the file, and answers when it is let go."""

    epoch = "e"

    def __init__(self, committed: Change) -> None:
        self.job = committed.job
        self.logged = committed.events
        self.reading = asyncio.Event()
        self.let_go = asyncio.Event()

    async def get(self, _job_id: str) -> object:
        return self.job

    async def events(self, _job_id: str, *, after: int, limit: int) -> tuple[Event, ...]:
        seen = tuple(event for event in self.logged if event.seq > after)[:limit]
        self.reading.set()
        await self.let_go.wait()
        return seen


def stream_of(log: HeldLog, hub: Hub) -> EventStream:
    latest = LatestJobs(log)  # type: ignore[arg-type]  # nothing but `get` is asked of it
    hub.observe(latest.observe)
    return EventStream(latest, log, hub)


async def test_a_change_that_is_announced_during_a_read_of_the_log_wakes_its_reader():
    started = publish(a_job(1))
    ended = complete(started.job)
    log, hub = HeldLog(started), Hub()
    seen_so_far = str(StreamPosition(log.epoch, started.job.seq))
    events = stream_of(log, hub).follow(started.job.job_id, seen_so_far)
    async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(anext(events))
        await log.reading.wait()
        hub.announce(ended)
        log.let_go.set()
    assert following.result().type is EventType.IMAGE_COMPLETE
    assert (await anext(events)).type is EventType.JOB_COMPLETE
    await events.aclose()
