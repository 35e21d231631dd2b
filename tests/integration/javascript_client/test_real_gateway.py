"""The JavaScript client follows jobs of a real gateway."""

import asyncio
import json
from pathlib import Path
from typing import Final

import pytest

from gateway.events.settings import SubscriberSettings
from tests.integration.javascript_client.following import followed
from tests.patience import PATIENCE_S
from tests.servers.browser import Page
from tests.servers.gateway import Gateway
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.tcp_proxy import tcp_proxy
from tests.servers.web import Site

pytestmark = pytest.mark.asyncio(loop_scope="package")

UNKNOWN: Final = "550e8400-e29b-41d4-a716-446655440000"


BEGIN = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
window.events = [];
window.begun = new Promise((resolve) => (window.has_begun = resolve));
const onWait = () => (window.waited = true);
window.over = (async () => {{
  for await (const event of new BatchClient().submitAndFollow({urls}, {{ onWait }})) {{
    window.events.push(event);
    if (event.type === "image_complete") window.has_begun();
  }}
}})();
await window.begun;
console.log(window.events.length);
"""


async def test_after_a_kill_each_image_ends_once(
    page: Page, gateway: Gateway, site: Site, may_go: asyncio.Event
) -> None:
    urls = json.dumps([site.url(f"/{name}.jpg") for name in "abc"])
    await page.run(BEGIN.format(base_url=gateway.base_url, urls=urls))
    await gateway.kill()
    may_go.set()
    await gateway.start()
    (events,) = await page.run("await window.over; console.log(window.events)")
    ends = [event["image"]["index"] for event in events if event["type"] == "image_complete"]
    assert sorted(ends) == [0, 1, 2]
    assert events[-1]["type"] == "job_complete"
    positions = [int(event["id"].split(":")[1]) for event in events]
    assert positions == sorted(set(positions))
    assert await page.run("console.log(window.waited)") == [True]


MANY: Final = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
const gateway = new BatchClient();
const submitted = [];
for (const urls of {batches}) submitted.push((await gateway.submit(urls)).job_id);
window.events = [];
const begun = new Set();
window.begun = new Promise((resolve) => (window.has_begun = () => begun.size === submitted.length && resolve()));
const after = Object.fromEntries(submitted.map((jobId) => [jobId, "0"]));
window.over = (async () => {{
  for await (const event of gateway.followMany(submitted, {{ after }})) {{
    window.events.push(event);
    if (event.type === "image_complete") begun.add(event.job_id);
    window.has_begun();
  }}
}})();
await window.begun;
console.log(submitted);
"""


async def test_after_a_kill_each_of_many_jobs_goes_on_at_its_own_place(
    page: Page, gateway: Gateway, site: Site, may_go: asyncio.Event
) -> None:
    batches = json.dumps([[site.url("/a.jpg"), site.url(f"/{late}.jpg")] for late in "bc"])
    (job_ids,) = await page.run(MANY.format(base_url=gateway.base_url, batches=batches))
    await gateway.kill()
    may_go.set()
    await gateway.start()
    (events,) = await page.run("await window.over; console.log(window.events)")
    for job_id in job_ids:
        told = [event for event in events if event["job_id"] == job_id]
        ends = [event["image"]["index"] for event in told if event["type"] == "image_complete"]
        assert sorted(ends) == [0, 1]
        assert told[-1]["type"] == "job_complete"
        positions = [int(event["id"].split(":")[1]) for event in told]
        assert positions == sorted(set(positions))


ALL: Final = """
const {{ BatchClient }} = await import("{base_url}/static/batch.js");
const gateway = new BatchClient();
const {{ job_id: jobId }} = await gateway.submit(["{url}"]);
window.news = [];
window.look = () => {{}};
window.lists = (count) => new Promise((resolve) => {{
  window.look = () => window.news.filter(({{ type }}) => type === "jobs").length === count && resolve();
  window.look();
}});
window.over = (async () => {{
  for await (const event of gateway.followAll()) {{
    window.news.push(event);
    window.look();
    if (event.job?.status === "completed") break;
  }}
}})();
await window.lists(1);
console.log(jobId);
"""


async def test_all_jobs_are_listed_anew_after_a_kill_and_their_changes_go_on(
    page: Page, gateway: Gateway, site: Site, may_go: asyncio.Event
) -> None:
    (job_id,) = await page.run(ALL.format(base_url=gateway.base_url, url=site.url("/b.jpg")))
    await gateway.kill()
    await gateway.start()
    await page.run("await window.lists(2)")
    may_go.set()
    (news,) = await page.run("await window.over; console.log(window.news)")
    lists = [event for event in news if event["type"] == "jobs"]
    assert [event["resumed"] for event in lists] == [False, False]
    assert [[job["job_id"] for job in event["jobs"]] for event in lists] == [[job_id], [job_id]]
    assert (news[-1]["type"], news[-1]["job"]["job_id"]) == ("job_changed", job_id)


async def test_files_are_sent_and_followed_to_the_end(page: Page, gateway: Gateway) -> None:
    (events,) = await page.run(f"""
        const {{ BatchClient }} = await import("{gateway.base_url}/static/batch.js");
        const events = [];
        const chosen = document.querySelector("input").files;
        for await (const event of new BatchClient().submitAndFollow(chosen)) events.push(event);
        console.log(events);
    """)
    ends = {
        event["image"]["original_filename"]: event["image"]["status"] for event in events if "image" in event
    }
    assert ends == {"a.jpg": "completed", "b.png": "completed"}
    assert events[-1]["outcome"] == "all_completed"


async def test_an_image_that_was_refused_at_once_ends_as_others_do(page: Page, quiet: QuietGateway) -> None:
    """Before there is anybody who follows."""
    (event,) = await page.run(f"""
        const {{ BatchClient }} = await import("http://127.0.0.1:{quiet.port}/static/batch.js");
        const notes = new File(["no image"], "notes.txt");
        for await (const event of new BatchClient().submitAndFollow([notes])) {{
          if (event.type === "image_complete") console.log(event);
        }}
    """)
    assert event["image"]["code"] == "not_an_image"


async def test_nothing_is_waited_for_where_there_is_no_such_job(page: Page, quiet: QuietGateway) -> None:
    told = await followed(page, f"http://127.0.0.1:{quiet.port}", UNKNOWN)
    assert told == {
        "events": [],
        "waits": [],
        "error": {"name": "Refused", "status": 404, "code": "job_not_found"},
    }


async def test_a_job_that_is_deleted_meanwhile_is_gone(page: Page, quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    following = asyncio.create_task(followed(page, f"http://127.0.0.1:{quiet.port}", job.job_id))
    await some_subscriber(quiet)
    await quiet.ledger.delete(job.job_id)
    assert (await following)["error"] == {"name": "Refused", "status": 404, "code": "job_not_found"}


class TestSilence:
    """A gateway with nothing to tell gives a sign of life every two seconds; five seconds without one are silence."""

    SETTINGS: Final = SubscriberSettings(heartbeat_s=2)
    FOLLOW: Final = """
    const {{ BatchClient }} = await import("{base_url}/static/batch.js");
    window.opened = window.heard = 0;
    window.WebSocket = class extends WebSocket {{
      constructor(url) {{
        super(url);
        this.addEventListener("message", () => window.heard++);
      }}
    }};
    const onOpen = () => window.opened++;
    window.over = (async () => {{
      const events = [];
      for await (const event of new BatchClient().follow("{job_id}", {{ onOpen }})) events.push(event.type);
      return events;
    }})();
    """

    HEAR: Final = "while (window.heard < 5) await new Promise((wake) => setTimeout(wake, 20));"
    """Four signs of life, over more than the time after which silence would be noticed."""

    OPEN: Final = "while (!window.opened) await new Promise((wake) => setTimeout(wake, 20));"

    async def test_is_none_while_signs_of_life_come(self, page: Page, tmp_path: Path) -> None:
        async with quiet_gateway(tmp_path, subscribers=self.SETTINGS) as gateway:
            job = await gateway.accept(images=1)
            base_url = f"http://127.0.0.1:{gateway.port}"
            await page.run(self.FOLLOW.format(base_url=base_url, job_id=job.job_id))
            await page.run(self.HEAR)
            await gateway.fail(job.job_id, 0)
            assert await page.run("console.log(await window.over, window.opened)") == [
                ["progress", "image_complete", "job_complete"],
                1,
            ]

    async def test_of_the_network_is_noticed(self, page: Page, tmp_path: Path) -> None:
        async with (
            quiet_gateway(tmp_path, subscribers=self.SETTINGS) as gateway,
            tcp_proxy(gateway.port) as proxy,
        ):
            job = await gateway.accept(images=1)
            base_url = f"http://127.0.0.1:{proxy.port}"
            await page.run(self.FOLLOW.format(base_url=base_url, job_id=job.job_id))
            await page.run(self.OPEN)
            proxy.freeze()
            await gateway.fail(job.job_id, 0)
            assert await page.run("console.log(await window.over, window.opened)") == [
                ["progress", "image_complete", "job_complete"],
                2,
            ]


async def some_subscriber(gateway: QuietGateway) -> None:
    await metric(gateway, "gateway_websocket_connections", at_least=1)


async def metric(gateway: QuietGateway, name: str, *, at_least: int) -> None:
    """Until it is as large as that."""
    registry = gateway.context.metrics.instruments.registry
    async with asyncio.timeout(PATIENCE_S):
        while (registry.get_sample_value(name) or 0) < at_least:
            await asyncio.sleep(0.02)
