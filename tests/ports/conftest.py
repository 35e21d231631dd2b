"""Each adapter of the job store's ports, for the suites."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ports.job_stores import ADAPTERS, Store


@pytest.fixture(params=ADAPTERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with ADAPTERS[request.param](tmp_path) as store:
        yield store
