"""A gateway in production starts before the parts that it needs, stops in good order under load, and cleans up what
its jobs have stored.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from tests.busy_client import FAST, a_busy_system
from tests.following import follow
from tests.free_ports import free_port
from tests.photos import a_jpeg, padded
from tests.servers.gateway import START_S, Gateway
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import keys_in, running_rclone
from tests.servers.system import Place, launched, running_system, worker
from tests.submitting import job_of, processed_of, readiness, submit_files

OVERALL_S = 200


async def failing_checks(http: aiohttp.ClientSession, base_url: str) -> set[str] | None:
    """Those that readyz tells; None while nothing listens."""
    try:
        _, body = await readiness(http, base_url)
    except aiohttp.ClientConnectionError:
        return None
    return {name for name, check in body["checks"].items() if check["status"] == "failing"}


async def told_as_failing(http: aiohttp.ClientSession, base_url: str, *checks: str) -> None:
    async with asyncio.timeout(START_S):
        while await failing_checks(http, base_url) != set(checks):
            await asyncio.sleep(0.05)


async def test_all_parts_may_start_before_broker_and_store_in_any_order(tmp_path: Path) -> None:
    async with asyncio.timeout(OVERALL_S), AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        node = RabbitMQ(tmp_path / "rabbitmq")
        stack.enter_context(node.name_service())
        stack.push_async_callback(node.kill)
        store = stack.enter_context(running_rclone(tmp_path / "s3", is_started=False))
        place = Place(node.url, store)
        gateway = Gateway(tmp_path / "data", free_port(), {}, environment=place.environment)
        services = [worker(part, "ours", place, tmp_path) for part in ("analyzer", "processor")]
        await stack.enter_async_context(launched(*services, gateway))
        await told_as_failing(http, gateway.base_url, "broker", "object_store")
        store.start()
        await told_as_failing(http, gateway.base_url, "broker")
        await node.start()
        await told_as_failing(http, gateway.base_url)
        job_id = await submit_files(http, gateway.base_url, [("photo.jpg", a_jpeg())])
        await follow(http, gateway.base_url, job_id)
        assert (await job_of(http, gateway.base_url, job_id))["completed"] == 1
        assert gateway.complaints() == []


async def test_a_gateway_that_is_stopped_under_load_goes_on_where_it_was(
    place: Place, tmp_path: Path
) -> None:
    async with a_busy_system(tmp_path, place, within_s=OVERALL_S, **FAST) as client:
        ended = await client.system.gateway.stop()
        assert ended.code == 0
        assert ended.seconds < 20  # a stop may take ten, where nobody holds up this machine
        await client.system.gateway.start()
        await client.sees_everything_end_well()


async def test_an_image_of_several_parts_goes_through_and_everything_is_removed_with_its_job(
    place: Place, tmp_path: Path
) -> None:
    photo = padded(a_jpeg(), 9_000_000)
    async with (
        asyncio.timeout(OVERALL_S),
        aiohttp.ClientSession() as http,
        running_system(
            tmp_path, place, processor="existing", jobs_keep_s=6, jobs_clean_every_s=0.2, **FAST
        ) as system,
    ):
        base_url = system.gateway.base_url
        job_id = await submit_files(http, base_url, [("large.jpg", photo)])
        await follow(http, base_url, job_id)
        assert len(await processed_of(http, base_url, job_id, 0)) > len(photo) * 0.99
        while [*await keys_in(place.store, "original"), *await keys_in(place.store, "processed")]:
            await asyncio.sleep(0.05)
        async with http.get(f"{base_url}/api/v1/batch/{job_id}") as answer:
            assert answer.status == 404
