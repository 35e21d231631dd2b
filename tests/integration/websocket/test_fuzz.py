"""What clients may and may not send over a WebSocket, in the manner of the Autobahn test suite.

tests/websocket/cases.py says what must come of each. The gateway is a process of its own, on the loop that it is run
with.
"""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.api.live.audience import LEAVE_S
from gateway.domain import transitions
from tests.builders import NOW, a_failure
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import quiet_gateway
from tests.websocket.cases import CASES, Case
from tests.websocket.client import Outcome, Socket, opened
from tests.websocket.frames import BINARY, CONTINUATION, PING, PONG, TEXT, closing, frame
from tests.websocket.standing import Standing, standing_job

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL_BYTES = 1500
"""That can be sent byte by byte within moments."""
SMALL = [name for name, case in CASES.items() if len(case.sent) <= SMALL_BYTES]

LONG = 8_000_000
"""More than the kernel keeps of what a client does not read."""

PIECE = bytes(1_000_000)
MOST_UNDER_WAY = 128
"""Pieces: more than is read and dropped, and the kernel keeps of it."""

FLOODS = {
    "pings": frame(PING) * 10_000,
    "pings of 125 bytes": frame(PING, bytes(125)) * 1000,
    "pongs": frame(PONG) * 10_000,
    "texts without payload": frame(TEXT) * 10_000,
    "fragments without payload": frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) * 10_000,
    "the longest messages": frame(BINARY, bytes(4095)) * 200,
    "one endless frame": frame(BINARY, declared=2**62) + bytes(1_000_000),
    "what is no frame": bytes(1_000_000),
}


@pytest_asyncio.fixture(loop_scope="module")
async def job(the_job: Standing) -> AsyncIterator[Standing]:
    """It is the same for all tests here, and its gateway has nothing to complain of after any of them."""
    yield the_job
    the_job.gateway.show_news()
    assert the_job.gateway.complaints() == []


def hold(case: Case, outcome: Outcome) -> None:
    expected = case.expected
    assert outcome.is_open is not bool(expected.codes)
    assert outcome.is_open or outcome.code in expected.codes
    assert outcome.pongs == expected.pongs


async def outcome_of(case: Case, socket: Socket, chop: int | None = None) -> Outcome:
    await socket.send(case.sent, chop)
    return await (socket.ending() if case.expected.is_goodbye else socket.outcome())


@pytest.mark.parametrize("name", CASES)
async def test_what_a_client_sends_is_answered_as_the_rfc_has_it(job: Standing, name: str) -> None:
    async with job.followed() as socket:
        hold(CASES[name], await outcome_of(CASES[name], socket))


@pytest.mark.parametrize("name", SMALL)
async def test_it_makes_no_difference_when_it_comes_byte_by_byte(job: Standing, name: str) -> None:
    async with job.followed() as socket:
        hold(CASES[name], await outcome_of(CASES[name], socket, chop=1))


@pytest.mark.parametrize("chop", [2, 3, 5, 7, 64, 251, 1460, 4096])
async def test_nor_in_pieces_of_other_sizes(job: Standing, chop: int) -> None:
    for case in CASES.values():
        if len(case.sent) <= SMALL_BYTES * chop:
            async with job.followed() as socket:
                hold(case, await outcome_of(case, socket, chop))


async def test_frames_right_behind_the_handshake_are_heard(job: Standing) -> None:
    async with job.asked(frame(TEXT, b"Hello") + frame(PING, b"early")) as socket:
        assert (await socket.outcome()).pongs == (b"early",)


async def test_so_are_wrong_ones(job: Standing) -> None:
    async with job.asked(frame(TEXT, b"Hello", key=None)) as socket:
        assert (await socket.outcome()).code == 1002


async def test_so_is_a_goodbye(job: Standing) -> None:
    async with job.asked(closing(1000)) as socket:
        assert (await socket.ending()).code == 1000


class TestEnds:
    async def test_a_goodbye_is_answered_and_then_the_connection_closed(self, job: Standing) -> None:
        async with job.followed() as socket:
            assert await socket.leave() == 1000

    async def test_who_answers_no_goodbye_is_closed_within_seconds(self, job: Standing) -> None:
        async with job.followed() as socket:
            await socket.send(frame(3))
            assert (await socket.ending(answers=False)).code == 1002

    @pytest.mark.parametrize(
        "half",
        [frame(TEXT)[:1], frame(TEXT, b"Hello")[:5], frame(TEXT, b"Hello")[:-1], frame(TEXT, fin=False), b""],
        ids=["a byte", "a mask", "a payload", "a message", "nothing"],
    )
    async def test_who_leaves_in_the_midst_of_something_is_forgotten(
        self, job: Standing, half: bytes
    ) -> None:
        async with job.followed() as socket:
            await socket.send(half)
            socket.line.writer.write_eof()
            assert await socket.hear() is None

    async def test_who_has_failed_hears_why_though_it_sends_on(self, job: Standing) -> None:
        """A connection closed with unread bytes in it would be reset, and the close frame lost."""
        async with job.followed() as socket:
            await socket.send(frame(BINARY, bytes(1_000_000)) * 5)
            assert (await socket.ending()).code == 1009

    async def test_who_has_failed_and_sends_on_without_end_is_cut_off(self, job: Standing) -> None:
        """Before long, and it is slowed until then."""
        async with job.followed() as socket:
            await socket.line.send(frame(BINARY, declared=2**62))
            with pytest.raises(ConnectionError):
                await self.send_pieces(socket, MOST_UNDER_WAY)

    async def send_pieces(self, socket: Socket, count: int) -> None:
        for _ in range(count):
            await socket.line.send(PIECE)

    async def test_who_answers_the_goodbye_of_a_stop_and_does_not_close_delays_it_no_more(
        self, tmp_path: Path
    ) -> None:
        async with quiet_gateway(tmp_path) as quiet:
            job = await quiet.accept()
            async with opened(quiet.port, f"/api/v1/batch/{job.job_id}/ws") as socket:
                await socket.message()
                stopping = asyncio.create_task(quiet.stop_doors())
                assert (await socket.ending()).code == 1001
                async with asyncio.timeout(LEAVE_S / 2):
                    await stopping


class TestInTheMidstOfAMessage:
    """Of the gateway, and a long one, of which its subscriber has read no more than that it has begun."""

    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            (frame(TEXT, b"Hello", key=None), 1002),
            (frame(TEXT, rsv=4), 1002),
            (frame(BINARY, bytes(5000)), 1009),
            (closing(1000), 1000),
        ],
        ids=["not masked", "reserved bits", "too big", "a goodbye"],
    )
    async def test_it_is_sent_to_its_end_and_then_the_goodbye(
        self, tmp_path: Path, sent: bytes, code: int
    ) -> None:
        async with quiet_gateway(tmp_path) as quiet:
            job = await quiet.accept()
            failure = a_failure(error="*" * LONG)
            await quiet.change(job.job_id, lambda job: transitions.fail(job, 0, failure, NOW))
            async with opened(quiet.port, f"/api/v1/batch/{job.job_id}/ws?after=0") as socket:
                await socket.message()
                length = await self.length_of_a_long_message(socket.line.reader)
                await socket.send(sent)
                message = await socket.line.reader.readexactly(length)
                assert json.loads(message)["image"]["error"] == failure.error
                assert (await socket.ending()).code == code

    async def length_of_a_long_message(self, reader: asyncio.StreamReader) -> int:
        """Once one begins; signs of life that come before it are passed over."""
        while True:
            first, told = await reader.readexactly(2)
            if told == 127:
                assert first == 0x81
                return int.from_bytes(await reader.readexactly(8), "big")
            if told == 126:
                told = int.from_bytes(await reader.readexactly(2), "big")
            await reader.readexactly(told)


class TestOthers:
    """While somebody does what should not be done."""

    @pytest.mark.parametrize("flood", FLOODS)
    async def test_a_flood_ends_and_others_are_answered_meanwhile(self, job: Standing, flood: str) -> None:
        async with job.followed() as other, job.followed() as socket, asyncio.timeout(PATIENCE_S):
            flooding = asyncio.create_task(self.flood(socket, FLOODS[flood]))
            answered = 0
            while not flooding.done():
                assert (await other.outcome()).is_open
                answered += 1
            assert answered > 0
            assert await flooding in (1002, 1009)

    async def flood(self, socket: Socket, sent: bytes) -> int | None:
        """Sends on and on, until it hears that it should not."""
        sending = asyncio.create_task(self.send_on(socket, sent))
        try:
            return (await socket.ending(answers=False)).code
        finally:
            sending.cancel()
            await asyncio.wait([sending])

    async def send_on(self, socket: Socket, sent: bytes) -> None:
        """Until the connection is closed."""
        with suppress(ConnectionError):
            while True:
                await socket.line.send(sent)

    async def test_a_flood_of_who_does_not_read_ends_too(self, job: Standing) -> None:
        async with job.followed() as other, job.followed() as socket, asyncio.timeout(PATIENCE_S):
            await self.send_on(socket, FLOODS["pings of 125 bytes"])
            assert (await other.outcome()).is_open


async def test_another_subscriber_hears_the_jobs_end_after_all_that(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data_dir = tmp_path_factory.mktemp("gateway") / "data"
    async with standing_job(data_dir) as own, own.followed() as other:
        for case in CASES.values():
            async with own.followed() as socket:
                await outcome_of(case, socket)
        own.go_on()
        types = [json.loads(told.payload)["type"] for told in await other.to_the_end() if told.opcode == TEXT]
        assert types[-2:] == ["image_complete", "job_complete"]
        assert other.frames[-1].close_code == 1000


async def test_nothing_of_all_that_stays_in_memory(tmp_path_factory: pytest.TempPathFactory) -> None:
    """In this process, where objects can be counted."""
    async with quiet_gateway(tmp_path_factory.mktemp("quiet")) as quiet:
        path = f"/api/v1/batch/{(await quiet.accept()).job_id}/ws"
        server = quiet.runner.server
        assert server is not None

        async def objects_after_all() -> int:
            for case in CASES.values():
                async with opened(quiet.port, path) as socket:
                    await outcome_of(case, socket)
            async with asyncio.timeout(PATIENCE_S):
                while server.connections:
                    await asyncio.sleep(0.01)
            gc.collect()
            return len(gc.get_objects())

        await objects_after_all()
        before = await objects_after_all()
        assert await objects_after_all() - before < len(CASES)
