"""JSON bodies are held in memory: what they may hold together is bounded before they are read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from gateway.intake.settings import IntakeSettings
from tests.pictures import plain
from tests.servers.quiet_gateway import QuietGateway, quiet_gateway

BATCH = "/api/v1/batch"
BODY = orjson.dumps({"images": [{"url": "https://example.com/a.jpg"}]}).ljust(2000)
JSON = {"Content-Type": "application/json"}
DECLARED = f"Content-Length: {len(BODY)}\r\n"
UNDECLARED = "Transfer-Encoding: chunked\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[QuietGateway]:
    """Room for two bodies of a declared length, or for one of an undeclared one."""
    intake = IntakeSettings(max_json_bytes=4000, max_held_bytes=4500)
    async with quiet_gateway(tmp_path, intake=intake) as gateway:
        yield gateway


async def begun(gateway: QuietGateway, length: str, media_type: str, held: AsyncExitStack) -> Connection:
    """A request that was let in and whose body is still to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    held.callback(writer.close)
    head = f"Host: x\r\nContent-Type: {media_type}\r\nExpect: 100-continue\r\n{length}"
    writer.write(f"POST {BATCH} HTTP/1.1\r\n{head}\r\n".encode())
    assert b"100 Continue" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    return reader, writer


async def status_of(gateway: QuietGateway) -> int:
    async with gateway.http.post(BATCH, data=BODY, headers=JSON) as answer:
        return answer.status


@pytest.mark.parametrize("lengths", [[DECLARED, DECLARED], [UNDECLARED]])
@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON ; charset=utf-8"])
async def test_json_past_what_may_be_held_is_503_before_its_body_and_told_when_to_come_again(
    narrow: QuietGateway, lengths: list[str], media_type: str
) -> None:
    async with AsyncExitStack() as held:
        for length in lengths:
            await begun(narrow, length, media_type, held)
        headers = JSON | {"Expect": "100-continue"}
        async with narrow.http.post(BATCH, data=BODY, headers=headers) as answer:
            problem = await answer.json(content_type=None)
            assert (answer.status, problem["code"], answer.headers["Retry-After"]) == (503, "busy", "2")
    assert "multipart/form-data" in problem["detail"]


async def test_what_streams_is_let_in_meanwhile(narrow: QuietGateway) -> None:
    async with AsyncExitStack() as held:
        await begun(narrow, UNDECLARED, "application/json", held)
        headers = {"Content-Type": "image/jpeg"}
        async with narrow.http.post(BATCH, data=plain("JPEG"), headers=headers) as answer:
            assert answer.status == 201


async def test_a_body_that_was_read_makes_room_for_the_next(narrow: QuietGateway) -> None:
    async with AsyncExitStack() as held:
        reader, writer = await begun(narrow, DECLARED, "application/json", held)
        writer.write(BODY)
        assert b"201" in await asyncio.wait_for(reader.readline(), 5)
        assert [await status_of(narrow) for _ in range(4)] == [201] * 4


async def test_one_body_is_let_in_even_where_its_bound_is_past_what_may_be_held(tmp_path: Path) -> None:
    intake = IntakeSettings(max_json_bytes=4000, max_held_bytes=1024)
    async with quiet_gateway(tmp_path, intake=intake) as gateway:
        assert await status_of(gateway) == 201
