"""Broker, object store or gateway killed and started again while batches are in every stage: nothing is lost, nothing
hangs, and readyz tells the truth meanwhile.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.busy_client import a_busy_client
from tests.pictures import china
from tests.servers.rabbitmq import running_rabbitmq
from tests.servers.s3 import running_rclone
from tests.servers.system import Make, Place, running_system

OVERALL_S = 90
FAST: dict[str, Any] = {
    "jobs_poll_s": 0.2,
    "jobs_watch_every_s": 0.2,
    "jobs_attempt_pause_s": 0.1,
    "jobs_result_timeout_s": 4,
}


@pytest.mark.parametrize("make", ["ours", "existing"])
async def test_a_broker_that_is_killed_under_load_costs_nothing(make: Make, tmp_path: Path) -> None:
    """Of the existing services it loses what lay there, and they end with it: those images are sent again."""
    async with asyncio.timeout(OVERALL_S), running_rabbitmq(tmp_path / "rabbitmq") as node:
        with running_rclone(tmp_path / "s3") as store:
            async with (
                running_system(
                    tmp_path,
                    Place(node.url, store),
                    analyzer=make,
                    processor=make,
                    is_kept_alive=make == "existing",
                    **FAST,
                ) as system,
                a_busy_client(system) as client,
            ):
                await node.kill()
                await client.is_told(503, of="broker")
                await client.submit()
                await node.start()
                await client.is_told(200, of="broker")
                await client.sees_everything_end_well()


async def test_an_object_store_that_is_killed_under_load_costs_nothing(
    rabbitmq_url: str, tmp_path: Path
) -> None:
    async with asyncio.timeout(OVERALL_S):
        with running_rclone(tmp_path / "s3") as store:
            async with (
                running_system(tmp_path, Place(rabbitmq_url, store), **FAST) as system,
                a_busy_client(system) as client,
            ):
                store.kill()
                await client.is_told(503, of="object_store")
                async with client.http.post(
                    system.gateway.url("/api/v1/batch?name=a.jpg"),
                    data=china(),
                    headers={"Content-Type": "image/jpeg"},
                ) as answer:
                    assert answer.status == 503
                    assert "Retry-After" in answer.headers
                store.start()
                await client.is_told(200, of="object_store")
                await client.submit()
                await client.sees_everything_end_well()


@pytest.mark.parametrize("make", ["ours", "existing"])
async def test_a_gateway_that_is_killed_under_load_goes_on_where_it_was(
    make: Make, rabbitmq_url: str, tmp_path: Path
) -> None:
    """The services work on meanwhile: what they did lies in the result queue."""
    async with asyncio.timeout(OVERALL_S):
        with running_rclone(tmp_path / "s3") as store:
            async with (
                running_system(
                    tmp_path, Place(rabbitmq_url, store), analyzer=make, processor=make, **FAST
                ) as system,
                a_busy_client(system) as client,
            ):
                await system.gateway.kill()
                await system.gateway.start()
                await client.sees_everything_end_well()


async def test_a_broker_that_blocks_publishers_under_load_costs_nothing(tmp_path: Path) -> None:
    """Its memory alarm. What is accepted meanwhile waits."""
    async with asyncio.timeout(OVERALL_S), running_rabbitmq(tmp_path / "rabbitmq") as node:
        with running_rclone(tmp_path / "s3") as store:
            async with (
                running_system(tmp_path, Place(node.url, store), **FAST) as system,
                a_busy_client(system) as client,
            ):
                await node.ctl("set_vm_memory_high_watermark", "0")
                await client.submit()  # the broker tells nobody but those who publish
                await client.is_told(503, of="broker")
                await node.ctl("set_vm_memory_high_watermark", "0.4")
                await client.is_told(200, of="broker")
                await client.sees_everything_end_well()


async def test_an_object_store_that_hangs_under_load_costs_nothing(rabbitmq_url: str, tmp_path: Path) -> None:
    async with asyncio.timeout(OVERALL_S):
        with running_rclone(tmp_path / "s3") as store:
            async with (
                running_system(tmp_path, Place(rabbitmq_url, store), **FAST) as system,
                a_busy_client(system) as client,
            ):
                os.kill(store.pid, signal.SIGSTOP)
                await client.is_told(503, of="object_store")
                os.kill(store.pid, signal.SIGCONT)
                await client.is_told(200, of="object_store")
                await client.sees_everything_end_well()
