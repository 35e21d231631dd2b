from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.jobs.parts import Parts, parts_in


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts_in(tmp_path) as made:
        yield made
