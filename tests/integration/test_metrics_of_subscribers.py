"""WebSocket connections, as the metrics count them."""

import asyncio

import pytest

from tests.integration.live.job_socket import following, frame, frames_to_the_end
from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway


def value(quiet: QuietGateway, name: str, **labels: str) -> float | None:
    registry = quiet.context.metrics.instruments.registry
    return registry.get_sample_value(f"gateway_websocket_{name}", labels)


async def until_closed(quiet: QuietGateway, code: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while value(quiet, "closed_total", code=code) != 1:
            await asyncio.sleep(0.01)


async def test_who_follows_is_open_until_gone(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job) as first, following(quiet, job) as second:
        await frame(first)
        await frame(second)
        assert value(quiet, "connections") == 2
        await quiet.complete(job.job_id, 0)
        await frames_to_the_end(first)
        await frames_to_the_end(second)
    async with asyncio.timeout(PATIENCE_S):
        while value(quiet, "connections"):
            await asyncio.sleep(0.01)
    assert value(quiet, "opened_total") == 2
    assert value(quiet, "closed_total", code="1000") == 2


async def test_a_connection_that_is_lost_is_closed_by_1006(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job) as websocket:
        await frame(websocket)
        # Closing the client's session drops its connections without a goodbye.
        await quiet.http.close()
        await until_closed(quiet, "1006")


@pytest.mark.parametrize(("code", "counted"), [(1001, "1001"), (4711, "other")])
async def test_a_client_that_says_goodbye_is_closed_by_its_code_and_one_of_its_own_is_other(
    quiet: QuietGateway, code: int, counted: str
) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job) as websocket:
        await frame(websocket)
        await websocket.close(code=code)
        await until_closed(quiet, counted)


async def test_those_who_are_sent_away_at_a_stop_are_closed_by_1001(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job) as websocket:
        await frame(websocket)
        stopping = asyncio.create_task(quiet.stop_doors())
        await frames_to_the_end(websocket)
        await stopping
    assert value(quiet, "closed_total", code="1001") == 1


async def test_a_message_that_is_too_long_is_closed_by_1009(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    async with following(quiet, job) as websocket:
        await frame(websocket)
        await websocket.send_str("x" * 5000)
        await until_closed(quiet, "1009")


async def test_a_connection_that_ends_without_a_goodbye_is_closed_by_1006(quiet: QuietGateway) -> None:
    job = await quiet.accept(images=1)
    reader, writer = await asyncio.open_connection("127.0.0.1", quiet.port)
    head = (
        f"GET /api/v1/batch/{job.job_id}/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await until_closed(quiet, "1006")
