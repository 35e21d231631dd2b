"""A proxy that all at once passes nothing on, and goes on taking what is sent, like a firewall before a dead host.

async with swallowing_proxy(gateway.port) as proxy:
    proxy.swallow()     # neither bytes nor ends pass any more
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from attrs import define

HOST = "127.0.0.1"
_CHUNK_BYTES = 64 * 1024


@define(eq=False)
class SwallowingProxy:
    target_port: int
    port: int = 0
    swallowed_bytes: int = 0
    _is_swallowing: bool = False

    def swallow(self) -> None:
        self._is_swallowing = True

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self.target_port)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            writer.close()
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if self._is_swallowing:
                    self.swallowed_bytes += len(chunk)
                else:
                    writer.write(chunk)
                    await writer.drain()
        if not self._is_swallowing:
            writer.close()


@asynccontextmanager
async def swallowing_proxy(target_port: int) -> AsyncIterator[SwallowingProxy]:
    """One through which all passes at first."""
    proxy = SwallowingProxy(target_port)
    server = await asyncio.start_server(proxy.accept, HOST, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
