"""Following a job by WebSocket: frames, positions, close codes, and that nobody waits for a slow reader."""

import asyncio
import json
import socket
from functools import partial
from pathlib import Path

import pytest

from gateway.events.settings import SubscriberSettings
from tests.integration.live.job_socket import (
    a_deaf_subscriber,
    all_failed,
    closed,
    following,
    frame,
    frames_to_the_end,
    path_of,
)
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.websocket.client import opened
from tests.websocket.frames import PING


async def test_the_current_state_comes_first(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.complete(job.job_id, 0)
    async with following(quiet, job) as websocket:
        first = await frame(websocket)
    assert list(first) == [
        "type", "job_id", "status", "progress", "completed", "failed", "total_images", "timestamp", "id",
        "resumed", "heartbeat_s",
    ]  # fmt: skip
    assert (first["type"], first["job_id"], first["status"]) == ("progress", job.job_id, "processing")
    assert (first["progress"], first["completed"], first["total_images"]) == (50.0, 1, 2)
    assert first["timestamp"].endswith("Z")


async def test_every_image_that_ends_is_told_as_the_status_shows_it(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    async with following(quiet, job) as websocket:
        await frame(websocket)
        await quiet.complete(job.job_id, 0)
        told = await frame(websocket)
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}/images/0") as answer:
        assert told["image"] == await answer.json()
    assert told["type"] == "image_complete"


async def test_job_complete_is_last_and_then_1000(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    async with following(quiet, job) as websocket:
        await quiet.complete(job.job_id, 0)
        await quiet.fail(job.job_id, 1)
        types = [told["type"] for told in await frames_to_the_end(websocket)]
        assert types[-3:] == ["image_complete", "image_complete", "job_complete"]
        assert websocket.close_code == 1000


async def test_job_complete_alone_tells_how_it_went(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.complete(job.job_id, 0)
    await quiet.fail(job.job_id, 1)
    async with following(quiet, job, after="0") as websocket:
        *others, last = await frames_to_the_end(websocket)
    assert (last["type"], last["outcome"]) == ("job_complete", "partial")
    assert not any("outcome" in other for other in others)


async def test_an_ended_job_is_told_at_once(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.complete(job.job_id, 0)
    async with following(quiet, job) as websocket:
        frames = await frames_to_the_end(websocket)
        assert [told["type"] for told in frames] == ["progress", "job_complete"]
        assert websocket.close_code == 1000


async def test_the_opening_says_that_it_begins_anew_and_how_often_there_is_a_sign_of_life(
    quiet: QuietGateway,
) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        first = await frame(websocket)
    assert (first["resumed"], first["heartbeat_s"]) == (False, 20)
    assert "images" not in first


async def test_the_opening_has_all_images_for_who_asks(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=2)
    await quiet.complete(job.job_id, 0)
    async with quiet.http.ws_connect(path_of(job), params={"images": "true"}) as websocket:
        first = await frame(websocket)
    async with quiet.http.get(f"/api/v1/batch/{job.job_id}") as answer:
        assert first["images"] == (await answer.json())["images"]


async def test_the_opening_of_one_that_comes_back_is_the_state_of_then(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=3)
    await quiet.complete(job.job_id, 0)
    async with following(quiet, job) as websocket:
        seen = await frame(websocket)
    await quiet.complete(job.job_id, 1)
    async with following(quiet, job, after=seen["id"]) as websocket:
        first, then = await frame(websocket), await frame(websocket)
    assert (first["resumed"], first["id"], first["completed"]) == (True, seen["id"], 1)
    assert (then["type"], then["image"]["index"]) == ("image_complete", 1)


async def test_a_job_that_is_deleted_is_told_by_4500(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        await frame(websocket)
        await quiet.ledger.delete(job.job_id)
        assert await closed(websocket) == 4500


async def test_after_a_silence_the_last_state_comes_once_more_and_a_ping(tmp_path: Path) -> None:
    """What scripts in browsers see of it is the state alone."""
    subscribers = SubscriberSettings(heartbeat_s=0.2)
    async with quiet_gateway(tmp_path, subscribers=subscribers) as gateway:
        job = await gateway.accept()
        async with opened(gateway.port, path_of(job)) as raw:
            first = json.loads(await raw.message())
            again = json.loads(await raw.message())
    shown = {name: value for name, value in first.items() if name not in ("resumed", "heartbeat_s")}
    assert again == shown
    assert PING in [told.opcode for told in raw.frames]


async def test_one_that_came_back_to_a_quiet_job_sees_signs_of_life_too(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(heartbeat_s=0.2)) as gateway:
        job = await gateway.accept(images=2)
        await gateway.complete(job.job_id, 0)
        async with following(gateway, job, after="0") as websocket:
            told = await frame(websocket)
            while told["type"] == "progress":  # a log that is read slowly has signs of life before it
                told = await frame(websocket)
            signs = [await frame(websocket) for _ in range(2)]
    assert told["type"] == "image_complete"
    assert [(sign["type"], sign["id"]) for sign in signs] == [("progress", told["id"])] * 2


async def test_after_goes_on_where_it_stopped(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=3)
    async with following(quiet, job) as websocket:
        seen = (await frame(websocket))["id"]
    for index in range(3):
        await quiet.complete(job.job_id, index)
    async with following(quiet, job, after=seen) as websocket:
        frames = await frames_to_the_end(websocket)
    assert [told.get("image", {}).get("index") for told in frames[1:]] == [0, 1, 2, None]


async def test_after_0_tells_everything(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    await quiet.complete(job.job_id, 0)
    async with following(quiet, job, after="0") as websocket:
        types = [told["type"] for told in await frames_to_the_end(websocket)]
    assert types == ["progress", "image_complete", "job_complete"]


async def test_after_goes_on_in_another_life_of_the_gateway(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path) as gateway:
        job = await gateway.accept(images=2)
        async with following(gateway, job) as websocket:
            await frame(websocket)
            await gateway.complete(job.job_id, 0)
            seen = (await frame(websocket))["id"]
    async with quiet_gateway(tmp_path) as gateway, following(gateway, job, after=seen) as websocket:
        await gateway.complete(job.job_id, 1)
        frames = await frames_to_the_end(websocket)
    assert [told.get("image", {}).get("index") for told in frames[1:]] == [1, None]


@pytest.mark.parametrize("after", ["nonsense", "other:3", "", "0:", "' OR 1=1", "-1"])
async def test_an_unknown_position_gets_the_current_state(quiet: QuietGateway, after: str) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job, after=after) as websocket:
        first = await frame(websocket)
    assert (first["type"], first["resumed"]) == ("progress", False)


async def test_what_a_subscriber_says_is_not_listened_to(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job) as websocket:
        await websocket.send_str("hello")
        await websocket.send_bytes(b"\x00")
        await quiet.complete(job.job_id, 0)
        assert (await frames_to_the_end(websocket))[-1]["type"] == "job_complete"


async def test_too_much_from_a_subscriber_ends_it(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        await websocket.send_str("x" * 10_000)
        await frames_to_the_end(websocket)
        assert websocket.close_code == 1009


def listeners(quiet: QuietGateway) -> int:
    registry = quiet.context.metrics.instruments.registry
    return int(registry.get_sample_value("gateway_websocket_connections") or 0)


async def test_a_subscriber_that_leaves_is_forgotten_at_once(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    async with following(quiet, job) as websocket:
        await frame(websocket)
        assert listeners(quiet) == 1
    async with asyncio.timeout(PATIENCE_S):
        while listeners(quiet):
            await asyncio.sleep(0.01)


async def test_a_subscriber_that_vanishes_is_forgotten_too(quiet: QuietGateway) -> None:
    job = await quiet.accept()
    websocket = await quiet.http.ws_connect(path_of(job))
    await frame(websocket)
    transport = websocket.get_extra_info("socket")
    transport.shutdown(socket.SHUT_RDWR)
    async with asyncio.timeout(PATIENCE_S):
        while listeners(quiet):
            await asyncio.sleep(0.01)


async def test_a_reader_that_does_not_read_holds_up_nobody_and_is_cut_off(quiet: QuietGateway) -> None:
    """Its messages fill the buffers of the socket and of the transport; after ten seconds without a byte it is gone."""
    job = await quiet.accept(images=100)
    deaf = await a_deaf_subscriber(quiet, job)
    async with following(quiet, job) as websocket:
        await frame(websocket)
        assert listeners(quiet) == 2
        big = "x" * 100_000
        for first in range(0, 99, 11):
            await quiet.change(job.job_id, partial(all_failed, indexes=range(first, first + 11), text=big))
        told = 0
        while told < 99:
            told += (await frame(websocket))["type"] == "image_complete"
        assert listeners(quiet) == 2
        async with asyncio.timeout(PATIENCE_S):
            while listeners(quiet) == 2:
                await asyncio.sleep(0.05)
        await quiet.fail(job.job_id, 99)
        assert (await frames_to_the_end(websocket))[-1]["type"] == "job_complete"
    deaf.close()
