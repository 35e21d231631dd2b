"""What a hostile site answers, by name, and the code of the error that must come of it.

Downloads may take at most MAX_BYTES, and should have little patience.
"""

import asyncio
import gzip
import socket
from collections.abc import Mapping
from typing import Final

from tests.servers.web import Page, Request, answer, head, raw

MAX_BYTES: Final = 100_000

PNG: Final = b"\x89PNG\r\n\x1a\n" + b"picture" * 100
IMAGE: Final = {"Content-Type": "image/png"}
CHUNKED: Final = {**IMAGE, "Transfer-Encoding": "chunked"}
FAILED, REFUSED, TOO_LARGE = "download_failed", "download_refused", "too_large"


def repeated(first: bytes, then: bytes, *, pause_s: float = 0.0) -> Page:
    """`first`, and then the same for ever."""

    async def page(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return page


def stalling(data: bytes) -> Page:
    """`data`, and then nothing, without an end."""

    async def page(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.Event().wait()

    return page


def reset_after(data: bytes) -> Page:
    async def page(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    return page


def chunked(body: bytes) -> Page:
    return raw(head(200, CHUNKED) + body)


_BOMB = gzip.compress(bytes(10 * 1024 * 1024))

ANSWERS: Final[Mapping[str, tuple[Page, str]]] = {
    # silence
    "silence": (stalling(b""), FAILED),
    "silence after the status": (stalling(b"HTTP/1.1 200 OK\r\n"), FAILED),
    "silence after the headers": (stalling(head(200, IMAGE, 5000)), FAILED),
    "silence in the body": (stalling(head(200, IMAGE, 5000) + PNG), FAILED),
    "silence in a chunk": (stalling(head(200, CHUNKED) + b"ffff\r\nabc"), FAILED),
    "silence before the last chunk": (stalling(head(200, CHUNKED) + b"3\r\nabc\r\n"), FAILED),
    "dripping headers": (repeated(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause_s=0.05), FAILED),
    "dripping body": (repeated(head(200, IMAGE, 5000), b"x", pause_s=0.05), FAILED),
    "dripping chunks": (repeated(head(200, CHUNKED), b"1\r\nx\r\n", pause_s=0.05), FAILED),
    # size and length
    "endless body": (repeated(head(200, IMAGE), bytes(4096)), TOO_LARGE),
    "endless chunks": (repeated(head(200, CHUNKED), b"1000\r\n" + bytes(4096) + b"\r\n"), TOO_LARGE),
    "endless headers": (repeated(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 4096 + b"\r\n"), FAILED),
    "endless header": (repeated(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 4096), FAILED),
    "endless status": (repeated(b"HTTP/1.1 200 ", b"O" * 4096), FAILED),
    "endless body of a redirect to nowhere": (repeated(head(302, {}), bytes(4096)), FAILED),
    "endless body of an error": (repeated(head(404, {}), bytes(4096)), "not_found"),
    "too much, declared": (answer(200, IMAGE, PNG, length=MAX_BYTES + 1), TOO_LARGE),
    "far too much, declared": (answer(200, IMAGE, PNG, length=10**17), TOO_LARGE),
    "too much": (answer(200, IMAGE, bytes(MAX_BYTES + 1), length=-1), TOO_LARGE),
    "a length beyond all numbers": (raw(head(200, {**IMAGE, "Content-Length": "9" * 400}) + PNG), FAILED),
    "less than declared": (answer(200, IMAGE, PNG, length=len(PNG) + 1), FAILED),
    "more than declared": (answer(200, IMAGE, PNG, length=8), FAILED),
    "a negative length": (raw(head(200, {**IMAGE, "Content-Length": "-1"}) + PNG), FAILED),
    "a length in words": (raw(head(200, {**IMAGE, "Content-Length": "many"}) + PNG), FAILED),
    "two lengths": (raw(head(200, {**IMAGE, "Content-Length": "5\r\nContent-Length: 9"}) + PNG), FAILED),
    "nothing": (answer(200, IMAGE, b""), FAILED),
    "nothing, undeclared": (answer(200, IMAGE, b"", length=-1), FAILED),
    # chunks
    "chunks of garbage": (chunked(b"zz\r\nabc\r\n0\r\n\r\n"), FAILED),
    "a chunk of negative size": (chunked(b"-1\r\nabc\r\n0\r\n\r\n"), FAILED),
    "a chunk beyond all numbers": (chunked(b"f" * 40 + b"\r\nabc\r\n0\r\n\r\n"), FAILED),
    "a chunk longer than told": (chunked(b"3\r\nabcdef\r\n0\r\n\r\n"), FAILED),
    "no last chunk": (chunked(b"3\r\nabc\r\n"), FAILED),
    "an endless size of a chunk": (repeated(head(200, CHUNKED) + b"1;", b"x" * 4096), FAILED),
    # bombs
    "a bomb of gzip": (answer(200, {**IMAGE, "Content-Encoding": "gzip"}, _BOMB), FAILED),
    "a bomb in capitals": (answer(200, {**IMAGE, "Content-Encoding": "GZIP"}, _BOMB), FAILED),
    "deflate": (answer(200, {**IMAGE, "Content-Encoding": "deflate"}, PNG), FAILED),
    "brotli": (answer(200, {**IMAGE, "Content-Encoding": "br"}, PNG), FAILED),
    "two encodings": (answer(200, {**IMAGE, "Content-Encoding": "gzip, gzip"}, _BOMB), FAILED),
    # types
    "html": (answer(200, {"Content-Type": "text/html"}, b"<html>"), FAILED),
    "html that is a picture": (answer(200, {"Content-Type": "text/html"}, PNG), FAILED),
    "no type": (answer(200, {}, PNG), FAILED),
    "an image of another kind of type": (answer(200, {"Content-Type": "text/image/png"}, PNG), FAILED),
    "a type with escapes": (answer(200, {"Content-Type": "text/\x1b[31mhtml"}, PNG), FAILED),
    # statuses
    "204": (answer(204, IMAGE), FAILED),
    "206": (answer(206, {**IMAGE, "Content-Range": "bytes 0-3/9"}, PNG), FAILED),
    "304": (answer(304, IMAGE), FAILED),
    "300": (answer(300, {"Location": "/answers/html"}, PNG), FAILED),
    "401": (answer(401, {"WWW-Authenticate": 'Basic realm="you"'}), FAILED),
    "407": (answer(407, {"Proxy-Authenticate": 'Basic realm="you"'}), FAILED),
    "410": (answer(410, IMAGE, PNG), "not_found"),
    "503 for days": (answer(503, {"Retry-After": "999999"}), FAILED),
    "101": (answer(101, {"Upgrade": "h2c", "Connection": "Upgrade"}), FAILED),
    "endless 100": (repeated(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.02), FAILED),
    # no HTTP
    "no answer": (raw(b""), FAILED),
    "HTTP/0.9": (raw(b"<html>hello</html>"), FAILED),
    "a bare picture": (raw(PNG), FAILED),
    "ssh": (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), FAILED),
    "redis": (raw(b"-ERR unknown command 'GET'\r\n"), FAILED),
    "an unknown version": (raw(b"HTTP/9.9 200 OK\r\nContent-Type: image/png\r\n\r\n" + PNG), FAILED),
    "a status of words": (raw(b"HTTP/1.1 two OK\r\nContent-Type: image/png\r\n\r\n"), FAILED),
    "a NUL in a header": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: image/\0png\r\n\r\n" + PNG), FAILED),
    "a header without a colon": (raw(b"HTTP/1.1 200 OK\r\nContent-Type\r\n\r\n" + PNG), FAILED),
    "a folded header": (raw(b"HTTP/1.1 302 OK\r\nLocation:\r\n http://127.0.0.1/\r\n\r\n"), REFUSED),
    # ends
    "reset at once": (reset_after(b""), FAILED),
    "reset in the headers": (reset_after(b"HTTP/1.1 200 OK\r\nContent-"), FAILED),
    "reset in the body": (reset_after(head(200, IMAGE, 50_000) + PNG), FAILED),
    "end in the headers": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"), FAILED),
}  # fmt: skip
