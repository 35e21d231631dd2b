"""A gateway beside a system that exists: in the place of its old gateway, or side by side with it, by the settings
files for each; and what becomes of images when somebody else takes their results.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from attrs import evolve, frozen

from tests.busy_client import QUICK
from tests.following import follow
from tests.golden import golden
from tests.photos import a_jpeg
from tests.servers.gateway import Gateway
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import S3Server, plain_client
from tests.servers.system import Names, Part, Place, gateway_at, running, running_system, worker
from tests.servers.wire import Wire, consumer, wire
from tests.submitting import job_of, readiness, submit_files

OVERALL_S = 200
IMAGES = 6
CONFIG = Path(__file__).parents[2] / "config"
PARTS: tuple[Part, Part] = ("analyzer", "processor")
OWN_NAMES = Names("batch.image_upload", "batch.metadata_generated", "batch.image_processed")
FAST: dict[str, Any] = {"jobs_poll_s": 0.1, "jobs_watch_every_s": 0.2, "jobs_attempt_pause_s": 0.1}


@frozen
class Others:
    """Messages of somebody else on the same queues: the folder watcher of an old gateway, with telegram_id 0 too."""

    line: Wire
    store: S3Server

    async def send(self, number: int, content: bytes = b"") -> Sequence[str]:
        """So many uploads: their trace_ids."""
        trace_ids = [str(uuid4()) for _ in range(number)]
        async with plain_client(self.store) as storage:
            for trace_id in trace_ids:
                fields = json.loads(golden("image_upload.accepted")[0]["body"])
                fields |= {"trace_id": trace_id, "original_path": f"{trace_id}/watched.jpg"}
                fields |= {"telegram_username": "folder_watch", "original_filename": "watched.jpg"}
                await storage.put_object(
                    Bucket="original", Key=fields["original_path"], Body=content or a_jpeg()
                )
                await self.line.publish("image_upload", json.dumps(fields).encode(), delivery_mode=2)
        return trace_ids


@asynccontextmanager
async def existing_services(place: Place, folder: Path) -> AsyncIterator[None]:
    """An analyzer and a processor that run already."""
    folder.mkdir()
    async with AsyncExitStack() as stack:
        for part in PARTS:
            await stack.enter_async_context(running(worker(part, "existing", place, folder)))
        yield


async def completed_job(
    http: aiohttp.ClientSession, gateway: Gateway, images: int = IMAGES
) -> dict[str, Any]:
    """A batch that went through."""
    photos = [(f"photo{number}.jpg", a_jpeg()) for number in range(images)]
    job_id = await submit_files(http, gateway.base_url, photos)
    followed = await follow(http, gateway.base_url, job_id)
    assert followed.types[-1] == "job_complete"
    job = await job_of(http, gateway.base_url, job_id)
    assert [image["status"] for image in job["images"]] == ["completed"] * images, job
    return job


async def metric(http: aiohttp.ClientSession, gateway: Gateway, name: str) -> float:
    """The value of one line of /metrics, labels included; 0 when it is not there."""
    async with http.get(gateway.url("/metrics")) as answer:
        found = re.search(rf"^{re.escape(name)} (\S+)$", await answer.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_in_the_place_of_the_old_gateway_results_of_others_are_parked_and_counted(
    place: Place, tmp_path: Path
) -> None:
    config = str(CONFIG / "replace.toml")
    async with asyncio.timeout(OVERALL_S), AsyncExitStack() as stack:
        line = await stack.enter_async_context(wire(place.broker_url))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await stack.enter_async_context(existing_services(place, tmp_path / "existing"))
        before = await Others(line, place.store).send(3)
        await line.holds("image_processed", 3)  # the old gateway is off, and nobody takes them
        gateway = await stack.enter_async_context(gateway_at(place, tmp_path, "--config", config, **FAST))
        between = await Others(line, place.store).send(3)
        await completed_job(http, gateway)
        await line.holds("image_processed.foreign", 6)
        parked = [(await line.take("image_processed.foreign")).json for _ in range(6)]
        assert {result["trace_id"] for result in parked} == {*before, *between}
        assert {result["status"] for result in parked} == {"completed"}
        assert await metric(http, gateway, 'gateway_results_total{kind="foreign"}') == 6
        assert (await readiness(http, gateway.base_url))[1]["warnings"] == []
        assert gateway.complaints() == []


async def test_side_by_side_with_the_old_gateway_nobody_takes_the_others_messages(
    place: Place, tmp_path: Path
) -> None:
    config = str(CONFIG / "side-by-side.toml")
    own_place = Place(place.broker_url, place.store, OWN_NAMES)
    async with asyncio.timeout(OVERALL_S), AsyncExitStack() as stack:
        line = await stack.enter_async_context(wire(place.broker_url))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await stack.enter_async_context(existing_services(place, tmp_path / "existing"))
        old_gateway = await stack.enter_async_context(consumer(place.broker_url, "image_processed"))
        gateway = await stack.enter_async_context(gateway_at(place, tmp_path, "--config", config, **FAST))
        await stack.enter_async_context(existing_services(own_place, tmp_path / "second"))
        others = Others(line, place.store)
        theirs = [*await others.send(3), *await others.send(1, b"no image")]
        await completed_job(http, gateway)
        while len(old_gateway) < 3:
            await asyncio.sleep(0.02)
        assert {json.loads(result)["trace_id"] for result in old_gateway} == set(theirs[:3])
        assert (await line.take("dead_letter_queue")).json["trace_id"] == theirs[3]
        assert await line.depth("batch.image_processed.foreign") == (0, 0)
        consumers = [(await line.depth(queue))[1] for queue in ("image_processed", "batch.image_processed")]
        assert consumers == [1, 1]
        assert (await readiness(http, gateway.base_url))[1]["warnings"] == []
        assert gateway.complaints() == []


async def test_side_by_side_in_a_virtual_host_of_its_own_nothing_of_the_other_system_is_seen(
    rabbitmq: RabbitMQ, place: Place, tmp_path: Path
) -> None:
    """As the settings file says: without the names of queues, and with `vhost` instead."""
    vhost = rabbitmq.add_vhost()
    config = tmp_path / "by-vhost.toml"
    kept = (
        line for line in (CONFIG / "side-by-side.toml").read_text().splitlines() if "_queue = " not in line
    )
    config.write_text("\n".join(kept).replace('#vhost = "batch"', f'vhost = "{vhost}"'))
    own_place = evolve(place, broker_url=rabbitmq.url_for(vhost))
    async with asyncio.timeout(OVERALL_S), AsyncExitStack() as stack:
        stack.callback(rabbitmq.remove_vhost, vhost)
        line = await stack.enter_async_context(wire(place.broker_url))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await stack.enter_async_context(existing_services(place, tmp_path / "existing"))
        old_gateway = await stack.enter_async_context(consumer(place.broker_url, "image_processed"))
        gateway = await stack.enter_async_context(
            gateway_at(place, tmp_path, "--config", str(config), **FAST)
        )
        await stack.enter_async_context(existing_services(own_place, tmp_path / "second"))
        theirs = await Others(line, place.store).send(3)
        await completed_job(http, gateway)
        while len(old_gateway) < 3:
            await asyncio.sleep(0.02)
        assert {json.loads(result)["trace_id"] for result in old_gateway} == set(theirs)
        assert (await line.depth("image_processed"))[1] == 1
        assert (await readiness(http, gateway.base_url))[1]["warnings"] == []
        assert gateway.complaints() == []


async def test_a_second_consumer_of_our_results_is_a_warning_and_costs_no_image(
    place: Place, tmp_path: Path
) -> None:
    """It acks what it takes: those images are found in the store, at their deadline.

    On a slow machine that comes before the result does, and a later attempt may bring the image.
    """
    async with asyncio.timeout(OVERALL_S), AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        system = await stack.enter_async_context(
            running_system(
                tmp_path,
                place,
                analyzer_variables=QUICK,
                jobs_result_timeout_s=1,
                jobs_max_attempts=20,
                **FAST,
            )
        )
        taken = await stack.enter_async_context(consumer(place.broker_url, "image_processed"))
        job = await completed_job(http, system.gateway)
        assert {image["processed_path"] for image in job["images"]} & {
            json.loads(result)["processed_path"] for result in taken
        }
        while not (warnings := (await readiness(http, system.gateway.base_url))[1]["warnings"]):
            await asyncio.sleep(0.05)
        assert any("image_processed has 2 consumers, and one is ours" in warning for warning in warnings)
