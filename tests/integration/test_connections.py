"""Connections themselves: how many there may be, and answers that overtake a body."""

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from gateway.api.connections.crowd import ConnectionBounds
from gateway.api.connections.runner import Runner
from gateway.api.cors import CrossOrigin
from gateway.api.live.websocket.handshake import opened_socket
from gateway.settings import HttpSettings
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import ConnectionMetrics
from tests.curl import curl
from tests.patience import PATIENCE_S
from tests.pictures import plain
from tests.placed_connections import opened
from tests.servers.application import listening
from tests.servers.gateway import running_gateway
from tests.servers.quiet_gateway import SHUTDOWN_S, QuietGateway, quiet_gateway
from tests.servers.raw_http import connection, head
from tests.websocket.client import asking

BATCH = "/api/v1/batch"
JPEG = plain("JPEG")
MB = 1024 * 1024
LARGE = 32 * MB
SPARE = 32


class TestTooMany:
    @pytest.fixture
    async def small(self, tmp_path: Path) -> AsyncIterator[QuietGateway]:
        async with quiet_gateway(tmp_path, http=HttpSettings(max_connections=2)) as gateway:
            yield gateway

    async def test_one_above_the_bound_is_503_told_when_to_come_again_and_closed(
        self, small: QuietGateway
    ) -> None:
        async with AsyncExitStack() as stack:
            await opened(stack, small.port, 2)
            async with connection(small.port) as line:
                await line.send(head("GET", BATCH))
                answer = await line.answer()
                await line.ended()
        assert (answer.status, answer.json["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["access-control-allow-origin"] == "*"

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
    async def test_who_asks_how_the_gateway_is_gets_an_answer_all_the_same_and_only_one(
        self, small: QuietGateway, path: str
    ) -> None:
        async with AsyncExitStack() as stack:
            await opened(stack, small.port, 2)
            async with connection(small.port) as line:
                await line.send(head("GET", path))
                answer = await line.answer()
                assert (answer.status, answer.headers["connection"]) == (200, "close")
                await line.ended()

    async def test_above_the_spare_ones_the_answer_waits_for_no_request(self, small: QuietGateway) -> None:
        async with AsyncExitStack() as stack:
            await opened(stack, small.port, 2)
            for _ in range(SPARE):
                await stack.enter_async_context(connection(small.port))
            async with connection(small.port) as line:
                answer = await line.answer()
                await line.ended()
        assert (answer.status, answer.json["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["connection"] == "close"

    async def test_who_sends_its_request_at_once_still_sees_that_answer(self, small: QuietGateway) -> None:
        async with AsyncExitStack() as stack:
            await opened(stack, small.port, 2)
            for _ in range(SPARE):
                await stack.enter_async_context(connection(small.port))
            answer = await curl("-T", "/dev/null", f"http://127.0.0.1:{small.port}{BATCH}")
        assert answer.status == 503

    async def test_a_connection_that_ended_makes_room(self, small: QuietGateway) -> None:
        async with AsyncExitStack() as stack:
            await opened(stack, small.port, 2)
        async with asyncio.timeout(PATIENCE_S):
            while (await curl(f"http://127.0.0.1:{small.port}{BATCH}")).status == 503:
                await asyncio.sleep(0.01)

    async def test_a_flood_of_them_leaves_nothing_behind(self, small: QuietGateway) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(300):
                await stack.enter_async_context(connection(small.port))
        async with asyncio.timeout(PATIENCE_S):
            while (await curl(f"http://127.0.0.1:{small.port}{BATCH}")).status == 503:
                await asyncio.sleep(0.01)

    async def test_a_gateway_as_operators_start_it_has_the_bound(self, tmp_path: Path) -> None:
        async with (
            running_gateway(tmp_path / "data", http_max_connections=1) as gateway,
            AsyncExitStack() as stack,
        ):
            await opened(stack, gateway.port, 1)
            answer = await curl(gateway.url(BATCH))
            assert (answer.status, answer.json["code"]) == (503, "busy")
            for _ in range(SPARE):
                await stack.enter_async_context(connection(gateway.port))
            async with connection(gateway.port) as line:
                assert (await line.answer()).status == 503
            told = [event for event in gateway.log() if event["event"] == "too many connections"]
            assert [event["bound"] for event in told] == [1]


class TestUnread:
    async def test_who_does_not_read_its_answer_loses_its_place(self) -> None:
        """There is one, and half a second for reading on."""
        bounds = ConnectionBounds(most=1, spare=0, unread_s=0.5)
        async with large_answers(bounds) as port, connection(port) as line, asyncio.timeout(PATIENCE_S):
            await line.send(head("GET", "/"))
            while (await curl("-I", f"http://127.0.0.1:{port}/")).status == 503:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def large_answers(bounds: ConnectionBounds) -> AsyncIterator[int]:
    """A server of answers far larger than the buffers of a connection; its port."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE))

    async with listening(runner_of(answer, bounds)) as port:
        yield port


def runner_of(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], bounds: ConnectionBounds
) -> Runner:
    """Of a server that has one answer."""
    application = web.Application()
    application.router.add_get("/", handler)
    return Runner(application, CrossOrigin(), bounds, ConnectionMetrics(Instruments()), access_log=None)


class TestReset:
    @pytest.mark.parametrize(
        "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
    )
    def test_who_resets_a_websocket_at_its_end_is_no_bug(
        self, new_loop: Callable[[], asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Before the loop hears of it: the connection is to be closed in our direction, and is no more."""
        with asyncio.Runner(loop_factory=new_loop) as loop:
            loop.run(self.reset_at_the_end())
        assert [told for told in caplog.records if told.levelno >= logging.WARNING] == []

    async def reset_at_the_end(self) -> None:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

            async def follow(request: web.Request) -> web.StreamResponse:
                opened = await opened_socket(request, max_message_bytes=1)
                client.close()
                over.set()
                return opened

            over = asyncio.Event()
            runner = runner_of(follow, ConnectionBounds())
            async with listening(runner) as port, asyncio.timeout(PATIENCE_S):
                client.connect(("127.0.0.1", port))
                client.sendall(asking("/"))
                await over.wait()
                while runner.server is not None and runner.server.connections:
                    await asyncio.sleep(0.01)


class TestOpenFiles:
    """Every connection is one, and shells and supervisors mostly begin with 1024 of them."""

    def limited(self, soft: int, hard: int) -> tuple[str, ...]:
        return ("prlimit", f"--nofile={soft}:{hard}")

    async def test_as_many_are_allowed_as_there_may_be_connections_and_more(self, tmp_path: Path) -> None:
        async with running_gateway(tmp_path / "data", *self.limited(1024, 20_000)) as gateway:
            limits = Path(f"/proc/{gateway.process.pid}/limits").read_text()
            (allowed,) = (
                line.split()[3] for line in limits.splitlines() if line.startswith("Max open files")
            )
            assert int(allowed) > HttpSettings().max_connections
            assert [event for event in gateway.log() if "open files" in event["event"]] == []

    async def test_where_the_hard_limit_is_lower_there_may_be_fewer_connections(self, tmp_path: Path) -> None:
        async with running_gateway(tmp_path / "data", *self.limited(256, 1200)) as gateway:
            (told,) = (event for event in gateway.log() if event["event"] == "few open files are allowed")
            assert (told["level"], told["limit"], told["connections"]) == ("warning", 1200, 600)
            (doubt,) = (event for event in gateway.log() if event["event"] == "settings do not fit together")
            assert doubt["reason"].startswith("subscribers.max_connections = 6000 is taken as 450")


class TestOvertaken:
    """An answer that does not wait for the body reaches a client that is still sending it."""

    REFUSALS = (
        (413, (("Content-Type", "image/jpeg"), ("Content-Length", 5000 * MB))),
        (415, (("Content-Type", "image/gif"), ("Content-Length", 50 * MB))),
        (400, (("Content-Type", "multipart/form-data"), ("Content-Length", 50 * MB))),
    )

    @pytest.mark.parametrize(("status", "headers"), REFUSALS)
    async def test_one_that_reads_only_after_it_has_sent_all(
        self, quiet: QuietGateway, status: int, headers: tuple[tuple[str, object], ...]
    ) -> None:
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, *headers))
            assert (await line.send_all_then_look(50 * MB)).status == status

    async def test_one_of_a_gateway_as_it_is_run(self, tmp_path: Path) -> None:
        async with running_gateway(tmp_path / "data") as gateway:
            for status, headers in self.REFUSALS:
                async with connection(gateway.port) as line:
                    await line.send(head("POST", BATCH, *headers))
                    assert (await line.send_all_then_look(50 * MB)).status == status

    async def test_one_whose_body_is_wrong_in_its_midst(self, quiet: QuietGateway) -> None:
        headers = (("Content-Type", "application/json"), ("Content-Length", 50 * MB))
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, *headers), b"[" * MB)
            assert (await line.send_all_then_look(49 * MB)).status == 400

    async def test_curl(self, quiet: QuietGateway, tmp_path: Path) -> None:
        file = tmp_path / "large.gif"
        with file.open("wb") as large:
            large.truncate(50 * MB)
        url = f"http://127.0.0.1:{quiet.port}{BATCH}"
        for more in ([], ["-H", "Expect:"]):
            answer = await curl("-H", "Content-Type: image/gif", *more, "--data-binary", f"@{file}", url)
            assert answer.status == 415

    async def test_it_is_not_listened_to_for_ever(self, quiet: QuietGateway) -> None:
        """Far more than is read of a body for which nobody waits."""
        headers = (("Content-Type", "image/gif"), ("Content-Length", 500 * MB))
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, *headers))
            with pytest.raises(ConnectionError):
                await line.send_all_then_look(490 * MB)

    async def test_nobody_waits_for_it_at_a_stop(self, quiet: QuietGateway) -> None:
        headers = (("Content-Type", "image/gif"), ("Content-Length", 500 * MB))
        async with connection(quiet.port) as line:
            await line.send(head("POST", BATCH, *headers))
            assert (await line.answer()).status == 415
            async with asyncio.timeout(SHUTDOWN_S - 1):
                await quiet.stop_doors()
