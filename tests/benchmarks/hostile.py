"""Clients that hold a server's connections open for nothing, in a process of its own.

    python -m tests.benchmarks.hostile PORT

Half of them send the headers of a request a byte at a time and never the last one (slow loris), half send all headers
and the first piece of a body, and then no more. Who is cut off, or told that it was too slow, comes again. Prints a
line once all are connected; once its input is closed, how often they have connected.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NoReturn

import uvloop
from attrs import define

from tests.benchmarks.apart import at_work
from tests.benchmarks.large_bodies import grainy_jpeg
from tests.benchmarks.posting import HOST

OF_EACH = 100
DRIP_EVERY_S = 1.0
AGAIN_AFTER_S = 0.1
DECLARED_BYTES = 1_000_000
PIECE = b'{"images": [{"base64": "' + base64.b64encode(grainy_jpeg(DECLARED_BYTES))[: 256 * 1024]
HEAD = b"POST /api/v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
PATIENCE_S = 60


@asynccontextmanager
async def hostile_clients(port: int) -> AsyncIterator[None]:
    """At work until the context ends, which lasts longer than a sender may be silent.

    Raises RuntimeError if they could not connect, or too few of them were cut off and came again.
    """
    async with at_work("hostile", port) as told:
        yield
    if told[0] < 3 * OF_EACH:
        raise RuntimeError(f"they have connected {told[0]} times only")


@define(eq=False)
class Hostile:
    """All of them. `connected`: how often."""

    _port: int
    connected: int = 0

    async def drip(self) -> None:
        async with self._connection() as (reader, writer):
            writer.write(HEAD + b"X-Slow: ")
            while not (reader.at_eof() or writer.transport.is_closing()):
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(DRIP_EVERY_S)

    async def stall(self) -> None:
        async with self._connection() as (reader, writer):
            writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % DECLARED_BYTES + PIECE)
            await reader.read(1)  # the answer, behind which the server waits for some seconds more

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        self.connected += 1
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def again_and_again(act: Callable[[], Awaitable[None]]) -> NoReturn:
    while True:
        with suppress(OSError):
            await act()
        await asyncio.sleep(AGAIN_AFTER_S)


async def hold(port: int) -> None:
    hostile = Hostile(port)
    async with asyncio.TaskGroup() as tasks:
        clients = [tasks.create_task(again_and_again(act)) for act in (hostile.drip, hostile.stall) * OF_EACH]
        while hostile.connected < len(clients):
            await asyncio.sleep(0.01)
        print("connected", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for client in clients:
            client.cancel()
    print(hostile.connected)


if __name__ == "__main__":
    uvloop.run(hold(int(sys.argv[1])))
