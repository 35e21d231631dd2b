"""What is told by answers of HTTP that go on: server-sent events, and results as lines of JSON."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from gateway.domain import transitions
from tests import builders
from tests.integration.asyncapi.judge import Message
from tests.integration.asyncapi.talking import BATCH, Play
from tests.integration.openapi.asking import JPEG, RAW, prepared
from tests.servers.quiet_gateway import QuietGateway


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[Message]:
    """The data of each; name and id of the event say the same as the data."""
    assert answer.content_type == "text/event-stream"
    fields: dict[str, str] = {}
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif fields.keys() - {"retry"}:
            message: Message = json.loads(fields["data"])
            assert fields["event"] == message["type"]
            assert ("id" in fields) == ("id" in message)
            assert "resumed" in message or fields.get("id") == message.get("id")
            yield message
            fields = {}


async def lines(answer: aiohttp.ClientResponse) -> AsyncIterator[Message]:
    """All but the empty ones."""
    assert answer.content_type == "application/jsonl"
    async for line in answer.content:
        if line.strip():
            yield json.loads(line)


async def events_from_the_first_to_the_end(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    await gateway.fail(job.job_id, 3)
    await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
    return await all_events(gateway, f"{BATCH}/{job.job_id}/events?after=0")


async def events_of_an_ended_job_with_its_images(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
    return await all_events(gateway, f"{BATCH}/{job.job_id}/events?images=true")


async def events_as_they_come(gateway: QuietGateway) -> list[Message]:
    job = await gateway.accept([builders.an_image(0), builders.a_url_image(1)])
    async with gateway.http.get(f"{BATCH}/{job.job_id}/events") as answer:
        return await moved_on(gateway, job.job_id, events(answer))


async def events_that_are_gone_on_with(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    async with gateway.http.get(f"{BATCH}/{job.job_id}/events") as answer:
        before = await anext(events(answer))
    await gateway.fail(job.job_id, 3)
    headers = {"Last-Event-ID": before["id"]}
    async with gateway.http.get(f"{BATCH}/{job.job_id}/events?after=0", headers=headers) as answer:
        told = events(answer)
        return [before, await anext(told), await anext(told)]


async def events_of_silence(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    async with gateway.http.get(f"{BATCH}/{job.job_id}/events") as answer:
        told = events(answer)
        return [await anext(told), await anext(told)]


async def events_of_a_new_job(gateway: QuietGateway) -> list[Message]:
    async with sent_and_followed(gateway) as answer:
        return await moved_on_to_its_end(gateway, answer)


async def silence_about_a_new_job(gateway: QuietGateway) -> list[Message]:
    async with sent_and_followed(gateway) as answer:
        return await until_silence(answer)


async def results_so_far(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    await gateway.fail(job.job_id, 3)
    async with gateway.http.get(f"{BATCH}/{job.job_id}/results") as answer:
        return [line async for line in lines(answer)]


async def results_as_they_come(gateway: QuietGateway) -> list[Message]:
    job = await prepared(gateway)
    async with gateway.http.get(f"{BATCH}/{job.job_id}/results?follow=true") as answer:
        told = lines(answer)
        first = await anext(told)
        await gateway.fail(job.job_id, 3)
        await gateway.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
        return [first, *[line async for line in told]]


async def all_events(gateway: QuietGateway, path: str) -> list[Message]:
    async with gateway.http.get(path) as answer:
        return [event async for event in events(answer)]


async def moved_on(gateway: QuietGateway, job_id: str, told: AsyncIterator[Message]) -> list[Message]:
    """What is told while the job is worked on to its end; its images end in both ways, where it has two."""
    heard = [await anext(told)]
    job = await gateway.publish(job_id, 0)
    while heard[-1]["status"] != "processing":
        heard.append(await anext(told))
    await gateway.complete(job_id, 0)
    if len(job.images) > 1:
        await gateway.fail(job_id, 1)
    return heard + [event async for event in told]


async def events_of_a_retry(gateway: QuietGateway) -> list[Message]:
    async with retried_and_followed(gateway) as answer:
        return await moved_on_to_its_end(gateway, answer)


async def silence_about_a_retry(gateway: QuietGateway) -> list[Message]:
    async with retried_and_followed(gateway) as answer:
        return await until_silence(answer)


async def moved_on_to_its_end(gateway: QuietGateway, answer: aiohttp.ClientResponse) -> list[Message]:
    """All that is told of the job that the answer is about."""
    job_id = answer.headers["Location"].rpartition("/")[2]
    return await moved_on(gateway, job_id, events(answer))


async def until_silence(answer: aiohttp.ClientResponse) -> list[Message]:
    """How the job stands, that it was begun, and a heartbeat."""
    told = events(answer)
    return [await anext(told), await anext(told), await anext(told)]


@asynccontextmanager
async def sent_and_followed(gateway: QuietGateway) -> AsyncIterator[aiohttp.ClientResponse]:
    async with gateway.http.post(BATCH, data=JPEG, headers={**RAW, **FOLLOWED}) as answer:
        yield answer


@asynccontextmanager
async def retried_and_followed(gateway: QuietGateway) -> AsyncIterator[aiohttp.ClientResponse]:
    async with gateway.http.post(BATCH, data=JPEG, headers=RAW) as answer:
        job = await gateway.fail((await answer.json())["job_id"], 0)
    async with gateway.http.post(f"{BATCH}/{job.job_id}/retry", headers=FOLLOWED) as answer:
        yield answer


FOLLOWED = {"Accept": "text/event-stream"}
EVENTS = {"opening", "progress", "imageComplete", "jobComplete"}
SCENARIOS: dict[str, Play] = {
    "events: from the first": ("jobEvents", EVENTS - {"progress"}, events_from_the_first_to_the_end),
    "events: ended": ("jobEvents", {"opening", "jobComplete"}, events_of_an_ended_job_with_its_images),
    "events: changes": ("jobEvents", EVENTS, events_as_they_come),
    "events: gone on with": ("jobEvents", {"opening", "imageComplete"}, events_that_are_gone_on_with),
    "new job: changes": ("newJobEvents", EVENTS, events_of_a_new_job),
    "retry: changes": ("retriedJobEvents", EVENTS, events_of_a_retry),
    "results: so far": ("jobResults", {"result"}, results_so_far),
    "results: as they come": ("jobResults", {"result"}, results_as_they_come),
}
SILENCES: dict[str, Play] = {
    "events: silence": ("jobEvents", {"opening", "jobHeartbeat"}, events_of_silence),
    "new job: silence": ("newJobEvents", {"opening", "progress", "jobHeartbeat"}, silence_about_a_new_job),
    "retry: silence": ("retriedJobEvents", {"opening", "progress", "jobHeartbeat"}, silence_about_a_retry),
}
