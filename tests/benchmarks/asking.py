"""Somebody who asks the same at a steady pace, in a process of its own, and tells how long the answers took.

    python -m tests.benchmarks.asking PORT PATH A_SECOND

Prints a line once it has its first answer, asks until its input is closed, and prints the seconds that each answer
took, as JSON. They count from when the question was due, for whoever waits for an answer that does not come asks too
seldom to notice.
"""

import json
import select
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click
from attrs import define, field

from tests.benchmarks.apart import at_work
from tests.benchmarks.posting import HOST, length_in

A_SECOND = 100
PATIENCE_S = 60


@define(eq=False)
class Answers:
    """Seconds each, known once the asker has ended."""

    seconds: list[float] = field(factory=list)

    @property
    def p99_s(self) -> float:
        return p99(self.seconds)


def p99(figures: list[float]) -> float:
    return statistics.quantiles(figures, n=100)[98]


@asynccontextmanager
async def asking(port: int, path: str) -> AsyncIterator[Answers]:
    """As long as the context lasts."""
    answers = Answers()
    async with at_work("asking", port, path, A_SECOND) as told:
        yield answers
    answers.seconds += told[0]


def ask(connection: socket.socket, request: bytes) -> None:
    """Raises RuntimeError for an answer other than 200."""
    connection.sendall(request)
    answer = b""
    while not is_whole(answer):
        received = connection.recv(1 << 20)
        if not received:
            raise ConnectionError("the server closed the connection")
        answer += received
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"no status: {answer[:200]!r}")


def is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    return bool(found) and len(body) >= length_in(head)


@click.command()
@click.argument("port", type=int)
@click.argument("path")
@click.argument("a_second", type=float)
def main(port: int, path: str, a_second: float) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    seconds = []
    with socket.create_connection((HOST, port), PATIENCE_S) as connection:
        ask(connection, request)
        print("asking", flush=True)
        due = time.perf_counter()
        while not is_over(due - time.perf_counter()):
            ask(connection, request)
            seconds.append(time.perf_counter() - due)
            due += 1 / a_second
    print(json.dumps(seconds))


def is_over(wait_s: float) -> bool:
    """Whether our input was closed within that time."""
    return bool(select.select([sys.stdin], [], [], max(wait_s, 0))[0])


if __name__ == "__main__":
    main()
