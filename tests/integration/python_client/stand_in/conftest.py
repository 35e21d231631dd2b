"""A gateway that speaks the contract and misbehaves as a test asks it to, and the Python client of it."""

from collections.abc import AsyncIterator

import pytest

from gateway.client import GatewayClient
from tests.servers.stand_in_gateway import StandIn, stand_in_gateway


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with stand_in_gateway() as gateway:
        yield gateway


@pytest.fixture
async def client(stand_in: StandIn) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(stand_in.base_url) as client:
        yield client
