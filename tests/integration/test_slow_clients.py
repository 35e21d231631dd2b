"""How long a head may take, and that slow clients hold up nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.intake.settings import IntakeSettings
from gateway.settings import HttpSettings
from tests.patience import PATIENCE_S
from tests.pictures import plain
from tests.placed_connections import HEALTH, opened
from tests.servers.gateway import Gateway, running_gateway
from tests.servers.quiet_gateway import SHUTDOWN_S, QuietGateway, quiet_gateway
from tests.servers.raw_http import Line, connection, head

BATCH = "/api/v1/batch"
JPEG = plain("JPEG")
MB = 1024 * 1024

AGateway = QuietGateway | Gateway


@asynccontextmanager
async def cut(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """A gateway with a connection whose head did not come in time, and which its client keeps open."""
    http = HttpSettings(headers_timeout_s=1, keepalive_timeout_s=600)
    async with quiet_gateway(tmp_path, http=http) as gateway, connection(gateway.port) as line:
        await line.send(HEALTH[:-2])
        assert (await line.answer()).status == 408
        yield gateway


class TestSlowHeads:
    """A head has a second, and a connection may be idle for as long as these tests take."""

    @pytest.fixture(params=["asyncio", "uvloop"])
    async def quick(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AGateway]:
        """On the loop of these tests, and on that of a gateway as it is run: they differ in what comes first."""
        if request.param == "asyncio":
            http = HttpSettings(headers_timeout_s=1, keepalive_timeout_s=600)
            async with quiet_gateway(tmp_path, http=http) as gateway:
                yield gateway
        else:
            async with running_gateway(
                tmp_path / "data", http_headers_timeout_s=1, http_keepalive_timeout_s=600
            ) as gateway:
                yield gateway

    async def drip(self, line: Line, beginning: bytes) -> None:
        """Sends a little at a time, and never stops by itself."""
        await line.send(beginning)
        while True:
            await line.send(b"X-More: x\r\n")
            await asyncio.sleep(0.05)

    async def is_cut(self, line: Line, beginning: bytes) -> None:
        dripping = asyncio.create_task(self.drip(line, beginning))
        try:
            answer = await line.answer()
            assert (answer.status, answer.json["code"]) == (408, "too_slow")
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["connection"] == "close"
            await line.ended()
        finally:
            dripping.cancel()
            await asyncio.wait((dripping,))

    async def test_the_first_head_is_cut_whatever_it_drips(self, quick: AGateway) -> None:
        async with connection(quick.port) as line:
            await self.is_cut(line, b"GET /healthz HTTP/1.1\r\n")

    async def test_so_is_a_further_one(self, quick: AGateway) -> None:
        async with connection(quick.port) as line:
            await line.send(HEALTH)
            assert (await line.answer()).status == 200
            await self.is_cut(line, b"GET /healthz HTTP/1.1\r\n")

    async def test_so_is_one_that_came_with_the_request_before_it(self, quick: AGateway) -> None:
        async with connection(quick.port) as line:
            await line.send(HEALTH + HEALTH[:10])
            assert (await line.answer()).status == 200
            await self.is_cut(line, HEALTH[10:-2])

    async def test_so_is_one_behind_a_body(self, quick: AGateway) -> None:
        async with connection(quick.port) as line:
            sent = (("Content-Type", "image/jpeg"), ("Content-Length", len(JPEG)))
            await line.send(head("POST", BATCH, *sent) + JPEG + HEALTH[:10])
            assert (await line.answer()).status == 201
            await self.is_cut(line, HEALTH[10:-2])

    async def test_a_head_that_stops_is_cut_like_one_that_drips(self, quick: AGateway) -> None:
        async with connection(quick.port) as line:
            await line.send(HEALTH[:-2])
            assert (await line.answer()).status == 408
            await line.ended()

    async def test_a_client_that_sends_on_after_it_was_cut_is_not_reset(self, quick: AGateway) -> None:
        """For a reset takes from it the answer that it has not read yet."""
        async with connection(quick.port) as line:
            await line.send(HEALTH[:-2])
            assert (await line.answer()).status == 408
            for _ in range(10):
                await line.send(b"X-More: x\r\n")
            await line.ended()
            assert line.reader.exception() is None

    async def test_one_that_was_cut_and_stays_has_its_place_no_longer(self, tmp_path: Path) -> None:
        async with cut(tmp_path) as gateway, asyncio.timeout(PATIENCE_S):
            while gateway.runner.server and gateway.runner.server.connections:
                await asyncio.sleep(0.01)

    async def test_nobody_waits_for_one_that_was_cut_at_a_stop(self, tmp_path: Path) -> None:
        async with cut(tmp_path) as gateway, asyncio.timeout(SHUTDOWN_S - 1):
            await gateway.stop_doors()

    async def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(
        self, quick: AGateway
    ) -> None:
        async with connection(quick.port) as line:
            await line.ended()

    async def test_an_idle_connection_is_kept_past_the_time_of_a_head(self, tmp_path: Path) -> None:
        http = HttpSettings(headers_timeout_s=1, keepalive_timeout_s=600)
        async with quiet_gateway(tmp_path, http=http) as gateway, AsyncExitStack() as stack:
            (line,) = await opened(stack, gateway.port, 1)
            async with connection(gateway.port) as other:  # opened later, and cut by the same bound
                await other.ended()
            await line.send(HEALTH)
            assert (await line.answer()).status == 200

    async def test_a_head_has_its_time_even_where_idle_connections_have_less(self, tmp_path: Path) -> None:
        http = HttpSettings(headers_timeout_s=600, keepalive_timeout_s=0.2)
        async with quiet_gateway(tmp_path, http=http) as gateway, connection(gateway.port) as line:
            await line.send(HEALTH[:-2])
            async with AsyncExitStack() as stack:
                (idle,) = await opened(stack, gateway.port, 1)
                await idle.ended()
            await line.send(b"\r\n")
            assert (await line.answer()).status == 200

    async def test_a_head_in_pieces_that_comes_in_time_is_answered(self, quiet: QuietGateway) -> None:
        async with connection(quiet.port) as line:
            for byte in HEALTH:
                await line.send(bytes([byte]))
            assert (await line.answer()).status == 200


class TestBesideSlowClients:
    """A hundred that drip their heads for ever, and a hundred that stop in the midst of their bodies."""

    OF_EACH = 100
    STALLED = head("POST", BATCH, ("Content-Type", "image/jpeg"), ("Content-Length", MB)) + JPEG

    async def test_others_are_answered_all_the_while_and_the_slow_ones_are_cut(self, tmp_path: Path) -> None:
        http, intake = HttpSettings(headers_timeout_s=2), IntakeSettings(silence_s=2)
        async with quiet_gateway(tmp_path, http=http, intake=intake) as gateway, asyncio.TaskGroup() as slow:
            cut = [slow.create_task(self.drip(gateway.port)) for _ in range(self.OF_EACH)]
            cut += [slow.create_task(self.stall(gateway.port)) for _ in range(self.OF_EACH)]
            accepted = 0
            while not all(task.done() for task in cut):
                async with gateway.http.post(
                    BATCH, data=JPEG, headers={"Content-Type": "image/jpeg"}
                ) as answer:
                    assert answer.status == 201
                accepted += 1
            assert [task.result() for task in cut] == [408] * 2 * self.OF_EACH
            async with asyncio.timeout(PATIENCE_S):
                while len(gateway.stored_files()) != accepted:  # what was stored of stalled bodies is removed
                    await asyncio.sleep(0.01)

    async def drip(self, port: int) -> int:
        async with connection(port) as line, asyncio.TaskGroup() as tasks:
            dripping = tasks.create_task(self.send_for_ever(line))
            answer = await line.answer()
            dripping.cancel()
            return answer.status

    async def send_for_ever(self, line: Line) -> None:
        await line.send(b"GET /healthz HTTP/1.1\r\n")
        while True:
            await line.send(b"X: x\r\n")
            await asyncio.sleep(0.05)

    async def stall(self, port: int) -> int:
        async with connection(port) as line:
            await line.send(self.STALLED)
            return (await line.answer()).status
