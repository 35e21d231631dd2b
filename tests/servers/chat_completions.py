"""A small real server that speaks chat completions, with its bad days. It shares no code with the gateway.

    async with vision_server(status(503), words("A cat", "It sleeps.", ["cat"])) as server:
        ...ask server.url...
        server.asked[0].picture

Each request gets the next answer, and the last one goes on for ever. Answers are written byte by byte.
"""

import asyncio
import base64
import gzip
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from attrs import define, field, frozen
from PIL import Image

from tests.free_ports import free_port
from tests.servers.serving import serving

HOST = "127.0.0.1"
PREFIX = "data:image/jpeg;base64,"
USAGE = {"prompt_tokens": 800, "completion_tokens": 60, "total_tokens": 860, "cost": 0.0025}


@frozen
class Asked:
    """One request, as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Any

    @property
    def prompt(self) -> str:
        text: str = self.body["messages"][0]["content"][0]["text"]
        return text

    @property
    def jpeg(self) -> bytes:
        url: str = self.body["messages"][0]["content"][1]["image_url"]["url"]
        assert url.startswith(PREFIX)
        return base64.b64decode(url.removeprefix(PREFIX), validate=True)

    @property
    def picture(self) -> Image.Image:
        opened = Image.open(io.BytesIO(self.jpeg))
        opened.load()
        return opened


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@define
class VisionServer:
    """Where it listens, and what it was asked."""

    port: int
    answers: Sequence[Answer]
    asked: list[Asked] = field(factory=list)
    at_once: int = 0
    most_at_once: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    def next_answer(self) -> Answer:
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@asynccontextmanager
async def vision_server(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[VisionServer]:
    """Leaving closes all connections, also those whose answers wait."""
    site = VisionServer(free_port(), answers)

    async with serving(partial(_serve, site), HOST, site.port, tls=tls):
        yield site


async def _serve(site: VisionServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        site.asked.append(await _received(reader))
        site.at_once += 1
        site.most_at_once = max(site.most_at_once, site.at_once)
        try:
            await site.next_answer()(writer)
        finally:
            site.at_once -= 1
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the client has left


async def _received(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Asked(method, target, headers, json.loads(body))


# --- answers


def body(
    content: bytes,
    code: int = 200,
    headers: Mapping[str, str] = {},
    *,
    media_type: str = "application/json",
    missing: int = 0,
) -> Answer:
    """`missing` bytes are declared and never sent."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [
            f"HTTP/1.1 {code} Whatever",
            f"Content-Type: {media_type}",
            f"Content-Length: {len(content) + missing}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()

    return answer


def as_json(value: Any, code: int = 200, headers: Mapping[str, str] = {}) -> Answer:
    return body(json.dumps(value).encode(), code, headers)


def says(content: Any, *, finish_reason: str = "stop", refusal: str | None = None) -> Answer:
    """A good answer in which the model says that."""
    return as_json(completion(content, finish_reason=finish_reason, refusal=refusal))


def completion(content: Any, *, finish_reason: str = "stop", refusal: str | None = None) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "finish_reason": finish_reason, "message": message}
    return {"id": "gen-1", "object": "chat.completion", "choices": [choice], "usage": USAGE}


def words(title: str, description: str, keywords: Sequence[str]) -> Answer:
    return says(json.dumps({"title": title, "description": description, "keywords": keywords}))


def status(code: int, headers: Mapping[str, str] = {}, message: str = "No.", **error: Any) -> Answer:
    """An error as OpenAI and OpenRouter shape it."""
    return as_json({"error": {"message": message, "code": code, **error}}, code, headers)


def web_page(code: int = 200) -> Answer:
    return body(b"<html><h1>Welcome</h1></html>", code, media_type="text/html")


def cut_off() -> Answer:
    """The connection ends in the middle of the answer."""
    return body(b'{"choices": [{"message": {"con', missing=500)


def hang_up() -> Answer:
    """The connection ends before any answer."""

    async def answer(_: asyncio.StreamWriter) -> None:
        return

    return answer


def silence() -> Answer:
    async def answer(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return answer


def gzipped(value: Any) -> Answer:
    return body(gzip.compress(json.dumps(value).encode()), headers={"Content-Encoding": "gzip"})


def redirect(to: str, code: int = 307) -> Answer:
    return body(b"", code, {"Location": to})


def when(event: asyncio.Event, then: Answer) -> Answer:
    """Not before that."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await event.wait()
        await then(writer)

    return answer
