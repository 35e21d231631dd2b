"""Broker, object store or gateway killed and started again while batches are in every stage: nothing is lost, nothing
hangs, and readyz tells the truth meanwhile.
"""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.busy_client import FAST, a_busy_system, deadline_beside
from tests.pictures import china
from tests.servers.rabbitmq import running_rabbitmq
from tests.servers.s3 import S3Server
from tests.servers.system import Make, Place

pytestmark = pytest.mark.timeout(360)


@pytest.mark.parametrize("make", ["ours", "existing"])
async def test_a_broker_that_is_killed_under_load_costs_nothing(
    make: Make, own_store: S3Server, tmp_path: Path
) -> None:
    """Of the existing services it loses what lay there, and they end with it: those images are sent again."""
    made: dict[str, Any] = {
        "analyzer": make,
        "processor": make,
        "is_kept_alive": make == "existing",
        **deadline_beside(make),
    }
    async with (
        running_rabbitmq(tmp_path / "rabbitmq") as node,
        a_busy_system(tmp_path, Place(node.url, own_store), **made, **FAST) as client,
    ):
        await node.kill()
        await client.is_told(503, of="broker")
        await client.submit()
        await node.start()
        await client.is_told(200, of="broker")
        await client.sees_everything_end_well()


async def test_an_object_store_that_is_killed_under_load_costs_nothing(place: Place, tmp_path: Path) -> None:
    async with a_busy_system(tmp_path, place, **FAST) as client:
        place.store.kill()
        await client.is_told(503, of="object_store")
        async with client.http.post(
            client.system.gateway.url("/api/v1/batch?name=a.jpg"),
            data=china(),
            headers={"Content-Type": "image/jpeg"},
        ) as answer:
            assert answer.status == 503
            assert "Retry-After" in answer.headers
        place.store.start()
        await client.is_told(200, of="object_store")
        await client.submit()
        await client.sees_everything_end_well()


@pytest.mark.parametrize("make", ["ours", "existing"])
async def test_a_gateway_that_is_killed_under_load_goes_on_where_it_was(
    make: Make, place: Place, tmp_path: Path
) -> None:
    """The services work on meanwhile: what they did lies in the result queue."""
    made: dict[str, Any] = {"analyzer": make, "processor": make, **deadline_beside(make)}
    async with a_busy_system(tmp_path, place, **made, **FAST) as client:
        await client.system.gateway.kill()
        await client.system.gateway.start()
        await client.sees_everything_end_well()


async def test_an_object_store_that_hangs_under_load_costs_nothing(place: Place, tmp_path: Path) -> None:
    async with a_busy_system(tmp_path, place, **FAST) as client:
        os.kill(place.store.pid, signal.SIGSTOP)
        await client.is_told(503, of="object_store")
        os.kill(place.store.pid, signal.SIGCONT)
        await client.is_told(200, of="object_store")
        await client.sees_everything_end_well()
