"""Gateways to test against: a quiet one, whose jobs stand still, and a whole one, whose jobs are worked on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers.quiet_gateway import QuietGateway, quiet_gateway


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """A gateway without services."""
    async with quiet_gateway(tmp_path) as gateway:
        yield gateway
