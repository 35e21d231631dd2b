"""Gateways whose messages are held to their document; a connection follows two jobs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.events.settings import SubscriberSettings
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(max_jobs=2)) as gateway:
        yield gateway


@pytest.fixture
async def restless(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """It gives a sign of life after every moment of silence, and has as little patience with who gives none."""
    async with quiet_gateway(tmp_path, subscribers=SubscriberSettings(heartbeat_s=0.5)) as gateway:
        yield gateway
