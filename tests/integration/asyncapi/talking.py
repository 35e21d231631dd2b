"""How each message of each channel is brought about at a real gateway.

Each function makes traffic on one channel, and gives back all that was said there, by either side. Those of silence
want a gateway that soon gives a sign of life.
"""

from collections.abc import Awaitable, Callable

import aiohttp

from gateway.domain import transitions
from tests import builders
from tests.integration.asyncapi.judge import Message
from tests.integration.openapi.asking import prepared
from tests.servers.quiet_gateway import QuietGateway

BATCH = "/api/v1/batch"

Play = tuple[str, set[str], Callable[[QuietGateway], Awaitable[list[Message]]]]
"""A channel, its messages that come, and how they are brought about."""


async def a_job_from_its_first_event_to_its_end(gateway: QuietGateway) -> list[Message]:
    """Images of every kind, one of each end."""
    job = await prepared(gateway)
    await gateway.fail(job.job_id, 3)
    await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
    return await all_of(gateway, f"{BATCH}/{job.job_id}/ws?after=0")


async def an_ended_job_with_its_images(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
    return await all_of(gateway, f"{BATCH}/{job.job_id}/ws?images=true")


async def changes_as_they_come(gateway: QuietGateway) -> list[Message]:
    job = await gateway.accept([builders.an_image(0), builders.a_url_image(1)])
    async with gateway.http.ws_connect(f"{BATCH}/{job.job_id}/ws") as socket:
        opening = await socket.receive_json()
        await gateway.publish(job.job_id, 0)
        begun = await socket.receive_json()
        await gateway.complete(job.job_id, 0)
        await gateway.fail(job.job_id, 1)
        return [opening, begun, *[message.json() async for message in socket]]


async def a_job_that_is_gone_on_with(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    async with gateway.http.ws_connect(f"{BATCH}/{job.job_id}/ws?images=true") as socket:
        before = await socket.receive_json()
    await gateway.fail(job.job_id, 3)
    async with gateway.http.ws_connect(f"{BATCH}/{job.job_id}/ws?after={before['id']}&images=true") as socket:
        return [before, await socket.receive_json(), await socket.receive_json()]


async def silence(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    async with gateway.http.ws_connect(f"{BATCH}/{job.job_id}/ws") as socket:
        return [await socket.receive_json(), await socket.receive_json()]


async def all_of(gateway: QuietGateway, path: str) -> list[Message]:
    async with gateway.http.ws_connect(path) as socket:
        return [message.json() async for message in socket if message.type is aiohttp.WSMsgType.TEXT]


EVENTS = {"opening", "progress", "imageComplete", "jobComplete"}
SCENARIOS: dict[str, Play] = {
    "job: from its first event": (
        "job",
        EVENTS - {"progress"},
        a_job_from_its_first_event_to_its_end,
    ),
    "job: ended": ("job", {"opening", "jobComplete"}, an_ended_job_with_its_images),
    "job: changes": ("job", EVENTS, changes_as_they_come),
    "job: gone on with": ("job", {"opening", "imageComplete"}, a_job_that_is_gone_on_with),
}
SILENCES: dict[str, Play] = {
    "job: silence": ("job", {"opening", "progress"}, silence),
}
