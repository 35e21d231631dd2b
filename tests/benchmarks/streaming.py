"""Senders of large bodies by bare sockets, in a process of their own: a client library would be slower than the server.

    python -m tests.benchmarks.streaming PORT PATH KIND IMAGES CONNECTIONS SECONDS

Each connection sends one body after the other, one at least and for so many seconds. Prints one JSON object: the
statuses of the answers, and the seconds that all took.
"""

import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import cast

import click

from tests.benchmarks.apart import told_by
from tests.benchmarks.large_bodies import Kind, LargeBody
from tests.benchmarks.posting import HOST, Posted

PATIENCE_S = 120
RECEIVED_BYTES = 65536
UNANSWERED = 0


async def stream(
    port: int, path: str, body: LargeBody, *, connections: int = 1, seconds: float = 0.0
) -> Posted:
    """By so many connections at once: one body each, and more of them for so many seconds. Raises if one is refused."""
    arguments = (port, path, body.kind, body.images, connections, seconds)
    seen = await told_by("streaming", *arguments)
    posted = Posted({int(status): number for status, number in seen["statuses"].items()}, seen["seconds"])
    if not posted.only_accepted:
        raise RuntimeError(f"not all were accepted: {posted.statuses}")
    return posted


def send_for(port: int, path: str, body: LargeBody, may_go_on: Callable[[], bool]) -> Counter[int]:
    """On one connection; one body at least."""
    statuses: Counter[int] = Counter()
    with socket.create_connection((HOST, port), PATIENCE_S) as connection:
        while True:
            statuses[send(connection, path, body)] += 1
            if not may_go_on():
                return statuses


def send(connection: socket.socket, path: str, body: LargeBody) -> int:
    """The status of the answer."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Content-Type: {body.content_type}\r\nContent-Length: {body.length}\r\n\r\n"
    )
    # Who is refused in mid-body is told why, and then cut off.
    with suppress(ConnectionError):
        connection.sendall(head.encode())
        for piece in body.pieces():
            connection.sendall(piece)
    return _status(connection)


def _status(connection: socket.socket) -> int:
    """Of an answer that is short enough to come in one piece."""
    with suppress(ConnectionError):
        if answer := connection.recv(RECEIVED_BYTES):
            return int(answer.split(b" ", 2)[1])
    return UNANSWERED


@click.command()
@click.argument("port", type=int)
@click.argument("path")
@click.argument("kind")
@click.argument("images", type=int)
@click.argument("connections", type=int)
@click.argument("seconds", type=float)
def main(port: int, path: str, kind: str, images: int, connections: int, seconds: float) -> None:
    body = LargeBody(cast(Kind, kind), images)
    assert body.length  # its image is made before the clock runs
    started = time.perf_counter()

    def may_go_on() -> bool:
        return time.perf_counter() - started < seconds

    with ThreadPoolExecutor(connections) as threads:
        sent = [threads.submit(send_for, port, path, body, may_go_on) for _ in range(connections)]
        statuses = sum((each.result() for each in sent), Counter[int]())
    print(json.dumps({"statuses": statuses, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
