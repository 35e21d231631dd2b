"""The composition root: settings in, a running gateway out.

`assembled` reads from top to bottom as the order of the start; the stop is the reverse.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.object_store.folder import FolderObjectStore, open_folder_store
from gateway.analyzer.service import Analyzer
from gateway.api.application import build_application
from gateway.background import Background, Service
from gateway.context import AppContext
from gateway.errors import GatewayError
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from gateway.fetch.downloader import Downloader
from gateway.fetch.policy import FetchPolicy
from gateway.jobs.cleaner import Cleaner
from gateway.jobs.collector import Collector
from gateway.jobs.dead_letters import DeadLetters
from gateway.jobs.dispatcher import Dispatcher
from gateway.jobs.fetcher import Fetcher
from gateway.jobs.ledger import Ledger
from gateway.jobs.originals import Originals
from gateway.jobs.reserved import ReservedTraceIds
from gateway.jobs.submit import Submit
from gateway.ports.clock import SystemClock
from gateway.processes import HelperProcesses
from gateway.processor.service import Processor
from gateway.processor.tags import INSTALL_COMMAND, processor_available
from gateway.settings import Settings

log = structlog.get_logger(__name__)


class CanNotStart(GatewayError):
    """The gateway can't run so; the text says what to change."""

    default_code = "can_not_start"


@asynccontextmanager
async def assembled(settings: Settings) -> AsyncIterator[AppContext]:
    """A gateway at work, without its doors. Raises CanNotStart, Unavailable."""
    check(settings)
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        background = Background()
        jobs = await stack.enter_async_context(_job_store(settings))
        objects = await stack.enter_async_context(_object_store(settings))
        broker = InProcessBroker(settings.broker, clock)
        stack.callback(broker.close)
        helpers = HelperProcesses(settings.helpers)
        stack.push_async_callback(helpers.close)
        downloader = await stack.enter_async_context(
            Downloader.create(settings.fetch, max_bytes=settings.intake.max_image_bytes)
        )

        hub = Hub()
        latest = LatestJobs(jobs)
        hub.observe(latest.observe)
        ledger = Ledger(jobs, hub, latest)
        originals = Originals(objects, settings.intake.max_image_bytes, settings.intake.max_pixels)
        reserved = ReservedTraceIds(
            reservations=jobs,
            clock=clock,
            prefix=settings.jobs.trace_prefix,
            request_s=settings.intake.total_s,
        )
        stack.push_async_callback(reserved.give_back)
        submit = Submit(
            ledger=ledger,
            reserved=reserved,
            reservations=jobs,
            objects=objects,
            originals=originals,
            clock=clock,
            settings=settings.intake,
            urls=FetchPolicy.of(settings.fetch),
            prefix=settings.jobs.trace_prefix,
        )
        cleaner = Cleaner(
            ledger=ledger,
            jobs=jobs,
            backlog=jobs,
            reservations=jobs,
            objects=objects,
            clock=clock,
            settings=settings.jobs,
        )
        await cleaner.remove_leftovers_of_a_crash()
        services: tuple[Service, ...] = (
            Collector(
                ledger=ledger,
                latest=latest,
                broker=broker,
                objects=objects,
                clock=clock,
                prefix=settings.jobs.trace_prefix,
                prefetch=settings.broker.prefetch,
            ),
            DeadLetters(ledger=ledger, broker=broker, clock=clock, settings=settings.jobs),
            Processor(broker, objects, helpers, settings.processor).workers(),
            Analyzer(broker, objects, helpers, settings.analyzer).workers(),
            Dispatcher(
                ledger=ledger, latest=latest, backlog=jobs, broker=broker, clock=clock, settings=settings.jobs
            ),
            Fetcher(
                ledger=ledger,
                backlog=jobs,
                downloader=downloader,
                originals=originals,
                clock=clock,
                settings=settings.fetch,
                poll_s=settings.jobs.poll_s,
            ),
            cleaner,
        )
        await stack.enter_async_context(background.running(*services))
        yield AppContext(
            settings=settings,
            clock=clock,
            background=background,
            job_store=jobs,
            object_store=objects,
            broker=broker,
            latest=latest,
            stream=EventStream(latest, jobs, hub),
            submit=submit,
        )


def _job_store(settings: Settings) -> AbstractAsyncContextManager[SqliteJobStore]:
    path = Path(settings.job_store.path or settings.data_dir / "jobs.sqlite")
    return SqliteJobStore.open(path, synchronous=settings.job_store.synchronous)


def _object_store(settings: Settings) -> AbstractAsyncContextManager[FolderObjectStore]:
    return open_folder_store(settings.object_store, settings.object_store.folder(settings.data_dir))


def check(settings: Settings) -> None:
    """Whether the parts fit together and are installed. Raises CanNotStart."""
    for part, kind in (("analyzer", settings.analyzer.kind), ("processor", settings.processor.kind)):
        if kind == "external":
            raise CanNotStart(f"{part}.kind = external needs a broker that other processes reach")
    if not processor_available():
        raise CanNotStart(f"the built-in processor needs pyexiv2: {INSTALL_COMMAND}")


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code: 0, or 1 when a service died."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_serve(settings))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    async with assembled(settings) as context:
        _stop_on_signals(context.background)
        async with _listening(context) as addresses:
            _greet(addresses, settings.data_dir)
            await context.background.stopping.wait()
            log.info("stopping")
    return 1 if context.background.crashed else 0


@asynccontextmanager
async def _listening(context: AppContext) -> AsyncIterator[list[str]]:
    """The doors are open; leaving closes them and lets requests in hand end."""
    http = context.settings.http
    runner = web.AppRunner(
        build_application(context),
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        keepalive_timeout=http.keepalive_timeout_s,
        shutdown_timeout=http.shutdown_timeout_s,
    )
    await runner.setup()
    try:
        for site in _sites(runner, context.settings):
            try:
                await site.start()
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else str(error)
                raise CanNotStart(f"can't listen on {site.name}: {reason}") from error
        yield _addresses(runner)
    finally:
        context.background.ask_to_stop()
        await runner.cleanup()


def _sites(runner: web.AppRunner, settings: Settings) -> list[web.BaseSite]:
    http = settings.http
    sites: list[web.BaseSite] = []
    if http.tcp:
        sites.append(web.TCPSite(runner, settings.listen_host, http.port, backlog=1024))
    if http.socket:
        sites.append(web.UnixSite(runner, http.socket, backlog=1024))
    return sites


def _addresses(runner: web.AppRunner) -> list[str]:
    return [
        f"unix://{address}" if isinstance(address, str) else f"http://{_host(address[0])}:{address[1]}"
        for address in runner.addresses
    ]


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _stop_on_signals(background: Background) -> None:
    """The first signal asks for a stop, the second ends at once."""

    def on_signal(number: int) -> None:
        if background.stopping.is_set():
            sys.stderr.write("stopped at once\n")
            sys.stderr.flush()
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        background.ask_to_stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def _greet(addresses: list[str], data_dir: Path) -> None:
    """Where it listens, where its data lies, and a line to try."""
    log.info("listening", addresses=addresses, data_dir=str(data_dir))
    at, via = addresses[0], ""
    if at.startswith("unix://"):
        at, via = "http://localhost", f"--unix-socket {at.removeprefix('unix://')} "
    sys.stdout.write(
        f"Gateway at {' and '.join(addresses)}\n"
        f"Data in    {data_dir}\n"
        f"Docs at    {at}/docs\n"
        f"Try        curl {via}-F images=@photo.jpg {at}/api/v1/batch\n"
    )
    sys.stdout.flush()
