"""A gateway that does, frame by frame, what a test says, and the Python client of it. Who needs another has its own."""

from collections.abc import AsyncIterator

import pytest

from gateway.client import GatewayClient
from tests.servers.scripted_gateway import Scripted, scripted_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Scripted]:
    async with scripted_gateway() as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: Scripted) -> AsyncIterator[GatewayClient]:
    """Ten seconds without an answer are enough for it, and it comes back at once to a gateway that starts anew."""
    async with GatewayClient(gateway.base_url, patience_s=10, spread_s=0.1) as client:
        yield client
