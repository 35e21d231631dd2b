"""One gateway a module, with a job that stands still, for clients that send it what they like."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.websocket.standing import Standing, standing_job


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def the_job(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Standing]:
    async with standing_job(tmp_path_factory.mktemp("gateway") / "data") as job:
        yield job
