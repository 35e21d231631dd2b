"""Whatever a client says on the WebSocket for many jobs: each message is answered, in order, and as it should be."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.websocket.cases import CASES
from tests.websocket.client import opened
from tests.websocket.frames import BINARY, TEXT, Frame, frame
from tests.websocket.standing import Standing
from tests.websocket.talk import TALKS, Answering, Said

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/api/v1/ws"
OF_MESSAGES = frozenset((1003, 4501))
"""Binary messages, or too many that are none."""


def answers_in(frames: list[Frame]) -> list[str]:
    """Type or code of each, the events left out."""
    told = [json.loads(frame.payload) for frame in frames if frame.opcode == TEXT]
    kinds = [message.get("code", message["type"]) for message in told]
    return [kind for kind in kinds if kind not in ("progress", "jobs", "job_changed", "heartbeat")]


@settings(max_examples=150)
@given(TALKS, st.one_of(st.none(), st.integers(20, 2000)))
async def test_each_message_is_answered_in_order(
    the_job: Standing, talk: list[Said], chop: int | None
) -> None:
    expected = Answering.of(talk)
    async with opened(the_job.gateway.port, PATH) as socket:
        await socket.send(b"".join(said.bytes_about(the_job.job_id) for said in talk), chop)
        while len(answers_in(socket.frames)) < len(expected.answers):
            assert await socket.hear() is not None
        assert answers_in(socket.frames) == expected.answers
        if expected.is_over:
            assert (await socket.ending()).code == 4501
        else:
            assert (await socket.outcome()).is_open


@pytest.mark.parametrize("name", CASES)
async def test_frames_are_answered_as_on_the_websocket_of_one_job(the_job: Standing, name: str) -> None:
    """Unless messages that are none have ended the connection before."""
    case = CASES[name]
    async with opened(the_job.gateway.port, PATH) as socket:
        await socket.send(case.sent)
        outcome = await (socket.ending() if case.expected.is_goodbye else socket.outcome())
    if outcome.is_open:
        assert not case.expected.codes
    else:
        assert outcome.code in case.expected.codes | OF_MESSAGES
    assert outcome.pongs == case.expected.pongs[: len(outcome.pongs)]
    assert outcome.code in OF_MESSAGES or outcome.pongs == case.expected.pongs


async def test_a_binary_message_ends_it(the_job: Standing) -> None:
    async with opened(the_job.gateway.port, PATH) as socket:
        await socket.send(frame(BINARY, b"{}"))
        assert (await socket.ending()).code == 1003


async def test_who_follows_hears_the_job_beside_the_answers(the_job: Standing) -> None:
    async with opened(the_job.gateway.port, PATH) as socket:
        await socket.send(frame(TEXT, b'{"type": "subscribe", "job_id": "%b"}' % the_job.job_id.encode()))
        assert [json.loads(await socket.message())["type"] for _ in range(2)] == ["subscribed", "progress"]
