"""What is no HTTP, or no HTTP that we speak, byte by byte against a real gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.servers.gateway import HOST, Gateway, running_gateway
from tests.servers.raw_http import connection

CODES = {"bad_input", "bad_parameter", "expectation_failed", "unsupported_media_type"}
"""Each is in the table of the API's document."""

JSON = b"Host: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path / "data") as running:
        yield running


async def answer_to(gateway: Gateway, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case and body of the answer, after which the gateway closes or is silent."""
    reader, writer = await asyncio.open_connection(HOST, gateway.port)
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
    finally:
        writer.close()
    return int(lines[0].split()[1]), headers, body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST /api/v1/batch HTTP/1.1\r\n" + JSON + b"Content-Length: -5\r\n\r\n", 400),
        (
            b"POST /api/v1/batch HTTP/1.1\r\n"
            + JSON
            + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST /api/v1/batch HTTP/1.1\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\naaaa!\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: aaaa\r\n\r\n", 417),
        (b"POST /api/v1/batch HTTP/1.1\r\n" + JSON + b"Expect: aaaa\r\nContent-Length: 2\r\n\r\n{}", 417),
        (b"GET /no/such/address HTTP/1.1\r\nHost: x\r\nExpect: aaaa\r\n\r\n", 417),
        (b"DELETE /healthz HTTP/1.1\r\nHost: x\r\nExpect: aaaa\r\n\r\n", 417),
        (
            b"POST /api/v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: \xff/\xfe\r\nContent-Length: 2\r\n\r\n{}",
            415,
        ),
        (b"GET /api/v1/batch/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /api/v1/batch?status=%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
)
async def test_it_is_answered_by_a_problem_that_echoes_nothing(gateway: Gateway, request_, status):
    code, headers, body = await answer_to(gateway, request_)
    assert (code, headers["content-type"]) == (status, "application/problem+json")
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["error"] == problem["detail"]
    assert "aaaa" not in problem["detail"]
    assert problem["code"] in CODES
    assert headers["access-control-allow-origin"] == "*"
    assert gateway.complaints() == []


@pytest.mark.parametrize(
    "line", [b"GET /?options=%b HTTP/1.1", b"GET / HTTP/1.1\r\nX: %b"], ids=["address", "header"]
)
async def test_a_line_that_is_too_long_is_told_as_such(gateway: Gateway, line: bytes):
    _, _, body = await answer_to(gateway, line % (b"a" * 9000) + b"\r\nHost: x\r\n\r\n")
    assert json.loads(body)["detail"] == "A line of the request's head is too long."


async def test_a_chunk_that_is_none_in_the_middle_of_a_body_ends_it_at_once(gateway: Gateway):
    """aiohttp tells a reader nothing of it; without us it would wait until the sender is too slow."""
    head = (
        b"POST /api/v1/batch HTTP/1.1\r\n"
        + JSON
        + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    async with connection(gateway.port) as line:
        await line.send(head)
        assert (await line.answer()).status == 100
        await line.send(b"!\r\n")
        answer = await line.answer()
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_without_an_origin_to_name_no_page_is_let_in_by_a_list(tmp_path: Path):
    async with running_gateway(tmp_path / "data", http_cors_origins="https://a.example") as gateway:
        _, headers, _ = await answer_to(gateway, b"GARBAGE\r\n\r\n")
    assert (headers["vary"], "access-control-allow-origin" in headers) == ("origin", False)


async def test_it_is_no_reason_for_a_line_in_the_log(gateway: Gateway):
    before = gateway.log()
    for _ in range(3):
        await answer_to(gateway, b"GARBAGE\r\n\r\n")
    assert gateway.log() == before


async def test_another_request_is_answered_as_ever(gateway: Gateway):
    code, _, body = await answer_to(gateway, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (code, json.loads(body)) == (200, {"status": "ok"})
