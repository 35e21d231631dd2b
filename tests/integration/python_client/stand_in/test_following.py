"""The Python client follows jobs of a gateway that speaks as older ones do, and waits for one that is away."""

import asyncio

import pytest

from gateway.client import ClientError, GatewayClient, Refused, Unreachable
from tests.free_ports import free_port
from tests.patience import PATIENCE_S
from tests.servers.stand_in_gateway import stand_in_gateway


async def test_following_gives_every_event_and_ends_with_the_job(client):
    job_id = (await client.submit([("a.jpg", b"a"), ("bad.jpg", b"b")])).job_id
    events = [event async for event in client.follow(job_id)]
    assert [event.type for event in events] == [
        "progress",
        "image_complete",
        "image_complete",
        "job_complete",
    ]
    assert [event.image.status for event in events if event.image] == ["completed", "failed"]


async def test_following_goes_on_behind_the_last_event_after_each_lost_connection(stand_in, client):
    stand_in.frames_per_connection = 1
    job_id = (await client.submit([("a.jpg", b"a"), ("b.jpg", b"b")])).job_id
    ids = [event.id async for event in client.follow(job_id)]
    assert ids == ["e:1", "e:2", "e:3", "e:4"]
    assert stand_in.positions == [None, "e:1", "e:2", "e:3"]


async def test_following_may_start_behind_an_event(stand_in, client):
    job_id = (await client.submit([("a.jpg", b"a")])).job_id
    assert [event.id async for event in client.follow(job_id, after="e:1")] == ["e:2", "e:3"]


async def test_following_an_unknown_job_is_refused(client):
    with pytest.raises(Refused, match="There is no job absent"):
        [event async for event in client.follow("absent")]


async def test_following_tells_that_it_waits_for_a_gateway_that_is_away(tmp_path):
    reasons: list[ClientError] = []
    waits = asyncio.Event()

    def on_wait(error: ClientError) -> None:
        reasons.append(error)
        waits.set()

    async with asyncio.timeout(PATIENCE_S), GatewayClient(f"unix://{tmp_path}/s") as client:

        async def follow() -> list[str]:
            return [event.type async for event in client.follow("j", on_wait=on_wait)]

        following = asyncio.create_task(follow())
        await waits.wait()
        async with stand_in_gateway(tmp_path / "s") as stand_in:
            stand_in.jobs["j"] = ["a.jpg"]
            assert (await following)[-1] == "job_complete"
    assert isinstance(reasons[0], Unreachable)


async def test_following_gives_up_when_no_gateway_comes_back():
    async with GatewayClient(f"http://127.0.0.1:{free_port()}", patience_s=0.3) as client:
        with pytest.raises(Unreachable):
            async with asyncio.timeout(PATIENCE_S):
                [event async for event in client.follow("j")]
