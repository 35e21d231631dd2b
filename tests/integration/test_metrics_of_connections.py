"""Connections, and the requests that are being received on them, as the metrics count them."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.settings import HttpSettings
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway
from tests.servers.raw_http import connection, head

PATIENCE_S = 20
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
