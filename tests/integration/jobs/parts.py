"""The real parts of one gateway without its doors, put together for one use case at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

from attrs import define

from gateway.adapters.broker.in_process import InProcessBroker
from gateway.adapters.broker.settings import BrokerSettings
from gateway.adapters.job_store.sqlite import SqliteJobStore
from gateway.adapters.object_store.folder import open_folder_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.domain.job import Job
from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from gateway.events.stream import EventStream
from gateway.fetch.policy import FetchPolicy
from gateway.intake.bytes_in_flight import BytesInFlight
from gateway.intake.settings import IntakeSettings
from gateway.jobs.accepting.idempotency import Accepted, IdempotentRequests
from gateway.jobs.accepting.keep import Keep
from gateway.jobs.accepting.overlapping import Room
from gateway.jobs.accepting.reserved import ReservedTraceIds
from gateway.jobs.accepting.retry import Retry
from gateway.jobs.accepting.submit import Submit
from gateway.jobs.accepting.undo import Undo
from gateway.jobs.cleaner import Cleaner
from gateway.jobs.dead_letters.requeue import Requeue
from gateway.jobs.dead_letters.sweeper import DeadLetters
from gateway.jobs.ledger import Ledger
from gateway.jobs.originals import Originals
from gateway.jobs.pipeline import Pipeline
from gateway.jobs.processed import ProcessedImages
from gateway.jobs.results.collector import Collector
from gateway.jobs.results.rescuer import Rescuer
from gateway.jobs.results.result import ResultKind
from gateway.jobs.reuse import Reuse
from gateway.jobs.sending.dispatcher import Dispatcher
from gateway.jobs.settings import JobsSettings
from gateway.ports.object_store import Bucket, ObjectKey, ObjectStore
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.settings import MetricsSettings
from tests.clocks import HandClock
from tests.files_below import files_below
from tests.integration.jobs.batches import Member, batch_of

LATE_S = 120
"""So long after it was given up, a put may still arrive."""


@define(eq=False)
class Parts:
    folder: Path
    clock: HandClock
    jobs: SqliteJobStore
    objects: ObjectStore
    broker: InProcessBroker
    hub: Hub
    latest: LatestJobs
    ledger: Ledger
    settings: JobsSettings
    intake: IntakeSettings
    reserved: ReservedTraceIds
    puts_are_repeated: bool = False

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(MetricsSettings())

    def measured(self, name: str, **labels: str) -> float | None:
        return self.metrics.instruments.registry.get_sample_value(f"gateway_{name}", labels)

    def kinds(self) -> dict[ResultKind, float]:
        """What became of results so far."""
        counted = {kind: self.measured("results_total", kind=kind) for kind in ResultKind}
        return {kind: number for kind, number in counted.items() if number}

    @property
    def submit(self) -> Submit:
        return Submit(
            ledger=self.ledger,
            keep=Keep(self.reserved, self.originals),
            undo=Undo(self.objects, self.jobs, self.clock, LATE_S, self.puts_are_repeated),
            reuse=self.reuse,
            idempotent=self.idempotent,
            clock=self.clock,
            urls=FetchPolicy(),
            prefix=self.settings.trace_prefix,
            takes_metadata_options=self.takes_metadata_options,
            room=Room(self.intake.images_at_once, self.objects.put_bytes, self.in_flight),
        )

    @cached_property
    def in_flight(self) -> BytesInFlight:
        return BytesInFlight(self.intake.max_held_bytes)

    @property
    def takes_metadata_options(self) -> bool:
        return self.settings.metadata_options == "allowed"

    @property
    def requeue(self) -> Requeue:
        return Requeue(ledger=self.ledger, letters=self.jobs, retry=self.retry)

    @property
    def retry(self) -> Retry:
        return Retry(
            ledger=self.ledger,
            jobs=self.jobs,
            objects=self.objects,
            clock=self.clock,
            idempotent=self.idempotent,
            prefix=self.settings.trace_prefix,
            takes_metadata_options=self.takes_metadata_options,
        )

    @property
    def idempotent(self) -> IdempotentRequests:
        return IdempotentRequests(
            answers=self.jobs,
            leases=self.jobs,
            clock=self.clock,
            keep_s=self.settings.idempotency_s,
            body_s=self.intake.total_s,
        )

    @property
    def originals(self) -> Originals:
        return Originals(self.objects, self.intake.max_image_bytes, self.intake.image_limits)

    @property
    def reuse(self) -> Reuse:
        return Reuse(analysed=self.jobs, objects=self.objects, clock=self.clock, is_on=self.settings.reuse)

    @property
    def stream(self) -> EventStream:
        return EventStream(self.latest, self.jobs)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            ledger=self.ledger,
            jobs=self.jobs,
            backlog=self.jobs,
            broker=self.broker,
            clock=self.clock,
            settings=self.settings,
            pipeline=self.pipeline,
            metrics=self.metrics,
        )

    @cached_property
    def pipeline(self) -> Pipeline:
        return Pipeline(
            broker=self.broker,
            backlog=self.jobs,
            clock=self.clock,
            settings=self.settings,
            work=self.ledger.work,
            metrics=self.metrics,
        )

    @cached_property
    def processed(self) -> ProcessedImages:
        return ProcessedImages(self.objects)

    @property
    def rescuer(self) -> Rescuer:
        return Rescuer(
            ledger=self.ledger,
            jobs=self.jobs,
            backlog=self.jobs,
            processed=self.processed,
            pipeline=self.pipeline,
            clock=self.clock,
            settings=self.settings,
            metrics=self.metrics,
        )

    @cached_property
    def collector(self) -> Collector:
        return Collector(
            ledger=self.ledger,
            latest=self.latest,
            broker=self.broker,
            analysed=self.jobs,
            processed=self.processed,
            clock=self.clock,
            prefix=self.settings.trace_prefix,
            prefetch=100,
            metrics=self.metrics,
        )

    @cached_property
    def dead_letters(self) -> DeadLetters:
        return DeadLetters(
            ledger=self.ledger,
            latest=self.latest,
            letters=self.jobs,
            leases=self.jobs,
            broker=self.broker,
            clock=self.clock,
            settings=self.settings,
            metrics=self.metrics,
        )

    @property
    def cleaner(self) -> Cleaner:
        return Cleaner(
            ledger=self.ledger,
            jobs=self.jobs,
            backlog=self.jobs,
            reservations=self.jobs,
            answers=self.jobs,
            letters=self.jobs,
            analysed=self.jobs,
            objects=self.objects,
            clock=self.clock,
            settings=self.settings,
            late_s=LATE_S if self.puts_are_repeated else 0,
        )

    async def submitted(self, *members: Member, strict: bool = False) -> Job:
        """The job that a request for these makes."""
        accepted = await self.accepted(*members, strict=strict)
        return await self.jobs.get(accepted.receipt.job_id)

    async def accepted(self, *members: Member, strict: bool = False, key: str | None = None) -> Accepted:
        return await self.submit(batch_of(*members), strict=strict, key=key)

    async def put(self, bucket: Bucket, key: str, content: bytes) -> None:
        async def body():
            yield content

        await self.objects.put(ObjectKey(bucket, key), body(), media_type="image/jpeg", max_bytes=1 << 24)

    def files(self) -> list[str]:
        """The objects that lie in the store, by bucket and key."""
        root = self.folder / "objects"
        paths = (str(path.relative_to(root)) for path in files_below(root))
        return [path for path in paths if not path.startswith(".tmp")]


@asynccontextmanager
async def parts_in(folder: Path, **settings: object) -> AsyncIterator[Parts]:
    clock = HandClock()
    async with (
        SqliteJobStore.open(folder / "jobs.sqlite") as jobs,
        open_folder_store(ObjectStoreSettings(), folder / "objects") as objects,
    ):
        broker = InProcessBroker(BrokerSettings(), clock)
        hub = Hub()
        latest = LatestJobs(jobs)
        hub.observe(latest.observe)
        ledger = Ledger(jobs, hub, latest)
        intake = IntakeSettings()
        jobs_settings = JobsSettings(**settings)  # type: ignore[arg-type]
        try:
            yield Parts(
                folder,
                clock,
                jobs,
                objects,
                broker,
                hub,
                latest,
                ledger,
                jobs_settings,
                intake,
                ReservedTraceIds(jobs, clock, jobs_settings.trace_prefix, intake.total_s),
            )
        finally:
            broker.close()
