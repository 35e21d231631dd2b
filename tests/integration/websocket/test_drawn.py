"""Any row of frames over a WebSocket, right or wrong, against what RFC 6455 makes of it, cut anywhere."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.websocket.drawn import ROWS, Sent, expected_of
from tests.websocket.standing import Standing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@settings(max_examples=300)
@given(ROWS, st.one_of(st.none(), st.integers(1, 300)))
async def test_any_row_of_frames_ends_as_the_rfc_has_it(
    the_job: Standing, row: list[Sent], chop: int | None
) -> None:
    expected = expected_of(row)
    async with the_job.followed() as socket:
        await socket.send(b"".join(sent.bytes for sent in row), chop)
        outcome = await (socket.ending() if expected.is_goodbye else socket.outcome())
    assert outcome.is_open is not bool(expected.codes)
    assert outcome.is_open or outcome.code in expected.codes
    assert outcome.pongs == expected.pongs
