"""Broker or object store away: from the start, or for long in the middle. What can be made durable is accepted, and the
rest is told when to come again; nothing spins; and when they are back, all goes on.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from attrs import define, evolve
from yarl import URL

from tests.busy_client import FAST, a_busy_system
from tests.following import follow
from tests.free_ports import free_port
from tests.photos import a_jpeg
from tests.servers.gateway import Gateway
from tests.servers.s3 import S3Server
from tests.servers.system import Place, Program, launched, worker
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy
from tests.servers.web import Site, image, web_server
from tests.submitting import job_of, readiness, submit_files, submit_json

PATIENCE_S = 60
OUTAGE_S = 10
JPEG = {"Content-Type": "image/jpeg"}

pytestmark = pytest.mark.timeout(360)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with web_server() as site:
        site.pages["/photo.jpg"] = image(a_jpeg())
        yield site


def a_gateway(place: Place, folder: Path, site: Site) -> Gateway:
    settings = {
        "fetch_allowed_networks": site.network,
        "fetch_allowed_ports": str(site.port),
        **{key: str(value) for key, value in FAST.items()},
    }
    return Gateway(folder / "data", free_port(), settings, environment=place.environment)


def by_proxy(place: Place, broker: TcpProxy) -> Place:
    return evolve(place, broker_url=str(URL(place.broker_url).with_port(broker.port)))


async def fails(http: aiohttp.ClientSession, gateway: Gateway, *checks: str) -> None:
    """Returns once it serves, and these alone are told as failing."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                status, report = await readiness(http, gateway.base_url)
            except aiohttp.ClientConnectionError:
                assert gateway.process.returncode is None, gateway.output()
            else:
                failing = {name for name, check in report["checks"].items() if check["status"] == "failing"}
                assert status == (503 if failing else 200)
                if failing == set(checks):
                    return
            await asyncio.sleep(0.05)


async def ends_well(http: aiohttp.ClientSession, gateway: Gateway, *job_ids: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        for job_id in job_ids:
            await follow(http, gateway.base_url, job_id)
            job = await job_of(http, gateway.base_url, job_id)
            assert (job["status"], job["failed"]) == ("completed", 0), job


async def is_stored(http: aiohttp.ClientSession, gateway: Gateway, job_id: str) -> None:
    """Its download is done."""
    async with asyncio.timeout(PATIENCE_S):
        while "sha256" not in (await job_of(http, gateway.base_url, job_id))["images"][0]:
            await asyncio.sleep(0.05)


async def test_a_gateway_that_starts_without_its_broker_takes_work_and_does_it_once_there_is_one(
    place: Place, rabbitmq, site: Site, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with tcp_proxy(rabbitmq.port) as proxy:
        await proxy.refuse()
        seen = by_proxy(place, proxy)
        gateway = a_gateway(seen, tmp_path, site)
        services = [worker(part, "ours", seen, tmp_path) for part in ("analyzer", "processor")]
        async with launched(gateway, *services):
            await fails(http, gateway, "broker")
            sent = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg()), ("b.jpg", a_jpeg())])
            linked = await submit_json(http, gateway.base_url, [{"url": site.url("/photo.jpg")}])
            await is_stored(http, gateway, linked)
            assert (await job_of(http, gateway.base_url, sent))["status"] == "pending"
            await proxy.listen()
            await ends_well(http, gateway, sent, linked)
            await fails(http, gateway)
            assert gateway.complaints() == []


async def test_a_gateway_that_starts_without_its_object_store_serves_what_it_knows_and_takes_urls(
    place: Place, own_store: S3Server, site: Site, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    gateway = a_gateway(place, tmp_path, site)
    services = [worker(part, "ours", place, tmp_path) for part in ("analyzer", "processor")]
    async with launched(gateway, *services):
        await fails(http, gateway)
        earlier = await submit_files(http, gateway.base_url, [("a.jpg", a_jpeg())])
        await ends_well(http, gateway, earlier)
        await gateway.stop()
        own_store.stop()
        await gateway.launch()
        await fails(http, gateway, "object_store")
        assert (await job_of(http, gateway.base_url, earlier))["completed"] == 1
        await is_told_when_to_come_again(http, gateway)
        linked = await submit_json(http, gateway.base_url, [{"url": site.url("/photo.jpg")}])
        own_store.start()
        await ends_well(http, gateway, linked)
        sent = await submit_files(http, gateway.base_url, [("b.jpg", a_jpeg())])
        await ends_well(http, gateway, sent)
        assert gateway.complaints() == []


async def is_told_when_to_come_again(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.post(gateway.url("/api/v1/batch"), data=a_jpeg(), headers=JPEG) as answer:
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0


# --- for long


@define(eq=False)
class Usage:
    """What processes have spent and said."""

    programs: Sequence[Gateway | Program]

    @property
    def processor_s(self) -> float:
        """Of their own; helper processes are at work on images."""
        return sum(_processor_s(program.process.pid) for program in self.programs)

    @property
    def lines(self) -> int:
        """Of their logs, beside those that answer our own probes."""
        said = "".join(program.output() for program in self.programs)
        return sum(
            '"not ready"' not in line and '"request refused"' not in line for line in said.splitlines()
        )


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@define(eq=False)
class Away:
    """A server behind a proxy, which can be away: connections are taken, and end at once."""

    proxy: TcpProxy
    usual_port: int

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.proxy.target_port = free_port()
        self.proxy.cut()
        yield
        self.proxy.target_port = self.usual_port


@pytest.mark.parametrize("what", ["broker", "object_store"])
async def test_an_outage_under_load_makes_nothing_spin_and_costs_nothing(
    what: str, place: Place, rabbitmq, own_store: S3Server, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        broker = Away(await stack.enter_async_context(tcp_proxy(rabbitmq.port)), rabbitmq.port)
        store = Away(await stack.enter_async_context(tcp_proxy(own_store.port)), own_store.port)
        seen = evolve(by_proxy(place, broker.proxy), store=evolve(own_store, port=store.proxy.port))
        client = await stack.enter_async_context(a_busy_system(tmp_path, seen, **FAST))
        system, struck = client.system, broker if what == "broker" else store
        usage = Usage([system.gateway, system.analyzer, system.processor])
        async with struck.away():
            await client.is_told(503, of=what)
            lines, processor_s, connections = usage.lines, usage.processor_s, struck.proxy.accepted
            await asyncio.sleep(OUTAGE_S)
            assert usage.lines - lines < 60
            assert usage.processor_s - processor_s < OUTAGE_S / 3
            assert struck.proxy.accepted - connections < 200
        await client.is_told(200, of=what)
        await client.sees_everything_end_well()
