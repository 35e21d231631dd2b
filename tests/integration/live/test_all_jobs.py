"""The list of all jobs on the WebSocket for many jobs: the newest first, then what changes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson

from gateway.domain import transitions
from gateway.events.board.board import LISTED
from gateway.events.board.places import MOST_PLACES
from gateway.events.settings import SubscriberSettings
from tests.integration.live.jobs_socket import PATH, Message, jobs_socket, rename
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.websocket.client import opened
from tests.websocket.frames import TEXT, frame

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"
SUBSCRIBE = b'{"type": "subscribe", "job_id": "*"}'


async def listed(quiet: QuietGateway, limit: int = LISTED) -> Message:
    async with quiet.http.get("/api/v1/batch", params={"limit": limit}) as answer:
        page: Message = await answer.json()
        return page


async def test_the_newest_jobs_come_first_as_the_list_shows_them(quiet: QuietGateway) -> None:
    jobs_of_ours = [await quiet.accept(images=1) for _ in range(LISTED + 3)]
    await quiet.complete(jobs_of_ours[-1].job_id, 0)
    async with jobs_socket(quiet) as jobs:
        opening = await jobs.follow("*")
    page = await listed(quiet)
    assert (opening["type"], opening["job_id"], opening["resumed"]) == ("jobs", "*", False)
    assert (opening["jobs"], opening["total"]) == (page["jobs"], LISTED + 3)


async def test_a_change_is_told_as_the_list_shows_the_job(quiet: QuietGateway) -> None:
    async with jobs_socket(quiet) as jobs:
        await jobs.follow("*")
        job = await quiet.accept(images=2)
        accepted = await jobs.heard()
        await quiet.complete(job.job_id, 0)
        changed = await jobs.heard()
        await quiet.change(job.job_id, lambda job: transitions.cancel(job, job.updated_at))
        cancelled = await jobs.heard()
    assert [message["type"] for message in (accepted, changed, cancelled)] == ["job_changed"] * 3
    assert (accepted["job"]["job_id"], changed["job"]["completed"]) == (job.job_id, 1)
    assert cancelled["job"] == (await listed(quiet))["jobs"][0]


async def test_a_deleted_job_is_told(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with jobs_socket(quiet) as jobs:
        await jobs.follow("*")
        await quiet.ledger.delete(job.job_id)
        gone = await jobs.heard()
    assert (gone["type"], gone["job_id"], "id" in gone) == ("job_deleted", job.job_id, True)


async def test_many_changes_of_a_job_in_a_row_are_few_messages(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=100)
    async with jobs_socket(quiet) as jobs:
        await jobs.follow("*")
        for index in range(100):
            await quiet.complete(job.job_id, index)
        told = [await jobs.heard()]
        while told[-1]["job"]["completed"] < 100:
            told.append(await jobs.heard())
    assert len(told) < 100


async def test_all_jobs_and_some_of_them_are_followed_together(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    async with jobs_socket(quiet) as jobs:
        await jobs.follow("*")
        await jobs.follow(job.job_id)
        await quiet.complete(job.job_id, 0)
        heard = [await jobs.heard() for _ in range(3)]
    assert sorted(message["type"] for message in heard) == ["image_complete", "job_changed", "job_complete"]


async def test_it_is_subscribed_to_once_and_left(quiet: QuietGateway) -> None:
    async with jobs_socket(quiet) as jobs:
        await jobs.follow("*")
        await jobs.subscribe("*")
        assert await jobs.refused() == "already_subscribed"
        await jobs.unsubscribe("*")
        assert await jobs.heard() == {"type": "unsubscribed", "job_id": "*"}
        await quiet.accept()
        await jobs.unsubscribe("*")
        assert await jobs.refused() == "not_subscribed"


async def test_it_is_one_of_the_jobs_that_a_connection_may_follow(tmp_path: Path) -> None:
    one_job = SubscriberSettings(max_jobs=1)
    async with quiet_gateway(tmp_path, subscribers=one_job) as gateway, jobs_socket(gateway) as jobs:
        job = await gateway.accept()
        await jobs.follow("*")
        await jobs.subscribe(job.job_id)
        assert await jobs.refused() == "too_many_subscriptions"


async def test_a_list_that_can_not_be_read_ends_it_and_the_connection_stays(
    quiet: QuietGateway, tmp_path: Path
) -> None:
    job = await quiet.accept()
    rename(tmp_path, "tallies", "elsewhere")
    async with jobs_socket(quiet) as jobs:
        await jobs.subscribe("*")
        assert (await jobs.heard())["type"] == "subscribed"
        assert await jobs.refused() == "unavailable"
        rename(tmp_path, "elsewhere", "tallies")
        assert (await jobs.follow("*"))["jobs"][0]["job_id"] == job.job_id


class TestResume:
    async def test_who_comes_back_is_told_what_changed_meanwhile_and_no_list(
        self, quiet: QuietGateway
    ) -> None:
        one, other = await quiet.accept(images=2), await quiet.accept(images=2)
        async with jobs_socket(quiet) as jobs:
            seen = (await jobs.follow("*"))["id"]
        await quiet.complete(one.job_id, 0)
        await quiet.complete(one.job_id, 1)
        await quiet.ledger.delete(other.job_id)
        async with jobs_socket(quiet) as jobs:
            opening = await jobs.follow("*", after=seen)
            changed, deleted = await jobs.heard(), await jobs.heard()
        assert opening == {
            "type": "jobs", "job_id": "*", "id": seen, "resumed": True, "heartbeat_s": 20.0,
        }  # fmt: skip
        assert (changed["job"]["job_id"], changed["job"]["completed"]) == (one.job_id, 2)
        assert deleted["job_id"] == other.job_id

    async def test_who_was_away_for_too_many_changes_gets_the_list_again(self, quiet: QuietGateway) -> None:
        async with jobs_socket(quiet) as jobs:
            seen = (await jobs.follow("*"))["id"]
        for number in range(MOST_PLACES + 1):
            quiet.context.hub.announce_deleted(f"{UNKNOWN[:-8]}{number:08}")
        async with jobs_socket(quiet) as jobs:
            assert (await jobs.follow("*", after=seen))["resumed"] is False

    async def test_in_another_life_of_the_gateway_the_list_comes_again(self, tmp_path: Path) -> None:
        async with quiet_gateway(tmp_path) as gateway:
            job = await gateway.accept()
            async with jobs_socket(gateway) as jobs:
                seen = (await jobs.follow("*"))["id"]
        async with quiet_gateway(tmp_path) as gateway, jobs_socket(gateway) as jobs:
            opening = await jobs.follow("*", after=seen)
        assert opening["resumed"] is False
        assert [each["job_id"] for each in opening["jobs"]] == [job.job_id]


async def test_a_slow_reader_holds_up_nobody_and_is_told_the_newest_of_each_job(quiet: QuietGateway) -> None:
    jobs_of_ours = [await quiet.accept(images=30) for _ in range(40)]
    async with opened(quiet.port, PATH) as slow, jobs_socket(quiet) as quick:
        await slow.send(frame(TEXT, SUBSCRIBE))
        await quick.follow("*")
        for index in range(30):
            for job in jobs_of_ours:
                await quiet.complete(job.job_id, index)
        await newest_of_all(quick.heard, len(jobs_of_ours))

        async def slowly_heard() -> Message:
            message: Message = orjson.loads(await slow.message())
            return message

        await newest_of_all(slowly_heard, len(jobs_of_ours))


async def newest_of_all(heard: Callable[[], Awaitable[Message]], jobs: int) -> None:
    """Until all jobs have ended; of none an older state comes after a newer one."""
    completed: dict[str, int] = {}
    async with asyncio.timeout(30):
        while list(completed.values()).count(30) < jobs:
            message = await heard()
            for job in [*message.get("jobs", ()), *filter(None, [message.get("job")])]:
                assert completed.get(job["job_id"], 0) <= job["completed"]
                completed[job["job_id"]] = job["completed"]
