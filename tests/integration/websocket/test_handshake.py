"""The handshake of a WebSocket (RFC 6455, section 4): what is one, what is none, and what is offered beside it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.curl import Answer
from tests.servers.raw_http import connection, head
from tests.websocket.client import Socket, accepted, asking
from tests.websocket.frames import PING, TEXT, frame
from tests.websocket.standing import Standing

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""Those of section 1.3."""

TAKEN: Mapping[str, dict[str, Any]] = {
    "as in the RFC": {},
    "Upgrade in capitals": {"upgrade": "WEBSOCKET"},
    "Connection in capitals": {"connection": "UPGRADE"},
    "Connection with more": {"connection": "keep-alive, Upgrade"},
    "a key of zeros": {"key": "A" * 22 + "=="},
}
REFUSED: Mapping[str, dict[str, Any]] = {
    "no Upgrade": {"upgrade": None},
    "another Upgrade": {"upgrade": "h2c"},
    "no Connection": {"connection": None},
    "another Connection": {"connection": "keep-alive"},
    "no version": {"version": None},
    "version 0": {"version": "0"},
    "version 7": {"version": "7"},
    "version 8": {"version": "8"},
    "version 12": {"version": "12"},
    "version 14": {"version": "14"},
    "version -13": {"version": "-13"},
    "version 013": {"version": "013"},
    "version 13 and 8": {"version": "13, 8"},
    "version in words": {"version": "thirteen"},
    "no key": {"key": None},
    "an empty key": {"key": ""},
    "a key of 15 bytes": {"key": "A" * 20},
    "a key of 17 bytes": {"key": "A" * 23 + "="},
    "a key that is no base64": {"key": "not base64!"},
    "a key beside the alphabet": {"key": "ü" * 24},
    "HTTP/1.0": {"http": "1.0"},
}
OFFERED = {
    "compression": ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
    "compressions": (
        "Sec-WebSocket-Extensions",
        "permessage-deflate; server_max_window_bits=8, permessage-deflate",
    ),
    "an old compression": ("Sec-WebSocket-Extensions", "x-webkit-deflate-frame"),
    "no extension": ("Sec-WebSocket-Extensions", ";;,=,"),
    "a subprotocol": ("Sec-WebSocket-Protocol", "chat"),
    "subprotocols": ("Sec-WebSocket-Protocol", "graphql-ws, mqtt, wamp.2.json"),
    "no subprotocol": ("Sec-WebSocket-Protocol", ",,\t,"),
    "an origin": ("Origin", "https://anywhere.example"),
    "a cookie": ("Cookie", "a=b"),
}


@pytest_asyncio.fixture(loop_scope="module")
async def job(the_job: Standing) -> AsyncIterator[Standing]:
    """It is the same for all tests here, and no handshake is a reason for a warning."""
    yield the_job
    assert [line for line in the_job.gateway.log() if line["level"] not in ("debug", "info")] == []


async def answer_to(job: Standing, *sent: bytes) -> Answer:
    async with connection(job.gateway.port) as line:
        await line.send(*sent)
        return await line.answer()


@pytest.mark.parametrize("name", TAKEN)
async def test_a_handshake_is_taken(job: Standing, name: str) -> None:
    answer = await answer_to(job, asking(job.path, **TAKEN[name]))
    assert answer.status == 101
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["connection"] == "upgrade"
    assert answer.headers["sec-websocket-accept"] == accepted(TAKEN[name].get("key", KEY)).lower()


async def test_the_key_is_answered_as_in_the_example(job: Standing) -> None:
    answer = await answer_to(job, asking(job.path, key=KEY))
    assert answer.headers["sec-websocket-accept"] == ACCEPT.lower()


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_handshake_is_told_what_one_is(job: Standing, name: str) -> None:
    answer = await answer_to(job, asking(job.path, **REFUSED[name]))
    assert answer.status == 426
    assert answer.json["code"] == "upgrade_required"
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_it_begins_with_a_get(job: Standing, method: str) -> None:
    async with connection(job.gateway.port) as line:
        await line.send(asking(job.path, method=method))
        status = await line.reader.readuntil(b"\r\n")
    assert status.split()[1] == b"405"


async def test_the_job_comes_before_the_handshake(job: Standing) -> None:
    nowhere = "/api/v1/batch/550e8400-e29b-41d4-a716-446655440000/ws"
    assert (await answer_to(job, asking(nowhere))).status == 404


@pytest.mark.parametrize("name", OFFERED)
async def test_what_is_offered_beside_it_is_not_taken(job: Standing, name: str) -> None:
    async with connection(job.gateway.port) as line:
        await line.send(asking(job.path, OFFERED[name]))
        answer = await line.answer()
        assert answer.status == 101
        assert not {"sec-websocket-extensions", "sec-websocket-protocol"} & answer.headers.keys()
        assert (await Socket(line).outcome()).is_open


async def test_who_was_refused_may_ask_again_on_the_same_connection(job: Standing) -> None:
    async with connection(job.gateway.port) as line:
        for _ in range(2):
            await line.send(asking(job.path, version="12"))
            assert (await line.answer()).status == 426
        await line.send(asking(job.path))
        assert (await line.answer()).status == 101
        assert (await Socket(line).outcome()).is_open


async def test_frames_behind_a_refused_handshake_are_no_http(job: Standing) -> None:
    async with connection(job.gateway.port) as line:
        await line.send(asking(job.path, version="12") + frame(TEXT, b"Hello"))
        assert (await line.answer()).status == 426
        assert (await line.answer()).status == 400
        await line.ended()


async def test_a_request_behind_a_handshake_is_no_frame(job: Standing) -> None:
    async with connection(job.gateway.port) as line:
        await line.send(asking(job.path) + head("GET", "/healthz"))
        assert (await line.answer()).status == 101
        assert (await Socket(line).ending()).code == 1002


async def test_a_handshake_behind_a_request_is_one(job: Standing) -> None:
    async with connection(job.gateway.port) as line:
        await line.send(head("GET", "/healthz") + asking(job.path) + frame(PING, b"early"))
        assert (await line.answer()).status == 200
        assert (await line.answer()).status == 101
        assert (await Socket(line).outcome()).pongs == (b"early",)


async def test_a_handshake_byte_by_byte_is_one(job: Standing) -> None:
    async with connection(job.gateway.port) as line:
        socket = Socket(line)
        await socket.send(asking(job.path) + frame(PING, b"early"), chop=1)
        assert (await line.answer()).status == 101
        assert (await socket.outcome()).pongs == (b"early",)


async def test_a_body_of_a_handshake_is_no_frame(job: Standing) -> None:
    async with connection(job.gateway.port) as line:
        await line.send(asking(job.path, ("Content-Length", 5)) + b"Hello" + frame(PING, b"early"))
        assert (await line.answer()).status == 101
        assert (await Socket(line).outcome()).pongs == (b"early",)


async def test_nor_is_it_waited_for(job: Standing) -> None:
    async with connection(job.gateway.port) as line:
        await line.send(asking(job.path, ("Content-Length", 5)) + b"He")
        assert (await line.answer()).status == 101
