"""What is said on a WebSocket for many jobs, by both sides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from attrs import define, field

from gateway.domain import transitions
from tests import builders
from tests.integration.asyncapi.judge import Message
from tests.integration.asyncapi.talking import Play
from tests.integration.openapi.asking import UNKNOWN, prepared
from tests.servers.quiet_gateway import QuietGateway

MANY = "/api/v1/ws"


@define
class Talk:
    """All that was said on one connection."""

    socket: aiohttp.ClientWebSocketResponse
    said: list[Message] = field(factory=list)

    async def say(self, **message: object) -> None:
        self.said.append(message)
        await self.socket.send_json(message)

    async def hear(self, kind: str, **fields: object) -> Message:
        """What comes, up to the first message of that type with these fields."""
        while True:
            message: Message = await self.socket.receive_json()
            self.said.append(message)
            if message["type"] == kind and fields.items() <= message.items():
                return message


@asynccontextmanager
async def talking(gateway: QuietGateway) -> AsyncIterator[Talk]:
    async with gateway.http.ws_connect(MANY) as socket:
        yield Talk(socket)


async def a_job_among_many(gateway: QuietGateway) -> list[Message]:
    """Images of every end, and a change that is none."""
    job = await prepared(gateway)
    async with talking(gateway) as talk:
        await talk.say(type="subscribe", job_id=job.job_id, after="0", images=True)
        await talk.hear("subscribed")
        await talk.hear("image_complete", completed=2, failed=1)
        await gateway.fail(job.job_id, 3)
        await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
        await talk.hear("job_complete")
        await talk.say(type="subscribe", job_id=job.job_id, images=True)
        await talk.hear("job_complete")
        return talk.said


async def jobs_begun_and_left(gateway: QuietGateway) -> list[Message]:
    jobs = [await gateway.accept([builders.an_image(0)]) for _ in range(2)]
    async with talking(gateway) as talk:
        for job in jobs:
            await talk.say(type="subscribe", job_id=job.job_id)
            await talk.hear("progress", job_id=job.job_id)
        await gateway.publish(jobs[0].job_id, 0)
        await talk.hear("progress", status="processing")
        await talk.say(type="unsubscribe", job_id=jobs[1].job_id)
        await talk.hear("unsubscribed")
        return talk.said


async def all_jobs(gateway: QuietGateway) -> list[Message]:
    """One that came, changed and was deleted."""
    await prepared(gateway)
    async with talking(gateway) as talk:
        await talk.say(type="subscribe", job_id="*")
        await talk.hear("jobs", resumed=False)
        job = await gateway.accept(1)
        await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
        await talk.hear("job_changed")
        await gateway.ledger.delete(job.job_id)
        deleted = await talk.hear("job_deleted")
        await talk.say(type="unsubscribe", job_id="*")
        await talk.hear("unsubscribed")
        await talk.say(type="subscribe", job_id="*", after=deleted["id"])
        await talk.hear("jobs", resumed=True)
        return talk.said


async def what_is_refused(gateway: QuietGateway) -> list[Message]:
    """One error of each code that a quiet gateway gives; the connection may follow two jobs."""
    jobs = [await gateway.accept(1) for _ in range(3)]
    async with talking(gateway) as talk:
        await talk.socket.send_str("subscribe")
        await talk.hear("error", code="bad_message")
        await talk.socket.send_json({"type": "subscribe", "job_id": jobs[0].job_id, "since": "0"})
        await talk.hear("error", code="bad_message", job_id=jobs[0].job_id)
        for job_id in (UNKNOWN, jobs[0].job_id, jobs[0].job_id, jobs[1].job_id, jobs[2].job_id):
            await talk.say(type="subscribe", job_id=job_id)
        await talk.hear("error", code="job_not_found", job_id=UNKNOWN)
        await talk.hear("error", code="already_subscribed")
        await talk.hear("error", code="too_many_subscriptions")
        await talk.say(type="unsubscribe", job_id=jobs[2].job_id)
        await talk.hear("error", code="not_subscribed")
        await gateway.ledger.delete(jobs[0].job_id)
        await talk.hear("error", code="job_not_found", job_id=jobs[0].job_id)
        return talk.said


async def what_is_not_there_now(gateway: QuietGateway) -> list[Message]:
    store: Any = gateway.context.job_store
    await store._close()  # noqa: SLF001
    async with talking(gateway) as talk:
        await talk.say(type="subscribe", job_id=UNKNOWN)
        await talk.hear("error", code="unavailable")
        return talk.said


async def silence_about_many(gateway: QuietGateway) -> list[Message]:
    async with talking(gateway) as talk:
        await talk.hear("heartbeat")
        return talk.said


SCENARIOS: dict[str, Play] = {
    "many: a job": (
        "manyJobs",
        {"subscribe", "subscribed", "opening", "progress", "imageComplete", "jobComplete"},
        a_job_among_many,
    ),
    "many: begun and left": (
        "manyJobs",
        {"subscribe", "subscribed", "opening", "progress", "unsubscribe", "unsubscribed"},
        jobs_begun_and_left,
    ),
    "many: all jobs": (
        "manyJobs",
        {"subscribe", "subscribed", "jobs", "jobChanged", "jobDeleted", "unsubscribe", "unsubscribed"},
        all_jobs,
    ),
    "many: unavailable": ("manyJobs", {"subscribe", "error"}, what_is_not_there_now),
    "many: refused": (
        "manyJobs",
        {"subscribe", "subscribed", "opening", "unsubscribe", "error"},
        what_is_refused,
    ),
}
SILENCES: dict[str, Play] = {
    "many: silence": ("manyJobs", {"heartbeat"}, silence_about_many),
}
