"""The JavaScript client follows a real gateway through proxies that let no WebSocket through, and over its kills."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.javascript_client.following import UNKNOWN, followed
from tests.servers.browser import Page
from tests.servers.gateway import Gateway
from tests.servers.nginx import plain_site, running_nginx
from tests.servers.quiet_gateway import QuietGateway
from tests.servers.web import Site

pytestmark = pytest.mark.asyncio(loop_scope="package")


FOLLOW: Final = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
window.events = [];
window.opened = 0;
window.seen = (type) => new Promise((seen) => (window.look = () => window.events.at(-1)?.type === type && seen()));
const onOpen = () => window.opened++;
window.over = (async () => {{
  for await (const event of {call}) {{
    window.events.push(event);
    window.look?.();
  }}
}})();
"""


async def test_after_a_kill_each_image_ends_once(
    page: Page, gateway: Gateway, site: Site, may_go: asyncio.Event, tmp_path: Path
) -> None:
    """nginx as it is by default drops the upgrade, and answers 502 while there is nobody behind it."""
    urls = json.dumps([site.url(f"/{name}.jpg") for name in "abc"])
    async with running_nginx(tmp_path / "nginx", plain_site, behind=gateway.port) as port:
        call = f"new BatchClient().submitAndFollow({urls}, {{ onOpen }})"
        await page.run(FOLLOW.format(base_url=f"http://127.0.0.1:{port}", call=call))
        await page.run("await window.seen('image_complete')")
        await gateway.kill()
        may_go.set()
        await gateway.start()
        events, opened = await page.run("await window.over; console.log(window.events, window.opened)")
    assert sorted(ends(events)) == [0, 1, 2]
    assert events[-1]["type"] == "job_complete"
    assert positions(events) == sorted(set(positions(events)))
    assert opened > 1


async def test_what_is_told_is_what_the_websocket_tells(
    page: Page, quiet: QuietGateway, tmp_path: Path
) -> None:
    job = await quiet.accept(images=2)
    for index in range(2):
        await quiet.complete(job.job_id, index)
    script = """
        const {{ BatchClient }} = await import("{base_url}/static/batch.js");
        for (const after of ["", "0", "{last}"]) {{
          for await (const event of new BatchClient().follow("{job_id}", {{ after, images: true }})) console.log(event);
        }}
    """
    last = (await followed(page, address(quiet.port), job.job_id))["events"][-1].split()[1]
    direct = await page.run(script.format(base_url=address(quiet.port), job_id=job.job_id, last=last))
    async with running_nginx(tmp_path / "nginx", plain_site, behind=quiet.port) as port:
        through = await page.run(script.format(base_url=address(port), job_id=job.job_id, last=last))
    assert through == direct


async def test_that_there_is_no_such_job_is_learnt_there_too(
    page: Page, quiet: QuietGateway, tmp_path: Path
) -> None:
    job = await quiet.accept(images=1)
    async with running_nginx(tmp_path / "nginx", plain_site, behind=quiet.port) as port:
        call = f"new BatchClient().follow('{job.job_id}')"
        await page.run(FOLLOW.format(base_url=address(port), call=call))
        await page.run("await window.seen('progress')")
        await quiet.ledger.delete(job.job_id)
        gone = {"name": "Refused", "status": 404, "code": "job_not_found"}
        assert await page.run(
            "await window.over.catch(({ name, status, code }) => console.log({ name, status, code }))"
        ) == [gone]
        assert (await followed(page, address(port), UNKNOWN))["error"] == gone


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def ends(events: list[dict[str, Any]]) -> list[int]:
    return [event["image"]["index"] for event in events if event["type"] == "image_complete"]


def positions(events: list[dict[str, Any]]) -> list[int]:
    return [int(event["id"].split(":")[1]) for event in events]
