"""The composition root: settings in, a running gateway out.

`assembled` reads from top to bottom as the order of the start; the stop is the reverse.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.adapters.broker.opening import open_broker
from gateway.adapters.job_store.opening import open_job_store
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.object_store.measured import MeasuredObjectStore
from gateway.adapters.object_store.opening import open_object_store
from gateway.background import Background, CanNotStart, Service
from gateway.context import AppContext
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from gateway.fetch.downloader import Downloader
from gateway.fetch.policy import FetchPolicy
from gateway.file_system import make_folder
from gateway.jobs.accepting.idempotency import IdempotentRequests
from gateway.jobs.accepting.reserved import ReservedTraceIds
from gateway.jobs.accepting.retry import Retry
from gateway.jobs.accepting.submit import Submit
from gateway.jobs.accepting.undo import Undo
from gateway.jobs.cleaner import Cleaner
from gateway.jobs.dead_letters.requeue import Requeue
from gateway.jobs.dead_letters.sweeper import DeadLetters
from gateway.jobs.fetcher import Fetcher
from gateway.jobs.ledger import Ledger
from gateway.jobs.measures import Census, Measures
from gateway.jobs.originals import Originals
from gateway.jobs.pipeline import Pipeline
from gateway.jobs.processed import ProcessedImages
from gateway.jobs.results.collector import Collector
from gateway.jobs.results.rescuer import Rescuer
from gateway.jobs.sending.dispatcher import Dispatcher
from gateway.jobs.sending.recall import take_back
from gateway.neighbours import built_in_roles, check_installed, open_workers
from gateway.ports.clock import SystemClock
from gateway.processes import HelperProcesses
from gateway.settings import Settings, check_gateway, doubts
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.pulse import Pulse

NAME: Final = "gateway"

_LATE: Final = 4
"""What the object store has not done in so many times its timeout, it will not do any more."""


@asynccontextmanager
async def assembled(settings: Settings) -> AsyncIterator[AppContext]:
    """A gateway at work, without its doors. Raises SettingsError, CanNotStart, Unavailable."""
    check_gateway(settings)
    doubts.tell(doubts.of_gateway(settings))
    built_in = built_in_roles(settings)
    check_installed(*built_in)
    _make_private(settings.data_dir)
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        background = Background()
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

        hub = Hub()
        latest = LatestJobs(jobs)
        hub.observe(latest.observe)
        hub.observe(Measures(metrics.jobs).observe)
        ledger = Ledger(jobs, hub, latest)
        originals = Originals(objects, settings.intake.max_image_bytes, settings.intake.max_pixels)
        reserved = ReservedTraceIds(
            reservations=jobs,
            clock=clock,
            prefix=settings.jobs.trace_prefix,
            request_s=settings.intake.total_s,
        )
        stack.push_async_callback(reserved.give_back)
        idempotent = IdempotentRequests(
            answers=jobs,
            leases=jobs,
            clock=clock,
            keep_s=settings.jobs.idempotency_s,
            body_s=settings.intake.total_s,
        )
        submit = Submit(
            ledger=ledger,
            reserved=reserved,
            originals=originals,
            undo=Undo(
                objects=objects,
                reservations=jobs,
                clock=clock,
                late_s=_LATE * settings.object_store.timeout_s,
                puts_are_repeated=settings.object_store.kind == "s3",
            ),
            idempotent=idempotent,
            clock=clock,
            settings=settings.intake,
            urls=FetchPolicy.of(settings.fetch),
            prefix=settings.jobs.trace_prefix,
            takes_metadata_options=settings.takes_metadata_options,
        )
        retry = Retry(
            ledger=ledger,
            jobs=jobs,
            objects=objects,
            clock=clock,
            idempotent=idempotent,
            prefix=settings.jobs.trace_prefix,
            takes_metadata_options=settings.takes_metadata_options,
        )
        cleaner = Cleaner(
            ledger=ledger,
            jobs=jobs,
            backlog=jobs,
            reservations=jobs,
            answers=jobs,
            letters=jobs,
            objects=objects,
            clock=clock,
            settings=settings.jobs,
        )
        await cleaner.find_leftovers_of_a_crash()
        processed = ProcessedImages(objects)
        pipeline = Pipeline(
            broker=broker,
            backlog=jobs,
            clock=clock,
            settings=settings.jobs,
            work=ledger.work,
            metrics=metrics,
            queue_name=settings.broker.queue_name,
        )
        dead_letters = DeadLetters(
            ledger=ledger,
            latest=latest,
            letters=jobs,
            leases=jobs,
            broker=broker,
            clock=clock,
            settings=settings.jobs,
            metrics=metrics,
            queue_name=settings.broker.queue_name,
        )
        neighbours = [
            await stack.enter_async_context(open_workers(role, settings, broker, objects, helpers, metrics))
            for role in reversed(built_in)
        ]
        services: tuple[Service, ...] = (
            Collector(
                ledger=ledger,
                latest=latest,
                broker=broker,
                processed=processed,
                clock=clock,
                prefix=settings.jobs.trace_prefix,
                prefetch=settings.broker.prefetch,
                metrics=metrics,
            ),
            dead_letters,
            *neighbours,
            pipeline,
            Dispatcher(
                ledger=ledger,
                jobs=jobs,
                backlog=jobs,
                broker=broker,
                clock=clock,
                settings=settings.jobs,
                pipeline=pipeline,
                metrics=metrics,
            ),
            Rescuer(
                ledger=ledger,
                jobs=jobs,
                backlog=jobs,
                processed=processed,
                pipeline=pipeline,
                clock=clock,
                settings=settings.jobs,
                metrics=metrics,
            ),
            Fetcher(
                ledger=ledger,
                backlog=jobs,
                downloader=downloader,
                originals=originals,
                clock=clock,
                settings=settings.fetch,
                poll_s=settings.jobs.poll_s,
                max_running_jobs=settings.jobs.max_running_jobs,
                metrics=metrics,
            ),
            cleaner,
            Census(backlog=jobs, metrics=metrics.jobs),
            Pulse(metrics),
        )
        if not broker.remembers:
            stack.push_async_callback(_take_back_unless_crashed, jobs, background)
        await stack.enter_async_context(background.running(*services))
        yield AppContext(
            settings=settings,
            metrics=metrics,
            clock=clock,
            background=background,
            job_store=jobs,
            image_search=jobs,
            object_store=objects,
            broker=broker,
            latest=latest,
            stream=EventStream(latest, jobs, hub),
            submit=submit,
            retry=retry,
            dead_letters=jobs,
            requeue=Requeue(ledger=ledger, letters=jobs, retry=retry),
            warnings=lambda: [
                *broker.warnings,
                *pipeline.warnings(),
                *dead_letters.warnings(),
                *jobs.warnings,
                *objects.warnings,
            ],
        )


async def _take_back_unless_crashed(jobs: SqliteJobStore, background: Background) -> None:
    """A service that died may have died of an image: that counts as an interruption, as a dead process does."""
    if background.crashed is None:
        await take_back(jobs)


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
