"""Any row of frames over a WebSocket, right or wrong, against what RFC 6455 makes of it, cut anywhere."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.websocket.drawn import ROWS, Sent, expected_of
from tests.websocket.standing import Standing, standing_job

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def job(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Standing]:
    async with standing_job(tmp_path_factory.mktemp("gateway") / "data") as standing:
        yield standing


@settings(max_examples=300)
@given(ROWS, st.one_of(st.none(), st.integers(1, 300)))
async def test_any_row_of_frames_ends_as_the_rfc_has_it(
    job: Standing, row: list[Sent], chop: int | None
) -> None:
    expected = expected_of(row)
    async with job.followed() as socket:
        await socket.send(b"".join(sent.bytes for sent in row), chop)
        outcome = await (socket.ending() if expected.is_goodbye else socket.outcome())
    assert outcome.is_open is not bool(expected.codes)
    assert outcome.is_open or outcome.code in expected.codes
    assert outcome.pongs == expected.pongs
