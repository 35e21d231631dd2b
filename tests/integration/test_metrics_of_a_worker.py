"""What a worker, in a process of its own, tells at its door."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.exposition import Exposition, metrics_of
from tests.free_ports import free_port
from tests.golden import golden
from tests.patience import PATIENCE_S
from tests.servers.s3 import S3Server
from tests.servers.system import Place, Program, launched, worker
from tests.servers.tcp_proxy import HOST, TcpProxy, tcp_proxy
from tests.servers.wire import wire


@pytest.fixture
async def proxy(rabbitmq_url: str) -> AsyncIterator[TcpProxy]:
    port = URL(rabbitmq_url).port
    assert port is not None
    async with tcp_proxy(port) as proxy:
        yield proxy


@pytest.fixture
async def analyzer(rabbitmq_url: str, proxy: TcpProxy, tmp_path: Path) -> AsyncIterator[Program]:
    """Its broker is behind the proxy, its object store is away."""
    url = str(URL(rabbitmq_url).with_host(HOST).with_port(proxy.port))
    place = Place(url, S3Server(tmp_path, free_port(), ()))
    program = worker("analyzer", "ours", place, tmp_path)
    async with wire(rabbitmq_url) as line:
        await line.declare_as_the_services_do()
        await line.publish("image_upload", golden("image_upload.accepted")[0]["body"].encode())
    async with launched(program):
        yield program


async def shown(program: Program, name: str, **labels: str) -> Exposition:
    """Once that is counted."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        while True:
            try:
                found = await metrics_of(http, program.url(""))
            except aiohttp.ClientConnectionError:
                assert program.process.returncode is None, program.output()
            else:
                if found.value(name, **labels):
                    return found
            await asyncio.sleep(0.05)


async def test_a_worker_shows_what_it_does_and_nothing_of_jobs(analyzer: Program) -> None:
    given_back = {"worker": "analyzer", "outcome": "given_back"}
    found = await shown(analyzer, "gateway_worker_messages_total", **given_back)
    assert found.value("gateway_object_store_failures_total", operation="get") >= 1
    assert found.value("gateway_ready") == 0
    assert "gateway_build_info" in found.names
    assert not {
        name for name in found.names if name.startswith(("gateway_job", "gateway_image", "gateway_web"))
    }


async def test_connections_to_the_broker_that_are_made_anew_are_counted(
    analyzer: Program, proxy: TcpProxy
) -> None:
    given_back = {"worker": "analyzer", "outcome": "given_back"}
    before = await shown(analyzer, "gateway_worker_messages_total", **given_back)
    assert before.value("gateway_broker_reconnects_total") == 0
    proxy.cut()
    await shown(analyzer, "gateway_broker_reconnects_total")
