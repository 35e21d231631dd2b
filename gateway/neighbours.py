"""Analyzer and processor as services of this process: of the gateway that has them built in, or of a worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gateway.analyzer.chain import open_chain
from gateway.analyzer.service import Analyzer
from gateway.background import CanNotStart
from gateway.consuming import Workers
from gateway.ports.broker import Broker
from gateway.ports.object_store import ObjectStore
from gateway.processes import HelperProcesses
from gateway.processor.service import Processor
from gateway.processor.tags import INSTALL_COMMAND, processor_available
from gateway.settings import Role, Settings
from gateway.telemetry.metrics import Metrics

OTHERS_MAX_BYTES: Final = 64 * 1024 * 1024
"""Who else uploads to the same queues may send larger images than our clients; more than that fills the memory."""


def built_in_roles(settings: Settings) -> tuple[Role, ...]:
    """What a gateway of these settings does itself."""
    return tuple(role for role in Role if settings.of(role).kind == "built_in")


def check_installed(*roles: Role) -> None:
    """Whether all is here that these need. Raises CanNotStart."""
    if Role.PROCESSOR in roles and not processor_available():
        raise CanNotStart(f"the built-in processor needs pyexiv2: {INSTALL_COMMAND}")


@asynccontextmanager
async def open_workers(
    role: Role,
    settings: Settings,
    broker: Broker,
    objects: ObjectStore,
    helpers: HelperProcesses,
    metrics: Metrics,
) -> AsyncIterator[Workers]:
    """The service that does it, with what it needs beside."""
    count = settings.images_at_once(role)
    max_bytes = max(settings.intake.max_image_bytes, OTHERS_MAX_BYTES)
    if role is Role.ANALYZER:
        async with open_chain(
            settings.analyzer, settings.vision, settings.local, helpers, settings.intake.max_pixels, metrics
        ) as providers:
            analyzer = Analyzer(broker, objects, providers, settings.analyzer, max_bytes)
            yield analyzer.workers(metrics.workers, count)
    else:
        processor = Processor(broker, objects, helpers, settings.processor, max_bytes)
        yield processor.workers(metrics.workers, count)
