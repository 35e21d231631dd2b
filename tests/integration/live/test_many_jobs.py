"""Many jobs on one WebSocket: each is subscribed to by a message, answered, and told as on a WebSocket of its own."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.api.live.websocket.subscriptions import MOST_BAD_MESSAGES
from gateway.domain import transitions
from gateway.domain.events import Change
from gateway.domain.job import Failure, Job
from gateway.events.settings import SubscriberSettings
from gateway.settings import HttpSettings
from tests.integration.live.jobs_socket import PATH, Message, jobs_socket, rename
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.websocket.client import opened
from tests.websocket.frames import TEXT, frame

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


def value(quiet: QuietGateway, name: str, **labels: str) -> float:
    registry = quiet.context.metrics.instruments.registry
    return registry.get_sample_value(f"gateway_websocket_{name}", labels) or 0


class TestAnswers:
    async def test_a_subscription_is_answered_before_its_opening(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with jobs_socket(quiet) as jobs:
            await jobs.subscribe(job.job_id)
            assert await jobs.heard() == {"type": "subscribed", "job_id": job.job_id, "heartbeat_s": 20.0}
            opening = await jobs.heard()
        assert (opening["type"], opening["job_id"], opening["resumed"]) == ("progress", job.job_id, False)

    async def test_a_job_is_told_as_on_a_websocket_of_its_own(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=2)
        async with (
            jobs_socket(quiet) as jobs,
            quiet.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws?images=true") as own,
        ):
            told = [await jobs.follow(job.job_id, images=True)]
            told_alone = [await own.receive_json(timeout=PATIENCE_S)]
            await quiet.complete(job.job_id, 0)
            await quiet.fail(job.job_id, 1)
            told += await jobs.heard_until("job_complete")
            told_alone += [message.json() async for message in own]
        assert [ended(message) for message in told] == [ended(message) for message in told_alone]
        assert told[0] == told_alone[0]
        assert told[-1] == told_alone[-1]

    async def test_the_end_of_a_job_ends_its_subscription_alone(self, quiet: QuietGateway) -> None:
        job, other = await quiet.accept(images=1), await quiet.accept(images=1)
        async with jobs_socket(quiet) as jobs:
            await jobs.follow(job.job_id)
            await jobs.follow(other.job_id)
            await quiet.complete(job.job_id, 0)
            await jobs.heard_until("job_complete", job_id=job.job_id)
            await jobs.unsubscribe(job.job_id)
            assert await jobs.refused() == "not_subscribed"
            await quiet.complete(other.job_id, 0)
            await jobs.heard_until("job_complete", job_id=other.job_id)

    async def test_a_job_that_has_ended_is_told_and_may_be_asked_for_again(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)
        await quiet.complete(job.job_id, 0)
        async with jobs_socket(quiet) as jobs:
            for _ in range(2):
                await jobs.subscribe(job.job_id)
                told = await jobs.heard_until("job_complete")
                assert [message["type"] for message in told] == ["subscribed", "progress", "job_complete"]

    async def test_who_unsubscribes_hears_nothing_more_of_that_job(self, quiet: QuietGateway) -> None:
        job, other = await quiet.accept(images=2), await quiet.accept(images=2)
        async with jobs_socket(quiet) as jobs:
            await jobs.follow(job.job_id)
            await jobs.follow(other.job_id)
            await jobs.unsubscribe(job.job_id)
            assert await jobs.heard() == {"type": "unsubscribed", "job_id": job.job_id}
            await quiet.complete(job.job_id, 0)
            await quiet.complete(other.job_id, 0)
            assert (await jobs.heard())["job_id"] == other.job_id

    async def test_an_id_in_capital_letters_is_that_of_the_job(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with jobs_socket(quiet) as jobs:
            await jobs.subscribe(job.job_id.upper())
            assert (await jobs.heard())["job_id"] == job.job_id
            await jobs.heard()
            await jobs.unsubscribe(job.job_id.upper())
            assert await jobs.heard() == {"type": "unsubscribed", "job_id": job.job_id}

    @pytest.mark.parametrize("job_id", [UNKNOWN, "nonsense", "**"])
    async def test_an_unknown_job_is_refused_by_the_name_it_was_given(
        self, quiet: QuietGateway, job_id: str
    ) -> None:
        async with jobs_socket(quiet) as jobs:
            await jobs.subscribe(job_id)
            assert await jobs.heard() == {
                "type": "error",
                "code": "job_not_found",
                "error": "There is no such job.",
                "job_id": job_id,
            }

    async def test_a_job_is_subscribed_to_once(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with jobs_socket(quiet) as jobs:
            await jobs.follow(job.job_id)
            await jobs.subscribe(job.job_id)
            assert await jobs.refused() == "already_subscribed"

    async def test_a_job_that_is_deleted_ends_its_subscription(self, quiet: QuietGateway) -> None:
        job, other = await quiet.accept(), await quiet.accept()
        async with jobs_socket(quiet) as jobs:
            await jobs.follow(job.job_id)
            await jobs.follow(other.job_id)
            await quiet.ledger.delete(job.job_id)
            gone = await jobs.heard()
            assert (gone["type"], gone["code"], gone["job_id"]) == ("error", "job_not_found", job.job_id)
            await quiet.publish(other.job_id, 0)
            assert (await jobs.heard())["job_id"] == other.job_id

    async def test_a_log_that_can_not_be_read_ends_its_subscription_alone(
        self, quiet: QuietGateway, tmp_path: Path
    ) -> None:
        job, other = await quiet.accept(), await quiet.accept()
        await quiet.publish(job.job_id, 0)
        rename(tmp_path, "events", "elsewhere")
        async with jobs_socket(quiet) as jobs:
            await jobs.follow(other.job_id)
            assert (await jobs.follow(job.job_id, after="0"))["id"].endswith(":0")
            assert await jobs.refused() == "unavailable"
            rename(tmp_path, "elsewhere", "events")
            await jobs.follow(job.job_id, after="0")


class TestResume:
    async def test_each_job_goes_on_where_it_stopped_also_in_another_life_of_the_gateway(
        self, tmp_path: Path
    ) -> None:
        async with quiet_gateway(tmp_path) as gateway:
            one, other = await gateway.accept(images=3), await gateway.accept(images=3)
            async with jobs_socket(gateway) as jobs:
                first = (await jobs.follow(one.job_id))["id"]
                await jobs.follow(other.job_id)
                await gateway.complete(other.job_id, 0)
                second = (await jobs.heard())["id"]
            await gateway.complete(one.job_id, 0)
            await gateway.complete(other.job_id, 1)
        async with quiet_gateway(tmp_path) as gateway, jobs_socket(gateway) as jobs:
            for job, after, index in ((one, first, 0), (other, second, 1)):
                opening = await jobs.follow(job.job_id, after=after)
                assert (opening["id"], opening["resumed"]) == (after, True)
                missed = await jobs.heard()
                assert (missed["job_id"], missed["image"]["index"]) == (job.job_id, index)

    async def test_after_0_tells_everything(self, quiet: QuietGateway) -> None:
        job = await quiet.accept(images=1)
        await quiet.complete(job.job_id, 0)
        async with jobs_socket(quiet) as jobs:
            await jobs.subscribe(job.job_id, after="0")
            told = await jobs.heard_until("job_complete")
        assert [message["type"] for message in told[1:]] == ["progress", "image_complete", "job_complete"]


class TestMany:
    async def test_two_hundred_jobs_are_followed_to_their_ends_on_one_connection(
        self, quiet: QuietGateway
    ) -> None:
        jobs_of_ours = [(await quiet.accept(images=1)).job_id for _ in range(200)]
        async with jobs_socket(quiet) as jobs:
            for job_id in jobs_of_ours:
                await jobs.subscribe(job_id)
            for job_id in jobs_of_ours:
                await quiet.complete(job_id, 0)
            told: dict[str, list[str]] = {job_id: [] for job_id in jobs_of_ours}
            while not all(types[-1:] == ["job_complete"] for types in told.values()):
                message = await jobs.heard()
                told[message["job_id"]].append(message["type"])
        for types in told.values():
            assert types[:2] == ["subscribed", "progress"]
            assert types.count("job_complete") == 1

    async def test_a_slow_reader_is_answered_in_order_and_told_every_end(self, quiet: QuietGateway) -> None:
        """What is told of one job fills its buffers while it subscribes to others, and nothing of that is lost."""
        big, others = await quiet.accept(images=60), [await quiet.accept(images=1) for _ in range(20)]
        async with opened(quiet.port, PATH) as slow:
            await slow.send(subscribing(big))
            for index in range(60):
                await quiet.change(big.job_id, failing(index, "x" * 100_000))
            await slow.send(b"".join(map(subscribing, others)))
            for job in others:
                await quiet.complete(job.job_id, 0)
            told: dict[str, list[Message]] = {job.job_id: [] for job in (big, *others)}
            async with asyncio.timeout(30):
                while not all(heard and heard[-1]["type"] == "job_complete" for heard in told.values()):
                    message = orjson.loads(await slow.message())
                    told[message["job_id"]].append(message)
        images = [message["image"]["index"] for message in told[big.job_id] if "image" in message]
        assert images == list(range(60))
        for job in others:
            assert [message["type"] for message in told[job.job_id]][:2] == ["subscribed", "progress"]


class TestBadMessages:
    @pytest.mark.parametrize(
        "said", ["", "hello", "[]", '{"type": "ping"}', '{"type": "subscribe", "job_id": "*", "x": 1}']
    )
    async def test_what_is_no_message_is_refused_and_the_connection_stays(
        self, quiet: QuietGateway, said: str
    ) -> None:
        job = await quiet.accept()
        async with jobs_socket(quiet) as jobs:
            await jobs.say(said)
            assert await jobs.refused() == "bad_message"
            await jobs.follow(job.job_id)

    async def test_too_many_in_a_row_end_it(self, quiet: QuietGateway) -> None:
        async with jobs_socket(quiet) as jobs:
            for _ in range(MOST_BAD_MESSAGES + 5):
                await jobs.say("hello")
            for _ in range(MOST_BAD_MESSAGES):
                assert await jobs.refused() == "bad_message"
            assert await jobs.closed() == 4501

    async def test_a_good_one_makes_up_for_those_before_it(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with jobs_socket(quiet) as jobs:
            for _ in range(3):
                for _ in range(MOST_BAD_MESSAGES - 1):
                    await jobs.say("hello")
                    assert await jobs.refused() == "bad_message"
                await jobs.unsubscribe(job.job_id)
                assert await jobs.refused() == "not_subscribed"

    async def test_bytes_end_it_with_1003(self, quiet: QuietGateway) -> None:
        async with jobs_socket(quiet) as jobs:
            await jobs.websocket.send_bytes(b"{}")
            assert await jobs.closed() == 1003

    async def test_a_message_that_is_too_long_ends_it_with_1009(self, quiet: QuietGateway) -> None:
        async with jobs_socket(quiet) as jobs:
            await jobs.say("x" * 5000)
            assert await jobs.closed() == 1009

    async def test_what_is_said_after_the_goodbye_is_not_done(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with jobs_socket(quiet) as jobs:
            await jobs.websocket.send_bytes(b"{}")
            await jobs.subscribe(job.job_id)
            assert await jobs.closed() == 1003
        assert quiet.context.hub.topics == 0


class TestBounds:
    async def test_a_connection_may_follow_so_many_jobs(self, tmp_path: Path) -> None:
        async with limited(tmp_path, max_jobs=2) as gateway, jobs_socket(gateway) as jobs:
            first, second, third = [(await gateway.accept()).job_id for _ in range(3)]
            await jobs.follow(first)
            await jobs.follow(second)
            await jobs.subscribe(third)
            assert await jobs.refused() == "too_many_subscriptions"
            await jobs.unsubscribe(first)
            await jobs.heard()
            await jobs.follow(third)

    async def test_a_job_may_have_so_many_who_follow_over_whatever_door(self, tmp_path: Path) -> None:
        async with limited(tmp_path, max_per_job=1) as gateway, jobs_socket(gateway) as jobs:
            job = await gateway.accept()
            own = await gateway.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws")
            await jobs.subscribe(job.job_id)
            assert await jobs.refused() == "too_many_subscriptions"
            await own.close()
            await until_gone(gateway, 1)
            await jobs.follow(job.job_id)
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                await gateway.http.ws_connect(f"/api/v1/batch/{job.job_id}/ws")

    async def test_a_connection_that_ends_gives_back_the_places_of_its_jobs(self, tmp_path: Path) -> None:
        async with limited(tmp_path, max_per_job=1) as gateway:
            job = await gateway.accept()
            for _ in range(3):
                async with jobs_socket(gateway) as jobs:
                    await jobs.follow(job.job_id)
                await until_gone(gateway, 0)
            assert gateway.context.hub.topics == 0

    async def test_a_job_that_ends_gives_back_its_place(self, tmp_path: Path) -> None:
        async with limited(tmp_path, max_per_job=1) as gateway, jobs_socket(gateway) as jobs:
            job = await gateway.accept(images=1)
            await jobs.follow(job.job_id)
            await gateway.complete(job.job_id, 0)
            await jobs.heard_until("job_complete")
            async with jobs_socket(gateway) as others:
                await others.follow(job.job_id)

    @pytest.mark.parametrize("bound", ["max_connections", "max_per_address"])
    async def test_it_takes_one_place_among_all_connections(self, tmp_path: Path, bound: str) -> None:
        async with limited(tmp_path, **{bound: 1}) as gateway, jobs_socket(gateway) as jobs:
            for _ in range(3):
                await jobs.follow((await gateway.accept()).job_id)
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                await gateway.http.ws_connect(PATH)


class TestLife:
    async def test_silence_is_broken_by_a_heartbeat(self, tmp_path: Path) -> None:
        async with limited(tmp_path, heartbeat_s=0.2) as gateway, jobs_socket(gateway) as jobs:
            beat = await jobs.heard()
        assert set(beat) == {"type", "timestamp"}
        assert beat["type"] == "heartbeat"

    async def test_a_gateway_that_stops_sends_it_away_with_1001(self, quiet: QuietGateway) -> None:
        job = await quiet.accept()
        async with jobs_socket(quiet) as jobs:
            await jobs.follow(job.job_id)
            stopping = asyncio.create_task(quiet.stop_doors())
            assert await jobs.closed() == 1001
            await stopping

    async def test_it_is_counted_as_a_connection_and_what_it_is_sent_as_messages(
        self, quiet: QuietGateway
    ) -> None:
        job = await quiet.accept(images=1)
        async with jobs_socket(quiet) as jobs:
            await jobs.follow(job.job_id)
            assert value(quiet, "connections") == 1
        await until_gone(quiet, 0)
        assert value(quiet, "opened_total") == 1
        assert value(quiet, "closed_total", code="1000") == 1
        assert value(quiet, "messages_sent_total") == 2

    async def test_a_page_of_a_foreign_origin_may_not_connect(self, tmp_path: Path) -> None:
        http = HttpSettings(cors_origins=("https://app.example.com",))
        async with quiet_gateway(tmp_path, http=http) as gateway:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await gateway.http.ws_connect(PATH, headers={"Origin": "https://evil.example"})

    async def test_a_plain_get_is_426(self, quiet: QuietGateway) -> None:
        async with quiet.http.get(PATH) as answer:
            assert answer.status == 426


def ended(message: Message) -> tuple[str, Any]:
    return message["type"], message.get("image")


def subscribing(job: Job) -> bytes:
    return frame(TEXT, orjson.dumps({"type": "subscribe", "job_id": job.job_id}))


def failing(index: int, text: str) -> Any:
    def decide(job: Job) -> Change | None:
        return transitions.fail(job, index, Failure("analysis_failed", text), job.updated_at)

    return decide


def limited(data_dir: Path, **bounds: Any) -> Any:
    return quiet_gateway(data_dir, subscribers=SubscriberSettings(**bounds))


async def until_gone(gateway: QuietGateway, left: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while value(gateway, "connections") > left:
            await asyncio.sleep(0.01)
