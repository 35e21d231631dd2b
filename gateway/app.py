"""The composition root: settings in, a running gateway out.

`assembled` reads from top to bottom as the order of the start; the stop is the reverse. Below it stands how each use
case and service is built.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from gateway.background import Background, Service
from gateway.context import AppContext
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
from gateway.jobs.cleaner import Cleaner
from gateway.jobs.dead_letters.requeue import Requeue
from gateway.jobs.dead_letters.sweeper import DeadLetters
from gateway.jobs.fetching.fetcher import Fetcher
from gateway.jobs.measures import Census
from gateway.jobs.pipeline import Pipeline
from gateway.jobs.results.collector import Collector
from gateway.jobs.results.rescuer import Rescuer
from gateway.jobs.reuse import Reuse
from gateway.jobs.sending.dispatcher import Dispatcher
from gateway.jobs.sending.recall import take_back
from gateway.neighbours import built_in_roles, check_installed, open_workers
from gateway.parts import Parts, open_parts
from gateway.ports.backlog import Backlog
from gateway.settings import Settings, check_gateway, doubts
from gateway.telemetry.pulse import Pulse

_LATE: Final = 4
"""What the object store has not done in so many times its timeout, it will not do any more."""


@asynccontextmanager
async def assembled(settings: Settings) -> AsyncIterator[AppContext]:
    """A gateway at work, without its doors. Raises SettingsError, CanNotStart, Unavailable."""
    check_gateway(settings)
    doubts.tell(doubts.of_gateway(settings))
    built_in = built_in_roles(settings)
    check_installed(*built_in)
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(open_parts(settings))
        reserved = _reserved(parts)
        stack.push_async_callback(reserved.give_back)
        idempotent = _idempotent(parts)
        in_flight = BytesInFlight(settings.intake.max_held_bytes)
        room = Room(settings.intake.images_at_once, parts.originals.put_bytes, in_flight)
        retry = _retry(parts, idempotent)
        cleaner = _cleaner(parts)
        await cleaner.find_leftovers_of_a_crash()
        pipeline = _pipeline(parts)
        dead_letters = _dead_letters(parts)
        neighbours = [
            await stack.enter_async_context(
                open_workers(role, settings, parts.broker, parts.objects, parts.helpers, parts.metrics)
            )
            for role in reversed(built_in)
        ]
        services: tuple[Service, ...] = (
            _collector(parts),
            dead_letters,
            *neighbours,
            pipeline,
            _dispatcher(parts, pipeline),
            _rescuer(parts, pipeline),
            _fetcher(parts),
            cleaner,
            Census(backlog=parts.jobs, metrics=parts.metrics.jobs),
            Pulse(parts.metrics, {parts.metrics.intake.held_bytes: lambda: in_flight.held_bytes}),
        )
        if not parts.broker.remembers:
            stack.push_async_callback(_take_back_unless_crashed, parts.jobs, parts.background)
        await stack.enter_async_context(parts.background.running(*services))

        def warnings() -> Sequence[str]:
            return [
                *parts.broker.warnings,
                *pipeline.warnings(),
                *dead_letters.warnings(),
                *parts.jobs.warnings,
                *parts.objects.warnings,
                *parts.downloader.warnings,
            ]

        yield AppContext(
            settings=settings,
            metrics=parts.metrics,
            clock=parts.clock,
            background=parts.background,
            job_store=parts.jobs,
            image_search=parts.jobs,
            object_store=parts.objects,
            broker=parts.broker,
            latest=parts.latest,
            hub=parts.hub,
            stream=EventStream(parts.latest, parts.jobs),
            bytes_in_flight=in_flight,
            submit=_submit(parts, Keep(reserved, parts.originals), room, idempotent),
            retry=retry,
            dead_letters=parts.jobs,
            requeue=Requeue(ledger=parts.ledger, letters=parts.jobs, retry=retry),
            warnings=warnings,
        )


async def _take_back_unless_crashed(backlog: Backlog, background: Background) -> None:
    """A service that died may have died of an image: that counts as an interruption, as a dead process does."""
    if background.crashed is None:
        await take_back(backlog)


def _reserved(parts: Parts) -> ReservedTraceIds:
    return ReservedTraceIds(
        reservations=parts.jobs,
        clock=parts.clock,
        prefix=parts.settings.jobs.trace_prefix,
        request_s=parts.settings.intake.total_s,
    )


def _idempotent(parts: Parts) -> IdempotentRequests:
    return IdempotentRequests(
        answers=parts.jobs,
        leases=parts.jobs,
        clock=parts.clock,
        keep_s=parts.settings.jobs.idempotency_s,
        body_s=parts.settings.intake.total_s,
    )


def _submit(parts: Parts, keep: Keep, room: Room, idempotent: IdempotentRequests) -> Submit:
    settings = parts.settings
    undo = Undo(
        objects=parts.objects,
        reservations=parts.jobs,
        clock=parts.clock,
        late_s=_late_s(settings),
        puts_are_repeated=_is_s3(settings),
    )
    return Submit(
        ledger=parts.ledger,
        keep=keep,
        undo=undo,
        reuse=_reuse(parts),
        idempotent=idempotent,
        clock=parts.clock,
        urls=FetchPolicy.of(settings.fetch),
        prefix=settings.jobs.trace_prefix,
        takes_metadata_options=settings.takes_metadata_options,
        room=room,
    )


def _reuse(parts: Parts) -> Reuse:
    return Reuse(
        analysed=parts.jobs, objects=parts.objects, clock=parts.clock, is_on=parts.settings.jobs.reuse
    )


def _retry(parts: Parts, idempotent: IdempotentRequests) -> Retry:
    return Retry(
        ledger=parts.ledger,
        jobs=parts.jobs,
        objects=parts.objects,
        clock=parts.clock,
        idempotent=idempotent,
        prefix=parts.settings.jobs.trace_prefix,
        takes_metadata_options=parts.settings.takes_metadata_options,
    )


def _cleaner(parts: Parts) -> Cleaner:
    return Cleaner(
        ledger=parts.ledger,
        jobs=parts.jobs,
        backlog=parts.jobs,
        reservations=parts.jobs,
        answers=parts.jobs,
        letters=parts.jobs,
        analysed=parts.jobs,
        objects=parts.objects,
        clock=parts.clock,
        settings=parts.settings.jobs,
        # What a process wrote into a folder, its end has ended.
        late_s=_late_s(parts.settings) if _is_s3(parts.settings) else 0,
    )


def _late_s(settings: Settings) -> float:
    return _LATE * settings.object_store.timeout_s


def _is_s3(settings: Settings) -> bool:
    return settings.object_store.kind == "s3"


def _pipeline(parts: Parts) -> Pipeline:
    return Pipeline(
        broker=parts.broker,
        backlog=parts.jobs,
        clock=parts.clock,
        settings=parts.settings.jobs,
        work=parts.ledger.work,
        metrics=parts.metrics,
        queue_name=parts.settings.broker.queue_name,
    )


def _dead_letters(parts: Parts) -> DeadLetters:
    return DeadLetters(
        ledger=parts.ledger,
        latest=parts.latest,
        letters=parts.jobs,
        leases=parts.jobs,
        broker=parts.broker,
        clock=parts.clock,
        settings=parts.settings.jobs,
        metrics=parts.metrics,
        queue_name=parts.settings.broker.queue_name,
    )


def _collector(parts: Parts) -> Collector:
    return Collector(
        ledger=parts.ledger,
        latest=parts.latest,
        broker=parts.broker,
        analysed=parts.jobs,
        processed=parts.processed,
        clock=parts.clock,
        prefix=parts.settings.jobs.trace_prefix,
        prefetch=parts.settings.broker.prefetch,
        metrics=parts.metrics,
    )


def _dispatcher(parts: Parts, pipeline: Pipeline) -> Dispatcher:
    return Dispatcher(
        ledger=parts.ledger,
        jobs=parts.jobs,
        backlog=parts.jobs,
        broker=parts.broker,
        clock=parts.clock,
        settings=parts.settings.jobs,
        pipeline=pipeline,
        metrics=parts.metrics,
    )


def _rescuer(parts: Parts, pipeline: Pipeline) -> Rescuer:
    return Rescuer(
        ledger=parts.ledger,
        jobs=parts.jobs,
        backlog=parts.jobs,
        processed=parts.processed,
        pipeline=pipeline,
        clock=parts.clock,
        settings=parts.settings.jobs,
        metrics=parts.metrics,
    )


def _fetcher(parts: Parts) -> Fetcher:
    return Fetcher(
        ledger=parts.ledger,
        jobs=parts.jobs,
        backlog=parts.jobs,
        downloader=parts.downloader,
        originals=parts.originals,
        reuse=_reuse(parts),
        clock=parts.clock,
        settings=parts.settings.fetch,
        poll_s=parts.settings.jobs.poll_s,
        max_running_jobs=parts.settings.jobs.max_running_jobs,
        metrics=parts.metrics,
    )
