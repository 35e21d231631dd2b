"""A gateway whose messages are held to its document; it gives a sign of life soon."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers.quiet_gateway import QuietGateway, quiet_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    async with quiet_gateway(tmp_path) as gateway:
        yield gateway
