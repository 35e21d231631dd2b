"""What a whole gateway, in a process of its own, tells at both doors of the work that it did."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from attrs import frozen

from tests.every_metric import every_metric
from tests.exposition import Exposition, metrics_of
from tests.following import follow
from tests.free_ports import free_port
from tests.patience import PATIENCE_S
from tests.photos import a_jpeg, a_png
from tests.servers.datadog_agent import HOST, DatadogAgent, running_agent
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.web import answer, image, web_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENT = [a_jpeg(), a_png(), b"no image at all"]
FOLLOW = "/api/v1/batch/{job_id}/ws"


@frozen
class Work:
    """What was done: a batch of three images, one of them bad, and a batch of two URLs, one of them; both followed."""

    gateway: Gateway
    agent: DatadogAgent
    job_id: str
    frames: int
    shown: Exposition


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def work(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Work]:
    pages = {"/good.jpg": image(a_jpeg(80, 60)), "/gone.jpg": answer(404)}
    folder = tmp_path_factory.mktemp("metrics")
    async with (
        running_agent() as agent,
        web_server(pages) as site,
        running_gateway(
            folder / "data",
            environment={"DD_AGENT_HOST": HOST, "DD_ENV": "test"},
            metrics_datadog_port=agent.port,
            fetch_allowed_networks=site.network,
            fetch_allowed_ports=site.port,
            fetch_tries=1,
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        sent = await submit(http, gateway, SENT)
        linked = await submit_links(
            http, gateway, [{"url": site.url("/good.jpg")}, {"url": site.url("/gone.jpg")}]
        )
        followed = [await follow(http, gateway.base_url, job_id) for job_id in (sent, linked)]
        frames = sum(len(each.frames) for each in followed)
        yield Work(gateway, agent, sent, frames, await shown_when_done(http, gateway))


async def submit(http: aiohttp.ClientSession, gateway: Gateway, photos: list[bytes]) -> str:
    form = aiohttp.FormData()
    for index, photo in enumerate(photos):
        form.add_field("images", photo, filename=f"{index}.jpg")
    return await job_id_of(http.post(gateway.url("/api/v1/batch"), data=form))


async def submit_links(http: aiohttp.ClientSession, gateway: Gateway, links: list[dict[str, str]]) -> str:
    return await job_id_of(http.post(gateway.url("/api/v1/batch"), json={"images": links}))


async def job_id_of(posting: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> str:
    async with posting as answer:
        answer.raise_for_status()
        return str((await answer.json())["job_id"])


async def shown_when_done(http: aiohttp.ClientSession, gateway: Gateway) -> Exposition:
    """Once both subscribers are gone, and the queues and the open images were looked at again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            shown = await metrics_of(http, gateway.base_url)
            closed = shown.value("gateway_websocket_closed_total", code="1000")
            has_looked = shown.value("gateway_window_images_max") > 0
            if closed == 2 and has_looked and "gateway_images_open" in shown.families:
                return shown
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("gateway_jobs_accepted_total", {}, 2),
        ("gateway_jobs_ended_total", {"status": "completed"}, 2),
        ("gateway_images_accepted_total", {"source": "sent"}, 3),
        ("gateway_images_accepted_total", {"source": "url"}, 2),
        ("gateway_images_ended_total", {"status": "completed"}, 3),
        ("gateway_images_ended_total", {"status": "failed"}, 2),
        ("gateway_image_failures_total", {"code": "not_an_image"}, 1),
        ("gateway_image_failures_total", {"code": "not_found"}, 1),
        ("gateway_received_bytes_total", {"source": "sent"}, len(SENT[0]) + len(SENT[1])),
        ("gateway_received_bytes_total", {"source": "url"}, len(a_jpeg(80, 60))),
        ("gateway_download_errors_total", {"code": "not_found"}, 1),
        ("gateway_image_stage_seconds_count", {"stage": "download"}, 1),
        ("gateway_image_stage_seconds_count", {"stage": "waiting"}, 2),
        ("gateway_image_stage_seconds_count", {"stage": "pipeline"}, 3),
        ("gateway_image_stage_seconds_count", {"stage": "all"}, 4),
        ("gateway_attempts_sent_total", {"number": "first"}, 3),
        ("gateway_attempts_sent_total", {"number": "again"}, 0),
        ("gateway_publish_seconds_count", {}, 3),
        ("gateway_results_total", {"kind": "counted"}, 3),
        ("gateway_worker_messages_total", {"worker": "analyzer", "outcome": "done"}, 3),
        ("gateway_worker_messages_total", {"worker": "processor", "outcome": "done"}, 3),
        ("gateway_websocket_opened_total", {}, 2),
        ("gateway_websocket_connections", {}, 0),
        ("gateway_http_connections_refused_total", {}, 0),
        ("gateway_intake_requests", {}, 0),
        ("gateway_intake_held_bytes", {}, 0),
        ("gateway_http_requests_total", {"method": "POST", "route": "/api/v1/batch", "status": "2xx"}, 2),
        ("gateway_http_requests_total", {"method": "GET", "route": FOLLOW, "status": "1xx"}, 2),
        ("gateway_queue_consumers", {"queue": "image_processed"}, 1),
        ("gateway_ready", {}, 1),
    ],
)
async def test_what_was_done_adds_up(work: Work, name: str, labels: dict[str, str], value: float) -> None:
    assert work.shown.value(name, **labels) == value


async def test_frames_that_were_received_were_counted_as_sent(work: Work) -> None:
    assert work.shown.value("gateway_websocket_messages_sent_total") == work.frames


async def test_every_metric_of_the_reference_is_shown_with_its_labels(work: Work) -> None:
    """But for those of a model, which is not asked here."""
    known = {
        name: metric for name, metric in every_metric().items() if not name.startswith("gateway_vision_")
    }
    assert {name for name in work.shown.names if name.startswith("gateway_")} == known.keys()
    for name, metric in known.items():
        bounds = {"le"} if metric.kind == "histogram" else set()
        assert work.shown.labels_of(name) in ({*metric.labels, *bounds}, set())


async def test_no_id_and_no_address_is_shown(work: Work) -> None:
    async with aiohttp.ClientSession() as http, http.get(work.gateway.url("/metrics")) as answer:
        text = await answer.text()
    assert work.job_id not in text
    assert "good.jpg" not in text


async def test_each_new_job_is_an_event_for_datadog(work: Work) -> None:
    event = await work.agent.wait_for(lambda line: line.kind == "e" and work.job_id in line.value)
    assert event.name == "Batch job created"
    assert event.value == f"Batch job {work.job_id} created with 3 images"


async def test_all_that_datadog_is_told_has_the_namespace_and_the_environment(work: Work) -> None:
    await work.agent.wait_for(lambda line: line.name == "photo_tags.jobs_ended_total")
    assert {line.name.partition(".")[0] for line in work.agent.lines if line.kind != "e"} == {"photo_tags"}
    assert all("env:test" in line.tags for line in work.agent.lines)


async def test_datadog_is_told_the_same_numbers(work: Work) -> None:
    ended = ("photo_tags.images_ended_total", "status:completed")
    async with asyncio.timeout(PATIENCE_S):
        while work.agent.total(*ended) < 3:
            await asyncio.sleep(0.1)
    assert work.agent.total(*ended) == 3
    assert work.agent.total("photo_tags.images_accepted_total", "source:url") == 2


async def test_an_agent_that_is_away_is_no_trouble(tmp_path: Path) -> None:
    """No line that the fixture would call an error, and none of Datadog's own."""
    async with (
        running_gateway(
            tmp_path / "data", metrics_datadog_host=HOST, metrics_datadog_port=free_port()
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        job_id = await submit(http, gateway, [a_jpeg()])
        assert (await follow(http, gateway.base_url, job_id)).close_code == 1000
        assert (await gateway.stop()).code == 0
    assert "datadog" not in gateway.output().lower()


async def test_the_door_of_prometheus_can_be_closed(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path / "data", metrics_prometheus=False) as gateway,
        aiohttp.ClientSession() as http,
        http.get(gateway.url("/metrics")) as answer,
    ):
        assert answer.status == 404
