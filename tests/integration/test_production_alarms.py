"""Alarms of the broker, for want of memory or disk, while batches are in every stage: all waits, and nothing is done
twice.
"""

import asyncio
from pathlib import Path

import pytest

from tests.busy_client import FAST, a_busy_system
from tests.exposition import metrics_of
from tests.servers.rabbitmq import RabbitMQ, running_rabbitmq
from tests.servers.s3 import S3Server
from tests.servers.system import Place

pytestmark = pytest.mark.timeout(360)


async def until_nothing_is_in_hand(node: RabbitMQ) -> None:
    while any(depth.ready or depth.unacked for depth in (await node.depths("/")).values()):
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("limit", "alarming", "usual"),
    [("set_vm_memory_high_watermark", "0", "0.4"), ("set_disk_free_limit", "9000GB", "50MB")],
    ids=["memory", "disk"],
)
async def test_an_alarm_of_the_broker_under_load_costs_nothing_and_makes_no_work_twice(
    limit: str, alarming: str, usual: str, own_store: S3Server, tmp_path: Path
) -> None:
    """It lasts longer than anybody waits for a confirm. What is accepted meanwhile waits."""
    deadline_s = 1
    async with (
        running_rabbitmq(tmp_path / "rabbitmq") as node,
        a_busy_system(
            tmp_path,
            Place(node.url, own_store),
            worker_variables={"GATEWAY_BROKER_PUBLISH_TIMEOUT_S": f"{deadline_s}s"},
            broker_publish_timeout_s=deadline_s,
            **FAST,
        ) as client,
    ):
        await node.ctl(limit, alarming)
        await client.submit()  # the broker tells nobody but those who publish
        await client.is_told(503, of="broker")
        await asyncio.sleep(4 * deadline_s)
        await node.ctl(limit, usual)
        await client.is_told(200, of="broker")
        await client.sees_everything_end_well()
        await until_nothing_is_in_hand(node)
        told = await metrics_of(client.http, client.system.gateway.base_url)
        assert told.value("gateway_attempts_sent_total", number="again") == 0
        results = {kind: told.value("gateway_results_total", kind=kind) for kind in ("repeated", "late")}
        assert results == {"repeated": 0, "late": 0}
