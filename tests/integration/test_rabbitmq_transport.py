"""The bytes between us and whatever listens where a broker should be: a server of the test's own says what it likes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import AsyncResolver

from gateway.adapters.broker.rabbitmq import open_rabbitmq
from gateway.adapters.broker.rabbitmq.address import address_of
from gateway.adapters.broker.rabbitmq.errors import ConnectionLost
from gateway.adapters.broker.rabbitmq.transport import Transport
from gateway.adapters.broker.settings import BrokerSettings
from gateway.errors import Unavailable
from tests.free_ports import free_port
from tests.patience import PATIENCE_S

MUCH = b"x" * 32 * 1024 * 1024
"""More than the sockets between the two sides hold."""

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[BrokerSettings]:
    port = free_port()
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        try:
            await peer(reader, writer)
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(talk, "127.0.0.1", port):
        yield BrokerSettings(kind="rabbitmq", url=f"amqp://127.0.0.1:{port}/")
        for task in filter(None, talks):
            task.cancel()
        await asyncio.gather(*filter(None, talks), return_exceptions=True)


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00\x00\x00\x00\x01x?"],
    ids=["HTTP", "another version of AMQP", "a frame without its end"],
)
async def test_who_speaks_no_amqp_is_told_as_such_at_once(said: bytes) -> None:
    async def peer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await asyncio.Event().wait()

    async with listening(peer) as settings, open_rabbitmq(settings, name="test") as broker:
        with pytest.raises(Unavailable, match="the broker sent"):
            await broker.check()


async def test_there_is_room_again_once_the_other_side_has_read() -> None:
    goes_on = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await goes_on.wait()
        await reader.readexactly(len(MUCH))

    async with connected_to(peer) as transport:
        await transport.room()
        transport.send(MUCH)
        waiting = [asyncio.create_task(transport.room()) for _ in range(2)]
        done, _ = await asyncio.wait(waiting, timeout=0.1)
        assert not done
        goes_on.set()
        await asyncio.gather(*waiting)


async def test_the_end_of_the_connection_ends_the_wait_for_room() -> None:
    async def peer(*_: object) -> None:
        await asyncio.Event().wait()

    async with connected_to(peer) as transport:
        transport.send(MUCH)
        waiting = asyncio.create_task(transport.room())
        await asyncio.sleep(0)
        transport.abort()
        with suppress(ConnectionLost):
            await waiting
        with pytest.raises(ConnectionLost):
            transport.send(b"x")


@asynccontextmanager
async def connected_to(peer: Peer) -> AsyncIterator[Transport]:
    async with listening(peer) as settings:
        address = address_of(settings)
        resolver = AsyncResolver()
        transport = Transport(address, resolver, settings.ca_file, settings.connect_timeout_s)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await transport.create(address.url_as("test"))
                yield transport
        finally:
            transport.abort()
            await resolver.close()
