"""A server of streams whose connections end with it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def serving(
    serve: Serve,
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    accepted: Callable[[], None] = lambda: None,
) -> AsyncIterator[None]:
    """`serve` for each connection, in a task of its own; leaving cancels them all and closes their connections.

    `accepted` is called for each at once, also where it ends before its task begins.
    """
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted()
        connection = asyncio.create_task(serve(reader, writer))
        connections.add(connection)
        connection.add_done_callback(connections.discard)
        connection.add_done_callback(lambda _: writer.close())  # also where it was cancelled before it began

    server = await asyncio.start_server(accept, host, port, ssl=tls)
    try:
        yield
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
