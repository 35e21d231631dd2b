"""The composition root of `gateway worker ROLE`: the analyzer or the processor as a process of its own.

It has no state and writes no file: what it knows comes by message, what it makes goes into the object store and, once
the broker confirmed it, out of its hand. Any number of them work side by side, ours and others'.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from attrs import frozen

from gateway.adapters.broker.opening import open_broker
from gateway.adapters.object_store.measured import MeasuredObjectStore
from gateway.adapters.object_store.opening import open_object_store
from gateway.api.health import Health
from gateway.background import Background
from gateway.consuming import Workers
from gateway.neighbours import check_installed, open_workers
from gateway.ports.broker import Queue
from gateway.ports.clock import SystemClock
from gateway.processes import HelperProcesses
from gateway.settings import Role, Settings, check_worker, doubts
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.pulse import Pulse

QUEUES_OF: Final[Mapping[Role, Sequence[Queue]]] = {
    Role.ANALYZER: (Queue.IMAGE_UPLOAD, Queue.METADATA_GENERATED, Queue.DEAD_LETTER),
    Role.PROCESSOR: (Queue.METADATA_GENERATED, Queue.IMAGE_PROCESSED, Queue.DEAD_LETTER),
}
"""What each uses. With queues of other names, those that it does not know of may be another system's."""


@frozen(eq=False)
class Worker:
    """A worker at work, without its door."""

    workers: Workers
    background: Background
    health: Health
    metrics: Metrics


@asynccontextmanager
async def at_work(settings: Settings, role: Role) -> AsyncIterator[Worker]:
    """Takes messages until the context ends. Raises SettingsError, CanNotStart."""
    check_worker(settings, role)
    doubts.tell(doubts.of_worker(settings, role))
    check_installed(role)
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        background = Background()
        metrics = Metrics(settings.metrics)
        stack.push_async_callback(metrics.close)
        objects = MeasuredObjectStore(
            await stack.enter_async_context(open_object_store(settings.object_store, settings.data_dir)),
            metrics.objects,
        )
        broker = await stack.enter_async_context(
            open_broker(
                settings.broker,
                clock=clock,
                name=f"gateway worker {role}",
                queues=QUEUES_OF[role],
                on_reconnect=metrics.broker.reconnects.add,
            )
        )
        helpers = HelperProcesses(settings.helpers)
        stack.push_async_callback(helpers.close)
        service = await stack.enter_async_context(
            open_workers(role, settings, broker, objects, helpers, metrics)
        )
        health = Health(
            name=role,
            checks={"object_store": objects.check, "broker": broker.check},
            warnings=lambda: broker.warnings,
            background=background,
            clock=clock,
            metrics=metrics.health,
        )
        await stack.enter_async_context(background.running(service, Pulse(metrics)))
        yield Worker(service, background, health, metrics)
