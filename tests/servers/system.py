"""A whole system of separate processes: broker, object store, gateway, analyzer and processor.

    async with running_system(tmp_path, broker_url=rabbitmq_url, store=rclone, processor="existing") as system:
        job_id = await system.submit(a_jpeg())
        await system.processor.kill()

`ours` are the gateway's own workers; `existing` are stand-ins for the services that ran before it, which share no
code with it. All are set by the names that existing deployments set. What each process wrote is printed at the end.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import aiohttp
from attrs import define, field, frozen

from tests.free_ports import free_port
from tests.servers.gateway import OUR_VARIABLES, Ended, Gateway
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.s3 import S3Server, plain_client, running_rclone
from tests.servers.wire import Wire, wire

START_S = 120
STOP_S = 30
HOST = "127.0.0.1"
LIVES_SHOWN_CHARACTERS = 20_000

Make = Literal["ours", "existing"]
Part = Literal["analyzer", "processor"]


@frozen
class Names:
    """What things are called at broker and store."""

    image_upload: str = "image_upload"
    metadata_generated: str = "metadata_generated"
    image_processed: str = "image_processed"
    original: str = "original"
    processed: str = "processed"


@frozen
class Place:
    """Where a system's parts meet, in the names of existing deployments."""

    broker_url: str
    store: S3Server
    names: Names = Names()

    @property
    def environment(self) -> dict[str, str]:
        """Of the gateway and of every service."""
        return {
            "RABBITMQ_URL": self.broker_url,
            "MINIO_ENDPOINT": self.store.endpoint,
            "MINIO_ACCESS_KEY": self.store.access_key,
            "MINIO_SECRET_KEY": self.store.secret_key,
            "MINIO_USE_SSL": "false",
        }

    def environment_of(self, part: Part) -> dict[str, str]:
        """Of an analyzer or a processor."""
        names = self.names
        queues = {
            "analyzer": (names.image_upload, names.metadata_generated),
            "processor": (names.metadata_generated, names.image_processed),
        }[part]
        return self.environment | {
            "RABBITMQ_CONSUMER_QUEUE": queues[0],
            "RABBITMQ_PUBLISHER_QUEUE": queues[1],
            "RABBITMQ_PREFETCH_COUNT": "1",
            "MINIO_ORIGINAL_BUCKET": names.original,
            "MINIO_PROCESSED_BUCKET": names.processed,
            "LOG_FORMAT": "json",
        }


@define(eq=False)
class Program:
    """One service in a process of its own; it can be ended and started again, any number of times."""

    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    health_path: str
    port: int = field(factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it was never started"
        return self._process

    def url(self, path: str) -> str:
        return f"http://{HOST}:{self.port}{path}"

    def output(self) -> str:
        """All that it wrote so far, in all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def start(self) -> None:
        """Until it says that all is well."""
        await self.launch()
        async with aiohttp.ClientSession() as http, asyncio.timeout(START_S):
            while not await self._is_well(http):
                assert self.process.returncode is None, f"it did not start:\n{self.output()}"
                await asyncio.sleep(0.02)

    async def launch(self) -> None:
        """Until the process exists, no longer."""
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(OUR_VARIABLES)}
        environment = inherited | dict(self.environment) | {"HTTP_PORT": str(self.port)}
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *self.command, env=environment,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    async def stop(self) -> Ended:
        """As a supervisor does it: ask, and wait."""
        clock = asyncio.get_running_loop()
        asked = clock.time()
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            code = await self.process.wait()
        return Ended(code, clock.time() - asked)

    async def kill(self) -> None:
        """SIGKILL: no time for anything."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def keep_alive(self) -> None:
        """Start it again whenever it has ended, as a container's restart policy does; until cancelled."""
        while True:
            await self.process.wait()
            await asyncio.sleep(0.5)
            await self.launch()

    async def _is_well(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(self.url(self.health_path)) as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False


def worker(part: Part, make: Make, place: Place, folder: Path, **variables: str) -> Program:
    """An analyzer or a processor, not yet started; `variables` are more of its environment."""
    environment = place.environment_of(part) | variables
    log = folder / f"{part}-{make}.log"
    if make == "existing":
        return Program(("-m", f"tests.servers.existing_{part}"), environment, log, "/health")
    return Program(("-m", "gateway", "worker", part), environment, log, "/readyz")


@asynccontextmanager
async def running(program: Program, *, is_kept_alive: bool = False) -> AsyncIterator[Program]:
    """Started, and killed at the end; what it wrote is printed."""
    keeper: asyncio.Task[None] | None = None
    try:
        await program.start()
        if is_kept_alive:
            keeper = asyncio.create_task(program.keep_alive())
        yield program
    finally:
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        await program.kill()
        print(f"--- {program.log.name}\n{program.output()[-LIVES_SHOWN_CHARACTERS:]}")


@asynccontextmanager
async def launched(*programs: Gateway | Program) -> AsyncIterator[None]:
    """Started, whether they become ready or not, and killed at the end; what they wrote is printed."""
    try:
        for program in programs:
            await program.launch()
        yield
    finally:
        for program in programs:
            await program.kill()
            print(program.output())


@frozen
class OpenPlace:
    """A place, and an onlooker's lines to its broker and its store."""

    place: Place
    line: Wire
    storage: Any


@asynccontextmanager
async def an_empty_place(rabbitmq: RabbitMQ, folder: Path) -> AsyncIterator[OpenPlace]:
    """For tests that share one: a virtual host of that node, and an object store of its own."""
    vhost = rabbitmq.add_vhost()
    async with AsyncExitStack() as stack:
        stack.callback(rabbitmq.remove_vhost, vhost)
        store = stack.enter_context(running_rclone(folder / "s3"))
        place = Place(rabbitmq.url_for(vhost), store)
        line = await stack.enter_async_context(wire(place.broker_url))
        yield OpenPlace(place, line, await stack.enter_async_context(plain_client(store)))


@define(eq=False)
class System:
    """All parts, at work."""

    place: Place
    gateway: Gateway
    analyzer: Program
    processor: Program


@asynccontextmanager
async def running_system(
    folder: Path,
    place: Place,
    *,
    analyzer: Make = "ours",
    processor: Make = "ours",
    analyzer_variables: Mapping[str, str] = {},
    processor_variables: Mapping[str, str] = {},
    is_kept_alive: bool = False,
    **settings: object,
) -> AsyncIterator[System]:
    """A system whose parts are ready; `settings` are the gateway's, as `<section>_<key>`.

    The gateway must not have written any error by the end.
    """
    programs = (
        worker("analyzer", analyzer, place, folder, **analyzer_variables),
        worker("processor", processor, place, folder, **processor_variables),
    )
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(gateway_at(place, folder, **settings))
        for program in programs:
            await stack.enter_async_context(running(program, is_kept_alive=is_kept_alive))
        yield System(place, gateway, *programs)
    assert gateway.complaints() == []


@asynccontextmanager
async def gateway_at(
    place: Place, folder: Path, *arguments: str, **settings: object
) -> AsyncIterator[Gateway]:
    """A gateway in production, ready; `arguments` go behind `serve`."""
    texts = {key: str(value) for key, value in settings.items()}
    gateway = Gateway(folder / "data", free_port(), texts, environment=place.environment, arguments=arguments)
    try:
        await gateway.start()
        yield gateway
    finally:
        await gateway.kill()
        gateway.show_news()
