"""A real gateway without its services: real stores and a real door, but jobs stand still until a test moves them.

async with quiet_gateway(tmp_path) as gateway:
    job = await gateway.accept(images=2)
    await gateway.complete(job.job_id, 0)
    answer = await gateway.http.get(f"/api/v1/batch/{job.job_id}")
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from attrs import define, evolve

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.object_store.folder import open_folder_store
from gateway.api.application import build_application
from gateway.api.connections.crowd import ConnectionBounds
from gateway.api.connections.runner import Runner
from gateway.api.cors import CrossOrigin
from gateway.background import Background
from gateway.context import AppContext
from gateway.domain import transitions
from gateway.domain.events import Change
from gateway.domain.job import Image, Job
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from gateway.fetch.policy import FetchPolicy
from gateway.intake.bytes_in_flight import BytesInFlight
from gateway.jobs.accepting.idempotency import IdempotentRequests
from gateway.jobs.accepting.keep import Keep
from gateway.jobs.accepting.overlapping import Room
from gateway.jobs.accepting.reserved import ReservedTraceIds
from gateway.jobs.accepting.retry import Retry
from gateway.jobs.accepting.submit import Submit
from gateway.jobs.accepting.undo import Undo
from gateway.jobs.dead_letters.requeue import Requeue
from gateway.jobs.ledger import Ledger
from gateway.jobs.originals import Originals
from gateway.jobs.reuse import Reuse
from gateway.ports.clock import SystemClock
from gateway.ports.object_store import Bucket, ObjectKey
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics
from tests import builders
from tests.files_below import files_below

SHUTDOWN_S: Final = 5
"""A stop waits so long for requests in hand: one that hangs then is a fault that should show."""


@define(eq=False)
class QuietGateway:
    """`http` asks it; the rest moves its jobs."""

    context: AppContext
    ledger: Ledger
    runner: web.AppRunner
    port: int
    http: aiohttp.ClientSession
    objects_dir: Path
    is_stopped: bool = False

    async def accept(self, images: int | Sequence[Image] = 3) -> Job:
        """A job as a POST would leave it, but without objects."""
        accepted = builders.an_accepted_job(images, now=datetime.now(UTC))
        await self.ledger.add(accepted, reserved=())
        return accepted.job

    async def publish(self, job_id: str, index: int) -> Job:
        return await self.change(job_id, lambda job: builders.publish(job, index, now=datetime.now(UTC)))

    async def complete(self, job_id: str, index: int) -> Job:
        return await self.change(job_id, lambda job: builders.complete(job, index, now=datetime.now(UTC)))

    async def fail(self, job_id: str, index: int) -> Job:
        failure = builders.a_failure()
        return await self.change(job_id, lambda job: transitions.fail(job, index, failure, datetime.now(UTC)))

    async def change(self, job_id: str, decide: Callable[[Job], Change | None]) -> Job:
        change = await self.ledger.change(job_id, decide)
        assert change is not None
        return change.job

    async def put_processed(self, key: str, content: bytes) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield content

        await self.context.object_store.put(
            ObjectKey(Bucket.PROCESSED, key), body(), media_type="image/jpeg", max_bytes=len(content)
        )

    def stored_files(self) -> list[str]:
        """What lies in the object store."""
        return [str(path.relative_to(self.objects_dir)) for path in files_below(self.objects_dir)]

    async def stop_doors(self) -> None:
        """As at SIGTERM: the doors close while the stores are still there."""
        if not self.is_stopped:
            self.is_stopped = True
            self.context.background.ask_to_stop()
            await self.runner.cleanup()


@asynccontextmanager
async def quiet_gateway(data_dir: Path, **sections: Any) -> AsyncIterator[QuietGateway]:
    """`sections` replace those of the settings: `intake=IntakeSettings(max_requests=1)`."""
    settings = evolve(Settings(), data_dir=data_dir, **sections)
    async with AsyncExitStack() as stack:
        context, ledger = await _assembled(settings, stack)
        http_settings = settings.http
        runner = Runner(
            build_application(context),
            CrossOrigin(http_settings.cors_origins),
            ConnectionBounds(http_settings.max_connections, headers_timeout_s=http_settings.headers_timeout_s),
            context.metrics.connections,
            access_log=None, auto_decompress=False, shutdown_timeout=SHUTDOWN_S,
            keepalive_timeout=http_settings.keepalive_timeout_s,
        )  # fmt: skip
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        http = aiohttp.ClientSession(f"http://127.0.0.1:{port}")
        gateway = QuietGateway(context, ledger, runner, port, http, settings.object_store.folder(data_dir))
        stack.push_async_callback(gateway.stop_doors)
        stack.push_async_callback(http.close)
        yield gateway


async def _assembled(settings: Settings, stack: AsyncExitStack) -> tuple[AppContext, Ledger]:
    clock = SystemClock()
    jobs = await stack.enter_async_context(SqliteJobStore.open(settings.data_dir / "jobs.sqlite"))
    objects = await stack.enter_async_context(
        open_folder_store(settings.object_store, settings.object_store.folder(settings.data_dir))
    )
    broker = InProcessBroker(settings.broker, clock)
    stack.callback(broker.close)
    hub = Hub()
    latest = LatestJobs(jobs)
    hub.observe(latest.observe)
    ledger = Ledger(jobs, hub, latest)
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
    in_flight = BytesInFlight(settings.intake.max_held_bytes)
    originals = Originals(objects, settings.intake.max_image_bytes, settings.intake.image_limits)
    submit = Submit(
        ledger=ledger,
        keep=Keep(reserved, originals),
        undo=Undo(objects, jobs, clock, late_s=settings.object_store.timeout_s, puts_are_repeated=False),
        reuse=Reuse(jobs, objects, clock, is_on=settings.jobs.reuse),
        idempotent=idempotent,
        clock=clock,
        urls=FetchPolicy.of(settings.fetch),
        prefix=settings.jobs.trace_prefix,
        takes_metadata_options=settings.takes_metadata_options,
        room=Room(settings.intake.images_at_once, originals.put_bytes, in_flight),
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
    context = AppContext(
        settings=settings,
        metrics=Metrics(settings.metrics),
        clock=clock,
        background=Background(),
        job_store=jobs,
        image_search=jobs,
        object_store=objects,
        broker=broker,
        latest=latest,
        hub=hub,
        stream=EventStream(latest, jobs),
        bytes_in_flight=in_flight,
        submit=submit,
        retry=retry,
        dead_letters=jobs,
        requeue=Requeue(ledger=ledger, letters=jobs, retry=retry),
    )
    return context, ledger
