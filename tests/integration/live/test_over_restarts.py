"""Jobs of a real gateway, followed over its SIGKILL: each image ends once, whoever follows by whatever."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.curl import curl
from tests.pictures import plain
from tests.servers.browser import Page, browser_page
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.nginx import running_nginx, site_of_the_documents
from tests.servers.web import Site, held, image, web_server
from tests.streamed_answers import ServerSentEvent, StreamedAnswer, streamed
from tests.submitting import submit_json

JPEG: Final = plain("JPEG")
BROKEN: Final = (asyncio.IncompleteReadError, ConnectionResetError)


@pytest.fixture
async def may_go() -> asyncio.Event:
    """Set, the site answers for b.jpg and c.jpg."""
    return asyncio.Event()


@pytest.fixture
async def site(may_go: asyncio.Event) -> AsyncIterator[Site]:
    late = held(may_go, image(JPEG, "image/jpeg"))
    async with web_server({"/a.jpg": image(JPEG, "image/jpeg"), "/b.jpg": late, "/c.jpg": late}) as site:
        yield site


@pytest.fixture
async def gateway(site: Site, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path / "data", fetch_allowed_networks=site.network, fetch_allowed_ports=site.port
    ) as gateway:
        yield gateway


@pytest.fixture
async def job_id(gateway: Gateway, site: Site) -> str:
    """Of a job with three images, of which the first ends at once and the others when they may."""
    async with aiohttp.ClientSession() as http:
        images = [{"url": site.url(f"/{name}.jpg")} for name in "abc"]
        return await submit_json(http, gateway.base_url, images)


async def events_until_it_breaks(answer: StreamedAnswer) -> list[ServerSentEvent]:
    events = []
    try:
        while (event := await answer.event()) is not None:
            events.append(event)
    except BROKEN:
        pass
    return events


async def test_who_says_where_it_stopped_gets_what_is_missing(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    path = f"/api/v1/batch/{job_id}/events"
    async with streamed(gateway.port, f"{path}?after=0") as answer:
        before: list[ServerSentEvent] = []
        while not before or before[-1].kind != "image_complete":
            event = await answer.event()
            assert event is not None
            before.append(event)
        await gateway.kill()
        before += await events_until_it_breaks(answer)
    may_go.set()
    await gateway.start()
    async with streamed(gateway.port, path, ("Last-Event-ID", before[-1].id)) as answer:
        opening, *after = await answer.events()
    assert opening.json["resumed"] is True
    told = before + after
    assert sorted(event.json["image"]["index"] for event in told if event.kind == "image_complete") == [
        0,
        1,
        2,
    ]
    positions = [int((event.id or "").rpartition(":")[2]) for event in told]
    assert positions == sorted(set(positions))
    assert told[-1].kind == "job_complete"


async def test_results_go_on_behind_the_last_one(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    path = f"/api/v1/batch/{job_id}/results?follow=true"
    async with streamed(gateway.port, path) as answer:
        first = json.loads(await answer.text() or "")
        await gateway.kill()
        with pytest.raises(BROKEN):
            await answer.text()
    may_go.set()
    await gateway.start()
    async with streamed(gateway.port, f"{path}&after={first['id']}") as answer:
        others = [json.loads(line) for line in await answer.texts() if line]
    assert first["index"] == 0
    assert sorted(other["index"] for other in others) == [1, 2]


async def test_a_long_poll_goes_on_where_it_stopped(
    gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    url, seen = gateway.url(f"/api/v1/batch/{job_id}"), "0"
    statuses: list[Any] = []
    async with aiohttp.ClientSession() as http:

        async def next_status() -> Any:
            async with http.get(url, params={"wait": "60", "after": seen}) as answer:
                return await answer.json()

        while not statuses or not statuses[-1]["completed"]:
            statuses.append(await next_status())
            seen = statuses[-1]["id"]
        await gateway.kill()
        may_go.set()
        await gateway.start()
        while statuses[-1]["status"] != "completed":
            statuses.append(await next_status())
            seen = statuses[-1]["id"]
    assert statuses[-1]["completed"] == 3


async def test_curl_shows_the_events_to_the_end(gateway: Gateway, job_id: str, may_go: asyncio.Event) -> None:
    may_go.set()
    answer = await curl("-N", gateway.url(f"/api/v1/batch/{job_id}/events?after=0"))
    kinds = [line.removeprefix(b"event: ") for line in answer.body.splitlines() if line.startswith(b"event")]
    assert kinds.count(b"image_complete") == 3
    assert kinds[-1] == b"job_complete"


class TestInABrowser:
    """`EventSource`, on a page of another origin."""

    FOLLOW = """
        window.events = [];
        window.states = [];
        const source = new EventSource("{url}");
        for (const kind of ["progress", "image_complete", "job_complete"]) {{
          source.addEventListener(kind, (event) => {{
            window.events.push({{ kind, id: event.lastEventId, told: JSON.parse(event.data) }});
          }});
        }}
        window.over = new Promise((resolve) => {{
          source.addEventListener("error", () => {{
            window.states.push(source.readyState);
            if (source.readyState === EventSource.CLOSED) resolve();
          }});
        }});
        while (!window.events.some(({{ kind }}) => kind === "image_complete")) {{
          await new Promise((resolve) => setTimeout(resolve, 20));
        }}
    """
    SHOW = "await window.over; console.log(window.events, window.states)"

    @pytest.fixture
    async def page(self, tmp_path: Path) -> AsyncIterator[Page]:
        folder = tmp_path / "browser"
        folder.mkdir()
        async with browser_page(folder, {}) as page:
            yield page

    async def test_it_follows_to_the_end_comes_once_more_and_stops(
        self, page: Page, gateway: Gateway, job_id: str, may_go: asyncio.Event
    ) -> None:
        may_go.set()
        url = gateway.url(f"/api/v1/batch/{job_id}/events?after=0")
        await page.run(self.FOLLOW.format(url=url))
        events, states = await page.run(self.SHOW)
        assert [event["kind"] for event in events].count("image_complete") == 3
        assert [event["kind"] for event in events].count("job_complete") == 1
        assert events[-1]["told"]["outcome"] == "all_completed"
        assert states == [0, 2]  # it connects again, and is closed for good

    async def test_after_a_kill_it_comes_back_by_itself_and_each_image_ends_once(
        self, page: Page, gateway: Gateway, job_id: str, may_go: asyncio.Event
    ) -> None:
        url = gateway.url(f"/api/v1/batch/{job_id}/events?after=0")
        await page.run(self.FOLLOW.format(url=url))
        await gateway.kill()
        may_go.set()
        await gateway.start()
        events = await self.shown(page)
        assert all(event["id"] == event["told"]["id"] for event in events)

    async def test_behind_a_proxy_it_comes_back_too_though_nobody_is_there_for_a_while(
        self, page: Page, gateway: Gateway, job_id: str, may_go: asyncio.Event, tmp_path: Path
    ) -> None:
        folder = tmp_path / "nginx"
        async with running_nginx(folder, site_of_the_documents, behind=gateway.port) as port:
            url = f"http://127.0.0.1:{port}/api/v1/batch/{job_id}/events?after=0"
            await page.run(self.FOLLOW.format(url=url))
            await gateway.kill()
            async with asyncio.timeout(20):
                while "Connection refused" not in (folder / "nginx.log").read_text():
                    await asyncio.sleep(0.05)
            may_go.set()
            await gateway.start()
            await self.shown(page)

    async def shown(self, page: Page) -> list[Any]:
        """The events, of which each end comes once."""
        events, _ = await page.run(self.SHOW)
        ends = [event["told"]["image"]["index"] for event in events if event["kind"] == "image_complete"]
        assert sorted(ends) == [0, 1, 2]
        assert [event["kind"] for event in events].count("job_complete") == 1
        return list(events)
