"""Connections, and the requests that are being received on them, as the metrics count them."""

import asyncio
import socket
import struct
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.settings import HttpSettings
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.raw_http import connection, head

SPARE = 32
ONE_TO_COME = (("Content-Type", "image/jpeg"), ("Content-Length", 100), ("Expect", "100-continue"))


async def until(quiet: QuietGateway, name: str, value: float) -> None:
    registry = quiet.context.metrics.instruments.registry
    async with asyncio.timeout(PATIENCE_S):
        while registry.get_sample_value(f"gateway_{name}") != value:
            await asyncio.sleep(0.01)


async def test_a_connection_counts_until_it_is_gone(quiet: QuietGateway) -> None:
    async with connection(quiet.port), connection(quiet.port):
        await until(quiet, "http_connections", 2)
    await until(quiet, "http_connections", 0)


TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(200)
UPGRADE = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
)
BEGUN = {
    "nothing": b"",
    "a head": b"GET / HTTP/1.1\r\n",
    "TLS": TLS_HELLO,
    "a body": head("POST", "/api/v1/batch", *ONE_TO_COME[:2]) + b"x",
    "a body that is refused": head("POST", "/nowhere", *ONE_TO_COME[:2]) + b"x",
    "requests in a row": head("GET", "/metrics") * 20,
    "an upgrade that is refused": head("GET", "/api/v1/ws", *UPGRADE),
}


@pytest.mark.parametrize("begun", BEGUN)
@pytest.mark.parametrize("ending", ["FIN", "RST"])
async def test_it_counts_no_longer_whatever_it_had_begun_and_however_it_ends(
    quiet: QuietGateway, begun: str, ending: str
) -> None:
    async with connection(quiet.port) as line:
        await until(quiet, "http_connections", 1)
        if ending == "RST":
            opened = line.writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await line.send(BEGUN[begun])
    await until(quiet, "http_connections", 0)


async def test_one_that_is_refused_counts_as_such_and_never_as_open(tmp_path: Path) -> None:
    async with quiet_gateway(tmp_path, http=HttpSettings(max_connections=1)) as gateway:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(connection(gateway.port))
            on_a_spare_place = await stack.enter_async_context(connection(gateway.port))
            await until(gateway, "http_connections", 2)
            await on_a_spare_place.send(head("GET", "/"))
            assert (await on_a_spare_place.answer()).status == 503
            await until(gateway, "http_connections_refused_total", 1)
            await until(gateway, "http_connections", 1)
            for _ in range(SPARE):
                await stack.enter_async_context(connection(gateway.port))
            await until(gateway, "http_connections", 1 + SPARE)
            async with connection(gateway.port) as turned_away:
                assert (await turned_away.answer()).status == 503
            await until(gateway, "http_connections_refused_total", 2)
            await until(gateway, "http_connections", 1 + SPARE)
        await until(gateway, "http_connections", 0)


async def test_a_request_counts_while_its_body_comes(quiet: QuietGateway) -> None:
    async with connection(quiet.port) as line:
        await line.send(head("POST", "/api/v1/batch", *ONE_TO_COME))
        assert (await line.answer()).status == 100
        await until(quiet, "intake_requests", 1)
    await until(quiet, "intake_requests", 0)
