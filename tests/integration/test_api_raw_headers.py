"""Requests whose headers hold any bytes, and forms of very many parts, as a client in C might send them."""

import asyncio

import orjson
import pytest

from tests.patience import PATIENCE_S
from tests.servers.quiet_gateway import QuietGateway

PART = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\nx\r\n'


async def problem_of(gateway: QuietGateway, content_type: bytes, body: bytes) -> tuple[int, str, str]:
    """Status, code and text of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        head = b"Host: x\r\nContent-Type: %b\r\nContent-Length: %d\r\n" % (content_type, len(body))
        writer.write(b"POST /api/v1/batch HTTP/1.1\r\n%b\r\n%b" % (head, body))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        length = int(answer.lower().partition(b"content-length: ")[2].split()[0])
        problem = orjson.loads(await reader.readexactly(length))
    finally:
        writer.close()
    return int(answer.split()[1]), problem["code"], problem["detail"]


async def test_a_boundary_of_any_bytes_is_400(quiet: QuietGateway) -> None:
    content_type = b'multipart/form-data; boundary="\xff\xfe"'
    status, code, text = await problem_of(quiet, content_type, b"abcd")
    assert (status, code, text) == (400, "bad_multipart", "The multipart boundary is broken.")


async def test_a_media_type_of_any_bytes_is_415_in_ascii(quiet: QuietGateway) -> None:
    status, code, text = await problem_of(quiet, b"text/\xff\xfe", b"abcd")
    assert (status, code) == (415, "unsupported_media_type")
    assert text.isascii()


@pytest.mark.parametrize("count", [101, 109, 2000])
async def test_more_images_than_a_batch_has_are_too_many_however_small(
    quiet: QuietGateway, count: int
) -> None:
    status, code, _ = await problem_of(quiet, b"multipart/form-data; boundary=x", PART * count + b"--x--\r\n")
    assert (status, code) == (400, "too_many_images")
    assert quiet.stored_files() == []
