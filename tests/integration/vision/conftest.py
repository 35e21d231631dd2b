"""The vision provider with a real server that speaks chat completions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from gateway.analyzer.vision.provider import Limits, VisionProvider
from gateway.analyzer.vision.settings import VisionSettings
from gateway.ports.clock import Clock
from gateway.processes import HelperProcesses
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import VisionMetrics
from tests.clocks import HandClock
from tests.integration.vision.photographer import KEY, TIMEOUT_S, Photographer
from tests.servers.chat_completions import Answer, VisionServer, vision_server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def helpers() -> AsyncIterator[HelperProcesses]:
    pool = HelperProcesses()
    yield pool
    await pool.close()


@asynccontextmanager
async def _a_photographer(
    helpers: HelperProcesses, url: str, *, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Photographer]:
    instruments = Instruments()
    vision = VisionSettings(**{"url": url, "api_key": KEY, **settings})
    limits, metrics = Limits(10_000_000, TIMEOUT_S), VisionMetrics(instruments)
    async with VisionProvider.opened(vision, helpers, limits, metrics, clock or HandClock()) as provider:
        yield Photographer(provider, instruments)


@asynccontextmanager
async def _asking(
    helpers: HelperProcesses, *answers: Answer, **settings: Any
) -> AsyncIterator[tuple[Photographer, VisionServer]]:
    async with (
        vision_server(*answers) as server,
        _a_photographer(helpers, server.url, **settings) as photographer,
    ):
        yield photographer, server


@pytest.fixture
def a_photographer(helpers):
    """Waits between requests take no time, unless there is another clock."""
    return partial(_a_photographer, helpers)


@pytest.fixture
def asking(helpers):
    """A photographer, and the server that its provider asks, with its answers in turn."""
    return partial(_asking, helpers)
