"""Clients that post the same request again and again, in a process of their own: no faster way to keep a server busy.

    python -m tests.benchmarks.posting PORT CLIENTS PATH [--requests N | --seconds S]  <body

Prints one JSON object: how many answers there were of each status, and the seconds that all took.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

import click
import uvloop
from attrs import define, field, frozen

from tests.benchmarks.apart import told_by

HOST = "127.0.0.1"


@frozen
class Posted:
    """What the clients saw."""

    statuses: dict[int, int]
    seconds: float

    @property
    def accepted(self) -> int:
        return self.statuses.get(201, 0)

    @property
    def only_accepted(self) -> bool:
        return set(self.statuses) == {201}


async def post(
    port: int, path: str, body: bytes, *, clients: int, requests: int = 0, seconds: float = 0.0
) -> Posted:
    """By so many clients at once: so many requests in all, or for so many seconds."""
    bound = ["--requests", str(requests)] if requests else ["--seconds", str(seconds)]
    seen = await told_by("posting", port, clients, path, *bound, body=body)
    return Posted({int(status): number for status, number in seen["statuses"].items()}, seen["seconds"])


@define(eq=False)
class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    _request: bytes
    _may_go_on: Callable[[], bool]
    _statuses: Counter[int]
    ended: "asyncio.Future[None]"
    _transport: asyncio.Transport | None = None
    _answer: bytearray = field(factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is of a class of its own
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if found and len(body) >= length_in(bytes(head)):
            self._statuses[int(head.split(b" ", 2)[1])] += 1
            self._answer.clear()
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        assert self._transport is not None
        if self._may_go_on():
            self._transport.write(self._request)
        else:
            self.ended.set_result(None)
            self._transport.close()


def length_in(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)


async def keep_posting(port: int, clients: int, request: bytes, requests: int, seconds: float) -> Posted:
    loop = asyncio.get_running_loop()
    statuses: Counter[int] = Counter()
    left = iter(range(requests))
    until = loop.time() + seconds

    def may_go_on() -> bool:
        return next(left, None) is not None if requests else loop.time() < until

    started = time.perf_counter()
    made = []
    for _ in range(clients):
        client = Client(request, may_go_on, statuses, loop.create_future())
        await loop.create_connection(lambda client=client: client, HOST, port)  # type: ignore[misc]
        made.append(client.ended)
    await asyncio.gather(*made)
    return Posted(dict(statuses), time.perf_counter() - started)


@click.command()
@click.argument("port", type=int)
@click.argument("clients", type=int)
@click.argument("path")
@click.option("--requests", default=0)
@click.option("--seconds", default=0.0)
def main(port: int, clients: int, path: str, requests: int, seconds: float) -> None:
    body = sys.stdin.buffer.read()
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    request = f"{head}\r\n\r\n".encode() + body
    posted = uvloop.run(keep_posting(port, clients, request, requests, seconds))
    print(json.dumps({"statuses": posted.statuses, "seconds": posted.seconds}))


if __name__ == "__main__":
    main()
