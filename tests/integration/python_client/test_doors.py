"""The Python client at the doors of a real gateway whose jobs a test moves: many jobs, all jobs, results, long poll."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.client import (
    FROM_THE_START,
    Event,
    GatewayClient,
    Image,
    JobChanged,
    JobDeleted,
    JobList,
    Refused,
)
from gateway.events.settings import SubscriberSettings
from tests.client_calls import DEADLINE_S, all_of
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

MAX_JOBS = 3


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_jobs=MAX_JOBS)) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: QuietGateway) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(f"http://127.0.0.1:{gateway.port}") as client:
        yield client


async def an_ended_job(gateway: QuietGateway) -> str:
    job_id = (await gateway.accept(images=2)).job_id
    await gateway.complete(job_id, 1)
    await gateway.fail(job_id, 0)
    return job_id


def kinds_of(events: list[Event], job_id: str) -> list[str]:
    return [event.type for event in events if event.job_id == job_id]


WHOLE = ["progress", "image_complete", "image_complete", "job_complete"]


class TestManyJobs:
    async def test_many_jobs_are_followed_to_their_ends_over_one_connection(self, gateway, client):
        job_ids = [(await gateway.accept(images=2)).job_id for _ in range(MAX_JOBS)]
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(all_of(client.follow_many(job_ids)))
            while gateway.context.hub.topics < MAX_JOBS:
                await asyncio.sleep(0.01)
            for job_id in job_ids:
                await gateway.complete(job_id, 0)
                await gateway.complete(job_id, 1)
        events = following.result()
        assert [kinds_of(events, job_id) for job_id in job_ids] == [WHOLE] * MAX_JOBS

    async def test_more_than_the_gateway_allows_get_their_turn(self, gateway, client):
        job_ids = [await an_ended_job(gateway) for _ in range(3 * MAX_JOBS)]
        events = await all_of(client.follow_many(job_ids, dict.fromkeys(job_ids, FROM_THE_START)))
        assert [kinds_of(events, job_id) for job_id in job_ids] == [WHOLE] * len(job_ids)

    async def test_each_goes_on_behind_the_event_that_is_named_or_has_all_images(self, gateway, client):
        one, other = await an_ended_job(gateway), await an_ended_job(gateway)
        position = (await all_of(client.follow(one, FROM_THE_START)))[1].id
        events = await all_of(client.follow_many([one, other], {one: position}, images=True))
        resumed = next(event for event in events if event.job_id == one)
        present = next(event for event in events if event.job_id == other)
        assert (resumed.id, resumed.resumed, resumed.images) == (position, True, ())
        assert [image.status for image in present.images] == ["failed", "completed"]
        assert kinds_of(events, one) == ["progress", "image_complete", "job_complete"]

    async def test_an_id_in_capitals_is_that_of_the_same_job(self, gateway, client):
        job_id = await an_ended_job(gateway)
        events = await all_of(client.follow_many([job_id.upper()]))
        assert kinds_of(events, job_id) == ["progress", "job_complete"]

    @pytest.mark.parametrize("absent", ["00000000-0000-4000-8000-000000000000", "no id of a job"])
    async def test_a_job_that_is_not_there_is_told_and_the_others_go_on(self, gateway, client, absent):
        job_id, lost = await an_ended_job(gateway), dict[str, Refused]()
        events = await all_of(client.follow_many([absent, job_id], on_lost=lost.__setitem__))
        assert kinds_of(events, job_id) == ["progress", "job_complete"]
        assert [(name, refused.code) for name, refused in lost.items()] == [(absent, "job_not_found")]


class TestAllJobs:
    async def test_what_is_there_comes_first_and_then_what_changes(self, gateway, client):
        job_id = (await gateway.accept(images=1)).job_id
        async with asyncio.timeout(DEADLINE_S), aclosing(client.follow_all()) as news:
            listed = await anext(news)
            await gateway.complete(job_id, 0)
            changed = await anext(news)
        assert isinstance(listed, JobList)
        assert [(job.job_id, job.completed) for job in listed.jobs] == [(job_id, 0)]
        assert isinstance(changed, JobChanged)
        assert (changed.job.job_id, changed.job.completed) == (job_id, 1)


class TestResults:
    async def test_images_come_in_the_order_of_their_ends_and_behind_the_one_that_is_named(
        self, gateway, client
    ):
        job_id = await an_ended_job(gateway)
        first, second = await all_of(client.results(job_id))
        assert [(image.index, image.status) for image in (first, second)] == [(1, "completed"), (0, "failed")]
        assert await all_of(client.results(job_id, first.id)) == [second]

    async def test_they_are_followed_to_the_end_of_the_job(self, gateway, client):
        job_id = (await gateway.accept(images=2)).job_id
        await gateway.complete(job_id, 1)

        async def act(image: Image) -> None:
            if image.index == 1:
                await gateway.complete(job_id, 0)

        images = await all_of(client.results(job_id, follow=True), act)
        assert [image.index for image in images] == [1, 0]

    async def test_those_of_a_job_that_is_not_there_are_refused(self, client):
        with pytest.raises(Refused) as refused:
            await all_of(client.results("00000000-0000-4000-8000-000000000000"))
        assert refused.value.code == "job_not_found"


class TestDeletedMeanwhile:
    """A job is deleted while it is followed."""

    async def test_following_it_is_refused(self, gateway, client):
        job_id = (await gateway.accept(images=1)).job_id
        with pytest.raises(Refused) as refused:
            await all_of(client.follow(job_id), lambda _: gateway.ledger.delete(job_id))
        assert (refused.value.status, refused.value.code) == (404, "job_not_found")

    async def test_of_many_it_is_told_and_the_others_go_on(self, gateway, client):
        one, other = (await gateway.accept(images=1)).job_id, (await gateway.accept(images=1)).job_id
        lost, openings = dict[str, Refused](), set[str]()

        async def act(event: Event) -> None:
            openings.add(event.job_id)
            if event.resumed is not None and len(openings) == 2:
                await gateway.ledger.delete(one)
                await gateway.complete(other, 0)

        told = await all_of(client.follow_many([one, other], on_lost=lost.__setitem__), act)
        assert kinds_of(told, other) == ["progress", "image_complete", "job_complete"]
        assert list(lost) == [one]

    async def test_among_all_it_is_told(self, gateway, client):
        job_id = (await gateway.accept(images=1)).job_id
        async with asyncio.timeout(DEADLINE_S), aclosing(client.follow_all()) as news:
            await anext(news)
            await gateway.ledger.delete(job_id)
            deleted = await anext(news)
        assert isinstance(deleted, JobDeleted)
        assert deleted.job_id == job_id

    async def test_its_results_are_refused(self, gateway, client):
        job_id = (await gateway.accept(images=2)).job_id
        await gateway.complete(job_id, 0)
        with pytest.raises(Refused) as refused:
            await all_of(client.results(job_id, follow=True), lambda _: gateway.ledger.delete(job_id))
        assert refused.value.code == "job_not_found"


class TestLongPoll:
    async def test_a_status_comes_with_the_next_news(self, gateway, client):
        job_id = (await gateway.accept(images=2)).job_id
        now = await client.status(job_id)
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(client.status(job_id, wait_s=60, after=now.id))
            while not gateway.context.hub.topics:
                await asyncio.sleep(0.01)
            await gateway.complete(job_id, 0)
        assert (waiting.result().completed, waiting.result().id != now.id) == (1, True)

    async def test_the_time_that_the_gateway_was_asked_to_wait_is_no_silence(self, gateway):
        job_id = (await gateway.accept(images=1)).job_id
        async with GatewayClient(f"http://127.0.0.1:{gateway.port}", silence_s=1.5) as client:
            now = await client.status(job_id)
            assert await client.status(job_id, wait_s=3, after=now.id) == now

    async def test_a_job_is_waited_for_until_it_has_ended(self, gateway, client):
        job_id = (await gateway.accept(images=1)).job_id
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(client.wait(job_id))
            while not gateway.context.hub.topics:
                await asyncio.sleep(0.01)
            await gateway.complete(job_id, 0)
        assert waiting.result().is_final

    async def test_the_position_of_a_status_is_one_to_follow_from(self, gateway, client):
        job_id = (await gateway.accept(images=2)).job_id
        await gateway.complete(job_id, 0)
        position = (await client.status(job_id)).id
        await gateway.complete(job_id, 1)
        events = await all_of(client.follow(job_id, position))
        assert [event.image.index for event in events if event.image] == [1]
