"""The system under test: one embedded gateway, or a whole production system of private servers.

    async with production_world(folder, before_gateway=behind_a_proxy) as world:
        await world.gateway.kill()
        await world.node.restart()

What stands between a part and the servers is the caller's: a `Between` takes the place where the servers are, and
gives the one that the part is told of. The world itself looks at the servers directly.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, evolve, field, frozen

from tests.servers.gateway import Gateway, complaints_in, running_gateway
from tests.servers.rabbitmq import Depth, RabbitMQ, running_rabbitmq
from tests.servers.s3 import S3Server, plain_client, running_rclone
from tests.servers.system import Make, Place, Program, gateway_at, running, worker
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.web import Site, web_server
from tests.submitting import readiness

READY_S = 60
PAGE = 100
STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
DEADLINE_BESIDE_EXISTING_S = 15
"""Existing services may lose messages, and what is lost is missed at its deadline alone: so that comes soon. But they
do two images a second at best, and what fills the window must be done by then on a busy machine too: else all of it is
sent again before its turn comes, and again, which is a storm that grows.
"""
LATE_S = 120
"""Four times what S3 is given for one step."""
MANY_TRIES = 50
"""Of downloads, trips, messages and interruptions: each fault may cost one, and that is no failure of the gateway's."""
WORKERS = {
    "GATEWAY_LOCAL_SEE": "false",  # what is in the photos would take the machine's cores
    "GATEWAY_ANALYZER_MAX_TRIES": str(MANY_TRIES),
    "GATEWAY_PROCESSOR_MAX_TRIES": str(MANY_TRIES),
}

Between = Callable[[Place], AbstractAsyncContextManager[Place]]
Job = Mapping[str, Any]


@define(eq=False)
class World(ABC):
    """What every world has; each says for itself what lies in its store and its queues."""

    gateway: Gateway
    site: Site
    http: aiohttp.ClientSession

    @property
    def takes_pngs(self) -> bool:
        return True

    @property
    def loses_results(self) -> bool:
        """Whether a result may be lost on its way: of that attempt's object nobody hears before its job goes."""
        return False

    @property
    def late_s(self) -> float:
        """So long after a request what was sent to the store may arrive there: the gateway looks again."""
        return 0

    @abstractmethod
    async def objects(self) -> dict[str, set[str]]:
        """The keys in each bucket."""

    async def depths(self) -> Mapping[str, Depth]:
        """Of the queues, by name; empty where there are none."""
        return {}

    async def on_their_way(self) -> int:
        """Messages of the pipeline that somebody is not done with yet. Attempts of an image that has ended go on, and
        put objects that are gone with their results.
        """
        return 0

    def complaints(self) -> list[str]:
        """Errors and tracebacks of the gateway, and of workers that are ours."""
        return self.gateway.complaints()

    async def is_ready(self) -> None:
        """Returns once readyz says that all parts are up."""
        async with asyncio.timeout(READY_S):
            while (await readiness(self.http, self.gateway.base_url))[0] != 200:
                await asyncio.sleep(0.02)

    async def jobs(self, **query: str) -> dict[str, Job]:
        """All that the gateway lists, with their images, by job_id."""
        jobs: dict[str, Job] = {}
        asked = {"images": "true", "limit": str(PAGE)} | query
        while True:
            async with self.http.get(self.gateway.url("/api/v1/batch"), params=asked) as answer:
                page = await answer.json()
            jobs |= {job["job_id"]: job for job in page["jobs"]}
            if "next_cursor" not in page:
                return jobs
            asked["cursor"] = page["next_cursor"]

    async def counts(self) -> dict[str, int]:
        """How many jobs of each status the lists say that there are."""
        counts = {}
        for status in STATUSES:
            query = {"status": status, "limit": "1"}
            async with self.http.get(self.gateway.url("/api/v1/batch"), params=query) as answer:
                counts[status] = int((await answer.json())["total"])
        return counts

    async def open_jobs(self) -> dict[str, Job]:
        """Those that have not ended."""
        return await self.jobs(status="pending") | await self.jobs(status="processing")

    async def content(self, job_id: str, index: int, which: str) -> bytes | None:
        """The bytes of the original or the processed image; None when the gateway has none to give."""
        url = self.gateway.url(f"/api/v1/batch/{job_id}/images/{index}/{which}")
        async with self.http.get(url) as answer:
            return await answer.read() if answer.status == 200 else None


@define(eq=False)
class EmbeddedWorld(World):
    async def objects(self) -> dict[str, set[str]]:
        return self.gateway.objects


@define(eq=False)
class ProductionWorld(World):
    node: RabbitMQ
    store: S3Server
    analyzer: Program
    processor: Program
    place: Place
    """Where the servers are."""
    storage: Any
    """A client of the store."""
    is_existing: bool
    """Whether a stand-in for an existing service is among its parts."""

    @property
    def takes_pngs(self) -> bool:
        """The existing processor fails on each."""
        return not self.is_existing

    @property
    def loses_results(self) -> bool:
        """The existing services publish transient messages, unconfirmed."""
        return self.is_existing

    @property
    def late_s(self) -> float:
        return LATE_S

    async def is_ready(self) -> None:
        """And analyzer and processor take messages again."""
        await super().is_ready()
        async with asyncio.timeout(READY_S):
            while not await self._have_consumers(self._taken):
                await asyncio.sleep(0.02)

    async def objects(self) -> dict[str, set[str]]:
        names = self.place.names
        return {"original": await self._keys(names.original), "processed": await self._keys(names.processed)}

    async def depths(self) -> Mapping[str, Depth]:
        return await self.node.depths("/")

    async def on_their_way(self) -> int:
        depths = await self.depths()
        return sum(depths[queue].ready + depths[queue].unacked for queue in self._taken if queue in depths)

    def complaints(self) -> list[str]:
        ours = [program for program in (self.analyzer, self.processor) if "gateway" in program.command]
        return super().complaints() + [text for each in ours for text in complaints_in(each.output())]

    @property
    def _taken(self) -> Sequence[str]:
        """The queues that an image passes."""
        names = self.place.names
        return (names.image_upload, names.metadata_generated, names.image_processed)

    async def _have_consumers(self, queues: Sequence[str]) -> bool:
        depths = await self.depths()
        return all(queue in depths and depths[queue].consumers for queue in queues)

    async def _keys(self, bucket: str) -> set[str]:
        pages = self.storage.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {each["Key"] async for page in pages for each in page.get("Contents", [])}


@asynccontextmanager
async def embedded_world(folder: Path, *before: str, **settings: Any) -> AsyncIterator[EmbeddedWorld]:
    """A gateway that is all; `before` as in `running_gateway`, `settings` as `<section>_<key>`."""
    folder.mkdir(parents=True, exist_ok=True)
    async with (
        web_server() as site,
        running_gateway(folder / "data", *before, **_settings(site) | settings) as gateway,
        _unbounded_session() as http,
    ):
        yield EmbeddedWorld(gateway, site, http)


@asynccontextmanager
async def as_it_is(place: Place) -> AsyncIterator[Place]:
    """Nothing between."""
    yield place


@frozen
class Proxies:
    """TCP proxies before broker and store: `before_gateway=proxies.between` puts them there."""

    broker: TcpProxy = field(factory=lambda: TcpProxy(0))
    store: TcpProxy = field(factory=lambda: TcpProxy(0))

    @asynccontextmanager
    async def between(self, place: Place) -> AsyncIterator[Place]:
        self.broker.target_port = int(place.broker_url.rpartition("@")[2].partition(":")[2].partition("/")[0])
        self.store.target_port = place.store.port
        await self.broker.listen()
        await self.store.listen()
        try:
            yield Place(
                place.broker_url.replace(f":{self.broker.target_port}/", f":{self.broker.port}/"),
                evolve(place.store, port=self.store.port),
                place.names,
            )
        finally:
            await self.broker.close()
            await self.store.close()


@asynccontextmanager
async def production_world(
    folder: Path,
    *,
    analyzer: Make = "ours",
    processor: Make = "ours",
    analyzer_variables: Mapping[str, str] = {},
    processor_variables: Mapping[str, str] = {},
    before_gateway: Between = as_it_is,
    before_workers: Between = as_it_is,
    **settings: Any,
) -> AsyncIterator[ProductionWorld]:
    """RabbitMQ, S3, gateway, analyzer and processor, each a process of its own. Beside stand-ins for existing
    services analyzer and processor are started again whenever they end, as their containers are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_existing = "existing" in (analyzer, processor)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(running_rabbitmq(folder / "rabbitmq"))
        store = stack.enter_context(running_rclone(folder / "s3"))
        place = Place(node.url, store)
        storage = await stack.enter_async_context(plain_client(store))
        site = await stack.enter_async_context(web_server())
        http = await stack.enter_async_context(_unbounded_session())
        seen_by_gateway = await stack.enter_async_context(before_gateway(place))
        seen_by_workers = await stack.enter_async_context(before_workers(place))
        chosen = _settings(site) | _deadlines(is_existing=is_existing) | settings
        gateway = await stack.enter_async_context(gateway_at(seen_by_gateway, folder, **chosen))
        for program in (
            analyzing := worker(
                "analyzer", analyzer, seen_by_workers, folder, **WORKERS | dict(analyzer_variables)
            ),
            tagging := worker(
                "processor", processor, seen_by_workers, folder, **WORKERS | dict(processor_variables)
            ),
        ):
            await stack.enter_async_context(running(program, is_kept_alive=is_existing))
        yield ProductionWorld(
            gateway, site, http, node, store, analyzing, tagging, place, storage, is_existing
        )


def _unbounded_session() -> aiohttp.ClientSession:
    """Each follower of an open job holds a connection; questions must not wait for one of them to end."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


def _settings(site: Site) -> dict[str, Any]:
    """Of every gateway here: quick to look again, and not to give up for what a fault costs."""
    return {
        "fetch_allowed_networks": site.network,
        "fetch_allowed_ports": site.port,
        "fetch_tries": MANY_TRIES,
        "local_see": "false",
        "jobs_max_attempts": MANY_TRIES,
        "jobs_max_interruptions": MANY_TRIES,
        "analyzer_max_tries": MANY_TRIES,
        "processor_max_tries": MANY_TRIES,
        "jobs_attempt_pause_s": 0.1,
        "jobs_poll_s": 0.2,
        "jobs_watch_every_s": 0.2,
        "jobs_clean_every_s": 1,
    }


def _deadlines(*, is_existing: bool) -> dict[str, Any]:
    return {"jobs_result_timeout_s": DEADLINE_BESIDE_EXISTING_S} if is_existing else {}
