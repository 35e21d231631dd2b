"""What a gateway is built of: its adapters, opened in this order and closed in the reverse, and what knows its jobs."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

from gateway.adapters.broker.opening import open_broker
from gateway.adapters.job_store.opening import open_job_store
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.object_store.measured import MeasuredObjectStore
from gateway.adapters.object_store.opening import open_object_store
from gateway.background import Background, CanNotStart
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.fetch.downloader import Downloader
from gateway.file_system import make_folder
from gateway.jobs.ledger import Ledger
from gateway.jobs.measures import Measures
from gateway.jobs.originals import Originals
from gateway.jobs.processed import ProcessedImages
from gateway.ports.broker import Broker
from gateway.ports.clock import Clock, SystemClock
from gateway.processes import HelperProcesses
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics

NAME: Final = "gateway"


@frozen(eq=False, kw_only=True)
class Parts:
    """All of them are open. For `app.py` alone: whoever is built is given what it needs of them."""

    settings: Settings
    clock: Clock
    background: Background
    metrics: Metrics
    jobs: SqliteJobStore
    objects: MeasuredObjectStore
    broker: Broker
    helpers: HelperProcesses
    downloader: Downloader
    hub: Hub
    latest: LatestJobs
    ledger: Ledger
    originals: Originals
    processed: ProcessedImages


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Raises CanNotStart, Unavailable."""
    _make_private(settings.data_dir)
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        metrics = Metrics(settings.metrics)
        stack.push_async_callback(metrics.close)
        jobs = await stack.enter_async_context(open_job_store(settings.job_store, settings.data_dir))
        objects = MeasuredObjectStore(
            await stack.enter_async_context(open_object_store(settings.object_store, settings.data_dir)),
            metrics.objects,
        )
        broker = await stack.enter_async_context(
            open_broker(settings.broker, clock=clock, name=NAME, on_reconnect=metrics.broker.reconnects.add)
        )
        helpers = HelperProcesses(settings.helpers)
        stack.push_async_callback(helpers.close)
        downloader = await stack.enter_async_context(
            Downloader.create(settings.fetch, max_bytes=settings.intake.max_image_bytes)
        )
        hub, latest = Hub(), LatestJobs(jobs)
        hub.observe(latest.observe)
        hub.observe(Measures(metrics.jobs).observe)
        yield Parts(
            settings=settings,
            clock=clock,
            background=Background(),
            metrics=metrics,
            jobs=jobs,
            objects=objects,
            broker=broker,
            helpers=helpers,
            downloader=downloader,
            hub=hub,
            latest=latest,
            ledger=Ledger(jobs, hub, latest),
            originals=Originals(objects, settings.intake.max_image_bytes, settings.intake.image_limits),
            processed=ProcessedImages(objects),
        )


def _make_private(folder: Path) -> None:
    """Photos and jobs are their owner's: a folder that we make is open to nobody else."""
    try:
        make_folder(folder, mode=0o700)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CanNotStart(
            f"can't make the data folder {folder} (data_dir, GATEWAY_DATA_DIR): {reason}"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CanNotStart(f"can't write to the data folder {folder} (data_dir, GATEWAY_DATA_DIR)")
