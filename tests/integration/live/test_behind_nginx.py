"""Following jobs through nginx: as it is by default, and as the documents have it set up."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from attrs import frozen

from gateway.events.settings import SubscriberSettings
from gateway.settings import HttpSettings
from tests.following import follow
from tests.patience import PATIENCE_S
from tests.pictures import plain
from tests.servers.nginx import Site, plain_site, running_nginx, site_of_the_documents
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.raw_http import connection, head
from tests.streamed_answers import answered, streamed


@frozen
class Proxied:
    """A gateway that is quiet, has one place for who follows, and nginx before it."""

    gateway: QuietGateway
    port: int

    async def until_a_place_is_free(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.gateway.context.hub.topics:
                await asyncio.sleep(0.01)


async def proxied(folder: Path, site: Site) -> AsyncIterator[Proxied]:
    one = SubscriberSettings(max_connections=1)
    async with (
        quiet_gateway(folder / "data", subscribers=one) as gateway,
        running_nginx(folder / "nginx", site, behind=gateway.port) as port,
    ):
        yield Proxied(gateway, port)


@pytest.fixture(params=[plain_site, site_of_the_documents])
async def nginx(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Proxied]:
    """Both: over HTTP/1.0 towards the gateway, and over 1.1."""
    async for each in proxied(tmp_path, request.param):
        yield each


@pytest.fixture
async def documented(tmp_path: Path) -> AsyncIterator[Proxied]:
    async for each in proxied(tmp_path, site_of_the_documents):
        yield each


async def test_each_event_comes_when_it_happens(nginx: Proxied) -> None:
    job = await nginx.gateway.accept(images=3)
    async with streamed(nginx.port, f"/api/v1/batch/{job.job_id}/events") as answer:
        assert (await answer.event()) is not None
        for index in range(2):
            await nginx.gateway.complete(job.job_id, index)
            event = await answer.event()
            assert event is not None
            assert event.json["image"]["index"] == index
        await nginx.gateway.complete(job.job_id, 2)
        assert (await answer.events())[-1].kind == "job_complete"


async def test_each_result_comes_when_it_happens(nginx: Proxied) -> None:
    job = await nginx.gateway.accept(images=2)
    async with streamed(nginx.port, f"/api/v1/batch/{job.job_id}/results?follow=true") as answer:
        for index in range(2):
            await nginx.gateway.complete(job.job_id, index)
            assert await answer.text()
        assert await answer.text() is None


async def test_results_that_are_not_whole_break_off(nginx: Proxied) -> None:
    job = await nginx.gateway.accept(images=2)
    async with streamed(nginx.port, f"/api/v1/batch/{job.job_id}/results?follow=true") as answer:
        await nginx.gateway.complete(job.job_id, 0)
        assert await answer.text()
        await nginx.gateway.stop_doors()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await answer.text()


async def test_a_client_that_leaves_is_noticed(nginx: Proxied) -> None:
    job = await nginx.gateway.accept()
    async with streamed(nginx.port, f"/api/v1/batch/{job.job_id}/events") as answer:
        assert await answer.event()
        assert nginx.gateway.context.hub.topics == 1
    await nginx.until_a_place_is_free()


async def test_a_long_poll_is_answered_by_what_happens(nginx: Proxied) -> None:
    job = await nginx.gateway.accept()
    url = f"http://127.0.0.1:{nginx.port}/api/v1/batch/{job.job_id}"
    async with aiohttp.ClientSession() as http:
        async with http.get(url) as now:
            seen = (await now.json())["id"]
        poll = asyncio.create_task(http.get(url, params={"wait": "60", "after": seen}))
        async with asyncio.timeout(PATIENCE_S):
            while not nginx.gateway.context.hub.topics:
                await asyncio.sleep(0.01)
        await nginx.gateway.complete(job.job_id, 0)
        assert (await (await poll).json())["completed"] == 1


async def test_a_long_poll_whose_client_leaves_frees_its_place(nginx: Proxied) -> None:
    job = await nginx.gateway.accept()
    path = f"/api/v1/batch/{job.job_id}"
    async with nginx.gateway.http.get(path) as now:
        seen = (await now.json())["id"]
    async with connection(nginx.port) as line:
        await line.send(head("GET", f"{path}?wait=60&after={seen}"))
        async with asyncio.timeout(PATIENCE_S):
            while not nginx.gateway.context.hub.topics:
                await asyncio.sleep(0.01)
    await nginx.until_a_place_is_free()


async def test_a_batch_is_sent_and_followed(nginx: Proxied) -> None:
    photo = plain("JPEG")
    headers = (
        ("Content-Type", "image/jpeg"),
        ("Content-Length", len(photo)),
        ("Accept", "text/event-stream"),
    )
    async with connection(nginx.port) as line:
        await line.send(head("POST", "/api/v1/batch", *headers), photo)
        answer = await answered(line)
        assert answer.status == 201
        opening = await answer.event()
        assert opening is not None
        await nginx.gateway.complete(opening.json["job_id"], 0)
        assert (await answer.events())[-1].kind == "job_complete"


async def test_the_websocket_is_passed_on(documented: Proxied) -> None:
    job = await documented.gateway.accept(images=1)
    async with aiohttp.ClientSession() as http:
        following = asyncio.create_task(follow(http, f"http://127.0.0.1:{documented.port}", job.job_id))
        async with asyncio.timeout(PATIENCE_S):
            while not documented.gateway.context.hub.topics:
                await asyncio.sleep(0.01)
        await documented.gateway.complete(job.job_id, 0)
        followed = await following
    assert (followed.types[-1], followed.close_code) == ("job_complete", 1000)


async def test_pages_of_the_gateway_itself_may_follow_at_whatever_port(tmp_path: Path) -> None:
    http = HttpSettings(cors_origins=("https://app.example.com",))
    async with (
        quiet_gateway(tmp_path / "data", http=http) as gateway,
        running_nginx(tmp_path / "nginx", site_of_the_documents, behind=gateway.port) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as browser,
    ):
        job = await gateway.accept()
        own = {"Origin": f"http://127.0.0.1:{port}"}
        async with browser.ws_connect(f"/api/v1/batch/{job.job_id}/ws", headers=own) as socket:
            assert (await socket.receive_json())["type"] == "progress"
