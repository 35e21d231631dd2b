"""`EventSource` of a real browser, on a page of another origin, follows a job of a real gateway, over a SIGKILL too."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.patience import PATIENCE_S
from tests.servers.browser import Page, browser_page
from tests.servers.gateway import Gateway
from tests.servers.nginx import running_nginx, site_of_the_documents

FOLLOW: Final = """
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
SHOW: Final = "await window.over; console.log(window.events, window.states)"


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    folder = tmp_path / "browser"
    folder.mkdir()
    async with browser_page(folder, {}) as page:
        yield page


async def test_it_follows_to_the_end_comes_once_more_and_stops(
    page: Page, gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    may_go.set()
    url = gateway.url(f"/api/v1/batch/{job_id}/events?after=0")
    await page.run(FOLLOW.format(url=url))
    events, states = await page.run(SHOW)
    assert [event["kind"] for event in events].count("image_complete") == 3
    assert [event["kind"] for event in events].count("job_complete") == 1
    assert events[-1]["told"]["outcome"] == "all_completed"
    assert states == [0, 2]  # it connects again, and is closed for good


async def test_after_a_kill_it_comes_back_by_itself_and_each_image_ends_once(
    page: Page, gateway: Gateway, job_id: str, may_go: asyncio.Event
) -> None:
    url = gateway.url(f"/api/v1/batch/{job_id}/events?after=0")
    await page.run(FOLLOW.format(url=url))
    await gateway.kill()
    may_go.set()
    await gateway.start()
    events = await shown(page)
    assert all(event["id"] == event["told"]["id"] for event in events)


async def test_behind_a_proxy_it_comes_back_too_though_nobody_is_there_for_a_while(
    page: Page, gateway: Gateway, job_id: str, may_go: asyncio.Event, tmp_path: Path
) -> None:
    folder = tmp_path / "nginx"
    async with running_nginx(folder, site_of_the_documents, behind=gateway.port) as port:
        url = f"http://127.0.0.1:{port}/api/v1/batch/{job_id}/events?after=0"
        await page.run(FOLLOW.format(url=url))
        await gateway.kill()
        async with asyncio.timeout(PATIENCE_S):
            while "Connection refused" not in (folder / "nginx.log").read_text():
                await asyncio.sleep(0.05)
        may_go.set()
        await gateway.start()
        await shown(page)


async def shown(page: Page) -> list[Any]:
    """The events, of which each end comes once."""
    events, _ = await page.run(SHOW)
    ends = [event["told"]["image"]["index"] for event in events if event["kind"] == "image_complete"]
    assert sorted(ends) == [0, 1, 2]
    assert [event["kind"] for event in events].count("job_complete") == 1
    return list(events)
